"""What is known of models: a request for one that cannot be loaded is refused before there is a job."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import pytest_asyncio

from soundwright.kit.compute import EngineProcesses, Report
from soundwright.kit.engines import (
    EngineRegistry,
    FallbackPolicy,
    ModelAvailability,
    ModelSelection,
    ModelState,
    availability,
)
from soundwright.kit.engines.availability import WeightsState
from soundwright.kit.engines.models_rpc import ModelRpc
from soundwright.kit.errors import AppError, Code
from soundwright.services.generation.batching import Batcher
from soundwright.services.generation.engines.audiocraft.engine import MODELS
from soundwright.services.generation.registry import Registry
from soundwright.services.generation.service import Take
from soundwright.services.generation.takes import TakeOrder
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.registry import build_registry
from soundwright.services.separation.settings import SeparationSettings
from tests.unit.scripted_engine import asked, builder
from tests.waiting import DEADLINE_SECONDS, until


def wait_for_file(registry: Registry, report: Report, *, file: Path = Path()) -> None:
    """Occupy an engine process until ``file`` exists."""
    while not file.exists():
        report(0.5)
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits for its model however busy the machine is."""
    monkeypatch.setattr(availability, "WAIT_SECONDS", DEADLINE_SECONDS)


class World:
    """Availability where models are tried in the process of the jobs, as generation does, or in a probe, as separation does."""

    def __init__(self, folder: Path, *, probing: bool = False, installed: bool = True, fallback: str = "NEVER") -> None:
        build = builder(folder, fallback=FallbackPolicy[fallback], is_installed=installed)
        self.folder = folder
        self.processes: EngineProcesses[Registry] = EngineProcesses("test", 1, build)
        self.batcher = Batcher(self.processes, 1, 8, gathers=False)
        self.probe_count = 0

        def open_probe() -> EngineProcesses[Registry]:
            self.probe_count += 1
            return EngineProcesses("probe", 1, build)

        opening = open_probe if probing else None
        self.models = ModelAvailability(build(), self.processes, open_probe=opening, is_loading=self.batcher.is_loading)

    def states(self) -> set[ModelState]:
        return {self.models.state(declared.name) for declared in MODELS}

    def loads(self) -> list[str]:
        return [entry["load"] for entry in asked(self.folder, "load")]

    def mark(self, name: str) -> Path:
        (self.folder / name).touch()
        return self.folder / name


