"""What is played most, ever or since a moment.

Plays are counted by clip and hour. An hour that is over does not change any more: its most played clips are kept in
memory, and so is what the hours of a window add up to, so that a question looks at the latest two hours only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.ports import Clock
from services.library.catalog import FAMILIES, Generation
from services.library.categories import family as family_of
from services.library.plays import HOUR_SECONDS

__all__ = ["TrendStore", "Trends"]

_WINDOW_HOURS = 31 * 24
# The most played clips of an hour that take part in the ranking of a longer time.
_BOARD_CLIPS = 100
_LEADERS = 300
_KEPT_WINDOWS = 64

Board = Mapping[str, int]
"""Plays by clip."""


class TrendStore(Protocol):
    async def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]: ...
    async def most_played(self, model: str, limit: int) -> list[Generation]: ...
    async def most_played_in_hour(self, family: str, hour: int, limit: int) -> dict[str, int]: ...


@dataclass(frozen=True)
class _Past:
    """The hours of a window that are over: all counts, and the clips that lead."""

    counts: Board
    leaders: Sequence[str]


class Trends:
    def __init__(self, store: TrendStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._boards: dict[tuple[str, int], Board] = {}
        self._windows: dict[tuple[str, int, int], _Past] = {}

    async def most_played(self, since: float | None, model: str, limit: int) -> list[tuple[Generation, int]]:
        """Clips with their plays, most first: ever, or from the hour on that ``since`` lies in.

        ``model`` is that of a filter of clips. Of each hour, the 100 most played clips of music and the 100 most played
        of audio take part.

        Raises:
            AppError: ``WINDOW_TOO_LONG`` for more than 31 days.
        """
        if since is None:
            return [(generation, generation.play_count) for generation in await self._store.most_played(model, limit)]
        now = int(self._clock.now() // HOUR_SECONDS)
        first = int(since // HOUR_SECONDS)
        if now - first > _WINDOW_HOURS:
            raise AppError(
                Code.INVALID_ARGUMENT, "WINDOW_TOO_LONG", "Trends reach back 31 days at most. Ask for a later start."
            )
        totals: dict[str, int] = {}
        for family in [family_of(model)] if model else FAMILIES:
            # The hour before this one may still be written to by a process whose clock is a little behind.
            past = await self._past(family, first, now - 1)
            totals.update((clip_id, past.counts[clip_id]) for clip_id in past.leaders)
            for hour in range(max(first, now - 1), now + 1):
                for clip_id, count in (await self._store.most_played_in_hour(family, hour, _BOARD_CLIPS)).items():
                    totals[clip_id] = totals.get(clip_id, past.counts.get(clip_id, 0)) + count
        # More than asked for: some may be deleted, or of another model of the family.
        count = 2 * limit if model in ("", *FAMILIES) else _LEADERS
        leaders = sorted(totals, key=totals.__getitem__, reverse=True)[:count]
        ranked = sorted(
            (
                clip
                for clip in (await self._store.generations(leaders)).values()
                if model in ("", clip.family, clip.model)
            ),
            key=lambda clip: (totals[clip.id], clip.create_time),
            reverse=True,
        )
        return [(clip, totals[clip.id]) for clip in ranked[:limit]]

    async def _past(self, family: str, first: int, end: int) -> _Past:
        key = (family, first, end)
        if key not in self._windows:
            counts = Counter[str]()
            for hour in range(first, end):  # one after the other: a long window must not crowd out other questions
                counts.update(await self._board(family, hour))
            if len(self._windows) >= _KEPT_WINDOWS:
                self._windows.clear()
            self._windows[key] = _Past(counts, [clip_id for clip_id, _ in counts.most_common(_LEADERS)])
        return self._windows[key]

    async def _board(self, family: str, hour: int) -> Board:
        key = (family, hour)
        board = self._boards.get(key)
        if board is None:
            board = await self._store.most_played_in_hour(family, hour, _BOARD_CLIPS)
            if len(self._boards) >= 2 * len(FAMILIES) * _WINDOW_HOURS:
                self._boards.clear()
            self._boards[key] = board
        return board
