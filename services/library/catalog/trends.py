"""The most played clips, of all time or of a time window.

Plays are counted per clip and hour. Past hours do not change, so their most played clips and the sums of windows are
cached in memory. A query reads only the latest two hours.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.services.library.catalog.categories import family as family_of
from soundwright.services.library.catalog.plays import HOUR_SECONDS
from soundwright.services.library.catalog.records import FAMILIES, Clip

if TYPE_CHECKING:
    from soundwright.services.library.catalog.play_store import PlayStore

_WINDOW_HOURS = 31 * 24
_HOUR_TOP_COUNT = 100  # clips of each hour that are considered for longer windows
_WINDOW_TOP_COUNT = 300
_WINDOW_CACHE_SIZE = 64

PlayCounts = Mapping[str, int]
"""Play counts by clip ID."""


@dataclass(frozen=True)
class _PastHours:
    """The past hours of a window: the summed counts, and the IDs of the most played clips."""

    counts: PlayCounts
    top_ids: Sequence[str]


class Trends:
    """Ranks clips by plays."""

    def __init__(self, store: "PlayStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._hours: dict[tuple[str, int], PlayCounts] = {}
        self._windows: dict[tuple[str, int, int], _PastHours] = {}

    async def most_played(self, since: float | None, model: str, limit: int) -> list[tuple[Clip, int]]:
        """Return the most played clips with their play counts, most played first.

        A window considers the 100 most played clips of music and of audio of each hour.

        Args:
            since: start of the window in seconds since 1970, rounded down to the hour; None for all time.
            model: return only clips of this model or family; empty for all.

        Raises ``WINDOW_TOO_LONG`` for a window of more than 31 days.
        """
        if since is None:
            return [(clip, clip.play_count) for clip in await self._store.most_played(model, limit)]
        now = int(self._clock.now() // HOUR_SECONDS)
        first = int(since // HOUR_SECONDS)
        if now - first > _WINDOW_HOURS:
            raise errors.WINDOW_TOO_LONG()
        totals: dict[str, int] = {}
        for family in [family_of(model)] if model else FAMILIES:
            # The previous hour is not final: a process whose clock is behind may still add plays to it.
            past = await self._get_past_hours(family, first, now - 1)
            totals.update((clip_id, past.counts[clip_id]) for clip_id in past.top_ids)
            for hour in range(max(first, now - 1), now + 1):
                for clip_id, count in (await self._store.most_played_in_hour(family, hour, _HOUR_TOP_COUNT)).items():
                    totals[clip_id] = totals.get(clip_id, past.counts.get(clip_id, 0)) + count
        # Load more than ``limit``: some clips may be deleted or of another model of the family.
        count = 2 * limit if model in ("", *FAMILIES) else _WINDOW_TOP_COUNT
        candidates = sorted(totals, key=totals.__getitem__, reverse=True)[:count]
        ranked = sorted(
            (
                clip
                for clip in (await self._store.clips.by_ids(candidates)).values()
                if model in ("", clip.family, clip.model)
            ),
            key=lambda clip: (totals[clip.id], clip.create_time),
            reverse=True,
        )
        return [(clip, totals[clip.id]) for clip in ranked[:limit]]

    async def _get_past_hours(self, family: str, first: int, end: int) -> _PastHours:
        """Return the sums of the hours from ``first`` up to, but not including, ``end``."""
        key = (family, first, end)
        if key not in self._windows:
            counts = Counter[str]()
            for hour in range(first, end):  # sequentially, so that a long window does not block other queries
                counts.update(await self._get_hour(family, hour))
            if len(self._windows) >= _WINDOW_CACHE_SIZE:
                self._windows.clear()
            top_ids = [clip_id for clip_id, _ in counts.most_common(_WINDOW_TOP_COUNT)]
            self._windows[key] = _PastHours(counts, top_ids)
        return self._windows[key]

    async def _get_hour(self, family: str, hour: int) -> PlayCounts:
        key = (family, hour)
        counts = self._hours.get(key)
        if counts is None:
            counts = await self._store.most_played_in_hour(family, hour, _HOUR_TOP_COUNT)
            if len(self._hours) >= 2 * len(FAMILIES) * _WINDOW_HOURS:
                self._hours.clear()
            self._hours[key] = counts
        return counts
