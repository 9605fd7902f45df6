"""Recordings and what belongs to them: who may have them, and what their owner may say of them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock
from services.library.service import Analysis, AudioOutput, Job, Track, denied, may_see, not_found

__all__ = [
    "EDITABLE",
    "KEYS",
    "TrackDeletion",
    "TrackFilter",
    "TrackSort",
    "TrackStatus",
    "TrackStore",
    "Tracks",
    "note_result",
    "parse_key",
    "require_owner",
]

BPM_RANGE = (20.0, 400.0)
_TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
KEYS = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in _TONICS)
"""As analyses name them, with sharps."""

_KEY = re.compile(r"([a-g])([#♯b♭]?)\s+(major|minor)", re.IGNORECASE)
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_NAME_LIMIT = 500
_TAG_LIMIT = 50
_TAG_LENGTH_LIMIT = 50
_SEARCH_LIMIT = 500


class TrackStatus(StrEnum):
    """What there is of a track; one may have several."""

    PENDING = "pending"  # its file is still to come
    DOWNLOADED = "downloaded"  # its file
    PROCESSED = "processed"  # stems
    ANALYZED = "analyzed"  # an analysis


class TrackSort(StrEnum):
    CREATE_TIME = "create_time"
    TITLE = "title"
    ARTIST = "artist"
    DURATION = "duration"

    @property
    def descending(self) -> bool:
        """Unless asked otherwise: newest and longest first, names from A to Z."""
        return self in (TrackSort.CREATE_TIME, TrackSort.DURATION)


@dataclass(frozen=True)
class TrackFilter:
    """All conditions that are given hold.

    Attributes:
        search: beginnings of words in title, artist, album and tags, without regard to case and diacritics; a track has
            to have all of them. One without a letter or digit finds nothing.
        artist: the whole name, without regard to case and diacritics; album and tag likewise.
    """

    owner_id: str
    search: str = ""
    status: TrackStatus | None = None
    artist: str = ""
    album: str = ""
    tag: str = ""
    source: str = ""
    key: str = ""
    min_bpm: float | None = None
    max_bpm: float | None = None


@dataclass(frozen=True)
class TrackDeletion:
    """A track that was taken out of the library, while something of it may be left."""

    id: str
    track_id: str
    owner_id: str
    blob_key: str
    track_create_time: float
    delete_time: float
    revision: int = 0


class TrackStore(Protocol):
    async def insert_track(self, track: Track) -> None: ...
    async def track(self, track_id: str) -> Track | None: ...
    async def replace_track(self, track: Track) -> bool: ...
    async def list_tracks(
        self, chosen: TrackFilter, sort: TrackSort, descending: bool, offset: int, limit: int
    ) -> tuple[list[Track], int]: ...
    async def output(self, output_id: str) -> AudioOutput | None: ...
    async def latest_separation(self, track: Track) -> Job | None: ...
    async def analysis(self, track_id: str) -> Analysis | None: ...


class Tracks:
    """Recordings and what belongs to them."""

    def __init__(self, store: TrackStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, principal: Principal, track: Track) -> Track:
        now = self._clock.now()
        owned = dataclasses.replace(
            track, owner_id=principal.id, create_time=now, update_time=now, stem_count=0, analyzed=False
        )
        await self._store.insert_track(owned)
        return owned

    async def get(self, principal: Principal, track_id: str) -> Track:
        track = await self._store.track(track_id)
        if track is None:
            raise not_found("track")
        if not may_see(principal, track.owner_id):
            raise denied("track")
        return track

    async def list_tracks(
        self, principal: Principal, chosen: TrackFilter, sort: TrackSort, descending: bool, offset: int, limit: int
    ) -> tuple[list[Track], int]:
        """One page of the caller's tracks, and how many there are in all.

        Raises:
            AppError: ``VALIDATION_ERROR`` for a key that there is not.
        """
        key = _checked({"key": chosen.key})["key"]
        mine = dataclasses.replace(chosen, owner_id=principal.id, key=key, search=chosen.search[:_SEARCH_LIMIT])
        return await self._store.list_tracks(mine, sort, descending, offset, limit)

    async def update(self, principal: Principal, track_id: str, new: Mapping[str, Any]) -> Track:
        """Change what the owner says of a track.

        Args:
            new: values by field, of those in :data:`EDITABLE`; what is empty or None is cleared.

        Raises:
            AppError: ``VALIDATION_ERROR`` with ``details`` for each field that does not fit; ``TRACK_NOT_FOUND``,
                ``ACCESS_DENIED``.
        """
        if not new:
            raise AppError(
                Code.UNPROCESSABLE,
                "VALIDATION_ERROR",
                f"Nothing is to be changed. Give one of: {', '.join(EDITABLE)}.",
                {"details": {"body": ["can't be blank"]}},
            )
        values = _checked(new)

        def change(track: Track) -> Track:
            require_owner(principal, track)
            said = list(dict.fromkeys((*track.said, *values)))
            return dataclasses.replace(track, **values, said=said, update_time=self._clock.now())

        changed = await _change(self._store, track_id, change)
        if changed is None:
            raise not_found("track")
        return changed

    async def stem(self, principal: Principal, stem_id: str) -> AudioOutput:
        output = await self._store.output(stem_id)
        if output is None:
            raise not_found("stem")
        if not may_see(principal, output.owner_id):
            raise denied("stem")
        return output

    async def stems(self, principal: Principal, track_id: str) -> list[AudioOutput]:
        """The stems of the track's latest finished separation; none if there is none."""
        job = await self._store.latest_separation(await self.get(principal, track_id))
        return list(job.result.outputs) if job is not None and job.result is not None else []

    async def analysis(self, principal: Principal, track_id: str) -> Analysis:
        await self.get(principal, track_id)
        analysis = await self._store.analysis(track_id)
        if analysis is None:
            raise AppError(
                Code.NOT_FOUND, "ANALYSIS_NOT_FOUND", "This track has not been analysed. Start an analysis first."
            )
        return analysis


