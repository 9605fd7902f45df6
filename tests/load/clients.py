"""Clients that load a server: wrk for the maximum rate, and an own one for a constant rate and for floods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["Answer", "Rate", "answers", "find_wrk", "maximum_rate", "paced"]

CONNECTIONS = 50
_HERE = Path(__file__).parent
_UNPACKED = _HERE.parents[1] / ".servers" / "wrk" / "usr"
_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Rate:
    """A measurement of wrk.

    Attributes:
        refused: responses with a status of 400 and above.
        broken: errors of connections, and timeouts.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


@dataclass(frozen=True)
class Answer:
    """A response. Status 0: the connection ended without one."""

    status: int
    seconds: float


def find_wrk() -> tuple[str, dict[str, str]]:
    """Return the path of wrk, and the environment that it needs.

    Raises:
        FileNotFoundError: it is neither installed nor unpacked.
    """
    if installed := shutil.which("wrk"):
        return installed, {}
    unpacked = _UNPACKED / "bin" / "wrk"
    if not unpacked.exists():
        raise FileNotFoundError("wrk is not installed. Install it, for example with `apt-get install wrk`.")
    libraries = ":".join(str(folder) for folder in (_UNPACKED / "lib").iterdir() if folder.is_dir())
    return str(unpacked), {"LD_LIBRARY_PATH": libraries}


def maximum_rate(url: str, headers: Mapping[str, str], seconds: float) -> Rate:
    """Request ``url`` over 50 connections as often as the server answers."""
    program, environment = find_wrk()
    options = [option for name, value in headers.items() for option in ("-H", f"{name}: {value}")]
    command = [
        program,
        "-t1",
        "--timeout",
        "30s",
        f"-c{CONNECTIONS}",
        f"-d{round(seconds)}s",
        "-s",
        str(_HERE / "report.lua"),
        *options,
        url,
    ]
    output = subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    return Rate(
        found["requests"] / found["seconds"], found["p50_ms"], found["p99_ms"], found["refused"], found["broken"]
    )


async def paced(url: str, headers: Mapping[str, str], per_second: float, seconds: float) -> list[Answer]:
    """Request ``url`` at a constant rate, over at most 50 connections.

    The time of an answer counts from the moment at which the request was due, also if all connections were busy then.
    """
    start = time.perf_counter() + 0.1
    due = iter([start + number / per_second for number in range(round(per_second * seconds))])
    request = _request(url, headers)
    found: list[Answer] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(*_address(url))
        for moment in due:
            await asyncio.sleep(moment - time.perf_counter())
            writer.write(request)
            status = await _status(reader)
            found.append(Answer(status, time.perf_counter() - moment))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return found


async def answers(url: str, headers: Mapping[str, str], connections: int, each: int) -> list[Answer]:
    """Send ``each`` requests one after the other over each of many connections, which all stay open until the end."""
    request = _request(url, headers)
    found: list[Answer] = []

    async def connection(stack: contextlib.ExitStack) -> None:
        started = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection(*_address(url))
            stack.enter_context(contextlib.closing(writer))
            for _ in range(each):
                writer.write(request)
                found.append(Answer(await _status(reader), time.perf_counter() - started))
                started = time.perf_counter()
        except (OSError, EOFError, TimeoutError):
            found.append(Answer(0, time.perf_counter() - started))

    with contextlib.ExitStack() as stack:
        await asyncio.gather(*(connection(stack) for _ in range(connections)))
    return found


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _request(url: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {urlsplit(url).path} HTTP/1.1", "Host: localhost", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


async def _status(reader: asyncio.StreamReader) -> int:
    """Read a response, and return its status."""
    async with asyncio.timeout(_DEADLINE_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
    return int(head.split()[1])
