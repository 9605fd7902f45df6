"""Availability where models are tried in a process of their own, as separation does."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from kit.compute import EngineProcesses, Report
from kit.engines import EngineRegistry, FallbackPolicy, ModelAvailability, ModelState, availability
from kit.engines.availability import WeightsState
from kit.engines.models_rpc import described_models
from kit.errors import AppError
from services.generation.registry import Registry
from services.separation.engines.demucs import DemucsEngine
from tests.unit.scripted_engine import asked, builder

DEADLINE_SECONDS = 120.0


def wait_for_file(registry: Registry, report: Report, *, file: Path = Path()) -> None:
    """Occupy an engine process until ``file`` exists."""
    while not file.exists():
        report(0.5)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits for its model however busy the machine is."""
    monkeypatch.setattr(availability, "WAIT_SECONDS", DEADLINE_SECONDS)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        build = builder(folder)
        self.processes: EngineProcesses[Registry] = EngineProcesses("test", 1, build)
        self.probes: list[EngineProcesses[Registry]] = []

        def open_probe() -> EngineProcesses[Registry]:
            self.probes.append(EngineProcesses("probe", 1, build))
            return self.probes[-1]

        self.models = ModelAvailability(build(), self.processes, open_probe=open_probe)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.models.close()
    for processes in (made.processes, *made.probes):
        await asyncio.to_thread(processes.close)


async def test_a_model_is_tried_while_a_job_occupies_the_engine_process(world: World) -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    go = world.folder / "go"
    work = functools.partial(wait_for_file, file=go)
    job = asyncio.create_task(world.processes.run(work, lambda ratio: loop.call_soon_threadsafe(started.set)))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await started.wait()
        await world.models.require("music")
        assert not job.done()
        assert world.models.state("music") is ModelState.READY
        assert len(world.probes) == 1
        go.touch()
        await job


async def test_weights_that_are_present_are_tried_too(world: World) -> None:
    (world.folder / "music-weights").touch()
    (world.folder / "no-weights").touch()  # present, but loading them fails
    for _ in range(2):
        with pytest.raises(AppError) as caught:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await world.models.require("music")
        assert caught.value.reason == "MODEL_UNAVAILABLE"
    assert len(asked(world.folder, "load")) == 1
    assert world.models.state("music") is ModelState.ERROR


async def test_all_models_of_a_job_are_tried_and_no_fallback_counts(world: World) -> None:
    build = builder(world.folder, fallback=FallbackPolicy.WHEN_UNAVAILABLE)
    models = ModelAvailability(build(), world.processes)
    await models.require_all(["music", "composer", "audio", "music"])
    assert [entry["load"] for entry in asked(world.folder, "load")] == ["music", "audio"]
    (world.folder / "no-weights").touch()
    await models.require("magnet-music")
    with pytest.raises(AppError) as caught:
        await models.require_all(["music", "magnet-music"])
    assert caught.value.reason == "MODEL_UNAVAILABLE"


async def test_models_without_weights_are_accepted_at_once(world: World) -> None:
    await world.models.require("composer")
    assert world.models.state("composer") is ModelState.READY
    assert world.probes == []


async def test_unknown_models_are_refused(world: World) -> None:
    with pytest.raises(AppError) as caught:
        await world.models.require("opera")
    assert caught.value.reason == "MODEL_UNKNOWN"


async def test_warming_up_loads_the_default_model_in_the_process_of_the_jobs(world: World) -> None:
    (world.folder / "audio-weights").touch()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await world.models.warm_up()
    assert world.models.state("music") is ModelState.READY
    assert world.models.state("audio") is ModelState.PENDING  # present, but not tried
    assert [entry["load"] for entry in asked(world.folder, "load")] == ["music"]
    assert world.probes == []


async def test_a_fetch_tries_the_model_and_says_why_it_failed(world: World) -> None:
    (world.folder / "audio-weights").touch()
    states = await world.models.weights()
    assert (states["composer"], states["audio"], states["music"]) == (
        WeightsState.BUILT_IN,
        WeightsState.PRESENT,
        WeightsState.MISSING,
    )
    (world.folder / "no-weights").touch()
    async with asyncio.timeout(DEADLINE_SECONDS):
        for _ in range(2):  # it is tried again, whenever the last attempt was
            with pytest.raises(AppError) as caught:
                await world.models.fetch("music")
            assert caught.value.reason == "MODEL_UNAVAILABLE"
        assert (await world.models.weights())["music"] is WeightsState.FAILED
        assert world.models.problem("music") == "There are no weights here."
        (world.folder / "no-weights").unlink()
        await world.models.fetch("music")
        assert (await world.models.weights())["music"] is WeightsState.PRESENT
        assert world.models.problem("music") == ""
        await world.models.fetch("composer")
    assert [entry["load"] for entry in asked(world.folder, "load")] == ["music"] * 3


async def test_one_model_is_fetched_at_a_time(world: World) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        first = asyncio.create_task(world.models.fetch("music"))
        await asyncio.sleep(0)
        assert (await world.models.weights())["music"] is WeightsState.FETCHING
        with pytest.raises(AppError) as caught:
            await world.models.fetch("audio")
        assert caught.value.reason == "FETCH_UNDERWAY"
        with pytest.raises(AppError) as unknown:
            await world.models.fetch("opera")
        assert unknown.value.reason == "MODEL_UNKNOWN"
        await first


async def test_models_that_are_being_fetched_say_how_much_has_arrived(world: World) -> None:
    registry: EngineRegistry[DemucsEngine] = EngineRegistry()
    registry.register(DemucsEngine())
    fetching = ModelAvailability(
        registry, cast(Any, world.processes), is_loading=lambda model: model in ("htdemucs", "mdx_extra")
    )
    models = {model.name: model for model in await described_models(registry, fetching)}
    assert {name: model.HasField("fetched_bytes") for name, model in models.items()} == {
        "htdemucs": True,
        "htdemucs_ft": False,  # it is not being fetched
        "htdemucs_6s": False,
        "mdx_extra": False,  # its size is unknown
    }
    assert 0 <= models["htdemucs"].fetched_bytes <= models["htdemucs"].size_bytes
