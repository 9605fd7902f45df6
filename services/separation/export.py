"""Runs export jobs: encodes the stems of a track again and stores them as one ZIP archive or one stem file."""

import contextlib
import dataclasses
import functools
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from soundwright.kit import audio, errors
from soundwright.kit.compute import EngineProcesses, Report, Work
from soundwright.kit.file_names import encoding_extension, file_title
from soundwright.kit.free_space import FreeSpace
from soundwright.kit.ports import Blobs
from soundwright.kit.song_tags import SongTags, part_title, tags_of
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import JobKind, WorkQueue
from soundwright.kit.worker.outputs import JobOutputs
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.separation.mixes import stems_of
from soundwright.services.separation.service import (
    EXPORT_FORMATS,
    STEM_FILES,
    STEMS,
    Samples,
    format_problems,
    require_none,
)
from soundwright.services.separation.settings import SeparationSettings

_ENGINE = "export"
_SLOT_COUNT = 1
_BLOCK_FRAMES = 65_536
_COPY_BYTES = 1 << 20
_MEMBER_TIME = (1980, 1, 1, 0, 0, 0)  # the same for every attempt, so that equal stems give equal archives


def parse_export_format(name: str) -> str:
    """Return the format of an export, or the default format for an empty name.

    Raises ``VALIDATION_ERROR`` for an unknown format.
    """
    require_none({"format": format_problems(name, EXPORT_FORMATS)})
    return name or EXPORT_FORMATS[0]


async def require_stems(
    tracks: library_service_pb2_grpc.TrackServiceStub,
    jobs: library_service_pb2_grpc.JobServiceStub,
    track_id: str,
    separation_id: str,
    export_format: str,
) -> Sequence[job_pb2.AudioOutput]:
    """Return the stems of a separation of a track, by default of the latest one.

    Raises ``NO_STEMS``; ``JOB_NOT_FOUND``; ``TRACK_NOT_FOUND``; ``ACCESS_DENIED``; ``VALIDATION_ERROR`` if they do not
    fit the format of the export.
    """
    stems: Sequence[job_pb2.AudioOutput]
    if separation_id:
        stems = await stems_of(jobs, track_id, separation_id)
    else:
        stems = (await tracks.ListStems(library_service_pb2.ListStemsRequest(track_id=track_id))).stems
    if not stems:
        raise errors.NO_STEMS()
    if export_format in STEM_FILES and {_part(stem.name) for stem in stems} != set(STEMS):
        problem = "needs drums, bass, vocals and other stems; separate the track with a model of four stems"
        raise errors.invalid("format", problem)
    return stems


def _part(stem: str) -> str:
    """Return the stem of a stem file to which a stem belongs."""
    return stem if stem in STEMS else "other"


@dataclass(frozen=True)
class _Source:
    """A stored stem as a local file. ``title`` is its name in the archive, without its extension."""

    name: str
    title: str
    path: Path
    frame_count: int
    tags: SongTags


@dataclass(eq=False, kw_only=True)
class ExportWorker:
    """The handler of export jobs."""

    processes: EngineProcesses[None]
    blobs: Blobs
    tracks: library_service_pb2_grpc.TrackServiceStub
    jobs: library_service_pb2_grpc.JobServiceStub
    scratch: Path
    limits: audio.AudioLimits

    def job_kind(self, settings: SeparationSettings) -> JobKind[jobs_pb2.ExportSpec]:
        """Return the descriptor of export jobs. They have their own queue, so that they do not wait for separations."""
        return JobKind(
            kind=job_pb2.JOB_KIND_EXPORT,
            spec=jobs_pb2.ExportSpec,
            queue=WorkQueue("export", _SLOT_COUNT),
            handler=self.handle,
            attempt_limit=settings.separation_attempt_limit,
            limits=settings.job_limits,
            output_folder="exports",
            affinity=lambda spec: spec.format,
        )

    async def handle(self, context: JobContext, spec: jobs_pb2.ExportSpec) -> job_pb2.JobResult:
        """Encode the stems of a separation of the job's track and store the file."""
        started = time.monotonic()
        context.report(0.0, "Encoding the stems")
        track_id = context.job.track_id
        stems = await require_stems(self.tracks, self.jobs, track_id, spec.separation_id, spec.format)
        track = (await self.tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))).track
        bpm = track.bpm if track.HasField("bpm") else None
        tags = await tags_of(track, self.blobs)
        async with contextlib.AsyncExitStack() as stack:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True))
            )
            sources = [
                _Source(
                    stem.name,
                    file_title(track.title, stem.name, bpm, track.key),
                    await stack.enter_async_context(self.blobs.local(stem.blob_key)),
                    stem.frame_count,
                    dataclasses.replace(tags, title=part_title(tags.title, stem.name)),
                )
                for stem in stems
            ]
            work: Work[None, None]
            if spec.format in STEM_FILES:
                file, content_type = folder / "song.stem.mp4", "audio/mp4"
                work = functools.partial(
                    _write_stem_file,
                    sources=sources,
                    file=file,
                    codec=STEM_FILES[spec.format],
                    tags=tags,
                    limits=self.limits,
                )
            else:
                file, content_type = folder / "stems.zip", "application/zip"
                work = functools.partial(
                    _write_archive,
                    sources=sources,
                    archive=file,
                    encoding=cast(audio.Encoding, spec.format),
                    limits=self.limits,
                )
            await self.processes.run(work, context.report)
            async with JobOutputs(self.blobs, context) as store:
                context.report(1.0, "Storing the file")
                output = job_pb2.AudioOutput(name="stems", path=file.name, content_type=content_type)
                stored = await store.put(output, file)
        return job_pb2.JobResult(
            engine=_ENGINE,
            model=spec.format,
            requested_model=spec.format,
            outputs=[stored],
            compute_seconds=time.monotonic() - started,
        )


