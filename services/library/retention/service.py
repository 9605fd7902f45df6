"""Rules of retention: what is old enough to be deleted, and what is kept although it is old."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from soundwright.kit.log import get_logger
from soundwright.kit.periodic import failures_logged
from soundwright.kit.ports import Clock

_DAY_SECONDS = 86400.0
log = get_logger()


@dataclass(frozen=True)
class Expired:
    """Something that is old enough to be deleted. ``create_time`` is in seconds since 1970."""

    id: str
    size_bytes: int
    create_time: float


class Rule(Protocol):
    """Finds and deletes one kind of things."""

    @property
    def name(self) -> str: ...

    @property
    def days(self) -> float:
        """The age from which things are deleted; 0: never."""
        ...

    def expired(self, before: float) -> AsyncIterator[Expired]:
        """Yield what was created before this time and is not in use, the oldest first."""
        ...

    async def delete(self, expired: Expired) -> None:
        """Delete it. Repeated calls are safe."""
        ...


@dataclass(frozen=True)
class Summary:
    """What a rule found."""

    rule: str
    days: float
    count: int = 0
    size_bytes: int = 0
    oldest_time: float | None = None


def table(summaries: Sequence[Summary]) -> str:
    lines = [f"{'rule':<12}{'days':>8}{'count':>10}{'bytes':>18}  oldest"]
    for each in summaries:
        oldest = (
            "" if each.oldest_time is None else f"{datetime.fromtimestamp(each.oldest_time, UTC):%Y-%m-%d %H:%M} UTC"
        )
        days = f"{each.days:g}" if each.days else "off"
        lines.append(f"{each.rule:<12}{days:>8}{each.count:>10}{each.size_bytes:>18}  {oldest}".rstrip())
    return "\n".join(lines) + "\n"


class Retention:
    """Applies the rules. Several processes may do so at the same time."""

    def __init__(self, rules: Sequence[Rule], clock: Clock) -> None:
        self._rules = rules
        self._clock = clock

    async def preview(self) -> list[Summary]:
        """Return what :meth:`apply` would delete now."""
        return [await self._run(rule, delete=False) for rule in self._rules]

    async def apply(self) -> list[Summary]:
        """Delete what is old enough, and return what was deleted. A rule that fails does not stop the others."""
        summaries = []
        for rule in self._rules:
            with failures_logged("retention.failed", rule=rule.name):
                summaries.append(each := await self._run(rule, delete=True))
                if each.count:
                    log.info("retention.applied", rule=each.rule, count=each.count, size_bytes=each.size_bytes)
        return summaries

    async def _run(self, rule: Rule, *, delete: bool) -> Summary:
        count, size_bytes = 0, 0
        oldest: float | None = None
        if rule.days:
            async for expired in rule.expired(self._clock.now() - rule.days * _DAY_SECONDS):
                with failures_logged("retention.not_deleted", rule=rule.name, id=expired.id):
                    if delete:
                        await rule.delete(expired)
                    count += 1
                    size_bytes += expired.size_bytes
                    oldest = expired.create_time if oldest is None else oldest
        return Summary(rule.name, rule.days, count, size_bytes, oldest)
