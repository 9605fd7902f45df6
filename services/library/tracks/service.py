"""Tracks, their stems and analyses: domain types, access rules and validation of edits."""

import dataclasses
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from soundwright.kit import errors
from soundwright.kit.chords import harte
from soundwright.kit.errors import AppError
from soundwright.kit.lrc import expanded_length
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.access import listed_creator, may_see, owns
from soundwright.services.library.jobs.service import AudioOutput
from soundwright.services.library.paging import Page, PageRequest
from soundwright.services.library.storage.service import Storage
from soundwright.services.library.tracks.analyses import Analysis
from soundwright.services.library.tracks.records import Corrections, StemSet, Track, TrackFilter, TrackSort

if TYPE_CHECKING:
    from soundwright.services.library.tracks.store import TrackDocs

BPM_RANGE = (20.0, 400.0)
_TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
KEYS = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in _TONICS)
"""The musical keys, spelled with sharps as in analyses."""

_KEY = re.compile(r"([a-g])([#♯b♭]?)\s+(major|minor)", re.IGNORECASE)
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_NAME_LIMIT = 500
_TAG_LIMIT = 50
_TAG_LENGTH_LIMIT = 50
_LINE_LIMIT = 20_000
_SEARCH_LIMIT = 500
_CHORD_CORRECTION_LIMIT = 500
_LYRICS_LIMIT = 30_000
_ROUNDING_SECONDS = 1.0  # the last chord and the last beat can end a little after the track


class Tracks:
    """Creates, reads and edits tracks for their owners."""

    def __init__(self, store: "TrackDocs", clock: Clock, storage: Storage) -> None:
        self._store = store
        self._clock = clock
        self._storage = storage

    async def create(self, principal: Principal, track: Track) -> Track:
        """Store a track of the caller. If the same call has stored it before, return that.

        Raises ``DOC_EXISTS`` if another track has the ID; ``QUOTA_EXCEEDED``.
        """
        now = self._clock.now()
        owned = dataclasses.replace(
            track,
            owner_id=principal.id,
            network=principal.network or None,
            creator_key=principal.creator_key or None,
            create_time=now,
            update_time=now,
            stem_count=0,
            analyzed=False,
        )
        try:
            await self._storage.reserve(owned.owner_id, owned.id, owned.size_bytes, owned.network)
            await self._store.insert(owned)
        except AppError as error:
            stored = await self._store.get(track.id)
            if error.reason not in ("DOC_EXISTS", "QUOTA_EXCEEDED") or stored is None:
                raise
            if (stored.owner_id, stored.blob_key) != (owned.owner_id, owned.blob_key):
                raise
            return stored
        finally:
            await self._storage.release(owned.owner_id, owned.id, owned.network)
        return owned

    async def get(self, principal: Principal, track_id: str, *, needs_audio: bool = False) -> Track:
        """Return a track.

        Raises ``TRACK_NOT_FOUND``; ``ACCESS_DENIED``; ``AUDIO_NOT_READY`` if audio is needed and missing.
        """
        track = await self._store.get(track_id)
        if track is None:
            raise errors.TRACK_NOT_FOUND()
        if not may_see(principal, track.owner_id):
            raise errors.ACCESS_DENIED(what="track")
        if needs_audio and not track.blob_key:
            raise errors.AUDIO_NOT_READY()
        return track

    async def list_tracks(
        self, principal: Principal, chosen: TrackFilter, sort: TrackSort, descending: bool, asked: PageRequest
    ) -> Page[Track]:
        """Return a page of the caller's tracks. Raises ``VALIDATION_ERROR`` for an unknown key."""
        key = _checked({"key": chosen.key})["key"]
        mine = dataclasses.replace(
            chosen,
            owner_id=principal.id,
            creator_key=listed_creator(principal),
            key=key,
            search=chosen.search[:_SEARCH_LIMIT],
        )
        return await self._store.list_tracks(mine, sort, descending, asked)

    async def update(self, principal: Principal, track_id: str, new: Mapping[str, Any]) -> Track:
        """Change fields of a track.

        Args:
            new: values of the fields in :data:`EDITABLE` to change. Empty values and None clear a field.

        Raises ``VALIDATION_ERROR`` with ``details`` for each invalid field; ``TRACK_NOT_FOUND``, ``ACCESS_DENIED``.
        """
        if not new:
            sentence = f"The request changes nothing. Send at least one of: {', '.join(EDITABLE)}."
            raise errors.invalid("body", "can't be blank", sentence)
        values = _checked(new)

        def change(track: Track) -> Track:
            _require_within(values.get("corrections"), track.duration_seconds)
            edited_fields = list(dict.fromkeys((*track.edited_fields, *values)))
            return dataclasses.replace(track, **values, edited_fields=edited_fields, update_time=self._clock.now())

        return await self._change(principal, track_id, change)

    async def set_cover(self, principal: Principal, track_id: str, blob_key: str) -> Track:
        """Set the file of the cover; empty: none. Raises ``TRACK_NOT_FOUND``, ``ACCESS_DENIED``."""

        def change(track: Track) -> Track:
            if track.cover_blob_key == blob_key:
                return track
            return dataclasses.replace(track, cover_blob_key=blob_key, update_time=self._clock.now())

        return await self._change(principal, track_id, change)

    async def _change(self, principal: Principal, track_id: str, change: Callable[[Track], Track]) -> Track:
        def change_own(track: Track) -> Track:
            require_owner(principal, track)
            return change(track)

        changed = await change_track(self._store, track_id, change_own)
        if changed is None:
            raise errors.TRACK_NOT_FOUND()
        return changed

    async def stem(self, principal: Principal, stem_id: str) -> AudioOutput:
        output = await self._store.outputs.get(stem_id)
        if output is None:
            raise errors.STEM_NOT_FOUND()
        if not may_see(principal, output.owner_id):
            raise errors.ACCESS_DENIED(what="stem")
        return output

    async def stem_set(self, principal: Principal, track_id: str) -> StemSet | None:
        return await self._store.stem_set(await self.get(principal, track_id))

    async def analysis(self, principal: Principal, track_id: str) -> Analysis:
        analysis = await self._store.analysis(await self.get(principal, track_id))
        if analysis is None:
            raise errors.ANALYSIS_NOT_FOUND()
        return analysis


