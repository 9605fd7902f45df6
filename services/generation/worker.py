"""Runs generation jobs."""

import contextlib
import dataclasses
import functools
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from soundwright.generation.v1 import jobs_pb2
from soundwright.kit.compute import EngineProcesses
from soundwright.kit.engines import ModelSelection
from soundwright.kit.errors import AppError, Code
from soundwright.kit.messages import from_wire, to_wire
from soundwright.kit.ports import Blobs
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.derived_files import score_file
from soundwright.kit.worker.kind import JobKind, JobLimits, WorkQueue
from soundwright.kit.worker.outputs import JobOutputs
from soundwright.library.v1 import catalog_service_pb2, catalog_service_pb2_grpc, generation_pb2, job_pb2
from soundwright.services.generation import seams, service
from soundwright.services.generation.batching import Batcher
from soundwright.services.generation.finishing import FinishedClip, FinishOrder, finish
from soundwright.services.generation.registry import Registry
from soundwright.services.generation.settings import GenerationSettings
from soundwright.services.generation.takes import MadeTake, TakeOrder

_RETAKE_LIMIT = 2
# Progress ratios of a job at which each take and the saving begin. Retakes are rare, so their ranges are small.
_TAKE_RATIOS = (0.02, 0.80, 0.88, 0.92)
_LOOK_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class _Kept:
    """The take that becomes the clip."""

    order: TakeOrder
    made: MadeTake
    selection: ModelSelection
    retake_count: int


@dataclasses.dataclass(frozen=True)
class _Source:
    """The clip that a job continues.

    Args:
        parts: what it was generated from; empty if it continues a clip that is deleted.
    """

    audio: Path
    parts: tuple[service.Part, ...]


@dataclass(eq=False, kw_only=True)
class GenerationWorker:
    """The handler of generation jobs.

    The clip of a continuation contains the earlier clip and ``duration_seconds`` more.

    Args:
        note: called with the model that generated each take.
    """

    batcher: Batcher
    registry: Registry
    note: Callable[[ModelSelection], None]
    file_processes: EngineProcesses[None]
    blobs: Blobs
    catalog: catalog_service_pb2_grpc.CatalogServiceStub
    scratch: Path

    def job_kind(self, settings: GenerationSettings) -> JobKind[jobs_pb2.GenerationSpec]:
        """Return the descriptor of generation jobs. Jobs of one model share its weights."""
        return JobKind(
            kind=job_pb2.JOB_KIND_GENERATION,
            spec=jobs_pb2.GenerationSpec,
            queue=WorkQueue("generation", settings.generation_slot_count),
            handler=self.handle,
            attempt_limit=settings.generation_attempt_limit,
            limits=JobLimits(0, 0, 0),  # by the tier of the caller, for all jobs of a request together
            output_folder="generations",
            affinity=lambda spec: spec.model,
            work_seconds=lambda spec: spec.duration_seconds,
            has_track=False,
            public_spec=True,
        )

    async def handle(self, context: JobContext, wanted: jobs_pb2.GenerationSpec) -> job_pb2.JobResult:
        spec = from_wire(wanted, service.GenerationSpec)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            async with self._source(spec) as source:
                kept = await self._best_take(context, spec, source, folder)
                context.report(_TAKE_RATIOS[-1], "Saving")
                whole_seconds = kept.made.whole_seconds
                order = FinishOrder(
                    take=kept.order.file,
                    sample_rate_hz=kept.made.sample_rate_hz,
                    duration_seconds=spec.duration_seconds if whole_seconds is None else whole_seconds,
                    before=source.audio if source and whole_seconds is None else None,
                    loop_fade_seconds=seams.loop_fade_seconds(spec.duration_seconds) if spec.loop else 0.0,
                    audio=folder / "audio.wav",
                    picture=folder / "spectrogram.png",
                )
                span = 1.0 - _TAKE_RATIOS[-1]
                clip = await self.file_processes.run(
                    functools.partial(finish, order=order),
                    lambda share: context.report(_TAKE_RATIOS[-1] + 0.9 * span * share),
                )
            if kept.order.score_file.exists():
                kept.order.score_file.replace(score_file(order.audio))
            async with JobOutputs(self.blobs, context) as store:
                audio = await store.put(
                    to_wire(clip, job_pb2.AudioOutput, name="audio", path="audio.wav", content_type="audio/wav"),
                    order.audio,
                )
                picture = await store.put(
                    job_pb2.AudioOutput(name="spectrogram", path="spectrogram.png", content_type="image/png"),
                    order.picture,
                )
                context.report(1.0, "Complete")
            return _result(spec, kept, clip, (audio, picture), time.monotonic() - started)

    @contextlib.asynccontextmanager
    async def _source(self, spec: service.GenerationSpec) -> AsyncIterator[_Source | None]:
        """Provide the clip to continue inside the block, or None."""
        if not spec.continue_from_id:
            yield None
            return
        generation = await find_clip(self.catalog, spec.continue_from_id)
        parts = await clip_history(self.catalog, generation)
        async with self.blobs.local(generation.audio_blob_key) as path:
            yield _Source(path, parts)

    async def _best_take(
        self, context: JobContext, spec: service.GenerationSpec, source: _Source | None, folder: Path
    ) -> _Kept:
        """Return the first take that is accepted, or the best of three."""
        best: _Kept | None = None
        for retake in range(_RETAKE_LIMIT + 1):
            order = _take_order(spec, source, retake, folder)
            selection, made = await self._take(context, spec, order, retake)
            self.note(selection)
            if best is None or made.quality.score > best.made.quality.score:
                if best is not None:
                    best.order.file.unlink()
                best = _Kept(order, made, selection, retake)
            else:
                order.file.unlink()
            if best.made.quality.accepted:
                break
        assert best is not None
        return dataclasses.replace(best, retake_count=retake)

    async def _take(
        self, context: JobContext, spec: service.GenerationSpec, order: TakeOrder, retake: int
    ) -> tuple[ModelSelection, MadeTake]:
        """Make one take. Reports progress, whose exception stops the take."""
        begin, end = _TAKE_RATIOS[retake : retake + 2]
        # An earlier attempt of the job may have ended its process, and a continuation reads the file of another clip.
        alone = context.job.attempt > 1 or bool(spec.continue_from_id)
        kind = "music" if service.makes_music(self.registry.declaration(spec.model)) else "audio"
        async with self.batcher.place(spec.model, order, alone=alone) as place:
            while not await place.made(_LOOK_SECONDS):
                share = place.share
                context.report(begin + (end - begin) * (share or 0.0), _message(kind, share))
            return place.outcome.result()


