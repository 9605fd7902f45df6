"""Failures to load a model, remembered for a while so that the next request does not try again at once."""

import copy
import time
from collections.abc import Callable

from soundwright.kit.errors import AppError

FAILURE_SECONDS = 30.0


class LoadFailures:
    """The last failure of each model."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[float, AppError]] = {}

    def __contains__(self, model: str) -> bool:
        """Return whether the last attempt to load ``model`` failed, however long ago."""
        return model in self._failures

    def add(self, model: str, error: AppError) -> None:
        self._failures[model] = (self._clock() + FAILURE_SECONDS, error)

    def discard(self, model: str) -> None:
        self._failures.pop(model, None)

    def last(self, model: str) -> AppError | None:
        """Return a copy of the last failure of ``model``, however old, if there is one. Its traceback does not grow."""
        return copy.copy(self._failures[model][1]) if model in self._failures else None

    def recent(self, model: str) -> AppError | None:
        """Return a copy of the failure of ``model`` if it is less than ``FAILURE_SECONDS`` old."""
        until, _ = self._failures.get(model, (0.0, None))
        return self.last(model) if self._clock() < until else None

    def check(self, model: str) -> None:
        """Raise the failure of ``model`` again if it is less than ``FAILURE_SECONDS`` old.

        Raises ``AppError``: see :meth:`recent`.
        """
        if error := self.recent(model):
            raise error
