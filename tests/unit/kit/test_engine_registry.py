"""The registry of engines: declarations, loading, remembered failures and the choice of a fallback."""

import dataclasses
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from soundwright.kit.engines import (
    NONE_STATED,
    Engine,
    EngineRegistry,
    FallbackPolicy,
    MeasuredSpeeds,
    ModelDeclaration,
    ModelFile,
    ModelSelection,
)
from soundwright.kit.errors import AppError, Code
from tests.waiting import DEADLINE_SECONDS

LARGE = ModelDeclaration(
    name="large", description="A network", architecture="Net", outputs=("a", "b"), code_licence="MIT", weights_licence="MIT", needs_weights=True,
    source="somebody/large", fallback="simple",
)  # fmt: skip
UNLICENSED = dataclasses.replace(LARGE, name="unlicensed", weights_licence=NONE_STATED, listed=False)
LONELY = dataclasses.replace(LARGE, name="lonely", fallback="")
SIMPLE = ModelDeclaration(
    name="simple", description="Rules", architecture="Rules", outputs=("a",), code_licence="MIT", needs_weights=False
)
STEP = dataclasses.replace(SIMPLE, name="step", listed=False)
LARGER = dataclasses.replace(LARGE, name="larger", fallback="large")


class Network(Engine):
    """An engine whose models fail to load with the reason that the test sets."""

    name = "network"
    models = (LARGE, LONELY, UNLICENSED)

    def __init__(self) -> None:
        self.reason = ""
        self.local = False
        self.loads: list[str] = []
        self.unloads: list[str] = []

    def is_local(self, model: str) -> bool:
        return self.local

    def load(self, model: str) -> None:
        self.loads.append(model)
        if self.reason:
            raise AppError(Code.NOT_PROVISIONED, self.reason, "There are no weights.", {"model": model})

    def unload(self, model: str) -> None:
        self.unloads.append(model)


class Larger(Network):
    name = "larger-network"
    models = (LARGER,)


class Rules(Engine):
    """An engine that inherits all that it can."""

    name = "rules"
    models = (SIMPLE, STEP)


class World:
    def __init__(self, fallback: str = "NEVER", **options: Any) -> None:
        self.now = 0.0
        self.network = Network()
        policy = FallbackPolicy[fallback]
        self.registry: EngineRegistry[Engine] = EngineRegistry(fallback=policy, clock=lambda: self.now, **options)
        self.registry.register(self.network)
        self.registry.register(Rules())


def test_models_are_listed_in_the_order_of_registration_without_internal_ones() -> None:
    registry = World().registry
    assert registry.models() == (LARGE, LONELY, SIMPLE)
    assert registry.declarations() == (LARGE, LONELY, UNLICENSED, SIMPLE, STEP)
    assert registry.model_names == ("large", "lonely", "simple")
    assert registry.default_model == "large"
    assert (registry.declaration("step"), registry.engine("step").name) == (STEP, "rules")
    with pytest.raises(ValueError, match="'large' is registered twice"):
        registry.register(Network())


def test_unknown_models_are_refused_with_the_known_ones() -> None:
    registry = World("ALWAYS").registry
    for function in (registry.declaration, registry.engine, registry.load, registry.select):
        with pytest.raises(AppError, match=r"^MODEL_UNKNOWN: .* Use one of: large, lonely, simple\.$") as caught:
            function("giant")
        assert caught.value.code is Code.NOT_FOUND


def test_a_failure_is_raised_again_for_thirty_seconds_without_another_attempt() -> None:
    world = World()
    world.network.reason = "MODEL_UNAVAILABLE"
    raised = []
    for world.now in (0.0, 29.9):
        with pytest.raises(AppError) as caught:
            world.registry.load("large")
        raised.append(caught.value)
        world.network.reason = ""
    first, again = raised
    assert again is not first
    assert (again.code, again.reason, again.message, again.meta) == (
        Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "There are no weights.", {"model": "large"},
    )  # fmt: skip
    world.registry.load("lonely")
    assert world.network.loads == ["large", "lonely"]
    world.now = 30.0
    world.registry.load("large")
    assert world.network.loads == ["large", "lonely", "large"]


