"""Queries of tracks, stems, analyses, outputs of jobs and pending deletions."""

import asyncio
import dataclasses
import math
from collections.abc import Sequence
from typing import Any, TypeVar

from soundwright.kit.ports import AllOf, AtLeast, Collection, Contains, Doc, Docs, Index, LessThan, OneOf
from soundwright.kit.tokenizer import signs, words
from soundwright.services.library.documents import from_doc, insert_doc_if_absent
from soundwright.services.library.jobs.service import AudioOutput, Job
from soundwright.services.library.paging import Page, PageRequest
from soundwright.services.library.search_terms import every_word, text_terms
from soundwright.services.library.table import Table
from soundwright.services.library.tracks.analyses import Analysis, merged
from soundwright.services.library.tracks.records import (
    Setlist,
    StemSet,
    Track,
    TrackDeletion,
    TrackFilter,
    TrackLink,
    TrackSort,
    TrackStatus,
)

_TRACKS = Collection(
    "tracks",
    (
        Index(("owner_id", "create_time")),
        Index(("owner_id", "title_order", "artist_order")),
        Index(("owner_id", "artist_order", "title_order")),
        Index(("owner_id", "duration_seconds")),
        Index(("owner_id", "terms"), each="terms"),
        Index(("owner_id", "tag_orders"), each="tag_orders"),
        Index(("owner_id", "pending"), present="pending"),
        Index(("create_time",)),
        Index(("owner_id", "size_bytes")),
        Index(("size_bytes",)),
        Index(("network", "size_bytes"), present="network"),
    ),
)
_OUTPUTS = Collection("outputs", (Index(("track_id",)), Index(("job_id",)), Index(("create_time", "job_id"))))
_ANALYSES = Collection("analyses")
_STEM_SETS = Collection("stem_sets")
_DELETIONS = Collection("deleted_tracks")
_LINKS = Collection(
    "track_links",
    (Index(("track_id", "slot"), unique=True), Index(("track_id", "create_time")), Index(("expire_time",))),
)
_ORDERS = {
    TrackSort.CREATE_TIME: ("create_time",),
    TrackSort.TITLE: ("title_order", "artist_order"),
    TrackSort.ARTIST: ("artist_order", "title_order"),
    TrackSort.DURATION: ("duration_seconds",),
}
_LAST = "\U0010ffff"  # sorts missing names last
_Result = TypeVar("_Result", Analysis, StemSet)
_TEXT_LIMIT = 1_000
_TITLE_LIMIT_WORDS = 16


_SETLISTS = Collection("setlists", (Index(("owner_id", "slot"), unique=True), Index(("owner_id", "create_time"))))


class TrackDocs(Table[Track]):
    """Tracks, their stems and analyses, and the outputs of jobs."""

    def __init__(self, docs: Docs) -> None:
        super().__init__(docs, _TRACKS, Track, _track_doc)
        self.outputs = Table(docs, _OUTPUTS, AudioOutput)
        self.links = Table(docs, _LINKS, TrackLink)
        self.setlists = Table(docs, _SETLISTS, Setlist)
        self.deletions = Table(docs, _DELETIONS, TrackDeletion)

    async def prepare(self) -> None:
        await super().prepare()
        for table in (self.outputs, self.links, self.setlists, self.deletions):
            await table.prepare()
        for collection in (_ANALYSES, _STEM_SETS):
            await self._docs.ensure(collection)

    async def list_tracks(
        self, chosen: TrackFilter, sort: TrackSort, descending: bool, asked: PageRequest
    ) -> Page[Track]:
        return await self.adjacent_page(_where(chosen), asked, sort=_ORDERS[sort], descending=descending)

    # outputs and analyses

    async def store_outputs(self, outputs: Sequence[AudioOutput]) -> None:
        """Store outputs. Existing ones do not change."""
        for output in outputs:
            await self.outputs.add(output)

    async def store_analysis(self, analysis: Analysis) -> None:
        """Add what an analysis measured to what earlier ones did."""
        await self._store_result(_ANALYSES, analysis)

    async def store_stems(self, stems: StemSet) -> None:
        """Store the stems of a track, unless it has later ones."""
        await self._store_result(_STEM_SETS, stems)

    async def stem_set(self, track: Track) -> StemSet | None:
        return await self._result(_STEM_SETS, StemSet, track)

    async def analysis(self, track: Track) -> Analysis | None:
        """Return what the analyses of a track measured."""
        return await self._result(_ANALYSES, Analysis, track)

    async def _result(self, collection: Collection, kind: type[_Result], track: Track) -> _Result | None:
        doc = await self._docs.get(collection.name, track.id)
        result = from_doc(kind, doc) if doc else None
        return result if result and result.track_create_time == track.create_time else None

    async def _store_result(self, collection: Collection, found: Analysis | StemSet) -> None:
        while True:
            current = await self._docs.get(collection.name, found.track_id)
            kept = found if current is None else await _kept(from_doc(type(found), current), found)
            doc = {"id": found.track_id, **dataclasses.asdict(kept)}
            if current is None:
                if await insert_doc_if_absent(self._docs, collection.name, doc):
                    return
            elif await self._docs.replace(collection.name, doc, current["revision"]):
                return

    async def remove_results(self, job: Job) -> None:
        """Remove the outputs, the stems and the analysis of a job."""
        await self.outputs.delete_all({"job_id": job.id})
        for collection in (_ANALYSES, _STEM_SETS):
            stored = await self._docs.get(collection.name, job.track_id)
            if stored is not None and stored["job_id"] == job.id:
                await self._docs.delete(collection.name, job.track_id)


