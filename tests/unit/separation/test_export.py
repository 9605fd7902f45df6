"""Export jobs: what a descriptor, a handler, an archive and a stem file do, over a folder store and stems on disk."""

import io
import json
import struct
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from mutagen.mp4 import MP4

from soundwright.kit import audio
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.compute import EngineProcesses
from soundwright.kit.errors import AppError
from soundwright.kit.worker.context import JobContext, JobStopped
from soundwright.kit.worker.kind import pack
from soundwright.library.v1 import job_pb2, library_service_pb2, track_pb2
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.separation.export import ExportWorker, parse_export_format
from soundwright.services.separation.mixdown import no_engine
from soundwright.services.separation.settings import SeparationSettings

RATE_HZ = 8000
JOB_ID = str(uuid.uuid4())


class Tracks:
    """The stems of one track."""

    def __init__(self) -> None:
        self.stems: list[job_pb2.AudioOutput] = []

    async def GetTrack(self, request: library_service_pb2.GetTrackRequest) -> Any:
        track = track_pb2.Track(
            title="Blue: Hour", artist="Ünder", bpm=119.8, key="F# minor", cover_blob_key="tracks/t/cover.jpg"
        )
        return library_service_pb2.GetTrackResponse(track=track)

    async def ListStems(self, request: library_service_pb2.ListStemsRequest) -> Any:
        assert request.track_id == "t"
        return library_service_pb2.ListStemsResponse(stems=self.stems)


@pytest.fixture(scope="module")
def processes() -> Iterator[EngineProcesses[None]]:
    processes = EngineProcesses("test", 1, no_engine)
    yield processes
    processes.close()


class Studio:
    def __init__(self, folder: Path, processes: EngineProcesses[None]) -> None:
        self.blobs = FileBlobs(folder / "blobs")
        self.tracks = Tracks()
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        worker = ExportWorker(
            processes=processes, blobs=self.blobs, tracks=self.tracks, jobs=None, scratch=self.scratch, limits=audio.AudioLimits()  # type: ignore[arg-type]
        )  # fmt: skip
        self.kind = worker.job_kind(SeparationSettings())

    async def add(self, name: str, samples: np.ndarray) -> None:
        """A stem, float32 [frames, channels]."""
        path = self.scratch / f"{name}.flac"
        soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
        await self.blobs.put_file(f"stems/j/1/{name}.flac", path)
        self.tracks.stems.append(
            job_pb2.AudioOutput(name=name, blob_key=f"stems/j/1/{name}.flac", frame_count=len(samples))
        )

    def context(self, encoding: str, attempt: int = 1) -> JobContext:
        spec = pack(jobs_pb2.ExportSpec(format=encoding))
        return JobContext(
            job_pb2.Job(id=JOB_ID, track_id="t", attempt=attempt, spec=spec, output_folder=self.kind.output_folder)
        )

    async def run(self, context: JobContext) -> job_pb2.JobResult:
        return await self.kind.handler(context, self.kind.parse(context.job))


@pytest.fixture
def studio(tmp_path: Path, processes: EngineProcesses[None]) -> Studio:
    return Studio(tmp_path, processes)


def noise(frame_count: int, channel_count: int = 2) -> np.ndarray:
    return np.random.default_rng(frame_count).uniform(-0.9, 0.9, (frame_count, channel_count)).astype(np.float32)


async def test_the_archive_holds_the_stems_in_their_order(studio: Studio) -> None:
    stems = {"drums": noise(5000), "vocals": noise(5000, 1)}
    for name, samples in stems.items():
        await studio.add(name, samples)
    context = studio.context("wav24")
    result = await studio.run(context)
    (output,) = result.outputs
    assert (output.name, output.content_type, output.track_id) == ("stems", "application/zip", "t")
    assert output.blob_key == f"exports/1/{JOB_ID}/stems.zip"
    assert (result.engine, result.model, result.outputs_are_stems) == ("export", "wav24", False)
    path = Path(studio.blobs.locate(output.blob_key))
    assert path.stat().st_size == output.size_bytes
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"Blue Hour - {name} - 120 bpm - F# minor.wav" for name in stems]
        for name, samples in stems.items():
            with archive.open(f"Blue Hour - {name} - 120 bpm - F# minor.wav") as member:
                read, rate_hz = soundfile.read(member, dtype="float32", always_2d=True)
            assert rate_hz == RATE_HZ
            assert np.max(np.abs(read - samples)) <= 2**-23
    assert context.snapshot()[1:3] == (1.0, "Storing the file")
    assert list(studio.scratch.iterdir()) == []


async def test_every_attempt_gives_the_same_archive(studio: Studio) -> None:
    await studio.add("vocals", noise(3000))
    first = await studio.run(studio.context("flac"))
    content = Path(studio.blobs.locate(first.outputs[0].blob_key)).read_bytes()
    second = await studio.run(studio.context("flac", attempt=2))
    assert second.outputs[0].id == first.outputs[0].id
    assert Path(studio.blobs.locate(second.outputs[0].blob_key)).read_bytes() == content
    # Only the latest attempt keeps its file.
    assert await studio.blobs.keys("exports/") == [f"exports/2/{JOB_ID}/stems.zip"]