def require_owner(principal: Principal, track: Track) -> None:
    """To see is not to change: what anonymous callers made, they alone may touch.

    Raises:
        AppError: ``ACCESS_DENIED``.
    """
    if not (principal.is_service or principal.id == track.owner_id):
        raise denied("track")


async def note_result(store: TrackStore, job: Job) -> None:
    """Let a track tell of a job that was filed: its stems, that it is analysed, and the measured bpm and key.

    It is worked out from what is filed, so it may be repeated, in any order. What the owner says of bpm and key stays.
    """
    track = await store.track(job.track_id)
    if track is None:
        return
    if job.kind == "separation":
        latest = await store.latest_separation(track)
        count = len(latest.result.outputs) if latest is not None and latest.result is not None else 0
        await _change(store, job.track_id, lambda track: dataclasses.replace(track, stem_count=count))
    elif job.kind == "analysis":
        analysis = await store.analysis(job.track_id)
        if analysis is not None:
            measured = await asyncio.to_thread(_measured, analysis.values_json)  # there may be megabytes of values
            await _change(store, job.track_id, lambda track: _with_measured(track, measured))


def _measured(values_json: str) -> dict[str, Any]:
    try:
        values = json.loads(values_json)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return {}
    tempo, key = values.get("tempo"), values.get("key")
    measured: dict[str, Any] = {}
    if isinstance(tempo, int | float) and BPM_RANGE[0] <= tempo <= BPM_RANGE[1]:
        measured["bpm"] = round(float(tempo), 2)
    if key in KEYS:
        measured["key"] = key
    return measured


def _with_measured(track: Track, measured: Mapping[str, Any]) -> Track:
    heard = {field: value for field, value in measured.items() if field not in track.said}
    return dataclasses.replace(track, analyzed=True, **heard)


async def _change(store: TrackStore, track_id: str, change: Callable[[Track], Track]) -> Track | None:
    """Read, change, compare-and-set; again if somebody came between. None: there is no such track."""
    while True:
        track = await store.track(track_id)
        if track is None:
            return None
        changed = change(track)
        if changed == track:
            return track
        if await store.replace_track(changed):
            return dataclasses.replace(changed, revision=track.revision + 1)


# ------------------------------------------------------------------------------------------------- what owners may say


def parse_key(text: str) -> str:
    """A key as :data:`KEYS` spells it, from any spelling ("Bb major", "a♯ MINOR"); empty for a blank text.

    Raises:
        ValueError: it is none.
    """
    if not text.strip():
        return ""
    match = _KEY.fullmatch(text.strip())
    if match is None:
        raise ValueError('must be a key such as "A minor" or "F# major"')
    letter, accidental, mode = match.groups()
    tonic = (_TONICS.index(letter.upper()) + _ACCIDENTALS[accidental.lower()]) % len(_TONICS)
    return f"{_TONICS[tonic]} {mode.lower()}"


def _title(value: str) -> str:
    title = _name(value)
    if not title:
        raise ValueError("can't be blank")
    return title


def _name(value: str) -> str:
    name = _line(value)
    if len(name) > _NAME_LIMIT:
        raise ValueError(f"should be at most {_NAME_LIMIT} characters")
    return name


def _bpm(value: float | None) -> float | None:
    if value is not None and not BPM_RANGE[0] <= value <= BPM_RANGE[1]:
        raise ValueError(f"must be from {BPM_RANGE[0]:.0f} to {BPM_RANGE[1]:.0f}")
    return value


def _tags(value: list[str]) -> list[str]:
    if len(value) > _TAG_LIMIT:
        raise ValueError(f"should have at most {_TAG_LIMIT} items")
    tags: dict[str, str] = {}
    for tag in map(_line, value):
        if not 1 <= len(tag) <= _TAG_LENGTH_LIMIT:
            raise ValueError(f"each must have from 1 to {_TAG_LENGTH_LIMIT} characters")
        tags.setdefault(tag.casefold(), tag)
    return list(tags.values())


def _line(text: str) -> str:
    """One line without control characters."""
    return " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text).split())


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "title": _title,
    "artist": _name,
    "album": _name,
    "bpm": _bpm,
    "key": parse_key,
    "tags": _tags,
}
EDITABLE = tuple(_CHECKS)


def _checked(new: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    details: dict[str, list[str]] = {}
    for field, value in new.items():
        try:
            values[field] = _CHECKS[field](value)
        except ValueError as error:
            details[field] = [str(error)]
    if details:
        raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", {"details": details})
    return values
