"""Engine processes: real processes that are really killed."""

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from soundwright.kit import log
from soundwright.kit.compute import EngineProcesses, Report
from soundwright.kit.errors import AppError, Code
from tests.waiting import DEADLINE_SECONDS, eventually

REPOSITORY = Path(__file__).resolve().parents[3]


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


def lose_the_device(engine: Counter, report: Report) -> None:
    import torch

    raise torch.cuda.AcceleratorError("an illegal memory access was encountered")


def correlation(engine: Counter, report: Report) -> str:
    return log.correlation_id()


def meet(engine: Counter, report: Report, *, folder: Path, name: str, other: str) -> None:
    """Wait until the other work runs at the same time."""
    (folder / name).touch()
    while not (folder / other).exists():
        report(0.0)


@contextlib.asynccontextmanager
async def started(
    slot_count: int, process_count: int | None = None, idle_seconds: float | None = None
) -> AsyncIterator[EngineProcesses[Counter]]:
    made = EngineProcesses("test", slot_count, Counter, process_count, idle_seconds)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.close)


@pytest_asyncio.fixture
async def processes() -> AsyncIterator[EngineProcesses[Counter]]:
    async with started(1) as made:
        yield made


async def test_the_engine_keeps_its_state_in_another_process_and_its_progress_arrives_in_order(
    processes: EngineProcesses[Counter],
) -> None:
    shares: list[float] = []
    first, once = await processes.run(functools.partial(use, steps=4), shares.append)
    second, twice = await processes.run(use)
    assert first == second != os.getpid()
    assert (once, twice) == (1, 2)
    assert shares == [0.25, 0.5, 0.75, 1.0]


class Enough(Exception):
    pass


async def test_an_exception_in_report_stops_the_work_not_the_process(processes: EngineProcesses[Counter]) -> None:
    def report(share: float) -> None:
        raise Enough

    before, _ = await processes.run(use)
    with pytest.raises(Enough):
        await processes.run(wait_for_stop, report)
    assert await processes.run(use) == (before, 2)


async def test_a_late_stop_does_not_affect_the_next_work(processes: EngineProcesses[Counter]) -> None:
    def report(share: float) -> None:
        if share == 1.0:  # the last report: the work ends before the stop arrives
            raise Enough

    with pytest.raises(Enough):
        await processes.run(functools.partial(use, steps=2), report)
    shares: list[float] = []
    assert (await processes.run(functools.partial(use, steps=3), shares.append))[1] == 2
    assert len(shares) == 3


async def test_errors_are_transferred_without_details_of_the_machine(
    processes: EngineProcesses[Counter], tmp_path: Path
) -> None:
    async def error_of(work: Callable[..., object]) -> AppError:
        with pytest.raises(AppError) as caught:
            await processes.run(work)
        return caught.value

    refused = await error_of(refuse)
    assert (refused.code, refused.reason, refused.message, refused.meta) == (
        Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "Install it.", {"model": "x"},
    )  # fmt: skip
    crashed = await error_of(crash)
    assert crashed.code is Code.INTERNAL
    assert "secret" not in str(crashed)
    full = await error_of(fill_the_disk)
    assert (full.reason, full.retryable) == ("STORAGE_FULL", True)
    deleted = await error_of(functools.partial(read, path=tmp_path / "deleted.wav"))
    assert (deleted.code, deleted.reason) == (Code.NOT_FOUND, "BLOB_NOT_FOUND")
    assert str(tmp_path) not in str(deleted)
    assert (await processes.run(use))[1] == 1