@pytest.mark.parametrize(
    ("policy", "reason", "selection"),
    [
        ("WHEN_UNAVAILABLE", "", ModelSelection("network", "large", "large", "somebody/large")),
        *(
            ("WHEN_UNAVAILABLE", reason, ModelSelection("rules", "simple", "large", "", short))
            for reason, short in (
                ("MODEL_UNAVAILABLE", "large has no weights on this server."),
                ("CHECKPOINT_UNTRUSTED", "large has a file that is not trusted."),
                ("MODEL_UNSUPPORTED", "large cannot run on this server."),
            )
        ),
        ("ALWAYS", "", ModelSelection("rules", "simple", "large")),
    ],
)
def test_the_declared_fallback_runs_and_the_selection_says_why(
    policy: str, reason: str, selection: ModelSelection
) -> None:
    world = World(policy)
    world.network.reason = reason
    selected = world.registry.select("large")
    assert selected == selection
    assert (selected.degraded, selected.details) == (bool(reason), "There are no weights." if reason else "")
    assert world.network.loads == ([] if policy == "ALWAYS" else ["large"])


def test_a_fallback_that_is_not_available_has_a_fallback() -> None:
    world, larger = World("WHEN_UNAVAILABLE"), Larger()
    world.registry.register(larger)
    world.network.reason = larger.reason = "MODEL_UNAVAILABLE"
    short = "larger has no weights on this server."
    assert world.registry.select("larger", ["a"]) == ModelSelection("rules", "simple", "larger", reason=short)
    assert (larger.loads, world.network.loads) == (["larger"], ["large"])
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        world.registry.select("larger", ["b"])


@pytest.mark.parametrize(
    ("policy", "model", "reason"),
    [
        ("NEVER", "large", "MODEL_UNAVAILABLE"),
        ("WHEN_UNAVAILABLE", "large", "OUT_OF_MEMORY"),
        ("WHEN_UNAVAILABLE", "large", "WEIGHTS_CHANGED"),
        ("WHEN_UNAVAILABLE", "lonely", "MODEL_UNAVAILABLE"),
        ("ALWAYS", "lonely", "MODEL_UNAVAILABLE"),
    ],
)
def test_without_a_fallback_the_failure_is_raised(policy: str, model: str, reason: str) -> None:
    world = World(policy)
    world.network.reason = reason
    with pytest.raises(AppError, match=reason):
        world.registry.select(model)


def test_a_fallback_without_the_outputs_that_a_job_needs_does_not_run() -> None:
    world = World("WHEN_UNAVAILABLE")
    world.network.reason = "MODEL_UNAVAILABLE"
    assert world.registry.select("large", ["a"]).model == world.registry.fallback_of("large", ["a"]) == "simple"
    assert world.registry.fallback_of("large", ["a", "b"]) == World().registry.fallback_of("large") == ""
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        world.registry.select("large", ["a", "b"])


def test_the_least_recently_used_model_is_unloaded_at_the_limit() -> None:
    world = World(loaded_limit=2, unlicensed=frozenset({"*"}))
    world.network.is_present = lambda model: False  # type: ignore[method-assign]
    for model in ("large", "lonely", "large", "simple"):  # the last one has no weights, so it takes no place
        world.registry.load(model)
    assert world.network.unloads == []
    world.network.reason = "MODEL_UNAVAILABLE"
    with pytest.raises(AppError):
        world.registry.load("unlicensed")
    assert world.network.unloads == []
    world.network.reason, world.now = "", 30.0
    world.registry.load("unlicensed")
    assert (world.network.unloads, world.registry.loaded_models()) == (["lonely"], ("large", "unlicensed"))


@pytest.mark.parametrize("is_present", [True, False])
def test_room_is_made_before_loading_what_is_present_and_after_fetching_what_is_not(is_present: bool) -> None:
    world = World(loaded_limit=1)
    steps: list[str] = []
    world.network.is_present = lambda model: is_present  # type: ignore[method-assign]
    world.network.load = lambda model: steps.append(f"load {model}")  # type: ignore[method-assign]
    world.network.unload = lambda model: steps.append(f"unload {model}")  # type: ignore[method-assign]
    world.registry.load("large")
    world.registry.load("lonely")
    assert steps[1:] == (["unload large", "load lonely"] if is_present else ["load lonely", "unload large"])


def test_threads_use_a_model_at_the_same_time() -> None:
    world = World()
    both = threading.Barrier(2)

    def use(_: int) -> None:
        with world.registry.use("large"):
            both.wait(DEADLINE_SECONDS)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(use, range(2)))
    assert world.network.loads == ["large"]


def test_a_model_that_is_not_kept_is_unloaded_after_its_last_use_however_that_ends() -> None:
    world = World()

    def fail() -> None:
        with world.registry.use("large", keep=False):
            with world.registry.use("large", keep=False):
                pass
            assert (world.network.unloads, world.registry.loaded_models()) == ([], ("large",))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert (world.network.unloads, world.registry.loaded_models()) == (["large"], ())


@pytest.mark.parametrize("kept_first", [True, False])
def test_a_model_that_one_use_keeps_stays_after_another_one(kept_first: bool) -> None:
    world = World()
    with world.registry.use("large", keep=kept_first), world.registry.use("large", keep=not kept_first):
        pass
    assert (world.network.unloads, world.registry.loaded_models()) == ([], ("large",))


