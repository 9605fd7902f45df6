"""Queries about tracks and what belongs to them: stems and other outputs, analyses, deletions under way."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import TypeAdapter

from kit.errors import AppError
from kit.ports import AllOf, AtLeast, Collection, Contains, Doc, Docs, Index, LessThan
from kit.words import words
from services.library.service import Analysis, AudioOutput, Job, JobState, Track, made_for
from services.library.tracks import TrackDeletion, TrackFilter, TrackSort, TrackStatus

__all__ = ["TrackDocs", "from_doc"]

_TRACKS = Collection(
    "tracks",
    (
        Index(("owner_id", "create_time")),
        Index(("owner_id", "title_order", "artist_order")),
        Index(("owner_id", "artist_order", "title_order")),
        Index(("owner_id", "duration_seconds")),
        Index(("owner_id", "beginnings"), each="beginnings"),
        Index(("owner_id", "tag_orders"), each="tag_orders"),
    ),
)
_OUTPUTS = Collection("outputs", (Index(("track_id",)), Index(("job_id",))))
_ANALYSES = Collection("analyses")
_DELETIONS = Collection("deleted_tracks", (Index(("delete_time",)),))
_ORDERS = {
    TrackSort.CREATE_TIME: ("create_time",),
    TrackSort.TITLE: ("title_order", "artist_order"),
    TrackSort.ARTIST: ("artist_order", "title_order"),
    TrackSort.DURATION: ("duration_seconds",),
}
_LAST = "\U0010ffff"  # a name that is not there comes behind all others
# Longer beginnings, and what comes behind so many words, are not searched: a limit to what one track may cost.
_BEGINNING_LIMIT = 20
_WORD_LIMIT = 300
_SEARCH_WORD_LIMIT = 20
_BATCH = 500

T = TypeVar("T")
_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def from_doc(kind: type[T], doc: Doc) -> T:
    """A stored value; what is stored beside it for queries is left out."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    value: T = _adapters[kind].validate_python(doc)
    return value


