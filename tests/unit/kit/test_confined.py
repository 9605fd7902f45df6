"""Confined processes: what the code in them can reach, and how they end."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from soundwright.kit.audio import AudioFile, AudioLimits
from soundwright.kit.confined import landlock
from soundwright.kit.confined.audio import recording_of
from soundwright.kit.confined.process import Confinement, ProcessDied, _messages, run_confined
from soundwright.kit.confined.recordings import describe
from soundwright.kit.errors import AppError
from soundwright.services.separation.upright import Upright
from tests.unit.confined_probes import confined_processes
from tests.waiting import DEADLINE_SECONDS, until

PROBES = "tests.unit.confined_probes"
needs_landlock = pytest.mark.skipif(not landlock.version(), reason="the kernel does not offer Landlock")


async def probe(name: str, folder: Path, limits: dict[str, Any] | None = None, **arguments: Any) -> Any:
    return await run_confined(f"{PROBES}:{name}", arguments, Confinement(folder, **(limits or {})))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


ATTEMPTS = [
    "socket.create_connection(('127.0.0.1', 10))", "socket.create_connection(('93.184.215.14', 9), 1)",
    "socket.getaddrinfo('example.org', 80)", "socket.gethostbyname('example.org')",
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
    "socket.socket().bind(('127.0.0.1', 0))", "subprocess.run(['true'])", "os.system('true')",
    "os.execv('/bin/true', ['true'])", "os.posix_spawn('/bin/true', ['true'], {})", "os.fork()",
]  # fmt: skip


async def test_code_in_the_process_gets_no_connection_and_no_program(folder: Path) -> None:
    outcomes = await probe("attempts", folder, {"tcp_port": 9}, expressions=ATTEMPTS)
    assert outcomes == ["PermissionError"] * len(ATTEMPTS)


@needs_landlock
async def test_code_in_the_process_opens_only_its_own_files(folder: Path) -> None:
    secret, given, own = folder.parent / "secret", folder.parent / "given", folder / "own"
    for path in (secret, given, own):
        path.write_text("x")
    (folder / "link").symlink_to(secret)
    project = Path(__file__).parents[3]
    refused = [
        f"open({str(secret)!r})",
        f"open({str(secret)!r}, 'w')",
        "open('link')",
        "open('../secret')",
        f"os.listdir({str(folder.parent)!r})",
        f"os.listdir({str(project)!r})",
        f"open({str(project / 'pyproject.toml')!r})",
        f"open('/proc/{os.getpid()}/environ')",
        "open('/proc/self/environ')",
        "open('/etc/passwd')",
        f"os.link({str(secret)!r}, 'hard')",
        f"os.rename({str(secret)!r}, 'moved')",
        f"os.unlink({str(secret)!r})",
        "os.symlink('/etc/passwd', 'planted')",
        f"open({str(given)!r}, 'a')",
    ]
    allowed = [f"open({str(given)!r}).read()", "open('own').read()", "open('new', 'w').write('x')", "os.unlink('own')"]
    outcomes = await probe("attempts", folder, {"readable": [given]}, expressions=refused + allowed)
    by_expression = dict(zip(refused + allowed, outcomes, strict=True))
    assert [one for one in refused if by_expression[one] not in ("PermissionError", "OSError")] == []
    assert [one for one in allowed if by_expression[one] != "done"] == []
    assert secret.read_text() == given.read_text() == "x"
    assert not (folder / "planted").is_symlink()


@pytest.mark.skipif(landlock.version() < 6, reason="the kernel's Landlock does not restrict signals")
async def test_code_in_the_process_cannot_signal_others(folder: Path) -> None:
    assert await probe("attempts", folder, expressions=[f"os.kill({os.getpid()}, 0)"]) == ["PermissionError"]


async def test_the_environment_holds_no_setting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_SECRET", "s3cret")
    found = await probe("environment", folder)
    assert "s3cret" not in str(found)
    assert set(found) <= {"HOME", "TMPDIR", "LANG", "PATH", "OPENBLAS_NUM_THREADS", "LC_CTYPE"}


@pytest.mark.parametrize(
    ("name", "limits", "size_bytes", "detail"),
    [
        ("allocate", {"memory_bytes": 512 << 20}, 1 << 30, "memory"),
        ("write", {"file_bytes": 1000}, 2000, "OSError"),
        ("babble", {}, 4 << 20, None),
    ],
)
async def test_memory_files_and_answers_are_limited(
    folder: Path, name: str, limits: dict[str, int], size_bytes: int, detail: str | None
) -> None:
    with pytest.raises(ProcessDied, match=detail):
        await probe(name, folder, limits, size_bytes=size_bytes)
    assert all(path.stat().st_size <= 1000 for path in folder.iterdir())


async def test_a_full_disk_is_not_the_fault_of_the_file(folder: Path) -> None:
    with pytest.raises(AppError, match="STORAGE_FULL"):
        await probe("fill_disk", folder)


async def test_cpu_time_is_limited(folder: Path) -> None:
    with pytest.raises(ProcessDied) as died:
        await probe("spin", folder, {"cpu_seconds": 1})
    assert str(-signal.SIGXCPU) in died.value.detail
    assert not died.value.from_outside


@pytest.mark.parametrize(("number", "from_outside"), [(signal.SIGKILL, True), (signal.SIGSEGV, False)])
async def test_a_death_says_whether_another_process_caused_it(folder: Path, number: int, from_outside: bool) -> None:
    with pytest.raises(ProcessDied) as died:
        await probe("die", folder, number=number)
    assert died.value.from_outside is from_outside


async def test_a_cancelled_call_leaves_no_process(folder: Path) -> None:
    started = asyncio.Event()
    waiting = run_confined(f"{PROBES}:wait", {}, Confinement(folder), lambda share: started.set() if share else None)
    calling = asyncio.create_task(waiting)
    await until(started.is_set)
    assert len(confined_processes()) == 1
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    assert confined_processes() == []


async def test_a_report_that_raises_ends_the_process(folder: Path) -> None:
    def report(share: float) -> None:
        if share:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await run_confined(f"{PROBES}:wait", {}, Confinement(folder), report)
    assert confined_processes() == []


async def test_the_process_ends_with_the_one_that_started_it(folder: Path) -> None:
    script = (
        "import asyncio, pathlib; from soundwright.kit.confined.process import *; "
        f"asyncio.run(run_confined('{PROBES}:wait', {{}}, Confinement(pathlib.Path({str(folder)!r})), "
        "lambda share: print('started', flush=True) if share else None))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}  # of PROBES
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"started\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) == 2
    parent.kill()
    await parent.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, DEADLINE_SECONDS)
    assert not alive


async def test_a_new_fork_server_takes_the_place_of_one_that_died(folder: Path) -> None:
    started = asyncio.Event()
    waiting = run_confined(f"{PROBES}:wait", {}, Confinement(folder), lambda share: started.set() if share else None)
    calling = asyncio.create_task(waiting)
    await until(started.is_set)
    (child,) = confined_processes()
    server = child.parent()
    assert server is not None
    server.kill()
    await until(lambda: server.status() == psutil.STATUS_ZOMBIE)
    assert await probe("environment", folder)
    assert child.is_running()
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    await asyncio.to_thread(child.wait, DEADLINE_SECONDS)


async def test_an_answer_that_is_nested_too_deeply_is_no_message() -> None:
    reader = asyncio.StreamReader(limit=1 << 20)
    reader.feed_data(b"[" * 100_000 + b"\n" + b'{"answer": 1}\n')
    reader.feed_eof()
    assert [message async for message in _messages(reader)] == [{"answer": 1}]


def described(**changes: Any) -> dict[str, Any]:
    info = {
        "container": "wav",
        "codec": "pcm_s16le",
        "sample_rate_hz": 44_100,
        "channel_count": 2,
        "header_seconds": 1.0,
    }
    whole = {
        "frame_count": 44_100,
        "duration_seconds": 1.0,
        "peak": 0.5,
        "warnings": [],
        "sha256": "0" * 64,
        "size_bytes": 9,
        "level": [0.0] * 6,
    }
    given = {name: value for name, value in changes.items() if name in info}
    return {**whole, "info": {**info, **given}, **{name: value for name, value in changes.items() if name not in info}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("peak", 10**400), ("peak", float("nan")), ("peak", "1"), ("duration_seconds", -1.0), ("sample_rate_hz", 10**30),
        ("header_seconds", -1), ("frame_count", True), ("warnings", ["<b>"]), ("sha256", "0"),
        ("level", [0.0]), ("level", [float("inf")] * 6), ("level", ["x"] * 6),
    ],
)  # fmt: skip
def test_what_a_taken_over_decoder_says_is_checked(name: str, value: Any) -> None:
    assert recording_of(described()).summary.peak == 0.5
    with pytest.raises(AppError, match="AUDIO_TOO_COMPLEX"):
        recording_of(described(**{name: value}))


def test_the_level_of_an_upload_saves_a_separation_a_pass(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    noise = np.random.default_rng(1).normal(0.05, 0.1, (100_000, 2))
    soundfile.write(path, noise * (1, -1), 8000, "PCM_24")
    level = describe(path, AudioLimits())["level"]
    measured, known = Upright(AudioFile(path)), Upright(AudioFile(path), level)
    assert len(list(measured.measured())) > 0
    assert len(list(known.measured())) == 0
    assert known.std([0, 1]) == measured.std([0, 1])
    for expected, block in zip(measured.blocks(8000), known.blocks(8000), strict=True):
        np.testing.assert_array_equal(block, expected)
