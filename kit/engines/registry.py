"""The engines of a service: their models, loading, and the choice of a fallback."""

import contextlib
import enum
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from soundwright.kit import errors
from soundwright.kit.engines.declaration import Engine, ModelDeclaration
from soundwright.kit.engines.failures import LoadFailures
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger

E = TypeVar("E", bound=Engine)
_FALLBACK_REASONS = {"MODEL_UNAVAILABLE", "CHECKPOINT_UNTRUSTED", "MODEL_UNSUPPORTED"}
_SHORT_REASONS = {
    "MODEL_UNAVAILABLE": "has no weights on this server.",
    "CHECKPOINT_UNTRUSTED": "has a file that is not trusted.",
    "MODEL_UNSUPPORTED": "cannot run on this server.",
}
log = get_logger()


class FallbackPolicy(enum.Enum):
    """When the declared fallback of a model runs in its place."""

    NEVER = "never"
    WHEN_UNAVAILABLE = "when unavailable"  # the result is marked as degraded
    ALWAYS = "always"  # the operator chose the fallbacks, so the result is not degraded


@dataclass(frozen=True)
class ModelSelection:
    """The model that runs a job.

    Args:
        source: repository of its weights; empty if it has none.
        reason: why the requested model does not run, in one sentence; empty if it does, or if the operator chose the
            fallback.
    """

    engine: str
    model: str
    requested_model: str
    source: str = ""
    reason: str = ""
    error: AppError | None = field(default=None, compare=False)

    @property
    def degraded(self) -> bool:
        """Whether the model replaces the requested one because that is not available."""
        return bool(self.reason)

    @property
    def details(self) -> str:
        return self.error.message if self.error else ""


@dataclass
class _Loaded:
    """A model in memory.

    Attributes:
        is_kept: whether it stays after its last use.
    """

    user_count: int = 0
    is_kept: bool = False


