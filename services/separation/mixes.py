"""Mixes for the DAW export: finds the stems, runs the mix in its own pool of processes, and stores the result."""

import asyncio
import contextlib
import functools
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soundwright.kit import errors
from soundwright.kit.compute import EngineProcesses, Report
from soundwright.kit.confined.audio import ConfinedAudio
from soundwright.kit.errors import AppError, Code
from soundwright.kit.file_names import content_type, encoding_extension
from soundwright.kit.messages import to_wire
from soundwright.kit.ports import Blobs
from soundwright.kit.song_tags import SongTags, tags_of
from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.services.separation.mixdown import Mixed, MixSource, mix_to_file
from soundwright.services.separation.mixing import MixSpec, parse_manifest

_Place = tuple[str, str, int | None]
"""Name, blob key and, if known, number of frames of a stem's audio."""


async def stems_of(
    jobs: library_service_pb2_grpc.JobServiceStub, track_id: str, separation_id: str
) -> Sequence[job_pb2.AudioOutput]:
    """Return the stems of a separation of a track. Raises ``JOB_NOT_FOUND``, and the library's errors."""
    job = (await jobs.GetJob(library_service_pb2.GetJobRequest(job_id=separation_id))).job
    if job.track_id != track_id or not job.result.outputs_are_stems:
        raise errors.JOB_NOT_FOUND("This track has no such finished separation. Check the ID.")
    return list(job.result.outputs)


@dataclass(eq=False, kw_only=True)
class Mixes:
    """Renders mixes. A mix is cancelled when its caller disconnects."""

    processes: EngineProcesses[None]
    reader: ConfinedAudio
    blobs: Blobs
    tracks: library_service_pb2_grpc.TrackServiceStub
    jobs: library_service_pb2_grpc.JobServiceStub
    scratch: Path

    async def render(self, request: pb.RenderMixRequest) -> pb.RenderMixResponse:
        """Render the mix of a request. If the caller disconnects, the work stops and nothing is stored.

        Raises ``VALIDATION_ERROR``, and the library's error for a track that does not belong to the caller.
        """
        stored = await self._stored(request.track_id, request.separation_id)
        spec = parse_manifest(
            request.manifest_json, [upload.filename for upload in request.uploads], [stem.name for stem in stored]
        )
        places: list[_Place] = [(upload.filename, upload.blob_key, None) for upload in request.uploads]
        places += [(stem.name, stem.blob_key, stem.frame_count) for stem in stored]
        gone = threading.Event()
        working = asyncio.ensure_future(self._render(request.track_id, spec, places, request.output_key, gone))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            gone.set()
            await asyncio.gather(working, return_exceptions=True)
            await self.blobs.delete(request.output_key)
            raise

    async def _render(
        self, track_id: str, spec: MixSpec, places: list[_Place], output_key: str, gone: threading.Event
    ) -> pb.RenderMixResponse:
        def report(_share: float) -> None:
            if gone.is_set():
                raise errors.CANCELLED("The caller disconnected.")

        async with contextlib.AsyncExitStack() as stack:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True))
            )
            sources = []
            for stem in spec.stems:
                name, key, frame_count = places[stem.source]
                path = await stack.enter_async_context(self.blobs.local(key))
                if frame_count is None:
                    frame_count = await self._frame_count(name, path, report)
                sources.append(MixSource(path, frame_count))
            extension = encoding_extension(spec.format)
            target = folder / f"mix.{extension}"
            work = functools.partial(
                mix_to_file,
                spec=spec,
                sources=sources,
                target=target,
                limits=self.reader.limits,
                tags=await self._tags(track_id, spec),
            )
            mixed: Mixed = await self.processes.run(work, report)
            report(1.0)
            await self.blobs.put_file(output_key, target)
        return to_wire(mixed, pb.RenderMixResponse, content_type=content_type(extension))

    async def _tags(self, track_id: str, spec: MixSpec) -> SongTags:
        """Return the tags of a mix: tempo and key are those that it has."""
        track = (await self.tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id))).track
        track.bpm *= spec.speed
        if spec.semitones:
            track.key = ""
        return await tags_of(track, self.blobs, "mix")

    async def _stored(self, track_id: str, separation_id: str) -> Sequence[job_pb2.AudioOutput]:
        """Return the stems of a separation of a track, by default of the latest one.

        Raises ``JOB_NOT_FOUND``, and the library's errors.
        """
        if not separation_id:
            wanted = library_service_pb2.ListStemsRequest(track_id=track_id)
            return list((await self.tracks.ListStems(wanted)).stems)
        return await stems_of(self.jobs, track_id, separation_id)

    async def _frame_count(self, name: str, path: Path, report: Report) -> int:
        """Return the length of an uploaded file in frames. Raises ``VALIDATION_ERROR`` if it cannot be read."""
        try:
            return (await self.reader.examine(path, report)).summary.frame_count
        except AppError as error:
            if error.code is not Code.UNPROCESSABLE:
                raise
            raise errors.invalid("stems[]", f"{name}: {error.message}") from error
