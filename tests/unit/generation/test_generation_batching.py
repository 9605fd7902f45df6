"""Takes that wait together are made together, in real processes; whoever gives up disturbs nobody."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from soundwright.kit.compute import EngineProcesses
from soundwright.kit.errors import AppError
from soundwright.services.generation.batching import Batcher, Place
from soundwright.services.generation.registry import Registry
from soundwright.services.generation.service import Take
from soundwright.services.generation.takes import TakeOrder
from tests.unit.scripted_engine import asked, builder
from tests.waiting import DEADLINE_SECONDS, until


class Hall:
    """A batcher over real processes, and a folder for takes and for the engine's log."""

    def __init__(
        self, folder: Path, processes: EngineProcesses[Registry], batch_size: int = 8, gathers: bool = True
    ) -> None:
        self.folder = folder
        self.batcher = Batcher(processes, processes.slot_count, batch_size, gathers)
        self._count = 0

    def order(self, prompt: str, seconds: float = 1.0) -> TakeOrder:
        self._count += 1
        home = self.folder / f"job-{self._count}"
        home.mkdir()
        return TakeOrder(Take(prompt, seconds, self._count), home / "take.npy")

    async def take(self, prompt: str, model: str = "music", seconds: float = 1.0, *, alone: bool = False) -> str:
        """Ask for a take and wait for it; the engine that made it."""
        async with self.batcher.place(model, self.order(prompt, seconds), alone=alone) as place:
            assert await place.made(DEADLINE_SECONDS)
            return place.outcome.result()[0].engine

    def batches(self) -> list[list[str]]:
        return [entry["prompts"] for entry in asked(self.folder, "generate")]

    def go(self) -> None:
        (self.folder / "go").touch()

    def asking(self, *prompts: str) -> list[asyncio.Task[str]]:
        return [asyncio.create_task(self.take(prompt)) for prompt in prompts]

    async def runs(self, count: int = 1) -> None:
        """Wait until so many batches have begun."""
        await until(lambda: len(self.batches()) == count)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hall")


@pytest_asyncio.fixture(scope="module")
async def one(folder: Path) -> AsyncIterator[EngineProcesses[Registry]]:
    """One process for all tests that need no more: starting it takes longer than they do."""
    processes: EngineProcesses[Registry] = EngineProcesses("test", 1, builder(folder))
    yield processes
    await asyncio.to_thread(processes.close)


@pytest.fixture(autouse=True)
def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest_asyncio.fixture
async def hall(folder: Path, one: EngineProcesses[Registry]) -> AsyncIterator[Hall]:
    made = Hall(folder, one)
    yield made
    await made.batcher.close()


async def test_takes_that_arrive_together_are_made_in_one_batch(hall: Hall) -> None:
    await asyncio.gather(*(hall.take(f"tune {number}") for number in range(4)))
    assert hall.batches() == [[f"tune {number}" for number in range(4)]]
    for number in range(1, 5):
        assert (hall.folder / f"job-{number}" / "take.npy").exists()


async def test_other_models_and_lengths_are_batches_of_their_own_in_the_order_of_arrival(hall: Hall) -> None:
    await asyncio.gather(
        hall.take("a"), hall.take("b", "audio"), hall.take("c"), hall.take("d", seconds=2.0), hall.take("e", "audio")
    )
    assert hall.batches() == [["a", "c"], ["b", "e"], ["d"]]


async def test_what_waits_while_the_engine_is_busy_goes_together(folder: Path, one: EngineProcesses[Registry]) -> None:
    here = Hall(folder, one, gathers=False)
    first = here.asking("wait")
    await here.runs()
    rest = here.asking("a", "b", "c")
    await until(lambda: len(here.batcher._waiting) == 3)
    here.go()
    await asyncio.gather(*first, *rest)
    assert here.batches() == [["wait"], ["a", "b", "c"]]


async def test_a_batch_has_a_limit(folder: Path, one: EngineProcesses[Registry]) -> None:
    here = Hall(folder, one, batch_size=2)
    await asyncio.gather(*here.asking(*"abcde"))
    assert [len(batch) for batch in here.batches()] == [2, 2, 1]


async def test_takes_are_shared_out_among_free_processes(folder: Path) -> None:
    processes: EngineProcesses[Registry] = EngineProcesses("test", 2, builder(folder))
    here = Hall(folder, processes)
    takes = here.asking(*(f"wait {number}" for number in range(4)))
    await here.runs(2)
    here.go()
    await asyncio.gather(*takes)
    assert sorted(len(batch) for batch in here.batches()) == [2, 2]
    await asyncio.to_thread(processes.close)


async def test_one_that_is_to_be_alone_is_alone(hall: Hall) -> None:
    await asyncio.gather(hall.take("a"), hall.take("b", alone=True), hall.take("c"))
    assert sorted(hall.batches()) == [["a", "c"], ["b"]]


async def test_giving_up_a_place_leaves_the_others_of_its_batch_alone(hall: Hall) -> None:
    leaving, staying = hall.asking("wait one", "wait two")
    await hall.runs()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    hall.go()
    assert await staying == "scripted"
    assert hall.batches() == [["wait one", "wait two"]]


async def test_a_batch_that_nobody_wants_any_more_stops(hall: Hall) -> None:
    leaving = hall.asking("wait one", "wait two")
    await hall.runs()
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    # The process would wait for ever, so it is free again only if it was stopped.
    assert await hall.take("tune") == "scripted"


async def test_one_that_gives_up_while_it_waits_is_never_made(hall: Hall) -> None:
    (first,) = hall.asking("wait")
    await hall.runs()
    (waiting,) = hall.asking("tune")
    await until(lambda: len(hall.batcher._waiting) == 1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    hall.go()
    await first
    await hall.take("last")
    assert hall.batches() == [["wait"], ["last"]]


async def test_a_folder_that_is_gone_is_no_failure_of_the_batch(hall: Hall) -> None:
    orders = [hall.order("wait one"), hall.order("wait two")]
    async with hall.batcher.place("music", orders[0]) as gone, hall.batcher.place("music", orders[1]) as staying:
        await hall.runs()
        orders[0].file.parent.rmdir()
        hall.go()
        assert await staying.made(DEADLINE_SECONDS)
        assert await gone.made(DEADLINE_SECONDS)
    assert [order.file.exists() for order in orders] == [False, True]


async def test_a_failure_is_everybodys_and_the_next_batch_is_made(hall: Hall) -> None:
    failures = await asyncio.gather(hall.take("die"), hall.take("tune"), return_exceptions=True)
    assert [error.reason for error in failures if isinstance(error, AppError)] == ["ENGINE_DIED", "ENGINE_DIED"]
    assert await hall.take("tune") == "scripted"


async def test_a_place_tells_how_far_it_is(hall: Hall) -> None:
    place: Place
    async with hall.batcher.place("music", hall.order("wait")) as place:
        assert place.share is None
        await until(lambda: place.share == 0.5)
        assert hall.batcher.is_busy
        hall.go()
        assert await place.made(DEADLINE_SECONDS)
        assert place.share == 1.0
    assert not hall.batcher.is_busy


async def test_one_who_comes_in_the_moment_in_which_the_last_batch_ended_is_served(hall: Hall) -> None:
    async with hall.batcher.place("music", hall.order("first")), asyncio.timeout(DEADLINE_SECONDS):
        (batch,) = hall.batcher._batch_tasks
        while True:  # turn by turn of the event loop, so as to miss none
            if batch.done():
                break
            await asyncio.sleep(0)
        assert await hall.take("second") == "scripted"
