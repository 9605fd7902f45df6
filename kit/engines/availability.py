"""Which models a service can run, known in the service process without loading anything there."""

import asyncio
import contextlib
import enum
import functools
from collections.abc import Callable, Collection
from typing import Any, Protocol

from soundwright.kit import errors
from soundwright.kit.compute import EngineProcesses, Report
from soundwright.kit.engines.declaration import ModelDeclaration
from soundwright.kit.engines.failures import LoadFailures
from soundwright.kit.engines.registry import EngineRegistry, FallbackPolicy, ModelSelection
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger

Processes = EngineProcesses[EngineRegistry[Any]]
WAIT_SECONDS = 8.0  # limit of the time that a request waits for a model to load; a download continues after that
log = get_logger()


class ConsentRecord(Protocol):
    """The record of the models that administrators have allowed (:class:`soundwright.kit.engines.consents.Consents`)."""

    async def refresh(self) -> object: ...
    async def allow(self, model: str) -> None: ...


class WeightsState(enum.StrEnum):
    """State of the weights of a model on this machine."""

    BUILT_IN = "built_in"  # the model has none
    PRESENT = "present"
    MISSING = "missing"
    FETCHING = "fetching"
    FAILED = "failed"  # the last attempt to fetch them
    NOT_INSTALLED = "not_installed"  # the libraries of the engine


class ModelState(enum.Enum):
    """State of a model."""

    PENDING = "pending"  # not requested yet
    LOADING = "loading"
    READY = "ready"  # requests are accepted
    ERROR = "error"  # the last attempt to load it failed