def test_models_in_use_stay_beyond_the_limit_until_another_one_is_loaded() -> None:
    world = World(loaded_limit=1, unlicensed=frozenset({"*"}))
    with world.registry.use("large"):
        world.registry.load("lonely")
        assert world.network.unloads == []
    world.registry.load("unlicensed")
    assert world.network.unloads == ["large", "lonely"]


def test_a_model_that_is_loaded_does_not_delay_one_in_memory() -> None:
    world = World()
    world.registry.load("large")
    downloading, downloaded = threading.Event(), threading.Event()

    def download(model: str) -> None:
        downloading.set()
        assert downloaded.wait(DEADLINE_SECONDS)

    world.network.load = download  # type: ignore[method-assign]
    other = threading.Thread(target=world.registry.load, args=("lonely",))
    other.start()
    assert downloading.wait(DEADLINE_SECONDS)
    with world.registry.use("large") as engine:
        assert engine is world.network
    assert world.registry.loaded_models() == ("large",)
    downloaded.set()
    other.join(DEADLINE_SECONDS)
    assert world.registry.loaded_models() == ("large", "lonely")


def test_services_read_declarations_without_importing_a_machine_learning_library() -> None:
    """In a process of its own, as other tests import these libraries."""
    program = """
import sys
from soundwright.services.models import build_registries
import soundwright.services.separation.app, soundwright.services.generation.app
for registry in build_registries().values():
    registry.models(), registry.default_model, registry.present_models()
    [registry.engine(name).is_installed() for name in registry.model_names]
print([name for name in ("torch", "demucs", "audiocraft", "transformers") if name in sys.modules])
"""
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"


def test_weights_without_a_licence_need_the_consent_of_the_operator() -> None:
    world = World()
    for use in (world.registry.load, world.registry.require_allowed, world.registry.select):
        with pytest.raises(AppError, match="`make models MODEL=unlicensed`") as caught:
            use("unlicensed")
        assert (caught.value.code, caught.value.reason) == (Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE")
        assert caught.value.meta == {"model": "unlicensed", "licence": "none stated"}
    assert world.network.loads == []
    for name in ("large", "simple"):
        world.registry.require_allowed(name)
    selection = World("WHEN_UNAVAILABLE").registry.select("unlicensed")
    assert (selection.model, selection.degraded) == ("simple", True)
    assert selection.reason == "unlicensed is not enabled on this server."
    assert "their authors state no licence" in selection.details


def test_an_administrator_allows_a_model_while_the_service_runs() -> None:
    world = World()
    assert world.registry.needs_consent("unlicensed")
    world.registry.allowed = frozenset({"unlicensed"})
    assert not world.registry.needs_consent("unlicensed")
    world.registry.load("unlicensed")
    assert world.network.loads == ["unlicensed"]


@pytest.mark.parametrize(("allowed", "local"), [({"unlicensed"}, False), ({"*"}, False), (set(), True)])
def test_the_operator_allows_one_model_or_all_or_supplies_the_weights(allowed: set[str], local: bool) -> None:
    world = World(unlicensed=frozenset(allowed))
    world.network.local = local
    world.registry.load("unlicensed")
    assert world.network.loads == ["unlicensed"]


def test_a_declaration_must_be_consistent() -> None:
    with pytest.raises(ValueError, match="has mirrors and no SHA-256"):
        ModelFile(name="net.safetensors", mirrors=("https://example.org/net.safetensors",))
    for declared, licence in ((LARGE, ""), (SIMPLE, "MIT")):
        with pytest.raises(ValueError, match="weights_licence is needed"):
            dataclasses.replace(declared, weights_licence=licence)
    sized = dataclasses.replace(LARGE, files=(ModelFile(name="a", size_bytes=1), ModelFile(name="b", size_bytes=2)))
    assert (sized.size_bytes, LARGE.size_bytes) == (3, None)
    assert dataclasses.replace(sized, files=(*sized.files, ModelFile(name="c"))).size_bytes is None


def test_speeds_are_those_of_the_latest_jobs() -> None:
    speeds = MeasuredSpeeds()
    assert speeds.get("large") is None
    speeds.note("large", 1.0, 50.0)  # too short to tell
    assert speeds.get("large") is None
    speeds.note("large", 100.0, 50.0)
    speeds.note("large", 300.0, 50.0)
    assert (speeds.get("large"), speeds.get("simple")) == (4.0, None)
    for _ in range(20):
        speeds.note("large", 60.0, 60.0)
    assert speeds.get("large") == 1.0