class TrackDocs:
    """Tracks, their outputs and analyses."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def prepare(self) -> None:
        for collection in (_TRACKS, _OUTPUTS, _ANALYSES, _DELETIONS):
            await self._docs.ensure(collection)

    # tracks

    async def insert_track(self, track: Track) -> None:
        await self._docs.insert(_TRACKS.name, _track_doc(track))

    async def track(self, track_id: str) -> Track | None:
        doc = await self._docs.get(_TRACKS.name, track_id)
        return from_doc(Track, doc) if doc else None

    async def replace_track(self, track: Track) -> bool:
        return await self._docs.replace(_TRACKS.name, _track_doc(track), track.revision)

    async def remove_track(self, track_id: str) -> bool:
        return await self._docs.delete(_TRACKS.name, track_id)

    async def list_tracks(
        self, chosen: TrackFilter, sort: TrackSort, descending: bool, offset: int, limit: int
    ) -> tuple[list[Track], int]:
        where = _where(chosen)
        if where is None:
            return [], 0
        docs = await self._docs.find(
            _TRACKS.name, where, sort=_ORDERS[sort], descending=descending, offset=offset, limit=limit
        )
        return [from_doc(Track, doc) for doc in docs], await self._docs.count(_TRACKS.name, where)

    async def complete_tracks(self) -> None:
        """Tracks that an earlier release stored get what lists are sorted and filtered by."""
        while docs := await self._docs.find(_TRACKS.name, {"title_order": None}, limit=_BATCH):
            for doc in docs:
                track = from_doc(Track, doc)
                job = await self.latest_separation(track)
                await self.replace_track(
                    dataclasses.replace(
                        track,
                        stem_count=len(job.result.outputs) if job and job.result else 0,
                        analyzed=await self.analysis(track.id) is not None,
                    )
                )

    async def latest_separation(self, track: Track) -> Job | None:
        where = {"track_id": track.id, "kind": "separation", "state": JobState.SUCCEEDED}
        found = await self._docs.find("jobs", where, sort="finish_time", descending=True, limit=1)
        jobs = [job for job in (from_doc(Job, doc) for doc in found) if made_for(job, track)]
        return jobs[0] if jobs else None

    # outputs and analyses

    async def file_outputs(self, outputs: Sequence[AudioOutput]) -> None:
        for output in outputs:
            try:
                await self._docs.insert(_OUTPUTS.name, dataclasses.asdict(output))
            except AppError as error:
                if error.reason != "DOC_EXISTS":  # filed before a crash
                    raise

    async def output(self, output_id: str) -> AudioOutput | None:
        doc = await self._docs.get(_OUTPUTS.name, output_id)
        return from_doc(AudioOutput, doc) if doc else None

    async def file_analysis(self, analysis: Analysis) -> None:
        """The latest measurement of a track replaces the one before."""
        doc = {"id": analysis.track_id, **dataclasses.asdict(analysis)}
        while True:
            current = await self._docs.get(_ANALYSES.name, analysis.track_id)
            if current is None:
                try:
                    await self._docs.insert(_ANALYSES.name, doc)
                    return
                except AppError as error:
                    if error.reason != "DOC_EXISTS":
                        raise
                    continue
            if current["create_time"] > analysis.create_time:
                return
            if await self._docs.replace(_ANALYSES.name, doc, current["revision"]):
                return

    async def analysis(self, track_id: str) -> Analysis | None:
        doc = await self._docs.get(_ANALYSES.name, track_id)
        return from_doc(Analysis, doc) if doc else None

    async def remove_results(self, job: Job) -> None:
        """Remove what was filed of a job, so that nothing but its own record tells of it."""
        while docs := await self._docs.find(_OUTPUTS.name, {"job_id": job.id}, limit=_BATCH):
            for doc in docs:
                await self._docs.delete(_OUTPUTS.name, doc["id"])
        analysis = await self.analysis(job.track_id)
        if analysis is not None and analysis.job_id == job.id:
            await self._docs.delete(_ANALYSES.name, job.track_id)

    # deletion

    async def begin_deletion(self, deletion: TrackDeletion) -> None:
        await self._docs.insert(_DELETIONS.name, dataclasses.asdict(deletion))

    async def pending_deletions(self, limit: int) -> list[TrackDeletion]:
        docs = await self._docs.find(_DELETIONS.name, {}, sort="delete_time", limit=limit)
        return [from_doc(TrackDeletion, doc) for doc in docs]

    async def end_deletion(self, deletion_id: str) -> None:
        await self._docs.delete(_DELETIONS.name, deletion_id)

    async def jobs_of_track(self, track_id: str, after_id: str, limit: int) -> list[Job]:
        """By id; those behind ``after_id``, if it is given."""
        after = (after_id, after_id) if after_id else None
        docs = await self._docs.find("jobs", {"track_id": track_id}, limit=limit, after=after)
        return [from_doc(Job, doc) for doc in docs]


def _track_doc(track: Track) -> Doc:
    return {
        **dataclasses.asdict(track),
        "title_order": _order(track.title),
        "artist_order": _order(track.artist),
        "album_order": _order(track.album),
        "tag_orders": [_order(tag) for tag in track.tags],
        "beginnings": _beginnings((track.title, track.artist, track.album, *track.tags)),
    }


def _order(name: str) -> str:
    """A name without regard to case and diacritics; one without letters and digits as it is."""
    return " ".join(words(name)) or name.casefold() or _LAST


def _beginnings(texts: Sequence[str]) -> list[str]:
    every = (word[:_BEGINNING_LIMIT] for text in texts for word in words(text))
    kept = set(islice(every, _WORD_LIMIT))
    return sorted({word[:length] for word in kept for length in range(1, len(word) + 1)})


def _where(chosen: TrackFilter) -> dict[str, Any] | None:
    """The conditions; None where no track can meet them."""
    where: dict[str, Any] = {"owner_id": chosen.owner_id}
    if chosen.search.strip():
        said = list(dict.fromkeys(word[:_BEGINNING_LIMIT] for word in words(chosen.search)))[:_SEARCH_WORD_LIMIT]
        if not said:
            return None
        where["beginnings"] = AllOf([Contains(word) for word in said])
    match chosen.status:
        case TrackStatus.PENDING:
            return None  # a track comes into being with its file
        case TrackStatus.PROCESSED:
            where["stem_count"] = AtLeast(1)
        case TrackStatus.ANALYZED:
            where["analyzed"] = True
    names = {"artist_order": _order(chosen.artist), "album_order": _order(chosen.album)}
    where |= {field: name for field, name in names.items() if name != _LAST}
    if chosen.tag:
        where["tag_orders"] = Contains(_order(chosen.tag))
    where |= {field: value for field in ("source", "key") if (value := getattr(chosen, field))}
    bounds: list[Any] = [] if chosen.min_bpm is None else [AtLeast(chosen.min_bpm)]
    if chosen.max_bpm is not None:
        bounds.append(LessThan(math.nextafter(chosen.max_bpm, math.inf)))
    if bounds:
        where["bpm"] = AllOf(bounds)
    return where
