"""Starts, watches and stops confined processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kit
from kit.errors import AppError, Code
from kit.log import get_logger

__all__ = ["Confinement", "ProcessDied", "call"]

_PROJECT = Path(kit.__file__).resolve().parents[1]
# -I ignores the environment and the working folder. The process runs the same code as this one, wherever that is installed.
_PROGRAM = (
    f"import runpy, sys; sys.path[:0] = {[str(_PROJECT), str(_PROJECT / 'gen')]!r}; "
    "runpy.run_module('kit.confined.child', run_name='__main__')"
)
_LOOK_SECONDS = 0.2
_LINE_LIMIT_BYTES = 1 << 20
_TEXT_LIMIT = 1000
_OUTSIDE_SIGNALS = (-signal.SIGKILL, -signal.SIGTERM)
log = get_logger()
_warned = False


@dataclass(frozen=True)
class Confinement:
    """What a confined process may use. It sees no secret: its environment is empty, and it can open only these files.

    Attributes:
        folder: its working folder, the only one that it can change.
        readable: further files that it can read.
        cpu_seconds: limit of its CPU time.
        memory_bytes: limit of its address space.
        file_bytes: largest file that it can write.
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
        detail: for logs.
        from_outside: whether it got a signal that another process sends, such as SIGKILL of an administrator.
    """

    def __init__(self, detail: str, *, from_outside: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.from_outside = from_outside


async def call(
    function: str,
    arguments: Mapping[str, Any],
    confinement: Confinement,
    report: Callable[[float], None] = lambda share: None,
) -> Any:
    """Call a function in a new process, and return its result. Cancelling the call kills the process.

    Args:
        function: ``package.module:name``. It takes a progress callback and ``arguments``, and returns a JSON value.
        arguments: JSON values.
        report: called at least five times per second with the share that is done, 0 to 1. An exception that it raises ends
            the process.

    Returns:
        The result. Treat it as untrusted: the data that the function reads may have taken the process over.

    Raises:
        AppError: raised by the function.
        ProcessDied: the process exceeded a limit or crashed.
    """
    share = 0.0
    last: dict[str, Any] = {}
    async with _process(function, arguments, confinement) as (process, messages):
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
        if not last:
            exit_code = await process.wait()
            raise ProcessDied(f"exit code {exit_code}", from_outside=exit_code in _OUTSIDE_SIGNALS)
    if "answer" in last:
        return last["answer"]
    if isinstance(last.get("error"), dict):
        raise _app_error(last["error"])
    raise ProcessDied(f"{last.get('failed')}: {last.get('detail', '')}"[:_TEXT_LIMIT])


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


@contextlib.asynccontextmanager
async def _process(
    function: str, arguments: Mapping[str, Any], confinement: Confinement
) -> AsyncIterator[tuple[asyncio.subprocess.Process, AsyncIterator[dict[str, Any] | None]]]:
    """Run a process during the block, and kill its process group at the end. Yields it and its messages."""
    folder = str(confinement.folder)
    request = {
        "function": function,
        "arguments": arguments,
        "readable": [str(path.resolve()) for path in confinement.readable],
        "cpu_seconds": confinement.cpu_seconds,
        "memory_bytes": confinement.memory_bytes,
        "file_bytes": confinement.file_bytes,
        "tcp_port": confinement.tcp_port,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-B", "-c", _PROGRAM, function),  # the name is for people who list processes
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
        # Each thread of a numerical library would reserve address space, which is limited.
        env={"HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", "PATH": "", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
        limit=_LINE_LIMIT_BYTES,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        async with contextlib.aclosing(_messages(process.stdout)) as messages:
            yield process, messages
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdin.close()
        await process.wait()


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
        if not line:
            return
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                yield message
