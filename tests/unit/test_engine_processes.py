"""Engine processes: real processes that are really killed."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from kit import log
from kit.compute import EngineProcesses, Report
from kit.errors import AppError, Code

REPOSITORY = Path(__file__).resolve().parents[2]


class Counter:
    """An engine that counts its calls."""

    def __init__(self) -> None:
        self.count = 0


def use(engine: Counter, report: Report, *, steps: int = 0) -> tuple[int, int]:
    engine.count += 1
    for step in range(steps):
        report((step + 1) / steps)
    return os.getpid(), engine.count


def wait_for_stop(engine: Counter, report: Report) -> None:
    while True:
        report(0.5)


def refuse(engine: Counter, report: Report) -> None:
    raise AppError(Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "Install it.", {"model": "x"})


def crash(engine: Counter, report: Report) -> None:
    raise RuntimeError("with a secret in it")


def fill_the_disk(engine: Counter, report: Report) -> None:
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"one byte too many")


def read(engine: Counter, report: Report, *, path: Path) -> bytes:
    return path.read_bytes()


def die(engine: Counter, report: Report) -> None:
    report(0.1)
    os.kill(os.getpid(), signal.SIGKILL)


def correlation(engine: Counter, report: Report) -> str:
    return log.correlation_id()


def meet(engine: Counter, report: Report, *, folder: Path, name: str, other: str) -> None:
    """Wait until the other work runs at the same time."""
    (folder / name).touch()
    while not (folder / other).exists():
        report(0.0)


@pytest_asyncio.fixture
async def processes() -> AsyncIterator[EngineProcesses[Counter]]:
    made = EngineProcesses("test", 1, Counter)
    yield made
    await asyncio.to_thread(made.close)


async def test_the_engine_keeps_its_state_in_another_process(processes: EngineProcesses[Counter]) -> None:
    first, once = await processes.run(use)
    second, twice = await processes.run(use)
    assert first == second != os.getpid()
    assert (once, twice) == (1, 2)


async def test_progress_arrives_in_order(processes: EngineProcesses[Counter]) -> None:
    shares: list[float] = []
    await processes.run(functools.partial(use, steps=4), shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


async def test_an_exception_in_report_stops_the_work_not_the_process(processes: EngineProcesses[Counter]) -> None:
    class Enough(Exception):
        pass

    def report(share: float) -> None:
        raise Enough

    before, _ = await processes.run(use)
    with pytest.raises(Enough):
        await processes.run(wait_for_stop, report)
    assert await processes.run(use) == (before, 2)


async def test_a_late_stop_does_not_affect_the_next_work(processes: EngineProcesses[Counter]) -> None:
    class Enough(Exception):
        pass

    def report(share: float) -> None:
        if share == 1.0:  # the last report: the work ends before the stop arrives
            raise Enough

    with pytest.raises(Enough):
        await processes.run(functools.partial(use, steps=2), report)
    shares: list[float] = []
    assert (await processes.run(functools.partial(use, steps=3), shares.append))[1] == 2
    assert len(shares) == 3


async def test_app_errors_are_transferred_completely(processes: EngineProcesses[Counter]) -> None:
    with pytest.raises(AppError) as caught:
        await processes.run(refuse)
    error = caught.value
    assert (error.code, error.reason, error.message, error.meta) == (
        Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "Install it.", {"model": "x"},
    )  # fmt: skip


async def test_other_errors_become_internal_without_details(processes: EngineProcesses[Counter]) -> None:
    with pytest.raises(AppError) as caught:
        await processes.run(crash)
    assert caught.value.code is Code.INTERNAL
    assert "secret" not in str(caught.value)
    assert (await processes.run(use))[1] == 1


async def test_a_full_disk_is_named(processes: EngineProcesses[Counter]) -> None:
    with pytest.raises(AppError, match="STORAGE_FULL") as caught:
        await processes.run(fill_the_disk)
    assert caught.value.retryable


async def test_a_file_that_was_deleted_meanwhile_is_no_internal_error(
    processes: EngineProcesses[Counter], tmp_path: Path
) -> None:
    with pytest.raises(AppError) as caught:
        await processes.run(functools.partial(read, path=tmp_path / "deleted.wav"))
    assert (caught.value.code, caught.value.reason) == (Code.NOT_FOUND, "BLOB_NOT_FOUND")
    assert str(tmp_path) not in str(caught.value)


async def test_a_killed_process_fails_one_attempt(processes: EngineProcesses[Counter]) -> None:
    before, _ = await processes.run(use)
    with pytest.raises(AppError) as caught:
        await processes.run(die)
    assert caught.value.reason == "ENGINE_DIED"
    assert caught.value.retryable
    after, count = await processes.run(use)
    assert after != before
    assert count == 1


async def test_a_process_that_dies_while_idle_is_replaced(processes: EngineProcesses[Counter]) -> None:
    before, _ = await processes.run(use)
    os.kill(before, signal.SIGKILL)
    # The process is dead, but not yet reaped.
    await asyncio.to_thread(os.waitid, os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert (await processes.run(use))[0] != before


async def test_the_correlation_id_is_transferred(processes: EngineProcesses[Counter]) -> None:
    with log.correlation_scope("abc123"):
        assert await processes.run(correlation) == "abc123"


async def test_slots_work_in_parallel(tmp_path: Path) -> None:
    processes = EngineProcesses("test", 2, Counter)
    try:
        work = functools.partial(meet, folder=tmp_path)
        async with asyncio.timeout(60):
            await asyncio.gather(
                processes.run(functools.partial(work, name="a", other="b")),
                processes.run(functools.partial(work, name="b", other="a")),
            )
    finally:
        await asyncio.to_thread(processes.close)


async def test_threads_of_one_process_share_its_engine(tmp_path: Path) -> None:
    processes = EngineProcesses("test", 3, Counter, process_count=1)
    try:
        work = functools.partial(meet, folder=tmp_path)
        async with asyncio.timeout(60):
            await asyncio.gather(
                processes.run(functools.partial(work, name="a", other="b")),
                processes.run(functools.partial(work, name="b", other="a")),
                processes.run(use),
            )
        seen = [await processes.run(use) for _ in range(3)]
        assert [count for _, count in seen] == [2, 3, 4]
        assert len({pid for pid, _ in seen}) == 1
        with log.correlation_scope("abc123"):
            assert await processes.run(correlation) == "abc123"
    finally:
        await asyncio.to_thread(processes.close)


async def test_a_killed_process_fails_the_attempts_of_all_its_threads_and_is_replaced() -> None:
    processes = EngineProcesses("test", 2, Counter, process_count=1)
    try:
        before, _ = await processes.run(use)
        started = threading.Event()
        other = asyncio.create_task(processes.run(wait_for_stop, lambda share: started.set()))
        assert await asyncio.to_thread(started.wait, 30)
        for work in (processes.run(die), other):
            with pytest.raises(AppError) as caught:
                await work
            assert caught.value.reason == "ENGINE_DIED"
        seen = [await processes.run(use) for _ in range(2)]
        assert before not in {pid for pid, _ in seen}
        assert [count for _, count in seen] == [1, 2]
        assert len(processes._processes) == 1
    finally:
        await asyncio.to_thread(processes.close)


async def test_work_that_stops_leaves_the_other_thread_of_its_process_alone() -> None:
    processes = EngineProcesses("test", 2, Counter, process_count=1)
    try:
        started, stopping = threading.Event(), threading.Event()

        def report(share: float) -> None:
            started.set()
            if stopping.is_set():
                raise KeyError("stop")

        running = asyncio.create_task(processes.run(wait_for_stop, report))
        assert await asyncio.to_thread(started.wait, 30)
        before, _ = await processes.run(use)
        stopping.set()
        with pytest.raises(KeyError):
            await running
        assert await processes.run(use) == (before, 2)
    finally:
        await asyncio.to_thread(processes.close)


async def test_close_terminates_running_work() -> None:
    processes = EngineProcesses("test", 1, Counter)
    process = psutil.Process((await processes.run(use))[0])
    started = threading.Event()
    running = asyncio.create_task(processes.run(wait_for_stop, lambda share: started.set()))
    await asyncio.to_thread(started.wait, 30)
    await asyncio.to_thread(processes.close)
    with pytest.raises(AppError) as caught:
        await running
    assert caught.value.reason == "ENGINE_DIED"
    assert not process.is_running()
    with pytest.raises((AppError, RuntimeError)):
        await processes.run(use)


def test_engines_exit_when_their_component_is_killed() -> None:
    script = (
        "import asyncio\n"
        "from kit.compute import EngineProcesses\n"
        "from tests.unit.test_engine_processes import Counter, use, wait_for_stop\n"
        "async def main():\n"
        "    processes = EngineProcesses('test', 1, Counter)\n"
        "    print((await processes.run(use))[0], flush=True)\n"
        "    await processes.run(wait_for_stop)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY
    ) as parent:
        assert parent.stdout is not None
        engine = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    engine.wait(30)