Make = Callable[..., World]


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[World] = []

    def make(**options: Any) -> World:
        made.append(World(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        await each.models.close()
        await each.batcher.close()
        await asyncio.to_thread(each.processes.close)


@pytest.fixture
def world(make: Make) -> World:
    return make(probing=True)


async def test_a_model_is_pending_until_it_is_asked_for_and_then_ready(make: Make) -> None:
    here = make()
    assert here.states() == {ModelState.PENDING}
    asking = asyncio.create_task(here.models.require("audio"))
    await asyncio.sleep(0)
    assert here.models.state("audio") is ModelState.LOADING
    await asking
    assert here.models.state("audio") is ModelState.READY
    assert here.models.state("music") is ModelState.PENDING
    await here.models.require("audio")
    assert here.loads() == ["audio"]


@pytest.mark.parametrize(
    ("probing", "cause", "reason"),
    [
        (False, "no-weights", "MODEL_UNAVAILABLE"),
        (True, "no-weights", "MODEL_UNAVAILABLE"),
        (False, "no-memory", "OUT_OF_MEMORY"),
    ],
)
async def test_a_model_that_does_not_load_is_refused_and_found_when_a_job_gets_it(
    make: Make, probing: bool, cause: str, reason: str
) -> None:
    here = make(probing=probing)
    if probing:
        here.mark("music-weights")  # present, but loading them fails
    here.mark(cause)
    for _ in range(2):
        with pytest.raises(AppError, match=reason):
            await here.models.require("music")
    assert here.loads() == ["music"]
    here.models.note(ModelSelection("procedural", "composer", "music", reason="missing"))
    assert here.models.state("music") is ModelState.ERROR
    here.models.note(ModelSelection("scripted", "music", "music", "test/music"))
    assert here.models.state("music") is ModelState.READY
    await here.models.require("music")


@pytest.mark.parametrize("installed", [True, False])
async def test_with_fallback_every_request_is_taken_and_nothing_is_loaded(make: Make, installed: bool) -> None:
    here = make(installed=installed, fallback="WHEN_UNAVAILABLE")
    here.mark("no-weights")
    for declared in MODELS:
        await here.models.require(declared.name)
    assert here.states() == {ModelState.READY}
    if not installed:
        await here.models.warm_up()
    assert here.loads() == []


async def test_after_a_job_that_ran_the_fallback_the_next_one_is_expected_to_do_so(make: Make) -> None:
    here = make(fallback="WHEN_UNAVAILABLE")
    assert (await here.models.expected("music")).model == "music"  # its weights may come
    error = AppError(Code.NOT_PROVISIONED, "CHECKPOINT_UNTRUSTED", "Nobody has signed it.")
    here.models.note(ModelSelection("procedural", "composer", "music", reason="why", error=error))
    expected = await here.models.expected("music")
    assert (expected.model, expected.reason) == ("composer", "music has a file that is not trusted.")
    here.models.note(ModelSelection("scripted", "music", "music"))
    assert (await here.models.expected("music")).model == "music"


async def test_a_request_that_no_model_can_run_is_known_before_it_is_made(make: Make) -> None:
    here = make(installed=False, fallback="WHEN_UNAVAILABLE")
    await here.models.check("music")
    for model, outputs in (("music", None), ("music", ("an output that the fallback lacks",))):
        with pytest.raises(AppError, match="MODEL_UNSUPPORTED"):
            await here.models.check(model, outputs)
    await make().models.check("music")  # its weights may come
    assert here.loads() == []


async def test_what_is_not_installed_is_an_error_unless_the_operator_chose_the_built_in_engine(make: Make) -> None:
    assert make(installed=False).states() == {ModelState.ERROR}
    here = make(installed=False, fallback="ALWAYS")
    await here.models.require("music")
    assert here.states() == {ModelState.READY}


async def test_a_busy_engine_keeps_no_request_waiting_for_long(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "WAIT_SECONDS", 0.05)
    here = make()
    order = TakeOrder(Take("wait", 1.0, 1), here.folder / "take.npy")
    async with here.batcher.place("music", order) as place:
        await until(lambda: asked(here.folder, "generate"))
        assert here.batcher.is_busy
        await here.models.require("audio")
        assert here.models.state("audio") is ModelState.LOADING
        here.mark("go")
        assert await place.made(DEADLINE_SECONDS)
        await until(lambda: here.models.state("audio") is ModelState.READY)


@pytest.mark.parametrize("probing", [False, True])
async def test_warming_up_loads_the_default_model_in_the_process_of_the_jobs(make: Make, probing: bool) -> None:
    here = make(probing=probing)
    here.mark("audio-weights")
    await here.models.warm_up()
    assert here.models.state("music") is ModelState.READY
    assert here.models.state("magnet-audio") is ModelState.PENDING
    # Weights that are present count where trying one model may unload another.
    assert here.models.state("audio") is (ModelState.PENDING if probing else ModelState.READY)
    if not probing:
        await here.models.require("audio")
        assert await here.batcher.device() is None
    assert (here.loads(), here.probe_count) == (["music"], 0)


async def test_warming_up_loads_the_fallback_of_a_default_model_that_nobody_allowed() -> None:
    registry = build_registry(SeparationSettings(fallback=True))
    assert registry.needs_consent(registry.default_model)

    class Jobs:
        loaded: ClassVar[list[str]] = []

        async def run(self, work: Any, report: Report = lambda share: None, *, is_use: bool = True) -> None:
            self.loaded.append(work.keywords["model"])

    models = ModelAvailability(registry, cast("Any", Jobs()), open_probe=cast("Any", Jobs))
    await models.warm_up()
    assert Jobs.loaded == ["spleeter-with-small"]


async def test_a_model_is_tried_while_a_job_occupies_the_engine_process(world: World) -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = functools.partial(wait_for_file, file=world.folder / "go")
    job = asyncio.create_task(world.processes.run(work, lambda ratio: loop.call_soon_threadsafe(started.set)))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await started.wait()
        await world.models.require("music")
        assert not job.done()
        assert world.models.state("music") is ModelState.READY
        assert world.probe_count == 1
        world.mark("go")
        await job


async def test_all_models_of_a_job_are_tried_and_no_fallback_counts(make: Make) -> None:
    here = make(fallback="WHEN_UNAVAILABLE")
    await here.models.require_all(["music", "composer", "audio", "music"])
    assert here.loads() == ["music", "audio"]
    here.mark("no-weights")
    await here.models.require("magnet-music")
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        await here.models.require_all(["music", "magnet-music"])


async def test_models_without_weights_are_accepted_at_once_and_unknown_ones_are_refused(world: World) -> None:
    await world.models.require("composer")
    assert world.models.state("composer") is ModelState.READY
    for ask in (world.models.require, world.models.fetch):
        with pytest.raises(AppError, match="MODEL_UNKNOWN"):
            await ask("opera")
    assert world.probe_count == 0


async def test_a_fetch_tries_the_model_and_says_why_it_failed(world: World) -> None:
    world.mark("audio-weights")
    states = await world.models.weights()
    assert [states[model].name for model in ("composer", "audio", "music")] == ["BUILT_IN", "PRESENT", "MISSING"]
    refusing = world.mark("no-weights")
    for _ in range(2):  # it is tried again, whenever the last attempt was
        with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
            await world.models.fetch("music")
    assert (await world.models.weights())["music"] is WeightsState.FAILED
    assert world.models.problem("music") == "There are no weights here."
    refusing.unlink()
    await world.models.fetch("music")
    assert (await world.models.weights())["music"] is WeightsState.PRESENT
    assert world.models.problem("music") == ""
    await world.models.fetch("composer")
    assert world.loads() == ["music"] * 3


async def test_one_model_is_fetched_at_a_time(world: World) -> None:
    first = asyncio.create_task(world.models.fetch("music"))
    await asyncio.sleep(0)
    assert (await world.models.weights())["music"] is WeightsState.FETCHING
    with pytest.raises(AppError, match="FETCH_UNDERWAY"):
        await world.models.fetch("audio")
    await first


async def test_models_that_are_being_fetched_say_how_much_has_arrived() -> None:
    registry: EngineRegistry[DemucsEngine] = EngineRegistry()
    registry.register(DemucsEngine())
    fetching = ModelAvailability(registry, cast(Any, None), is_loading=lambda model: model in ("htdemucs", "mdx_extra"))
    models = {
        model.name: model
        for model in (await ModelRpc(registry, fetching).ListModels(cast(Any, None), cast(Any, None))).models
    }
    # The others are not being fetched, and the size of mdx_extra is unknown.
    assert [name for name, model in models.items() if model.HasField("fetched_bytes")] == ["htdemucs"]
    assert 0 <= models["htdemucs"].fetched_bytes <= models["htdemucs"].size_bytes
