"""Upload and download of a large file: memory of the gateway, and throughput compared with a bare server.

The bare server is uvicorn with the same protocol parser. It serves downloads with Starlette's ``StaticFiles``. For
uploads it writes the raw body to a file, without parsing a form, checking an account or flushing to disk. Both servers
transfer the same file with the same client and alternate. Our upload is timed twice: until the last byte is received,
which is the work of the gateway, and until the response, which comes after ingest has decoded and hashed the file.

    python -m dev.bench.transfer [--megabytes 500] [--rounds 3]
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from soundwright_client.local import Stack, free_ports, running

_MEGABYTE = 1_000_000
_MEBIBYTE = 2**20
_SETTINGS = {"SOUNDWRIGHT_RATE_HEAVY_PER_MINUTE": "10000", "HF_HUB_OFFLINE": "1"}
_BOUNDARY = b"bench"
_HEAD = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n'
_TAIL = b"\r\n--%b--\r\n" % _BOUNDARY


@dataclass
class Memory:
    """Resident memory of a process over time, in MiB."""

    before: float
    peak: float
    after: float = 0.0


@dataclass
class Rates:
    """Rates in bytes per second, one per round."""

    upload_taken: list[float] = field(default_factory=list)
    upload_answered: list[float] = field(default_factory=list)
    download: list[float] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500, help="size of the file (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="transfers of each kind (default: %(default)s)")
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), int(options.serve[1]))
        return 0
    with tempfile.TemporaryDirectory(prefix="transfer-bench-") as name:
        folder = Path(name)
        big, small = folder / "static" / "big.wav", folder / "static" / "small.wav"
        big.parent.mkdir()
        write_wav(big, options.megabytes * _MEGABYTE)
        write_wav(small, _MEGABYTE)
        with running(folder / "data", _SETTINGS) as stack, bare_server(big.parent) as bare_port:
            report(options.megabytes, *measure(stack, bare_port, big, small, options.rounds))
    return 0


def measure(
    stack: Stack, bare_port: int, big: Path, small: Path, rounds: int
) -> tuple[Rates, Rates, dict[str, list[Memory]]]:
    """Return our rates, the rates of the bare server, and the memory of the gateway by direction."""
    gateway = gateway_of(stack)
    our_port = int(stack.base_url.rpartition(":")[2])
    ours, bare = Rates(), Rates()
    memory: dict[str, list[Memory]] = {"upload": [], "download": []}
    token = stack.token.encode()
    # Code that is loaded at its first use does not count as memory of the transfer.
    download(our_port, upload(our_port, small, token).path, token)
    download(bare_port, "/static/small.wav", b"")
    for index in range(rounds):
        for one in (0, 1) if index % 2 == 0 else (1, 0):
            if one == 0:
                with watched(gateway) as used:
                    sent = upload(our_port, big, token)
                memory["upload"].append(used)
                ours.upload_taken.append(sent.size / sent.taken_seconds)
                ours.upload_answered.append(sent.size / sent.answered_seconds)
                with watched(gateway) as used:
                    seconds, size = download(our_port, sent.path, token)
                memory["download"].append(used)
                ours.download.append(size / seconds)
            else:
                sent = upload_bare(bare_port, big)
                bare.upload_taken.append(sent.size / sent.taken_seconds)
                bare.upload_answered.append(sent.size / sent.answered_seconds)
                seconds, size = download(bare_port, "/static/big.wav", b"")
                bare.download.append(size / seconds)
    return ours, bare, memory


def report(megabytes: int, ours: Rates, bare: Rates, memory: dict[str, list[Memory]]) -> None:
    print(f"A WAV file of {megabytes} MB, median (lowest to highest) of {len(ours.download)} alternating transfers.\n")
    print("| | Soundwright, MB/s | bare server, MB/s | ratio |\n|---|---:|---:|---:|")
    for name, mine, theirs in (
        ("upload, until the last byte is received", ours.upload_taken, bare.upload_taken),
        ("upload, until the response", ours.upload_answered, bare.upload_answered),
        ("download", ours.download, bare.download),
    ):
        ratio = statistics.median(mine) / statistics.median(theirs)
        print(f"| {name} | {spread(mine)} | {spread(theirs)} | {ratio:.2f} |")
    print("\n| resident memory of the gateway | before, MiB | peak, MiB | after, MiB | growth, MiB |")
    print("|---|---:|---:|---:|---:|")
    for direction, used in memory.items():
        worst = max(used, key=lambda one: one.peak - one.before)
        growth = worst.peak - worst.before
        print(f"| {direction} | {worst.before:.1f} | {worst.peak:.1f} | {worst.after:.1f} | {growth:.1f} |")
    print(
        f"\nFrom before the first transfer to the highest peak: {memory['upload'][0].before:.1f} to"
        f" {max(one.peak for used in memory.values() for one in used):.1f} MiB."
    )


def spread(rates: list[float]) -> str:
    low, middle, high = (value / _MEGABYTE for value in (min(rates), statistics.median(rates), max(rates)))
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


@contextlib.contextmanager
def watched(process: psutil.Process) -> Iterator[Memory]:
    """Sample the memory of ``process`` every 10 ms during the block."""
    done = threading.Event()
    memory = Memory(resident_mebibytes(process), 0.0)

    def look() -> None:
        while not done.wait(0.01):
            memory.peak = max(memory.peak, resident_mebibytes(process))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()
        memory.after = resident_mebibytes(process)
        memory.peak = max(memory.peak, memory.before, memory.after)


def resident_mebibytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / _MEBIBYTE


def gateway_of(stack: Stack) -> psutil.Process:
    for process in psutil.Process(stack.process_id).children(recursive=True):
        if process.name() == "gateway":
            return process
    raise RuntimeError("The stack has no gateway.")


# The client uses plain sockets, so that it adds little time to a transfer. ------------------------------------------


@dataclass(frozen=True)
class Sent:
    """Duration of an upload, and the download path of the file."""

    size: int
    taken_seconds: float
    answered_seconds: float
    path: str


def upload(port: int, file: Path, token: bytes) -> Sent:
    """Upload ``file`` to the gateway."""
    head = _HEAD % (_BOUNDARY, file.name.encode())
    kind = b"multipart/form-data; boundary=" + _BOUNDARY
    taken, answered, answer = send(port, b"/api/tracks", file, kind, token, head, _TAIL)
    track: dict[str, Any] = httpx.Response(200, content=answer).json()["data"]
    return Sent(file.stat().st_size, taken, answered, track["file_path"])


def upload_bare(port: int, file: Path) -> Sent:
    taken, answered, _ = send(port, b"/upload", file, b"application/octet-stream", b"", b"", b"")
    return Sent(file.stat().st_size, taken, answered, "")


def send(
    port: int, path: bytes, file: Path, kind: bytes, token: bytes, head: bytes, tail: bytes
) -> tuple[float, float, bytes]:
    """Return the seconds until the last byte was received, the seconds until the response, and its body."""
    size = len(head) + file.stat().st_size + len(tail)
    request = b"POST %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\nConnection: close\r\n" % (
        path,
        token,
    )
    request += b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, size)
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection, file.open("rb") as source:
        started = time.perf_counter()
        connection.sendall(request + head)
        connection.sendfile(source)
        connection.sendall(tail)
        taken = time.perf_counter() - started
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        answered = time.perf_counter() - started
    head_bytes, _, body = answer.partition(b"\r\n\r\n")
    if head_bytes.split()[1] not in (b"200", b"201"):
        raise RuntimeError(f"The upload failed: {answer.decode(errors='replace')}")
    return taken, answered, body


def download(port: int, path: str, token: bytes) -> tuple[float, int]:
    """Download ``path`` and discard it. Return the seconds and the number of bytes received."""
    request = b"GET %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\nConnection: close\r\n\r\n"
    buffer = bytearray(_MEBIBYTE)
    received = 0
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        started = time.perf_counter()
        connection.sendall(request % (path.encode(), token))
        while count := connection.recv_into(buffer):
            if not received and not buffer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"The download failed: {bytes(buffer[:count]).decode(errors='replace')}")
            received += count
        return time.perf_counter() - started, received


# The bare server. ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def bare_server(folder: Path) -> Iterator[int]:
    """Run a bare server for ``folder`` during the block. Yields its port."""
    [port] = free_ports(1)
    process = subprocess.Popen([sys.executable, "-m", "dev.bench.transfer", "--serve", str(folder), str(port)])
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("The bare server did not start.")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def serve(folder: Path, port: int) -> None:
    """Run the bare server. Blocks."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    async def take(request: Request) -> Response:
        with (folder.parent / "bare-upload").open("wb") as file:
            async for piece in request.stream():
                file.write(piece)
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/upload", take, methods=["POST"]), Mount("/static", StaticFiles(directory=folder))])
    uvicorn.run(app, host="127.0.0.1", port=port, http="httptools", log_level="warning", access_log=False)


def write_wav(path: Path, size: int) -> None:
    """Write a 16-bit stereo WAV file of about ``size`` bytes: one second of noise, repeated."""
    second = np.random.default_rng(0).integers(-3000, 3000, 88_200, dtype=np.int16).tobytes()
    count = max(1, size // len(second))
    data_bytes = count * len(second)
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 44_100, 176_400, 4, 16) + b"data"
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(head) + 4 + data_bytes) + head + struct.pack("<I", data_bytes))
        for _ in range(count):
            file.write(second)


if __name__ == "__main__":
    sys.exit(main())
