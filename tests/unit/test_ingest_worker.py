"""Download jobs that meet each other or die half way: a real library behind gRPC, real files, a real media site."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc

from kit import audio, rpc
from kit.adapters.blobs_file import FileBlobs
from kit.adapters.clock import SystemClock
from kit.adapters.docs_sqlite import SqliteDocs
from kit.compute import ComputeSlots
from kit.errors import AppError
from kit.identity import Principal, Signer, principal_scope
from kit.jobs import JobContext
from kit.outbound.guard import Guard
from services.ingest.fetch.fetcher import Fetcher
from services.ingest.service import DownloadSpec
from services.ingest.songs import Song, track_id_of
from services.ingest.worker import DownloadWorker
from services.library.catalog_store import CatalogStore
from services.library.ledger import JobLedger
from services.library.rpc import TrackRpc
from services.library.store import LibraryStore
from services.library.track_deletions import TrackDeletions
from services.library.tracks import Tracks
from tests.simulators.media_site import MediaSite
from tests.unit.test_ingest_encoding import tone, written

ANN = Principal("ann", "user")
INGEST = Principal("service:ingest", "service")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MediaSite]:
    with MediaSite() as started:
        wav = written(tmp_path / "wav", tone(2.0)).read_bytes()
        started.found = [("Tune", "The Band", 2.0, started.file("/tune.wav", wav, "audio/wav"))]
        yield started


class World:
    """A library's tracks, a store of files, and a worker."""

    def __init__(self, tracks: Any, blobs: FileBlobs, scratch: Path, site: MediaSite) -> None:
        self.tracks = tracks
        self.blobs = blobs
        self.scratch = scratch
        guard = Guard([site.address])
        self.worker = DownloadWorker(
            fetcher=Fetcher(
                guard,
                search_url=site.search_url,
                limit_bytes=4 << 20,
                max_seconds=600.0,
                deadline_seconds=60.0,
                idle_seconds=10.0,
            ),
            guard=guard,
            blobs=blobs,
            tracks=tracks,
            slots=ComputeSlots("test", 2),
            scratch=scratch,
            limits=audio.AudioLimits(),
        )

    async def run(self, spec: DownloadSpec, attempt: int = 1) -> job_pb2.JobResult:
        job = job_pb2.Job(
            id=str(uuid.uuid4()), kind=job_pb2.JOB_KIND_DOWNLOAD, owner_id=ANN.id, attempt=attempt,
            spec_json=spec.to_json(),
        )  # fmt: skip
        return await self.worker.handle(JobContext(job))

    async def track(self, spec: DownloadSpec) -> Any:
        with principal_scope(ANN):
            return (await self.tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=spec.track_id))).track


@pytest_asyncio.fixture
async def world(site: MediaSite) -> AsyncIterator[World]:
    folder = Path(tempfile.mkdtemp())  # short enough for a socket
    docs = SqliteDocs(folder / "library.db")
    store = LibraryStore(docs)
    await store.prepare()
    signer = Signer(b"k" * 32, SystemClock())
    server = rpc.RpcServer(f"unix:{folder}/s", signer)
    blobs, clock = FileBlobs(folder / "blobs"), SystemClock()
    deletions = TrackDeletions(store, JobLedger(store, store, CatalogStore(docs), clock), blobs, clock)
    service = TrackRpc(Tracks(store, clock), deletions)
    library_service_pb2_grpc.add_TrackServiceServicer_to_server(service, server.server)
    await server.start()
    channel = rpc.connect(f"unix:{folder}/s", signer, INGEST, 5.0)
    (folder / "scratch").mkdir()
    yield World(library_service_pb2_grpc.TrackServiceStub(channel), blobs, folder / "scratch", site)
    await channel.close()
    await server.stop(0)
    await docs.close()
    await blobs.close()
    shutil.rmtree(folder)


def song(**changes: Any) -> Song:
    plain = Song(
        spotify_id="one", title="Tune", artists=("The Band",), album="Album", album_artist="The Band", cover_url="",
        duration_seconds=2.0, url="https://open.spotify.com/track/one",
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


def wanted(quality: str = "low", **changes: Any) -> DownloadSpec:
    found = song(**changes)
    return DownloadSpec(track_id_of(ANN.id, found.source_id), quality, found.url, found)


def test_what_is_asked_for_survives_the_ledger() -> None:
    for spec in (wanted(artists=("A", "B"), isrc="X"), DownloadSpec("id", "high", "https://example.org/")):
        assert DownloadSpec.from_json(spec.to_json()) == spec


def test_a_source_is_one_track_of_each_owner() -> None:
    first = track_id_of("ann", "spotify:track:one")
    assert first == track_id_of("ann", "spotify:track:one")
    assert len({first, track_id_of("bob", "spotify:track:one"), track_id_of("ann", "spotify:track:two")}) == 3
    assert str(uuid.UUID(first)) == first


async def test_two_jobs_for_one_track_leave_one_track_and_one_file(world: World) -> None:
    results = await asyncio.gather(world.run(wanted()), world.run(wanted("high")))
    assert {result.engine for result in results} <= {"yt-dlp", "library"}
    track = await world.track(wanted())
    assert await world.blobs.keys("tracks/") == [track.blob_key]
    info = await world.blobs.stat(track.blob_key)
    assert info is not None
    assert info.size_bytes == track.size_bytes
    assert list(world.scratch.iterdir()) == []


async def test_an_attempt_after_one_that_died_late_finds_the_track(world: World, site: MediaSite) -> None:
    await world.run(wanted())
    site.seen.clear()
    assert (await world.run(wanted(), attempt=2)).engine == "library"
    assert site.seen == []


async def test_what_a_killed_attempt_left_behind_is_removed(world: World) -> None:
    left = f"tracks/{wanted().track_id}/{uuid.uuid4()}/1/original.mp3"
    async with world.blobs.write(left) as writer:
        await writer.write(b"half")
    await world.run(wanted(), attempt=2)
    assert await world.blobs.keys("tracks/") == [(await world.track(wanted())).blob_key]


async def test_nothing_is_left_of_what_cannot_be_registered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = wanted()
    other = Principal("bob", "user")
    await world.run(spec)
    track = await world.track(spec)
    # An id that is somebody else's, which chance alone does not give.
    stolen = dataclasses.replace(spec, track_id=str(uuid.uuid4()))
    with principal_scope(other):
        track.id = stolen.track_id
        await world.tracks.CreateTrack(library_service_pb2.CreateTrackRequest(track=track))
    with pytest.raises(AppError, match="ACCESS_DENIED"):
        await world.run(stolen)
    assert all(stolen.track_id not in key for key in await world.blobs.keys("tracks/"))


@pytest.mark.parametrize(("seconds", "warnings"), [(2.5, []), (30.0, ["LENGTH_DIFFERS"])])
async def test_a_recording_of_another_length_is_marked(world: World, seconds: float, warnings: list[str]) -> None:
    spec = wanted(duration_seconds=seconds, artists=("The Band", "AC/DC"))
    await world.run(spec)
    track = await world.track(spec)
    assert list(track.warnings) == warnings
    assert (track.title, track.artist, track.filename) == ("Tune", "The Band, AC/DC", "The Band, AC-DC - Tune.mp3")
