"""Download jobs that meet each other or die half way: a real library behind gRPC, real files, a real media site."""

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import mutagen
import pytest
import pytest_asyncio
from jobs_platform import served

from soundwright.ingest.v1 import jobs_pb2
from soundwright.kit import audio
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.confined.audio import ConfinedAudio
from soundwright.kit.errors import AppError
from soundwright.kit.messages import from_wire, to_wire
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.kit.worker.context import JobContext
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc, track_pb2
from soundwright.services.ingest.fetch.fetcher import Fetcher
from soundwright.services.ingest.service import DownloadSpec, title_of_address
from soundwright.services.ingest.songs import Song, track_id_of
from soundwright.services.ingest.worker import DownloadWorker
from tests.simulators.media_site import MediaSite
from tests.unit.ingest.test_ingest_encoding import tone, written

ANN = Principal("ann", "user")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MediaSite]:
    with MediaSite() as started:
        wav = written(tmp_path / "wav", tone(2.0)).read_bytes()
        started.found = [("Tune", "The Band", 2.0, started.file("/tune.wav", wav, "audio/wav"))]
        yield started


class World:
    """A library's tracks, a store of files, and a worker."""

    def __init__(self, tracks: Any, blobs: FileBlobs, scratch: Path, site: MediaSite) -> None:
        self.tracks, self.blobs, self.scratch = tracks, blobs, scratch
        policy = EgressPolicy([site.address])
        fetcher = Fetcher(
            policy, search_url=site.search_url, limit_bytes=4 << 20, max_seconds=600.0, deadline_seconds=120.0,
            idle_seconds=60.0,
        )  # fmt: skip
        self.worker = DownloadWorker(
            fetcher=fetcher, egress_policy=policy, blobs=blobs, tracks=tracks, scratch=scratch,
            reader=ConfinedAudio(audio.AudioLimits(), 2, scratch),
        )  # fmt: skip

    async def pend(self, spec: DownloadSpec, owner: Principal = ANN) -> None:
        """Store the track without audio, as the library does when it stores the job."""
        with principal_scope(owner), contextlib.suppress(AppError):  # it is there already
            track = track_pb2.Track(id=spec.track_id, title=spec.title)
            await self.tracks.CreateTrack(library_service_pb2.CreateTrackRequest(track=track))

    async def run(self, spec: DownloadSpec, attempt: int = 1) -> job_pb2.JobResult:
        await self.pend(spec)
        return await self.handle(spec, attempt)

    async def handle(self, spec: DownloadSpec, attempt: int = 1) -> job_pb2.JobResult:
        job = job_pb2.Job(
            id=str(uuid.uuid4()), kind=job_pb2.JOB_KIND_DOWNLOAD, owner_id=ANN.id, attempt=attempt,
            track_id=spec.track_id,
        )  # fmt: skip
        return await self.worker.handle(JobContext(job), to_wire(spec, jobs_pb2.DownloadSpec))

    async def track(self, spec: DownloadSpec) -> Any:
        with principal_scope(ANN):
            return (await self.tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=spec.track_id))).track


@pytest_asyncio.fixture
async def world(site: MediaSite) -> AsyncIterator[World]:
    async with served(SystemClock(), "ingest") as (library, channels):
        (library.folder / "scratch").mkdir()
        stub = library_service_pb2_grpc.TrackServiceStub(channels["ingest"])
        yield World(stub, library.blobs, library.folder / "scratch", site)


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
        assert from_wire(to_wire(spec, jobs_pb2.DownloadSpec), DownloadSpec) == spec


def test_a_source_is_one_track_of_each_owner() -> None:
    sources = [("ann", "one"), ("bob", "one"), ("ann", "two"), ("ann", "one")]
    found = [track_id_of(owner, f"spotify:track:{name}") for owner, name in sources]
    assert (len(set(found)), found[0]) == (3, found[3])
    assert str(uuid.UUID(found[0])) == found[0]


