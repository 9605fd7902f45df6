"""How often somebody may guess: some tries at once, then ever longer waits.

Counted in the store, not in memory: a restart or a second library gives nobody new tries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.ports import Clock
from services.library.credentials import digest

__all__ = ["AttemptStore", "Attempts", "Budget", "Tries"]


@dataclass(frozen=True)
class Budget:
    """``free`` tries, then a wait that begins at ``wait_seconds`` and doubles up to ``limit_seconds``.

    After ``memory_seconds`` without a try all is forgotten.
    """

    free: int
    wait_seconds: float
    limit_seconds: float
    memory_seconds: float = 3600.0

    def wait(self, count: int) -> float:
        """Seconds to wait after the ``count``-th try."""
        if count < self.free:
            return 0.0
        return min(self.limit_seconds, self.wait_seconds * 2.0 ** min(32, count - self.free))


@dataclass(frozen=True)
class Tries:
    """What is remembered under one key."""

    id: str
    count: int
    last_time: float
    forget_time: float
    revision: int = 0


class AttemptStore(Protocol):
    async def tries(self, key: str) -> Tries | None: ...
    async def put_tries(self, tries: Tries) -> bool: ...
    async def delete_tries(self, key: str) -> None: ...


class Attempts:
    """Counts tries by kind and subject, e.g. logins into an account, or from an address."""

    def __init__(self, store: AttemptStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take(self, kind: str, subject: str, budget: Budget) -> None:
        """Count one try before it is made, so that many at once do not pass as one.

        Raises:
            AppError: ``RATE_LIMITED`` if it is too early; then the try does not count.
        """
        key = _key(kind, subject)
        while True:
            known = await self._store.tries(key)
            now = self._clock.now()
            if known is None or known.forget_time <= now:
                count, revision = 0, known.revision if known else 0
            else:
                count, revision = known.count, known.revision
                wait_seconds = budget.wait(known.count)
                # Another library's clock may be ahead of ours, which is nobody's guess.
                if wait_seconds and now < known.last_time + wait_seconds:
                    raise _too_early(known.last_time + wait_seconds - now)
            taken = Tries(key, count + 1, now, now + budget.memory_seconds, revision)
            if await self._store.put_tries(taken):
                return

    async def forgive(self, kind: str, subject: str) -> None:
        """The last try was a success: begin anew."""
        await self._store.delete_tries(_key(kind, subject))

    async def give_back(self, kind: str, subject: str) -> None:
        """The last try was a success, which says nothing about those before it."""
        key = _key(kind, subject)
        while (known := await self._store.tries(key)) is not None:
            less = Tries(key, max(0, known.count - 1), known.last_time, known.forget_time, known.revision)
            if await self._store.put_tries(less):
                return


def _key(kind: str, subject: str) -> str:
    return digest(f"{kind}\n{subject}")


def _too_early(seconds: float) -> AppError:
    whole = max(1, math.ceil(seconds))
    return AppError(
        Code.RATE_LIMITED,
        "RATE_LIMITED",
        f"Too many attempts. Try again in {whole} seconds.",
        {"retry_after": whole, "details": {"retry_after": whole}},
    )