class ModelAvailability:
    """Refuses requests for a model that cannot be loaded, before there is a job.

    Args:
        registry: the declarations; this process loads no model.
        open_probe: opens a separate process in which a model is tried. Use it where jobs occupy ``processes`` for
            minutes. Without it models are tried in ``processes``, and weights that are present count as available,
            because trying one model may unload another.
        consents: informs ``registry`` of the models that administrators have allowed; None: nobody can allow any.
    """

    def __init__(
        self,
        registry: EngineRegistry[Any],
        processes: Processes,
        *,
        open_probe: Callable[[], Processes] | None = None,
        is_loading: Callable[[str], bool] = lambda model: False,
        consents: ConsentRecord | None = None,
    ) -> None:
        self._registry = registry
        self._processes = processes
        self._open_probe = open_probe
        self._is_loading = is_loading
        self._consents = consents
        self._available: set[str] = set()
        self._failures = LoadFailures()
        self._attempts: dict[str, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[frozenset[str]] | None = None

    async def require(self, model: str, outputs: Collection[str] = ()) -> None:
        """Return if a request for ``model`` can be accepted. Waits at most ``WAIT_SECONDS`` for it to load.

        Args:
            outputs: what the job needs. A fallback without one of them does not count.

        Raises ``AppError``: see :meth:`soundwright.kit.engines.declaration.Engine.load`; ``MODEL_UNKNOWN``.
        """
        await self._refresh()
        if self._is_accepted(model, outputs):
            return
        self._registry.require_allowed(model)
        await self._require(model)

    async def check(self, model: str, outputs: Collection[str] | None = ()) -> None:
        """Return unless a request for ``model`` is refused by what is known now. Loads and downloads nothing.

        Args:
            outputs: see :meth:`require`. None: no fallback counts.

        Raises the errors of :meth:`require`.
        """
        await self._refresh()
        has_fallback = outputs is not None and bool(self._registry.fallback_of(model, outputs))
        if not has_fallback and (problem := self._problem(model, await self._present())):
            raise problem

    async def require_all(self, models: Collection[str]) -> None:
        """Return if a job that runs all of ``models``, and no fallback, can be accepted. Waits ``WAIT_SECONDS`` for all together.

        Raises the errors of :meth:`require`.
        """
        wanted = [model for model in dict.fromkeys(models) if self._may_load(model)]
        await self._refresh()
        for model in wanted:
            self._registry.require_allowed(model)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                for model in wanted:
                    await self._require(model)

    async def _require(self, model: str) -> None:
        if model in self._available:
            return
        if not self._failures.recent(model):
            await asyncio.wait({self._try(model, self._open_probe)}, timeout=WAIT_SECONDS)
        self._failures.check(model)

    def state(self, model: str) -> ModelState:
        if not self._may_load(model) or model in self._available:
            return ModelState.READY
        is_installed = self._registry.engine(model).is_installed()
        if is_installed and (model in self._attempts or self._is_loading(model)):
            return ModelState.LOADING
        if self._registry.fallback is not FallbackPolicy.NEVER:
            return ModelState.READY
        if self._refusal(model):
            return ModelState.ERROR
        return ModelState.ERROR if model in self._failures or not is_installed else ModelState.PENDING

    async def weights(self) -> dict[str, WeightsState]:
        await self._refresh()
        present = await self._present()
        return {each.name: self._weights(each.name, present) for each in self._registry.declarations()}

    def _weights(self, model: str, present: frozenset[str]) -> WeightsState:
        if not self._registry.declaration(model).needs_weights:
            return WeightsState.BUILT_IN
        if not self._registry.engine(model).is_installed():
            return WeightsState.NOT_INSTALLED
        if model in self._attempts or self._is_loading(model):
            return WeightsState.FETCHING
        if model in self._available or model in present:
            return WeightsState.PRESENT
        return WeightsState.FAILED if model in self._failures else WeightsState.MISSING

    async def _present(self) -> frozenset[str]:
        """Return the models whose files are on this machine. Concurrent calls look once."""
        if self._looking is None:
            self._looking = asyncio.create_task(asyncio.to_thread(self._registry.present_models))
            self._looking.add_done_callback(self._forget_look)
        return await asyncio.shield(self._looking)

    def _forget_look(self, _task: object) -> None:
        self._looking = None

    async def usable(self) -> frozenset[str]:
        """Return the models that jobs can run now, without a download."""
        await self._refresh()
        at_hand = await self._present() | self._available
        return frozenset(each.name for each in self._registry.declarations() if self._is_usable(each, at_hand))

    def _is_usable(self, declared: ModelDeclaration, at_hand: frozenset[str]) -> bool:
        if not declared.needs_weights:
            return True
        is_installed = self._registry.engine(declared.name).is_installed()
        return declared.name in at_hand and is_installed and not self._refusal(declared.name)

    def problem(self, model: str) -> str:
        """Return why a model may not be used, or why the last attempt to load it failed; empty if neither is so."""
        problem = self._refusal(model) or self._failures.last(model)
        return problem.message if problem else ""

    async def expected(self, model: str, outputs: Collection[str] = ()) -> ModelSelection:
        """Return which model runs a job, by what is known now. Loads and downloads nothing.

        Args:
            outputs: see :meth:`require`.

        Raises ``MODEL_UNKNOWN``.
        """
        await self._refresh()
        fallback = self._registry.fallback_of(model, outputs)
        if fallback and self._registry.fallback is FallbackPolicy.ALWAYS:
            return self._registry.selection(fallback, model)
        problem = self._problem(model, await self._present())
        if fallback and problem is not None:
            reason = self._registry.short_reason(model, problem)
            used = (await self.expected(fallback, outputs)).model  # it may need weights, too, and have a fallback
            return self._registry.selection(used, model, reason, problem)
        return self._registry.selection(model, model)

    def _problem(self, model: str, present: frozenset[str]) -> AppError | None:
        """Return why the next attempt to load a model will fail, as far as is known; None if it may succeed."""
        declared = self._registry.declaration(model)
        if not declared.needs_weights:
            return None
        if model in self._available:
            return self._refusal(model)
        if not self._registry.engine(model).is_installed():
            return errors.MODEL_NOT_INSTALLED(model=model)
        if model not in present and not (declared.source or declared.has_mirrors):
            return errors.MODEL_UNAVAILABLE(
                f"The weights of the model {model!r} are not on this server, and cannot be downloaded."
            )
        return self._refusal(model) or self._failures.last(model)

    def _refusal(self, model: str) -> AppError | None:
        try:
            self._registry.require_allowed(model)
        except AppError as error:
            return error
        return None

    async def _refresh(self) -> None:
        if self._consents is not None:
            await self._consents.refresh()

    async def fetch(self, model: str, *, allow: bool = False) -> None:
        """Download the weights of a model, and try it. Waits at most ``WAIT_SECONDS``; the download continues after that.

        Args:
            allow: record that the caller allows the weights, if no licence of them is stated.

        Raises ``AppError``: see :meth:`soundwright.kit.engines.declaration.Engine.load`; ``MODEL_UNKNOWN``;
        ``FETCH_UNDERWAY`` while another model is being fetched.
        """
        if not self._registry.declaration(model).needs_weights:
            return
        await self._refresh()
        if allow and self._consents is not None and self._registry.needs_consent(model):
            await self._consents.allow(model)
        self._registry.require_allowed(model)
        if other := next((name for name in self._attempts if name != model), None):
            raise errors.FETCH_UNDERWAY(model=other)
        self._failures.discard(model)
        await asyncio.wait({self._try(model, self._open_probe)}, timeout=WAIT_SECONDS)
        self._failures.check(model)

    def note(self, selection: ModelSelection) -> None:
        """Record which model ran a job."""
        model = selection.requested_model
        if not selection.degraded:
            self._available.add(model)
            self._failures.discard(model)
        elif selection.error is not None and not self._refusal(model):
            self._available.discard(model)
            self._failures.add(model, selection.error)

    async def warm_up(self) -> None:
        """Load the default model, or the one that is expected to replace it, before the first job needs it."""
        model = (await self.expected(self._registry.default_model)).model
        if not self._may_load(model) or not self._registry.engine(model).is_installed():
            return
        if refusal := self._refusal(model):
            log.info("model.not_ready", model=model, reason=refusal.reason, error=refusal.message)
            return
        if self._open_probe is None:
            with contextlib.suppress(AppError):
                self._available |= await self._processes.run(_present_models)
        await self._try(model, None)

    async def close(self) -> None:
        """Cancel the attempts in progress."""
        attempts = list(self._attempts.values())
        for task in attempts:
            task.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    def _may_load(self, model: str) -> bool:
        declaration = self._registry.declaration(model)
        replaced = bool(declaration.fallback) and self._registry.fallback is FallbackPolicy.ALWAYS
        return declaration.needs_weights and not replaced

    def _is_accepted(self, model: str, outputs: Collection[str]) -> bool:
        if not self._may_load(model) or (model in self._available and not self._refusal(model)):
            return True
        return bool(self._registry.fallback_of(model, outputs))

    def _try(self, model: str, open_probe: Callable[[], Processes] | None) -> asyncio.Task[None]:
        if model not in self._attempts:
            task = asyncio.create_task(self._attempt(model, open_probe))
            task.add_done_callback(lambda _task: self._attempts.pop(model, None))
            self._attempts[model] = task
        return self._attempts[model]

    async def _attempt(self, model: str, open_probe: Callable[[], Processes] | None) -> None:
        processes = self._processes if open_probe is None else open_probe()
        try:
            await processes.run(functools.partial(_load, model=model))
        except (AppError, MemoryError) as caught:
            error = caught if isinstance(caught, AppError) else errors.OUT_OF_MEMORY()
            self._available.discard(model)
            self._failures.add(model, error)
            log.info("model.not_ready", model=model, reason=error.reason, error=error.message)
        else:
            self._available.add(model)
            self._failures.discard(model)
        finally:
            if open_probe is not None:
                await asyncio.to_thread(processes.close)


def _load(registry: EngineRegistry[Any], _report: Report, *, model: str) -> None:
    registry.load(model)


def _present_models(registry: EngineRegistry[Any], _report: Report) -> frozenset[str]:
    return registry.present_models()
