"""Export jobs: what a descriptor, a handler and an archive do, over a folder store and stems on disk."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from soundwright.library.v1 import job_pb2, library_service_pb2, track_pb2
from soundwright.separation.v1 import jobs_pb2

from kit import audio
from kit.adapters.filesystem.blobs import FileBlobs
from kit.compute import EngineProcesses
from kit.errors import AppError
from kit.worker.context import JobContext, JobStopped
from kit.worker.kind import pack
from services.separation.export import ExportWorker, parse_export_format
from services.separation.mixdown import no_engine
from services.separation.settings import SeparationSettings

RATE_HZ = 8000
JOB_ID = str(uuid.uuid4())


class Tracks:
    """The stems of one track."""

    def __init__(self) -> None:
        self.stems: list[job_pb2.AudioOutput] = []

    async def GetTrack(self, request: library_service_pb2.GetTrackRequest) -> Any:
        track = track_pb2.Track(title="Blue: Hour", bpm=119.8, key="F# minor")
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
    assert context.snapshot()[1:3] == (1.0, "Storing the archive")
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


def test_formats() -> None:
    assert [parse_export_format(name) for name in ("", "flac", "wav32f")] == ["flac", "flac", "wav32f"]
    with pytest.raises(AppError) as refusal:
        parse_export_format("ogg")
    assert list(refusal.value.meta["details"]) == ["format"]
