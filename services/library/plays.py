"""Plays: how often a clip was played, by how many, where and when.

Every play is a document, and the counts of a clip are counts of these. Hours into which no play can fall any more are
added up for good, so that a play costs the same however often the clip was played before.
"""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock
from services.library.catalog import Generation, GenerationStore, PlayTotals, recount, require_generation

__all__ = ["HOUR_SECONDS", "Play", "PlayStats", "PlayStore", "Plays"]

HOUR_SECONDS = 3600
_SOURCE_LENGTH = 50
_SOURCE_LIMIT = 32
_OTHER = "other"
_SESSION_LENGTH = 100
_DAYS = 30


@dataclass(frozen=True)
class Play:
    id: str
    generation_id: str
    listener_id: str
    source: str
    hour: int  # since 1970
    play_time: float


@dataclass(frozen=True)
class PlayStats:
    play_count: int
    listener_count: int
    by_source: dict[str, int]
    by_day: dict[str, int]


class PlayStore(GenerationStore, Protocol):
    async def add_play(self, play: Play) -> None: ...
    async def remove_play(self, play_id: str) -> None: ...
    async def count_plays(self, generation_id: str, hour: int) -> int: ...
    async def count_plays_since(self, generation_id: str, hour: int) -> int: ...
    async def count_plays_from(self, generation_id: str, source: str) -> int: ...
    async def sources(self, generation_id: str, limit: int) -> list[str]: ...
    async def hours_played(self, generation_id: str, first: int, end: int) -> list[int]: ...
    async def recount_hour(self, generation: Generation, hour: int) -> None: ...
    async def latest_hours(self, generation_id: str, limit: int) -> list[tuple[int, int]]: ...
    async def add_listener(self, generation_id: str, listener: str) -> bool: ...
    async def remove_listener(self, generation_id: str, listener: str) -> None: ...
    async def count_listeners(self, generation_id: str) -> int: ...
    async def list_plays(
        self, listener_id: str, offset: int, limit: int
    ) -> tuple[list[tuple[Generation, Play]], bool]: ...


class Plays:
    def __init__(self, store: PlayStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def record(self, principal: Principal, generation_id: str, source: str, session_id: str) -> Generation:
        """Count one play.

        Args:
            source: where it was played, e.g. ``radio``; empty: not known.
            session_id: who listened, where the caller speaks for several; else empty.

        Returns:
            The clip with its new counts.

        Raises:
            AppError: ``SOURCE_TOO_LONG``, ``SESSION_ID_TOO_LONG``, ``GENERATION_NOT_FOUND``.
        """
        source = source.strip()
        if len(source) > _SOURCE_LENGTH:
            raise AppError(
                Code.INVALID_ARGUMENT, "SOURCE_TOO_LONG", f"A source has at most {_SOURCE_LENGTH} characters."
            )
        if len(session_id) > _SESSION_LENGTH:
            raise AppError(
                Code.INVALID_ARGUMENT, "SESSION_ID_TOO_LONG", f"A session id has at most {_SESSION_LENGTH} characters."
            )
        await require_generation(self._store, generation_id)
        now = self._clock.now()
        play = Play(str(uuid.uuid4()), generation_id, principal.id, source, int(now // HOUR_SECONDS), now)
        await self._store.add_play(play)
        listener = f"session:{session_id}" if session_id else f"principal:{principal.id}"
        is_new = await self._store.add_listener(generation_id, listener)
        try:
            return await self._count(play, ["plays", "listeners"] if is_new else ["plays"])
        except AppError:
            # A deletion that came between may have looked for plays before this one was there.
            await self._store.remove_play(play.id)
            await self._store.remove_listener(generation_id, listener)
            raise

    async def _count(self, play: Play, what: Sequence[str]) -> Generation:
        async def counted(generation: Generation) -> Generation:
            before = generation.plays
            # The hour before may still be written to by a process whose clock is a little behind.
            until = max(before.until_hour, play.hour - 1)
            total = before.count
            if until > before.until_hour:
                for hour in await self._store.hours_played(generation.id, before.until_hour, play.hour):
                    await self._store.recount_hour(generation, hour)
                    total += await self._store.count_plays(generation.id, hour) if hour < until else 0
            listener_count = generation.listener_count
            if "listeners" in what:
                listener_count = await self._store.count_listeners(generation.id)
            return dataclasses.replace(
                generation,
                plays=PlayTotals(total, until),
                play_count=total + await self._store.count_plays_since(generation.id, until),
                listener_count=listener_count,
            )

        generation = await recount(self._store, play.generation_id, what, counted)
        await self._store.recount_hour(generation, play.hour)
        return generation

    async def stats(self, generation_id: str) -> PlayStats:
        """Counts by source and by day (UTC).

        Of sources, 32 are told apart; the rest, and plays without one, are ``other``. Days are the latest 30
        with any play.

        Raises:
            AppError: ``GENERATION_NOT_FOUND``.
        """
        generation = await require_generation(self._store, generation_id)
        by_source = Counter[str]()
        for source in await self._store.sources(generation_id, _SOURCE_LIMIT):
            by_source[source or _OTHER] += await self._store.count_plays_from(generation_id, source)
        by_source[_OTHER] += max(0, generation.play_count - by_source.total())
        by_day = Counter[str]()
        for hour, count in await self._store.latest_hours(generation_id, _DAYS * 24):
            by_day[datetime.datetime.fromtimestamp(hour * HOUR_SECONDS, datetime.UTC).date().isoformat()] += count
        return PlayStats(
            generation.play_count,
            generation.listener_count,
            {source: count for source, count in by_source.items() if count},
            {day: by_day[day] for day in sorted(by_day)[-_DAYS:]},
        )

    async def list_plays(
        self, principal: Principal, offset: int, limit: int
    ) -> tuple[list[tuple[Generation, Play]], bool]:
        """The caller's own, newest first, and whether there are more."""
        return await self._store.list_plays(principal.id, offset, limit)
