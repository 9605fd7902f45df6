"""The program of a confined process. :mod:`soundwright.kit.confined.fork_server` starts it.

It reads one request as a JSON line from standard input, restricts itself, and calls one function. It writes JSON lines to
standard output: ``{"landlock"}`` at first, ``{"share"}`` while it works, and finally ``{"answer"}``, ``{"error"}`` or
``{"failed"}``. It exits when its standard input closes, so it ends with its parent process.
"""

import importlib
import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from soundwright.kit import errors
from soundwright.kit.confined import landlock
from soundwright.kit.confined.limits import limit_process
from soundwright.kit.errors import AppError
from soundwright.kit.free_space import DISK_FULL

_DETAIL_LIMIT = 500
_FORBIDDEN_EVENTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty")
_SYSTEM_PATHS = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/ssl", "/etc/pki",
    "/usr/share/zoneinfo", "/etc/localtime", "/dev/null", "/dev/urandom", "/sys/devices/system/cpu",
)  # fmt: skip


def main() -> None:
    request = json.loads(sys.stdin.readline())
    os.chdir(request["folder"])
    os.environ.update(HOME=request["folder"], TMPDIR=request["folder"])
    # Modules of this project are imported first: its folder can also hold the data directory, which is out of reach later.
    module, _, name = request["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    limit_process(**{name: request[name] for name in ("memory_bytes", "cpu_seconds", "file_bytes")})
    _tell({"landlock": _restrict(request)})
    threading.Thread(
        target=_end_with_parent, daemon=True
    ).start()  # after the restriction, which covers new threads only
    try:
        message = {"answer": function(lambda share: _tell({"share": share}), **request["arguments"])}
    except BaseException as error:
        message = failure(error)
    _tell(message)
    os._exit(0)  # do not wait for connections and threads of libraries


def failure(error: BaseException) -> dict[str, Any]:
    """Return the last message of a process whose function raised ``error``. A full disk is not the fault of the file."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        error = errors.STORAGE_FULL()
    if isinstance(error, AppError):
        return {"error": {"code": error.code.name, "reason": error.reason, "message": error.message}}
    if isinstance(error, MemoryError):
        return {"failed": "memory"}
    return {"failed": "crashed", "detail": f"{type(error).__name__}: {error}"[:_DETAIL_LIMIT]}


def _tell(message: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _restrict(request: Mapping[str, Any]) -> int:
    """Apply Landlock and an audit hook. Return the version of Landlock, or 0."""
    project = Path(__file__).parents[2]
    code = [*(project / name for name in ("kit", "services", "gen")), *map(Path, (sys.prefix, sys.base_prefix))]
    readable = [*code, *map(Path, _SYSTEM_PATHS), *map(Path, request["readable"])]
    abi = landlock.restrict(readable, [Path.cwd()], request["tcp_port"])
    _watch(request["tcp_port"])
    return abi


def _watch(tcp_port: int | None) -> None:
    """Install an audit hook (PEP 578) that blocks other connections, name look-ups and child processes."""
    allowed = ("127.0.0.1", tcp_port)

    def refuse(what: str) -> NoReturn:
        raise PermissionError(f"not allowed here: {what}")

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            if arguments[1] != allowed:
                refuse(event)
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            if arguments[0] != allowed[0]:
                refuse(event)
        elif event in ("socket.bind", "socket.sendto", "socket.sendmsg") or event in _FORBIDDEN_EVENTS:
            refuse(event)

    sys.addaudithook(watch)
