"""Readiness of a component: the latest status of each of its dependencies.

Checks run in the background, one round about every second, so probes cost nothing and cannot overload a store. Each check
has a deadline. A check that misses it continues, and no second one starts beside it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from soundwright.kit import log
from soundwright.kit.errors import AppError
from soundwright.kit.metrics import DEPENDENCY_READY

Check = Callable[[], Awaitable[None]]
"""Returns if a dependency can be used, and raises otherwise. The message of an ``AppError`` becomes the reason."""

_ROUND_SECONDS = 1.0
_STARTING_ROUND_SECONDS = 0.1  # until a component is ready for the first time
_DEADLINE_SECONDS = 2.0
_UNCHECKED = "It has not been checked yet."
logger = log.get_logger()


class CheckReport(TypedDict):
    """The status of one dependency."""

    ok: Annotated[bool, Field(examples=[True])]
    reason: Annotated[str, Field(description="Why it cannot be used. Empty if it can.", examples=[""])]
    status_seconds: Annotated[float, Field(description="How long it has had this status.", examples=[90.1])]
    check_seconds: Annotated[float, Field(description="Duration of the latest check.", examples=[0.002])]


class ReadinessReport(TypedDict):
    """The readiness of a component."""

    ready: Annotated[bool, Field(examples=[True])]
    failing: Annotated[
        list[str],
        Field(description="The dependencies that cannot be used; `starting` or `stopping` for the component itself."),
    ]
    checks: Annotated[dict[str, CheckReport], Field(description="The status of each dependency.")]


class Readiness:
    """The checks of a component and their results.

    Args:
        stopping: set when the component begins to stop. It is not ready from then on.
    """

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._checks: dict[str, _Dependency] = {}
        self._listeners: list[Callable[[bool], Awaitable[None]]] = []
        self._started = False
        self._changed = asyncio.Event()

    def add(self, name: str, check: Check) -> None:
        """Add a dependency. It counts as failing until its first check ends."""
        self._checks[name] = _Dependency(name, check)

    def listen(self, listener: Callable[[bool], Awaitable[None]]) -> None:
        """Call ``listener`` after each round with whether the component is ready."""
        self._listeners.append(listener)

    def started(self) -> None:
        """Record that the component has started, and check everything at once."""
        self._started = True
        self._changed.set()

    def report(self) -> ReadinessReport:
        """Return the results of the latest round."""
        failing = [name for name, dependency in self._checks.items() if dependency.reason]
        if self._stopping.is_set():
            failing.insert(0, "stopping")
        elif not self._started:
            failing.insert(0, "starting")
        checks = {name: dependency.report() for name, dependency in self._checks.items()}
        return ReadinessReport(ready=not failing, failing=failing, checks=checks)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the checks while the block runs."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, *(each.close() for each in self._checks.values()), return_exceptions=True)

    async def _run(self) -> None:
        was_ready = False
        while True:
            await asyncio.gather(*(dependency.refresh() for dependency in self._checks.values()))
            is_ready = self.report()["ready"]
            was_ready = was_ready or is_ready
            for listener in self._listeners:
                await listener(is_ready)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ROUND_SECONDS if was_ready else _STARTING_ROUND_SECONDS):
                    await self._changed.wait()
            self._changed.clear()


@dataclass
class _Dependency:
    """A dependency and its latest status."""

    name: str
    check: Check
    reason: str = _UNCHECKED

    def __post_init__(self) -> None:
        self._changed = time.monotonic()
        self._check_seconds = 0.0
        self._began = 0.0
        self._task: asyncio.Future[None] | None = None

    async def refresh(self) -> None:
        if self._task is None:
            self._began = time.monotonic()
            self._task = asyncio.ensure_future(self.check())
        await asyncio.wait({self._task}, timeout=_DEADLINE_SECONDS)
        self._check_seconds = time.monotonic() - self._began
        if self._task.done():
            reason = _reason(self._task.exception())
            self._task = None
        else:
            reason = f"It did not answer within {_DEADLINE_SECONDS:.0f} seconds."
        if bool(reason) != bool(self.reason):
            self._changed = time.monotonic()
        if reason != self.reason and (reason or self.reason != _UNCHECKED):
            report = logger.warning if reason else logger.info
            report("readiness.changed", dependency=self.name, ok=not reason, reason=reason)
        self.reason = reason
        DEPENDENCY_READY.labels(self.name).set(not reason)

    def report(self) -> CheckReport:
        return CheckReport(
            ok=not self.reason,
            reason=self.reason,
            status_seconds=round(time.monotonic() - self._changed, 3),
            check_seconds=round(self._check_seconds, 3),
        )

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _reason(error: BaseException | None) -> str:
    """Return the sentence for a failed check, without secrets; empty if it succeeded."""
    if error is None:
        return ""
    if isinstance(error, AppError):
        return error.message
    logger.error("readiness.check_crashed", exc_info=error)
    return f"The check failed with {type(error).__name__}. The log has the details."