def require_owner(principal: Principal, track: Track) -> None:
    """Check that the caller may change a track. All callers can see tracks of anonymous owners, but not change them.

    Raises ``ACCESS_DENIED``.
    """
    if not (principal.is_service or owns(principal, track.owner_id, track.creator_key)):
        raise errors.ACCESS_DENIED(what="track")


async def change_track(store: "TrackDocs", track_id: str, change: Callable[[Track], Track]) -> Track | None:
    """Change a track by compare-and-set. Retry if another writer has changed it. Return None if it does not exist."""
    while True:
        track = await store.get(track_id)
        if track is None:
            return None
        changed = change(track)
        if changed == track:
            return track
        if await store.replace(changed):
            return dataclasses.replace(changed, revision=track.revision + 1)


# ----------------------------------------------------------------------------------------------- validation of fields


def parse_key(text: str) -> str:
    """Return the key as spelled in :data:`KEYS`, from spellings such as "Bb major" and "a♯ MINOR"; empty if blank.

    Raises ``ValueError``: the text is not a key.
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
    name = one_line(value)
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
    for tag in map(one_line, value):
        if not 1 <= len(tag) <= _TAG_LENGTH_LIMIT:
            raise ValueError(f"each must have from 1 to {_TAG_LENGTH_LIMIT} characters")
        tags.setdefault(tag.casefold(), tag)
    return list(tags.values())


def _corrections(value: Corrections | None) -> Corrections | None:
    if value is None or value == Corrections():
        return None
    if len(value.chords) > _CHORD_CORRECTION_LIMIT:
        raise ValueError(f"should have at most {_CHORD_CORRECTION_LIMIT} chords")
    for chord in value.chords:
        if not 0 <= chord.start_seconds < chord.end_seconds < math.inf:
            raise ValueError("need chords that end after they begin")
        harte(chord.label)
    if value.bar_one_seconds is not None and not 0 <= value.bar_one_seconds < math.inf:
        raise ValueError("need a time for bar 1")
    if value.lyrics is None:
        return value
    if len(value.lyrics) > _LYRICS_LIMIT:
        raise ValueError(f"should have at most {_LYRICS_LIMIT} characters of lyrics")
    if expanded_length(value.lyrics) > _LYRICS_LIMIT:
        raise ValueError("have lines with too many times: write the lines that repeat one by one")
    return dataclasses.replace(value, lyrics="\n".join(map(one_line, value.lyrics.splitlines())))


def _require_within(corrections: Corrections | None, seconds: float) -> None:
    if corrections is None:
        return
    times = [corrections.bar_one_seconds or 0.0, *(chord.end_seconds for chord in corrections.chords)]
    if max(times) > seconds + _ROUNDING_SECONDS:
        raise errors.invalid("corrections", f"need times in the track, which has {seconds:.3f} seconds")


def one_line(text: str) -> str:
    """Return the text on one line, without control characters. It is first cut to more than a field may have."""
    breaks = ("Cc", "Cs", "Zl", "Zp")
    return " ".join("".join(" " if unicodedata.category(c) in breaks else c for c in text[:_LINE_LIMIT]).split())


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "title": _title,
    "artist": _name,
    "album": _name,
    "bpm": _bpm,
    "key": parse_key,
    "tags": _tags,
    "corrections": _corrections,
}
EDITABLE = tuple(_CHECKS)


def _checked(new: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    details: dict[str, list[str]] = {}
    for name, value in new.items():
        try:
            values[name] = _CHECKS[name](value)
        except ValueError as error:
            details[name] = [str(error)]
    if details:
        raise errors.VALIDATION_ERROR(details=details)
    return values