def _write_archive(
    _engine: None,
    report: Report,
    *,
    sources: Sequence[_Source],
    archive: Path,
    encoding: audio.Encoding,
    limits: audio.AudioLimits,
) -> None:
    """Write the stems into an archive, one at a time. Members are not compressed, because audio hardly shrinks."""
    space = FreeSpace(archive.parent)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for number, source in enumerate(sources):
            member_path = archive.with_name(f"member.{encoding_extension(encoding)}")
            stem = audio.AudioFile(source.path, limits, frame_count=source.frame_count)
            with audio.AudioWriter(
                member_path, stem.sample_rate_hz, stem.channel_count, encoding, or_floats=True, tags=source.tags
            ) as writer:
                for block in stem.blocks(_BLOCK_FRAMES):
                    writer.write(block)
                    report((number + writer.frame_count / max(1, source.frame_count)) / len(sources))
            encoded = writer.path
            member = zipfile.ZipInfo(f"{source.title}{encoded.suffix}", _MEMBER_TIME)
            member.external_attr = 0o644 << 16
            space.use(encoded.stat().st_size)
            with encoded.open("rb") as file, target.open(member, "w", force_zip64=True) as place:
                shutil.copyfileobj(file, place, _COPY_BYTES)
            encoded.unlink()


def _write_stem_file(
    _engine: None,
    report: Report,
    *,
    sources: Sequence[_Source],
    file: Path,
    codec: audio.StemCodec,
    tags: SongTags,
    limits: audio.AudioLimits,
) -> None:
    """Write the sum of the stems and four stems into one file. Above full scale all of them are lowered by the same factor."""
    stems = {source: audio.AudioFile(source.path, limits, frame_count=source.frame_count) for source in sources}
    shape = next(iter(stems.values()))
    frame_count = max(1, shape.frame_count)
    done = 0

    def blocks(share: float) -> Iterator[list[Samples]]:
        nonlocal done
        for tracks in _tracks({source.name: stem for source, stem in stems.items()}):
            yield tracks
            done += round(share * tracks[0].shape[1])
            report(min(1.0, done / frame_count))

    peak = max((float(np.abs(track).max()) for tracks in blocks(0.2) for track in tracks), default=0.0)
    factor = np.float32(1 / max(1.0, peak))
    audio.write_stem_file(
        file,
        codec,
        shape.sample_rate_hz,
        shape.channel_count,
        [stem.capitalize() for stem in STEMS],
        ([track * factor for track in tracks] for tracks in blocks(0.8)),
        tags,
    )


def _tracks(stems: Mapping[str, audio.AudioFile]) -> Iterator[list[Samples]]:
    """Yield blocks of the sum of the stems and of each stem of a stem file."""
    for blocks in zip(*(stem.blocks(_BLOCK_FRAMES) for stem in stems.values()), strict=True):
        parts = {part: np.zeros_like(blocks[0]) for part in STEMS}
        for name, block in zip(stems, blocks, strict=True):
            parts[_part(name)] += block
        yield [np.sum(list(parts.values()), axis=0), *parts.values()]