async def test_a_process_that_dies_while_idle_is_replaced(processes: EngineProcesses[Counter]) -> None:
    before, _ = await processes.run(use)
    os.kill(before, signal.SIGKILL)
    # The process is dead, but not yet reaped.
    await asyncio.to_thread(os.waitid, os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert (await processes.run(use))[0] != before


@pytest.mark.parametrize("process_count", [None, 1])
async def test_slots_work_in_parallel_and_threads_of_one_process_share_its_engine(
    tmp_path: Path, process_count: int | None
) -> None:
    work = functools.partial(meet, folder=tmp_path)
    async with started(2, process_count) as processes, asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.gather(
            processes.run(functools.partial(work, name="a", other="b")),
            processes.run(functools.partial(work, name="b", other="a")),
        )
        seen = [await processes.run(use) for _ in range(3)]
        if process_count == 1:
            assert [count for _, count in seen] == [1, 2, 3]
            assert len({pid for pid, _ in seen}) == 1
        with log.correlation_scope("abc123"):
            assert await processes.run(correlation) == "abc123"


async def test_a_killed_process_fails_the_attempts_of_all_its_threads_and_is_replaced() -> None:
    async with started(2, 1) as processes:
        before, _ = await processes.run(use)
        begun = threading.Event()
        other = asyncio.create_task(processes.run(wait_for_stop, lambda share: begun.set()))
        assert await asyncio.to_thread(begun.wait, DEADLINE_SECONDS)
        for work in (processes.run(die), other):
            with pytest.raises(AppError, match="ENGINE_DIED") as caught:
                await work
            assert caught.value.retryable
        seen = [await processes.run(use) for _ in range(2)]
        assert before not in {pid for pid, _ in seen}
        assert [count for _, count in seen] == [1, 2]
        assert len(processes._processes) == 1


async def test_a_process_whose_gpu_failed_is_replaced() -> None:
    async with started(1) as processes:
        before, _ = await processes.run(use)
        with pytest.raises(AppError, match="ENGINE_DIED") as caught:
            await processes.run(lose_the_device)
        assert caught.value.retryable
        assert (await processes.run(use))[0] != before


async def test_a_process_ends_when_all_its_threads_are_idle_and_comes_back_when_needed() -> None:
    begun, stopping = threading.Event(), threading.Event()

    def report(share: float) -> None:
        begun.set()
        if stopping.is_set():
            raise Enough

    async with started(2, 1, idle_seconds=0.01) as processes:
        running = asyncio.create_task(processes.run(wait_for_stop, report))
        assert await asyncio.to_thread(begun.wait, DEADLINE_SECONDS)
        before, _ = await processes.run(use)
        (process,) = processes._processes
        assert process.idle_timer is None  # the other thread works
        stopping.set()
        with pytest.raises(Enough):
            await running
        await asyncio.to_thread(eventually, lambda: not psutil.pid_exists(before), "the end of the process")
        assert (await processes.run(use))[1] == 1


def timer_count() -> int:
    return sum(isinstance(thread, threading.Timer) for thread in threading.enumerate())


async def test_a_question_about_a_process_does_not_keep_it_running() -> None:
    async with started(1, idle_seconds=3600) as processes:
        await processes.run(use)
        (process,) = processes._processes
        used_time = process.use_time
        await processes.run(use, is_use=False)
        assert process.use_time == used_time
        await asyncio.to_thread(eventually, lambda: timer_count() == 1, "the end of the first timer")
        await processes.run(use)
        assert process.use_time > used_time


async def test_work_that_stops_leaves_the_other_thread_of_its_process_alone() -> None:
    begun, stopping = threading.Event(), threading.Event()

    def report(share: float) -> None:
        begun.set()
        if stopping.is_set():
            raise Enough

    async with started(2, 1) as processes:
        running = asyncio.create_task(processes.run(wait_for_stop, report))
        assert await asyncio.to_thread(begun.wait, DEADLINE_SECONDS)
        before, _ = await processes.run(use)
        stopping.set()
        with pytest.raises(Enough):
            await running
        assert await processes.run(use) == (before, 2)


async def test_close_terminates_running_work(processes: EngineProcesses[Counter]) -> None:
    process = psutil.Process((await processes.run(use))[0])
    begun = threading.Event()
    running = asyncio.create_task(processes.run(wait_for_stop, lambda share: begun.set()))
    assert await asyncio.to_thread(begun.wait, DEADLINE_SECONDS)
    await asyncio.to_thread(processes.close)
    with pytest.raises(AppError, match="ENGINE_DIED"):
        await running
    assert not process.is_running()
    with pytest.raises((AppError, RuntimeError)):
        await processes.run(use)


def test_engines_exit_when_their_component_is_killed() -> None:
    script = (
        "import asyncio\n"
        "from soundwright.kit.compute import EngineProcesses\n"
        "from tests.unit.kit.test_engine_processes import Counter, use, wait_for_stop\n"
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
    engine.wait(DEADLINE_SECONDS)
