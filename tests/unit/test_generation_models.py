"""What is known of models: requests for one that cannot be had are refused before there is a job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from kit.compute import EngineProcesses
from kit.engines import FallbackPolicy, ModelAvailability, ModelSelection, ModelState, availability
from kit.errors import AppError
from services.generation.batching import Batcher
from services.generation.engines.audiocraft.engine import MODELS
from services.generation.registry import Registry
from services.generation.service import Take
from services.generation.takes import TakeOrder
from tests.unit.scripted_engine import asked, builder

DEADLINE_SECONDS = 30.0


class World:
    def __init__(self, folder: Path, installed: bool, fallback: FallbackPolicy) -> None:
        build = builder(folder, fallback=fallback, is_installed=installed)
        self.folder = folder
        self.processes: EngineProcesses[Registry] = EngineProcesses("test", 1, build)
        self.batcher = Batcher(self.processes, 1, 8, gathers=False)
        self.models = ModelAvailability(build(), self.processes, is_loading=self.batcher.is_loading)

    async def close(self) -> None:
        await self.models.close()
        await self.batcher.close()
        await asyncio.to_thread(self.processes.close)

    def states(self) -> dict[str, ModelState]:
        return {declared.name: self.models.state(declared.name) for declared in MODELS}


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Callable[..., World]]:
    made: list[World] = []

    def make(installed: bool = True, fallback: FallbackPolicy = FallbackPolicy.NEVER) -> World:
        made.append(World(tmp_path, installed, fallback))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await asyncio.sleep(0.01)


async def refusal(require: Awaitable[None]) -> AppError:
    with pytest.raises(AppError) as caught:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await require
    return caught.value


async def test_a_model_is_pending_until_it_is_asked_for_and_then_ready(world: Callable[..., World]) -> None:
    here = world()
    assert set(here.states().values()) == {ModelState.PENDING}
    asking = asyncio.create_task(here.models.require("audio"))
    await asyncio.sleep(0)
    assert here.models.state("audio") is ModelState.LOADING
    await asking
    assert here.models.state("audio") is ModelState.READY
    assert here.models.state("music") is ModelState.PENDING
    await here.models.require("audio")
    assert [entry["load"] for entry in asked(here.folder, "load")] == ["audio"]


async def test_a_model_that_cannot_be_had_is_refused_and_not_asked_for_again_at_once(
    world: Callable[..., World],
) -> None:
    here = world()
    (here.folder / "no-weights").touch()
    for _ in range(2):
        assert (await refusal(here.models.require("music"))).reason == "MODEL_UNAVAILABLE"
    assert here.models.state("music") is ModelState.ERROR
    assert len(asked(here.folder, "load")) == 1


async def test_a_model_that_was_missing_is_found_when_a_job_gets_it(world: Callable[..., World]) -> None:
    here = world()
    (here.folder / "no-weights").touch()
    await refusal(here.models.require("music"))
    here.models.note(ModelSelection("procedural", "composer", "music", reason="missing"))
    assert here.models.state("music") is ModelState.ERROR
    here.models.note(ModelSelection("scripted", "music", "music", "test/music"))
    assert here.models.state("music") is ModelState.READY
    await here.models.require("music")


async def test_with_fallback_every_request_is_taken(world: Callable[..., World]) -> None:
    for installed in (True, False):
        here = world(installed=installed, fallback=FallbackPolicy.WHEN_UNAVAILABLE)
        (here.folder / "no-weights").touch()
        for declared in MODELS:
            await here.models.require(declared.name)
        assert set(here.states().values()) == {ModelState.READY}
        assert asked(here.folder, "load") == []


async def test_the_built_in_engine_that_was_asked_for_is_ready(world: Callable[..., World]) -> None:
    here = world(installed=False, fallback=FallbackPolicy.ALWAYS)
    await here.models.require("music")
    assert set(here.states().values()) == {ModelState.READY}


async def test_what_is_not_installed_is_an_error_from_the_beginning(world: Callable[..., World]) -> None:
    assert set(world(installed=False).states().values()) == {ModelState.ERROR}


async def test_a_busy_engine_keeps_no_request_waiting_for_long(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "WAIT_SECONDS", 0.05)
    here = world()
    order = TakeOrder(Take("wait", 1.0, 1), here.folder / "take.npy")
    async with here.batcher.place("music", order) as place, asyncio.timeout(DEADLINE_SECONDS):
        await until(lambda: bool(asked(here.folder, "generate")))
        assert here.batcher.is_busy
        await here.models.require("audio")
        assert here.models.state("audio") is ModelState.LOADING
        (here.folder / "go").touch()
        assert await place.made(DEADLINE_SECONDS)
        await until(lambda: here.models.state("audio") is ModelState.READY)


async def test_warming_up_has_the_default_model_ready(world: Callable[..., World]) -> None:
    here = world()
    await here.models.warm_up()
    assert here.models.state("music") is ModelState.READY
    assert await here.batcher.device() is None


async def test_what_need_not_be_fetched_is_ready_and_loaded_when_a_job_needs_it(world: Callable[..., World]) -> None:
    here = world()
    (here.folder / "audio-weights").touch()
    await here.models.warm_up()
    assert here.models.state("audio") is ModelState.READY
    assert here.models.state("magnet-audio") is ModelState.PENDING
    await here.models.require("audio")
    assert [entry["load"] for entry in asked(here.folder, "load")] == ["music"]


async def test_without_a_network_to_load_warming_up_only_starts_the_process(world: Callable[..., World]) -> None:
    here = world(installed=False, fallback=FallbackPolicy.WHEN_UNAVAILABLE)
    await here.models.warm_up()
    assert asked(here.folder, "load") == []
