"""Bus messages to service calls: runs separation jobs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc, track_pb2

from kit import audio
from kit.compute import ComputeSlots
from kit.errors import AppError
from kit.jobs import JobContext
from kit.log import get_logger
from kit.outputs import JobOutputs
from kit.ports import Blobs
from services.separation import service
from services.separation.service import Engine

__all__ = ["Choice", "SeparationWorker", "separate_to_files"]

# The model came to nothing for good or for now: the built-in engine can still do the job.
_FALLBACK_REASONS = {"MODEL_UNAVAILABLE", "CHECKPOINT_UNTRUSTED", "MODEL_UNSUPPORTED"}
_CONTENT_TYPES = {"flac": "audio/flac", "wav": "audio/wav"}
log = get_logger()


@dataclasses.dataclass(frozen=True)
class Choice:
    """The engine and model that do a job, and why, if they are not those that were asked for."""

    engine: Engine
    model: str
    requested_model: str
    reason: str = ""

    @property
    def degraded(self) -> bool:
        return self.model != self.requested_model

    def describe(self, result: job_pb2.JobResult) -> None:
        """Name the maker in ``result``."""
        result.engine = self.engine.name
        result.model = self.model
        result.requested_model = self.requested_model
        result.degraded = self.degraded
        result.degraded_reason = self.reason


class SeparationWorker:
    """The handler of separation jobs."""

    def __init__(
        self,
        *,
        engines: Mapping[str, Engine],
        load: Callable[[str], None],
        blobs: Blobs,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        slots: ComputeSlots,
        scratch: Path,
        limits: audio.AudioLimits,
        fallback: bool,
    ) -> None:
        self._engines = engines
        self._load = load
        self._blobs = blobs
        self._tracks = tracks
        self._slots = slots
        self._scratch = scratch
        self._limits = limits
        self._fallback = fallback

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Separate the job's track into stems."""
        spec = service.SeparationSpec(**json.loads(context.job.spec_json))
        started = time.monotonic()
        async with self.recording(context) as (_track, mix, folder):
            context.report(0.0, "Loading the model")
            choice = await self._slots.run(lambda: self.choose(spec.model))
            extension = audio_extension(spec.format)
            context.report(0.0, "Separating")
            outputs = await self._slots.run(
                lambda: separate_to_files(
                    choice,
                    mix,
                    {stem: folder / f"{stem}.{extension}" for stem in choice.engine.stems(choice.model)},
                    spec.format,
                    context.report,
                )
            )
            async with JobOutputs(self._blobs, "stems", context.job) as store:
                context.report(1.0, "Storing the stems")
                result = job_pb2.JobResult()
                for output, file in outputs:
                    result.outputs.append(await store.put(output, file))
                choice.describe(result)
                result.compute_seconds = time.monotonic() - started
                return result

    def choose(self, model: str) -> Choice:
        """The engine for ``model``, its weights loaded; the built-in one if that is allowed and needed.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` or its like, when there is no falling back.
        """
        try:
            self._load(model)
        except AppError as error:
            if not self._fallback or error.reason not in _FALLBACK_REASONS:
                raise
            log.warning("model.degraded", requested=model, used=service.FALLBACK_MODEL, reason=error.message)
            engine = self._engines[service.engine_of(service.FALLBACK_MODEL)]
            return Choice(engine, service.FALLBACK_MODEL, model, error.message)
        return Choice(self._engines[service.engine_of(model)], model, model)

    @contextlib.asynccontextmanager
    async def recording(self, context: JobContext) -> AsyncIterator[tuple[track_pb2.Track, audio.AudioFile, Path]]:
        """The job's track, its decoded audio, and a folder for temporary files, for the length of the block."""
        track: track_pb2.Track = (
            await self._tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=context.job.track_id))
        ).track
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            async with self._blobs.local(track.blob_key) as path:
                yield track, audio.AudioFile(path, self._limits, frame_count=track.frame_count), Path(folder)


def audio_extension(encoding: str) -> str:
    return "flac" if encoding == "flac" else "wav"


def separate_to_files(
    choice: Choice,
    mix: service.Mix,
    files: Mapping[str, Path],
    encoding: service.Format,
    report: Callable[[float], None],
) -> list[tuple[job_pb2.AudioOutput, Path]]:
    """Run the engine and write its stems as they come.

    Args:
        files: where each stem goes.
        report: called with the share done after every block; raises to stop, which the engine then does.

    Returns:
        Each stem's description (name, path, audio properties) and file, in the engine's order.
    """
    blocks: Iterator[Mapping[str, service.Samples]] = choice.engine.separate(mix, choice.model)
    with contextlib.ExitStack() as stack:
        if hasattr(blocks, "close"):
            stack.callback(blocks.close)  # a stopped generator lets go of its files at once
        writers = {
            stem: stack.enter_context(audio.AudioWriter(path, mix.sample_rate_hz, mix.channel_count, encoding))
            for stem, path in files.items()
        }

        def write(block: Mapping[str, service.Samples]) -> None:
            for stem, samples in block.items():
                writers[stem].write(samples)

        # One block is encoded while the next is computed: no more than that, so memory stays bounded.
        encoder = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="encode"))
        writing: Future[None] | None = None
        done = 0
        for block in blocks:
            if writing is not None:
                writing.result()
            writing = encoder.submit(write, block)
            done += next(iter(block.values())).shape[1]
            report(done / mix.frame_count if mix.frame_count else 1.0)
        if writing is not None:
            writing.result()
    extension = audio_extension(encoding)
    return [
        (
            job_pb2.AudioOutput(
                name=stem,
                path=f"{stem}.{extension}",
                content_type=_CONTENT_TYPES[extension],
                sample_rate_hz=mix.sample_rate_hz,
                channel_count=mix.channel_count,
                frame_count=writer.frame_count,
                peak=writer.peak,
                clipped_sample_count=writer.clipped_sample_count,
            ),
            files[stem],
        )
        for stem, writer in writers.items()
    ]
