"""Plays of clips, and their statistics.

Each play is a document. The counts of a clip and of its hours are incremented by compare-and-set, so that no concurrent play is
lost, and the cost of a play does not grow with their number. A crash between these steps loses one play from a count.
"""

import dataclasses
import datetime
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.catalog.records import Clip, Play
from soundwright.services.library.catalog.service import change_clip, require_clip

if TYPE_CHECKING:
    from soundwright.services.library.catalog.play_store import PlayStore

HOUR_SECONDS = 3600
_SOURCE_LIMIT_CHARS = 50
_SOURCE_LIMIT = 32
_OTHER_SOURCE = "other"
_SESSION_ID_LIMIT_CHARS = 100
_STATS_DAYS = 30


@dataclass(frozen=True)
class PlayStats:
    """The statistics of a clip. ``by_day`` is keyed by ISO dates in UTC."""

    play_count: int
    listener_count: int
    by_source: dict[str, int]
    by_day: dict[str, int]


class Plays:
    """Records plays and computes statistics."""

    def __init__(self, store: "PlayStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def record(self, principal: Principal, clip_id: str, source: str, session_id: str) -> Clip:
        """Record a play, and return the clip with its new counts.

        Args:
            source: where the clip was played, for example ``radio``; empty if unknown.
            session_id: identifies the listener if the caller acts for several listeners; otherwise empty.

        Raises ``SOURCE_TOO_LONG``, ``SESSION_ID_TOO_LONG``, ``GENERATION_NOT_FOUND``.
        """
        source = source.strip()
        if len(source) > _SOURCE_LIMIT_CHARS:
            raise errors.SOURCE_TOO_LONG(limit=_SOURCE_LIMIT_CHARS)
        if len(session_id) > _SESSION_ID_LIMIT_CHARS:
            raise errors.SESSION_ID_TOO_LONG(limit=_SESSION_ID_LIMIT_CHARS)
        clip = await require_clip(self._store, clip_id)
        now = self._clock.now()
        play = Play(str(uuid.uuid4()), clip_id, principal.id, source, int(now // HOUR_SECONDS), now)
        await self._store.plays.insert(play)
        listener = f"session:{session_id}" if session_id else f"principal:{principal.id}"
        is_new = await self._store.add_listener(clip_id, listener, principal.network)
        await self._store.count_play(clip, play.hour)
        try:
            return await change_clip(
                self._store,
                clip_id,
                lambda clip: dataclasses.replace(
                    clip, play_count=clip.play_count + 1, listener_count=clip.listener_count + is_new
                ),
            )
        except AppError:
            # A parallel deletion of the clip may have searched for plays before this one was stored.
            await self._store.remove_play(play)
            await self._store.remove_listener(clip_id, listener)
            raise

    async def stats(self, clip_id: str) -> PlayStats:
        """Return the play counts of a clip by source and by day (UTC).

        The statistics contain up to 32 sources; ``other`` counts the rest and plays without a source. They contain the
        latest 30 days with plays.

        Raises ``GENERATION_NOT_FOUND``.
        """
        clip = await require_clip(self._store, clip_id)
        by_source = Counter[str]()
        for source, count in (await self._store.count_by_source(clip_id, _SOURCE_LIMIT)).items():
            by_source[source or _OTHER_SOURCE] += count
        by_source[_OTHER_SOURCE] += max(0, clip.play_count - by_source.total())
        by_day = Counter[str]()
        for hour, count in await self._store.list_hourly_counts(clip_id, _STATS_DAYS * 24):
            by_day[datetime.datetime.fromtimestamp(hour * HOUR_SECONDS, datetime.UTC).date().isoformat()] += count
        return PlayStats(
            clip.play_count,
            clip.listener_count,
            {source: count for source, count in by_source.items() if count},
            {day: by_day[day] for day in sorted(by_day)[-_STATS_DAYS:]},
        )

    async def list_plays(self, principal: Principal, offset: int, limit: int) -> tuple[list[tuple[Clip, Play]], bool]:
        """Return a page of the caller's plays with their clips, newest first, and whether more follow."""
        return await self._store.list_plays(principal.id, offset, limit)