async def test_the_files_of_an_archive_have_tags(studio: Studio) -> None:
    await studio.add("vocals", noise(3000))
    path = studio.blobs.locate((await studio.run(studio.context("m4a"))).outputs[0].blob_key)
    with zipfile.ZipFile(path) as archive:
        read = MP4(io.BytesIO(archive.read("Blue Hour - vocals - 120 bpm - F# minor.m4a"))).tags
    assert read is not None
    assert (read["\xa9nam"], read["\xa9ART"], read["tmpo"]) == (["Blue: Hour (vocals)"], ["Ünder"], [120])


async def test_a_cancelled_export_stores_nothing(studio: Studio) -> None:
    await studio.add("vocals", noise(400_000))
    context = Cancelled(studio.context("wav16").job)
    with pytest.raises(JobStopped):
        await studio.run(context)
    assert await studio.blobs.keys("exports/") == []
    assert list(studio.scratch.iterdir()) == []
    assert 0.0 < context.snapshot()[1] < 1.0


class Cancelled(JobContext):
    """The context of a job that is cancelled once the archive is begun."""

    def report(self, ratio: float, message: str | None = None) -> None:
        if ratio > 0.0:
            self.stop("cancelled")
        super().report(ratio, message)


async def test_stems_that_went_meanwhile_fail_the_job(studio: Studio) -> None:
    with pytest.raises(AppError, match="NO_STEMS") as refusal:
        await studio.run(studio.context("wav16"))
    assert not refusal.value.retryable


@pytest.mark.parametrize("encoding", ["stem_mp4", "stem_mp4_alac"])
async def test_a_stem_file_is_what_readers_of_such_files_ask_for(studio: Studio, encoding: str, tmp_path: Path) -> None:
    seconds = np.arange(50_000) / RATE_HZ
    stems = {
        name: np.stack([0.05 * step * np.sin(2 * np.pi * 110 * step * seconds)] * 2, axis=1).astype(np.float32)
        for step, name in enumerate(("vocals", "bass", "drums", "piano", "guitar", "strings"), start=2)
    }
    for name, samples in stems.items():
        await studio.add(name, samples)
    async with studio.blobs.write("tracks/t/cover.jpg") as writer:
        await writer.write(b"a picture")

    (output,) = (await studio.run(studio.context(encoding))).outputs
    assert (output.path, output.content_type) == ("song.stem.mp4", "audio/mp4")
    path = Path(studio.blobs.locate(output.blob_key))
    description = json.loads(atom(path.read_bytes(), b"moov", b"udta", b"stem"))
    assert description["version"] == 1
    named = [(stem["name"], stem["color"]) for stem in description["stems"]]
    assert named == [("Drums", "#009E73"), ("Bass", "#D55E00"), ("Other", "#CC79A7"), ("Vocals", "#56B4E9")]
    assert [description["mastering_dsp"][effect]["enabled"] for effect in ("compressor", "limiter")] == [False, False]
    flags = [atom(track, b"tkhd")[3] for track in atoms(atom(path.read_bytes(), b"moov"), b"trak")]
    assert flags == [3, 2, 2, 2, 2], "only the mix is enabled"

    other = stems["piano"] + stems["guitar"] + stems["strings"]
    expected = [stems["drums"], stems["bass"], other, stems["vocals"]]
    expected = [sum(expected), *expected]
    factor = 1 / max(float(np.abs(track).max()) for track in expected)
    assert factor < 1, "all tracks are lowered"
    with av.open(str(path)) as file:
        tracks = file.streams.audio
        assert [track.duration for track in tracks] == [track.duration for track in tracks[:1]] * 5
        shapes = {(track.codec.name, track.rate, track.layout.name) for track in tracks}
    assert shapes == {("alac", RATE_HZ, "stereo") if encoding == "stem_mp4_alac" else ("aac", 48_000, "stereo")}
    for number, track in enumerate(expected):
        with av.open(str(path)) as file:
            stream = file.streams.audio[number]
            read = np.concatenate([frame.to_ndarray() for frame in file.decode(stream)], axis=1)
        if encoding == "stem_mp4_alac":
            np.testing.assert_allclose(read.T / 2**31, track * factor, rtol=0, atol=2**-21)
        else:
            assert read.std() == pytest.approx(factor * track.std(), rel=0.05)

    song_tags = MP4(path).tags
    assert song_tags is not None
    assert (song_tags["\xa9nam"], song_tags["\xa9ART"], song_tags["tmpo"]) == (["Blue: Hour"], ["Ünder"], [120])
    assert song_tags["----:com.apple.iTunes:initialkey"] == [b"F#m"]
    assert [bytes(cover) for cover in song_tags["covr"]] == [b"a picture"]


def atoms(data: bytes, name: bytes) -> list[bytes]:
    """The bodies of the boxes of this name. No box here has more than 4 GiB."""
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == name:
            found.append(data[at + 8 : at + size])
        at += size
    return found


def atom(data: bytes, *names: bytes) -> bytes:
    for name in names:
        (data,) = atoms(data, name)
    return data


async def test_a_stem_file_needs_the_four_stems(studio: Studio) -> None:
    await studio.add("vocals", noise(100))
    await studio.add("accompaniment", noise(100))
    with pytest.raises(AppError) as refusal:
        await studio.run(studio.context("stem_mp4"))
    assert "four stems" in refusal.value.meta["details"]["format"][0]


def test_formats() -> None:
    assert [parse_export_format(name) for name in ("", "flac", "wav32f")] == ["flac", "flac", "wav32f"]
    with pytest.raises(AppError) as refusal:
        parse_export_format("ogg")
    assert list(refusal.value.meta["details"]) == ["format"]
