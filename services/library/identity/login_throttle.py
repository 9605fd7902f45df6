"""Limits attempts to guess credentials: a few attempts at once, then increasing waits.

The records are in the document store, so that restarts and further library processes do not reset them.
"""

import dataclasses
import math
from dataclasses import dataclass

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Clock
from soundwright.services.library.bearer_secrets import digest
from soundwright.services.library.table import Table


@dataclass(frozen=True)
class Budget:
    """A number of attempts.

    Attributes:
        free: attempts without a wait.
        wait_seconds: the first wait. Each further attempt doubles it.
        limit_seconds: the longest wait.
        memory_seconds: the record is deleted this long after the last attempt.
    """

    free: int
    wait_seconds: float
    limit_seconds: float
    memory_seconds: float = 3600.0

    def wait(self, count: int) -> float:
        """Return the wait in seconds after ``count`` attempts."""
        if count < self.free:
            return 0.0
        return min(self.limit_seconds, self.wait_seconds * 2.0 ** min(32, count - self.free))


@dataclass(frozen=True)
class ThrottleRecord:
    """The attempts under one key. Times are seconds since 1970."""

    id: str
    count: int
    last_time: float
    forget_time: float
    revision: int = 0


class LoginThrottle:
    """Counts attempts per kind and subject, for example logins to one account or from one IP address."""

    def __init__(self, records: Table[ThrottleRecord], clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def acquire(self, kind: str, subject: str, budget: Budget) -> None:
        """Count an attempt. Call it before the attempt, so that parallel attempts are counted, too.

        Raises ``RATE_LIMITED`` if the wait is not over. The refused attempt does not count.
        """
        key = _key(kind, subject)
        while True:
            record = await self._records.get(key)
            now = self._clock.now()
            if record is None or record.forget_time <= now:
                count, revision = 0, record.revision if record else 0
            else:
                count, revision = record.count, record.revision
                wait_seconds = budget.wait(record.count)
                # Without a wait, do not compare times: the clock of another library process may be ahead.
                if wait_seconds and now < record.last_time + wait_seconds:
                    raise _rate_limited(record.last_time + wait_seconds - now)
            updated = ThrottleRecord(key, count + 1, now, now + budget.memory_seconds, revision)
            if await self._records.put(updated):
                return

    async def reset(self, kind: str, subject: str) -> None:
        """Forget all attempts, after a success."""
        await self._records.delete(_key(kind, subject))

    async def refund(self, kind: str, subject: str) -> None:
        """Take back the last attempt, after a success. Earlier attempts still count."""
        await self._records.change(
            _key(kind, subject), lambda record: dataclasses.replace(record, count=max(0, record.count - 1))
        )


def _key(kind: str, subject: str) -> str:
    return digest(f"{kind}\n{subject}")


def _rate_limited(wait_seconds: float) -> AppError:
    seconds = max(1, math.ceil(wait_seconds))
    return errors.RATE_LIMITED(
        f"Too many attempts. Try again in {seconds} seconds.", retry_after=seconds, details={"retry_after": seconds}
    )