async def test_two_jobs_for_one_track_leave_one_file_and_nothing_of_a_killed_attempt(world: World) -> None:
    left = f"tracks/{wanted().track_id}/{uuid.uuid4()}/1/original.mp3"
    async with world.blobs.write(left) as writer:
        await writer.write(b"half")
    results = await asyncio.gather(world.run(wanted(), attempt=2), world.run(wanted("high")))
    assert {result.engine for result in results} <= {"yt-dlp", "library"}
    track = await world.track(wanted())
    assert await world.blobs.keys("tracks/") == [track.blob_key]
    info = await world.blobs.stat(track.blob_key)
    assert info is not None
    assert info.size_bytes == track.size_bytes
    assert list(world.scratch.iterdir()) == []


async def test_tracks_that_are_stored_or_deleted_are_not_downloaded(world: World, site: MediaSite) -> None:
    with pytest.raises(AppError, match="TRACK_NOT_FOUND"):
        await world.handle(wanted())
    assert site.seen == []
    await world.run(wanted())
    site.seen.clear()
    assert (await world.run(wanted(), attempt=2)).engine == "library"
    assert site.seen == []


@pytest.mark.parametrize("reason", ["TRACK_NOT_FOUND", "ACCESS_DENIED"])
async def test_no_file_is_left_of_a_track_that_was_deleted_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    spec = wanted()
    fetch = world.worker._fetch

    async def delete_then_fetch(*arguments: Any) -> Any:
        with principal_scope(ANN):
            await world.tracks.DeleteTrack(library_service_pb2.DeleteTrackRequest(track_id=spec.track_id))
        if reason == "ACCESS_DENIED":  # chance alone does not give two owners the same track id
            await world.pend(spec, Principal("bob", "user"))
        return await fetch(*arguments)

    monkeypatch.setattr(world.worker, "_fetch", delete_then_fetch)
    with pytest.raises(AppError, match=reason):
        await world.run(spec)
    assert await world.blobs.keys("tracks/") == []


async def test_names_that_the_owner_edited_stay(world: World, site: MediaSite) -> None:
    spec = wanted()
    await world.pend(spec)
    with principal_scope(ANN):
        edit = track_pb2.Track(title="My title", album="")
        await world.tracks.UpdateTrack(
            library_service_pb2.UpdateTrackRequest(track_id=spec.track_id, track=edit, fields=["title", "album"])
        )
    await world.handle(spec)
    track = await world.track(spec)
    assert (track.title, track.artist, track.album) == ("My title", "The Band", "")
    assert (track.container, track.HasField("pending_download")) == ("mp3", False)


async def test_a_link_is_named_after_its_address_then_as_the_site_says(
    world: World, site: MediaSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = written(tmp_path / "tagged.flac", tone(2.0), format="FLAC", subtype="PCM_16")
    file = mutagen.File(path)
    file["title"], file["artist"] = "Own title", "Own artist"
    file.save()
    url = site.file("/some%20name.flac", path.read_bytes(), "audio/flac")
    spec = DownloadSpec(track_id_of(ANN.id, url), "low", url)
    await world.pend(spec)
    assert (await world.track(spec)).title == "some name"
    names: list[tuple[str, str, str]] = []

    async def note_names(*_: Any) -> bytes:
        track = await world.track(spec)
        names.append((track.title, track.artist, track.blob_key))
        return b""

    monkeypatch.setattr(world.worker, "_cover", note_names)
    await world.handle(spec)
    assert names == [("Own title", "Own artist", "")]
    assert (await world.track(spec)).blob_key != ""


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("https://example.org/music/My%20Song.mp3?key=secret", "My Song"),
        ("https://example.org/watch?v=secret", "example.org/watch"),
        ("https://example.org/", "example.org"),
        ("https://example.org:8443/a/b/", "example.org/a/b"),
    ],
)
def test_an_address_gives_a_title(url: str, title: str) -> None:
    assert title_of_address(url) == title


@pytest.mark.parametrize(("seconds", "warnings"), [(2.5, []), (30.0, ["LENGTH_DIFFERS"])])
async def test_a_recording_of_another_length_is_marked(world: World, seconds: float, warnings: list[str]) -> None:
    spec = wanted(duration_seconds=seconds, artists=("The Band", "AC/DC"))
    await world.run(spec)
    track = await world.track(spec)
    assert list(track.warnings) == warnings
    assert (track.title, track.artist, track.filename) == ("Tune", "The Band, AC/DC", "The Band, AC-DC - Tune.mp3")