async def clip_history(
    catalog: catalog_service_pb2_grpc.CatalogServiceStub, last: generation_pb2.Generation
) -> tuple[service.Part, ...]:
    """Return what a clip was generated from, with the clips that it continues. Empty if one of them is deleted.

    Each clip is longer than the one that it continues, so their number is limited by the longest clip.
    """
    clips = [last]
    try:
        while clips[-1].continued_from_id:
            clips.append(await find_clip(catalog, clips[-1].continued_from_id))
    except AppError as error:
        if error.code is Code.NOT_FOUND:
            return ()
        raise
    lengths = [clip.duration_seconds for clip in clips] + [0.0]
    parts = [_part(clip, longer - before) for clip, (longer, before) in zip(clips, pairwise(lengths), strict=True)]
    return tuple(reversed(parts))


async def find_clip(catalog: catalog_service_pb2_grpc.CatalogServiceStub, clip_id: str) -> generation_pb2.Generation:
    """Return a clip. Raises ``GENERATION_NOT_FOUND``."""
    return (await catalog.GetGeneration(catalog_service_pb2.GetGenerationRequest(generation_id=clip_id))).generation


def _part(clip: generation_pb2.Generation, duration_seconds: float) -> service.Part:
    said = from_wire(clip.interpretation, service.Interpretation) if clip.HasField("interpretation") else None
    return service.Part(clip.prompt, duration_seconds, clip.seed, clip.is_loop, clip.engine_model, said)


def _take_order(spec: service.GenerationSpec, source: _Source | None, retake: int, folder: Path) -> TakeOrder:
    overlap_seconds = seams.JOIN_SECONDS if source else 0.0
    fade_seconds = seams.loop_fade_seconds(spec.duration_seconds) if spec.loop else 0.0
    seed = service.retake_seed(spec.seed, retake)
    added = service.Part(spec.prompt, spec.duration_seconds, seed, spec.loop)
    take = service.Take(
        prompt=spec.prompt,
        duration_seconds=overlap_seconds + spec.duration_seconds + fade_seconds,
        seed=seed,
        # A loop that begins with another clip does not end as the take begins.
        loop_seconds=spec.duration_seconds if spec.loop and source is None else None,
        parts=(*source.parts, added) if source and source.parts else (),
    )
    return TakeOrder(take, folder / f"take-{retake}.npy", source.audio if source else None, overlap_seconds)


def _message(kind: str, share: float | None) -> str:
    """Return the progress message of a take; ``share`` is the ratio of its batch, None while it waits."""
    if share is None:
        return "Waiting in queue..."
    if share == 0.0:
        return "Loading the model"
    if share == 1.0:
        return "Checking quality"
    return f"Generating {kind}... {100 * share:.0f}%"


def _result(
    spec: service.GenerationSpec,
    kept: _Kept,
    clip: FinishedClip,
    files: tuple[job_pb2.AudioOutput, job_pb2.AudioOutput],
    compute_seconds: float,
) -> job_pb2.JobResult:
    audio, picture = files
    quality, selection, heard = kept.made.quality, kept.selection, kept.made.interpretation
    engine_model = selection.source or selection.model
    return job_pb2.JobResult(
        engine=selection.engine,
        model=engine_model,
        requested_model=spec.model,
        degraded=selection.degraded,
        degraded_reason=selection.reason,
        degraded_details=selection.details,
        compute_seconds=compute_seconds,
        outputs=[audio, picture],
        clip=job_pb2.GeneratedClip(
            prompt=spec.prompt,
            duration_seconds=clip.frame_count / clip.sample_rate_hz,
            is_loop=spec.loop,
            seed=kept.order.take.seed,
            quality_score=quality.score,
            quality_issues=quality.issues,
            quality_accepted=quality.accepted,
            retry_count=kept.retake_count,
            sample_rate_hz=clip.sample_rate_hz,
            channel_count=clip.channel_count,
            audio_blob_key=audio.blob_key,
            spectrogram_blob_key=picture.blob_key,
            audio_size_bytes=audio.size_bytes,
            continued_from_id=spec.continue_from_id,
            interpretation=to_wire(heard, generation_pb2.Interpretation) if heard else None,
        ),
    )