class EngineRegistry(Generic[E]):
    """Holds engines and loads their models.

    A service process builds a registry to read declarations. Each engine process builds one of its own, which decides
    which models its engines load and unload. Safe to use from several threads: one model is loaded at a time, while others
    run.

    Args:
        fallback: when fallbacks run.
        unlicensed: models that the operator allows although no licence of their weights is stated; ``*`` allows all.
        loaded_limit: number of models with weights in memory; the least recently used one is unloaded first. Models in
            use stay, even if they are more. None: no limit.

    Attributes:
        allowed: further models that administrators have allowed (:class:`soundwright.kit.engines.consents.Consents`).
    """

    def __init__(
        self,
        *,
        fallback: FallbackPolicy = FallbackPolicy.NEVER,
        unlicensed: frozenset[str] = frozenset(),
        loaded_limit: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fallback = fallback
        self.allowed: frozenset[str] = frozenset()
        self._unlicensed = unlicensed
        self._loaded_limit = loaded_limit
        self._entries: dict[str, tuple[ModelDeclaration, E]] = {}
        self._failures = LoadFailures(clock)
        self._loaded: dict[str, _Loaded] = {}  # least recently used first
        self._lock = threading.Lock()  # of the fields above
        self._load_lock = threading.Lock()  # held while a model is loaded or downloaded

    def register(self, engine: E) -> None:
        """Add an engine and its models. Model lists have the order of registration.

        Raises ``ValueError``: another engine has a model of the same name.
        """
        for declaration in engine.models:
            if declaration.name in self._entries:
                raise ValueError(f"The model {declaration.name!r} is registered twice.")
            self._entries[declaration.name] = (declaration, engine)

    def declarations(self) -> tuple[ModelDeclaration, ...]:
        return tuple(declaration for declaration, _ in self._entries.values())

    def models(self) -> tuple[ModelDeclaration, ...]:
        """Return the declarations of the models that requests may name."""
        return tuple(declaration for declaration in self.declarations() if declaration.listed)

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models that requests may name."""
        return tuple(declaration.name for declaration in self.models())

    @property
    def default_model(self) -> str:
        """The model of requests that name none: the one that was registered first."""
        return self.model_names[0]

    def declaration(self, model: str) -> ModelDeclaration:
        """Return the declaration of a model. Raises ``MODEL_UNKNOWN``."""
        return self._entry(model)[0]

    def engine(self, model: str) -> E:
        """Return the engine that runs a model. It is not loaded. Raises ``MODEL_UNKNOWN``."""
        return self._entry(model)[1]

    def present_models(self) -> frozenset[str]:
        """Return the models whose weights can be loaded without the network."""
        return frozenset(
            name
            for name, (declaration, engine) in self._entries.items()
            if declaration.needs_weights and engine.is_present(name)
        )

    def require_allowed(self, model: str) -> None:
        """Return if the weights of a model may be used: their licence is stated, or somebody supplies or allows them.

        Raises ``MODEL_UNAVAILABLE``; ``MODEL_UNKNOWN``.
        """
        if not self.needs_consent(model):
            return
        raise errors.MODEL_UNAVAILABLE(
            (
                f"The weights of the model {model!r} are not available: their authors state no licence, and nobody has allowed"
                f" them. An administrator allows them in the studio (Administration, Models), or with `make models MODEL={model}`"
                f" on the server. In clusters, SOUNDWRIGHT_UNLICENSED_MODELS can name {model}, too."
            ),
            model=model,
            licence=self.declaration(model).weights_licence,
        )

    def needs_consent(self, model: str) -> bool:
        """Return whether nobody has allowed the weights of a model, whose licence is not stated.

        It does not matter where the libraries of the engine are missing.

        Raises ``MODEL_UNKNOWN``.
        """
        declaration, engine = self._entry(model)
        is_allowed = bool(self._unlicensed & {model, "*"}) or model in self.allowed
        return not (declaration.is_licensed or is_allowed or engine.is_local(model)) and engine.is_installed()

    def short_reason(self, model: str, error: AppError) -> str:
        """Return in one sentence why a model cannot be loaded."""
        if error.reason == "MODEL_UNAVAILABLE" and self.needs_consent(model):
            return f"{model} is not enabled on this server."
        return f"{model} {_SHORT_REASONS.get(error.reason, 'is not available on this server.')}"

    def loaded_models(self) -> tuple[str, ...]:
        """Return the models whose weights are in memory, least recently used first."""
        return tuple(self._loaded)

    def load(self, model: str) -> None:
        """Load the weights of a model. A failure is raised again without another attempt for 30 seconds.

        Raises ``AppError``: see :meth:`soundwright.kit.engines.declaration.Engine.load`; ``MODEL_UNKNOWN``.
        """
        with self.use(model):
            pass

    @contextlib.contextmanager
    def use(self, model: str, *, keep: bool = True) -> Iterator[E]:
        """Load a model and yield its engine. The model stays in memory for the length of the block.

        Args:
            keep: whether it also stays after that, until another model needs its place. Otherwise it is unloaded after its
                last use, however that ends, unless it is kept by another use.

        Raises the errors of :meth:`load`.
        """
        declaration, engine = self._entry(model)
        if not declaration.needs_weights:
            yield engine
            return
        self.require_allowed(model)  # also if it is in memory: somebody may have withdrawn the consent
        loaded = self._begin_use(model, engine, keep)
        try:
            yield engine
        finally:
            with self._lock:
                loaded.user_count -= 1
                if not loaded.user_count and not loaded.is_kept:
                    self._unload(model)

    def select(self, model: str, outputs: Collection[str] = ()) -> ModelSelection:
        """Load a model, or its fallback where the policy allows it, and return which one runs.

        Args:
            outputs: what the job needs. A fallback without one of them does not run.

        Raises the errors of :meth:`load`, if no fallback runs.
        """
        fallback = self.fallback_of(model, outputs)
        if fallback and self.fallback is FallbackPolicy.ALWAYS:
            return self.selection(fallback, model)
        try:
            self.load(model)
        except AppError as error:
            if not fallback or error.reason not in _FALLBACK_REASONS:
                raise
            used = self.select(fallback, outputs).model  # it may need weights, too, and have a fallback
            log.warning("model.degraded", requested=model, used=used, reason=error.message)
            return self.selection(used, model, self.short_reason(model, error), error)
        return self.selection(model, model)

    def fallback_of(self, model: str, outputs: Collection[str] = ()) -> str:
        """Return the model that may run instead of another, by the policy; empty if there is none.

        Args:
            outputs: see :meth:`select`.

        Raises ``MODEL_UNKNOWN``.
        """
        fallback = self.declaration(model).fallback
        if not fallback or self.fallback is FallbackPolicy.NEVER:
            return ""
        return "" if outputs and not set(outputs) <= set(self.declaration(fallback).outputs) else fallback

    def selection(
        self, model: str, requested_model: str, reason: str = "", error: AppError | None = None
    ) -> ModelSelection:
        """Return the selection of a model in the place of another."""
        declaration, engine = self._entry(model)
        return ModelSelection(engine.name, model, requested_model, declaration.source, reason, error)

    def _entry(self, model: str) -> tuple[ModelDeclaration, E]:
        if model not in self._entries:
            known = ", ".join(self.model_names)
            raise errors.MODEL_UNKNOWN(model=model, known=known)
        return self._entries[model]

    def _begin_use(self, model: str, engine: E, keep: bool) -> _Loaded:
        """Load a model and count one more user."""
        if loaded := self._count_user(model, keep):
            return loaded
        with self._load_lock:
            if loaded := self._count_user(model, keep):  # another thread has loaded it meanwhile
                return loaded
            self._load(model, engine)
            with self._lock:
                # Weights that had to be downloaded might not have existed. Only now do other models make room for them.
                self._make_room()
                loaded = self._loaded[model] = _Loaded(1, keep)
                return loaded

    def _count_user(self, model: str, keep: bool) -> _Loaded | None:
        with self._lock:
            loaded = self._loaded.pop(model, None)
            if loaded is not None:
                loaded.user_count += 1
                loaded.is_kept |= keep
                self._loaded[model] = loaded  # now the last one
            return loaded

    def _load(self, model: str, engine: E) -> None:
        self._failures.check(model)
        if engine.is_present(model):
            with self._lock:
                self._make_room()
        try:
            engine.load(model)
        except AppError as error:
            self._failures.add(model, error)
            raise
        self._failures.discard(model)

    # The methods below need the lock.

    def _make_room(self) -> None:
        """Unload the models used least recently, so that one more is within the limit."""
        if self._loaded_limit is None:
            return
        for model in [model for model, loaded in self._loaded.items() if not loaded.user_count]:
            if len(self._loaded) < self._loaded_limit:
                return
            self._unload(model)

    def _unload(self, model: str) -> None:
        self._entries[model][1].unload(model)
        del self._loaded[model]