async def _kept(stored: Analysis | StemSet, found: Analysis | StemSet) -> Analysis | StemSet:
    """Return what a track keeps of two results: the later stems, or what both analyses measured."""
    is_same_track = stored.track_create_time == found.track_create_time
    if is_same_track and isinstance(stored, Analysis) and isinstance(found, Analysis):
        return await asyncio.to_thread(merged, stored, found)  # the values may be several megabytes
    return max(found, stored, key=lambda result: (result.track_create_time, result.create_time))


def _track_doc(track: Track) -> Doc:
    return {
        **dataclasses.asdict(dataclasses.replace(track, pending_download=None)),
        "pending": None if track.blob_key else True,
        "title_order": _order(track.title),
        "artist_order": _order(track.artist),
        "album_order": _order(track.album),
        "tag_orders": [_order(tag) for tag in track.tags],
        "terms": sorted(text_terms((track.title, track.artist, track.album, *track.tags))),
    }


def _order(name: str) -> str:
    """Return the sort key of a name, without case and diacritics. Names without letters and digits are only folded."""
    return " ".join(words(name)) or name.casefold() or _LAST


def _titles_in(text: str) -> list[str]:
    """Return the sort keys of all titles that a text may contain: its runs of words, and its signs."""
    kept = words(text[:_TEXT_LIMIT])
    spans = [
        " ".join(kept[start:end])
        for start in range(len(kept))
        for end in range(start + 1, min(start + _TITLE_LIMIT_WORDS, len(kept)) + 1)
    ]
    return list(dict.fromkeys([*spans, *signs(text[:_TEXT_LIMIT])]))


def _where(chosen: TrackFilter) -> dict[str, Any]:
    where: dict[str, Any] = {"owner_id": chosen.owner_id}
    if chosen.creator_key is not None:
        where["creator_key"] = chosen.creator_key
    if chosen.search.strip():
        where["terms"] = every_word(chosen.search)
    match chosen.status:
        case TrackStatus.PENDING:
            where["pending"] = True
        case TrackStatus.DOWNLOADED:
            where["pending"] = None
        case TrackStatus.PROCESSED:
            where["stem_count"] = AtLeast(1)
        case TrackStatus.ANALYZED:
            where["analyzed"] = True
    names = {"artist_order": _order(chosen.artist), "album_order": _order(chosen.album)}
    where |= {field: name for field, name in names.items() if name != _LAST}
    if chosen.titles_in:
        where["title_order"] = OneOf(_titles_in(chosen.titles_in))
    if chosen.tag:
        where["tag_orders"] = Contains(_order(chosen.tag))
    where |= {field: value for field in ("source", "key") if (value := getattr(chosen, field))}
    bounds: list[Any] = [] if chosen.min_bpm is None else [AtLeast(chosen.min_bpm)]
    if chosen.max_bpm is not None:
        bounds.append(LessThan(math.nextafter(chosen.max_bpm, math.inf)))
    if bounds:
        where["bpm"] = AllOf(bounds)
    return where
