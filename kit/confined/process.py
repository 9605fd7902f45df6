"""Starts, watches and stops confined processes. A fork server makes them, so each starts in milliseconds."""

import asyncio
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundwright.kit.confined.fork_server import HEADER_BYTES
from soundwright.kit.errors import AppError, Code
from soundwright.kit.log import get_logger

# -I ignores the environment and the working folder. The process finds modules where this one finds them.
_PROGRAM = "import runpy, sys; sys.path[:] = {!r}; runpy.run_module('soundwright.kit.confined.fork_server', run_name='__main__')"
_LOOK_SECONDS = 0.2
_LINE_LIMIT_BYTES = 1 << 20
_TEXT_LIMIT = 1000
_OUTSIDE_SIGNALS = (-signal.SIGKILL, -signal.SIGTERM)
log = get_logger()
_warned = False


@dataclass(frozen=True)
class Confinement:
    """What a confined process may use. It sees no setting of the environment, and can open only these files.

    Attributes:
        folder: its working folder, the only one that it can change.
        readable: further files that it can read.
        tcp_port: the only port, on 127.0.0.1, that it can connect to; None: none.
    """

    folder: Path
    readable: Sequence[Path] = ()
    cpu_seconds: float = 60.0
    memory_bytes: int = 768 << 20
    file_bytes: int = 0
    tcp_port: int | None = None


class ProcessDied(Exception):
    """A confined process ended without an answer.

    Attributes:
        from_outside: whether it got a signal that another process sends, such as SIGKILL of an administrator.
    """

    def __init__(self, detail: str, *, from_outside: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.from_outside = from_outside


async def run_confined(
    function: str,
    arguments: Mapping[str, Any],
    confinement: Confinement,
    report: Callable[[float], None] = lambda share: None,
) -> Any:
    """Call a function in a new process, and return its result. Cancelling the call kills the process.

    Args:
        function: ``package.module:name``. It takes a progress callback and ``arguments``, and returns a JSON value.
        report: called at least five times per second with the share that is done, 0 to 1. An exception that it raises ends
            the process.

    Returns the result. Treat it as untrusted: the data that the function reads may have taken the process over.

    Raises:
        AppError: raised by the function.
        ProcessDied: the process exceeded a limit or crashed.
    """
    share = 0.0
    last: dict[str, Any] = {}
    async with _process(function, arguments, confinement) as messages:
        async for message in messages:
            if message is not None and "landlock" in message:
                _warn_without(message["landlock"])
                continue
            if message is not None and "share" not in message:
                last = message
                break
            if message is not None and isinstance(message["share"], int | float):
                share = max(0.0, min(1.0, float(message["share"])))
            report(share)
    if "answer" in last:
        return last["answer"]
    if isinstance(last.get("error"), dict):
        raise _app_error(last["error"])
    if "failed" in last:
        raise ProcessDied(f"{last['failed']}: {last.get('detail', '')}"[:_TEXT_LIMIT])
    exit_code = last.get("exit", -signal.SIGKILL)  # without one, the fork server was killed
    raise ProcessDied(f"exit code {exit_code}"[:_TEXT_LIMIT], from_outside=exit_code in _OUTSIDE_SIGNALS)


def _app_error(fields: Mapping[str, Any]) -> AppError:
    code, reason, message = (str(fields.get(name) or "")[:_TEXT_LIMIT] for name in ("code", "reason", "message"))
    if code not in Code.__members__:
        raise ProcessDied(f"error {code!r}")
    return AppError(Code[code], reason, message)


def _warn_without(landlock_version: Any) -> None:
    global _warned
    if not landlock_version and not _warned:
        _warned = True
        log.warning("confined.no_landlock", error="The kernel does not offer Landlock, so files are not restricted.")


class _ForkServer:
    """The fork server of this process. The first call starts it, and it ends with this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        atexit.register(self.close)

    def fork(self, module: str) -> tuple[socket.socket, int]:
        """Start a confined process.

        Returns:
            Its standard input and output, and a pipe: closing it kills the process.
        """
        ours, theirs = socket.socketpair()
        watched, alive = os.pipe()
        with theirs, self._lock:
            try:
                self._send(module, [theirs.fileno(), watched])
            except OSError:  # the server has died
                self._send(module, [theirs.fileno(), watched])
            finally:
                os.close(watched)
        return ours, alive

    def _send(self, module: str, descriptors: list[int]) -> None:
        if self._requests is None:
            self._start()
        assert self._requests is not None
        try:
            socket.send_fds(self._requests, [module.encode().ljust(HEADER_BYTES)], descriptors)
        except OSError:
            self.close()
            raise

    def _start(self) -> None:
        self._requests, theirs = socket.socketpair()
        with theirs:
            program = _PROGRAM.format(list(filter(None, sys.path)))
            self._process = subprocess.Popen(  # noqa: S603
                (sys.executable, "-I", "-c", program, "confined"),  # the name is for people who list processes
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Each thread of a numerical library would reserve address space, which is limited.
                env={"LANG": "C.UTF-8", "PATH": "", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def close(self) -> None:
        """End the server and all processes that it has forked."""
        if self._requests is not None and self._process is not None:
            self._requests.close()
            self._process.wait()
            self._requests = None


_server = _ForkServer()


@contextlib.asynccontextmanager
async def _process(
    function: str, arguments: Mapping[str, Any], confinement: Confinement
) -> AsyncIterator[AsyncIterator[dict[str, Any] | None]]:
    """Run a process during the block, and kill its process group at the end. Yields its messages."""
    request = {
        "function": function,
        "arguments": arguments,
        "folder": str(confinement.folder),
        "readable": [str(path.resolve()) for path in confinement.readable],
        "cpu_seconds": confinement.cpu_seconds,
        "memory_bytes": confinement.memory_bytes,
        "file_bytes": confinement.file_bytes,
        "tcp_port": confinement.tcp_port,
    }
    connection, alive = _server.fork(function.partition(":")[0])
    try:
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=_LINE_LIMIT_BYTES)
    except BaseException:
        os.close(alive)
        raise
    try:
        with contextlib.suppress(OSError):
            writer.write(json.dumps(request).encode() + b"\n")
            await writer.drain()
        async with contextlib.aclosing(_messages(reader)) as messages:
            yield messages
    finally:
        os.close(alive)
        with contextlib.suppress(OSError):
            writer.write_eof()  # ends the process also if the server has died
            while await reader.read(_LINE_LIMIT_BYTES):  # until the process has ended
                pass
        writer.close()


async def _messages(stdout: asyncio.StreamReader) -> AsyncGenerator[dict[str, Any] | None, None]:
    """Yield the messages of the process, and None if no message arrives for ``_LOOK_SECONDS``."""
    while True:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                line = await stdout.readline()
        except TimeoutError:
            yield None
            continue
        except ValueError:
            raise ProcessDied("its answer exceeds the limit") from None
        except ConnectionResetError:  # it ended before it had read everything
            return
        if not line:
            return
        with contextlib.suppress(ValueError, RecursionError):  # nested too deeply
            message = json.loads(line)
            if isinstance(message, dict):
                yield message
