"""Runs pipeline jobs: four stages, nine tracks and the normalised recording.

The folders are part of the pipeline contract. All outputs keep the channels and the sample rate of the recording.
"""

import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from soundwright.kit import audio
from soundwright.kit.compute import EngineProcesses, Report, Work
from soundwright.kit.engines import ModelSelection
from soundwright.kit.errors import AppError
from soundwright.kit.pipeline import PIPELINE_STAGES
from soundwright.kit.ports import Blobs, Clock
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.kind import JobKind
from soundwright.kit.worker.outputs import JobOutputs
from soundwright.library.v1 import job_pb2
from soundwright.separation.v1 import jobs_pb2
from soundwright.services.separation import service
from soundwright.services.separation.engines.hpss import HPSS
from soundwright.services.separation.registry import Registry
from soundwright.services.separation.settings import SeparationSettings
from soundwright.services.separation.stems import Files, describe_output, describe_selection, write_stems
from soundwright.services.separation.upright import Upright, separated
from soundwright.services.separation.worker import SeparationWorker, compute_queue

ENCODING: service.Format = "wav24"
TARGET_RMS = 0.1  # -20 dBFS
PEAK_CEILING = 10 ** (-1 / 20)  # -1 dBFS
_BLOCK_FRAMES = 65_536
# Progress ratios at which each stage begins and ends. The first stage takes by far the longest.
_SPANS = ((0.0, 0.8), (0.8, 0.95), (0.95, 0.97), (0.97, 1.0))

T = TypeVar("T")


class PipelineWorker:
    """The handler of pipeline jobs."""

    def __init__(
        self, separation: SeparationWorker, processes: EngineProcesses[Registry], blobs: Blobs, clock: Clock
    ) -> None:
        self._separation = separation
        self._processes = processes
        self._blobs = blobs
        self._clock = clock

    def job_kind(self, settings: SeparationSettings) -> JobKind[jobs_pb2.PipelineSpec]:
        return JobKind(
            kind=job_pb2.JOB_KIND_PIPELINE,
            spec=jobs_pb2.PipelineSpec,
            queue=compute_queue(settings),
            handler=self.handle,
            attempt_limit=settings.separation_attempt_limit,
            limits=settings.job_limits,
            output_folder="pipeline",
            affinity=lambda spec: spec.model,
            stages=[(stage.name, stage.processor_type) for stage in PIPELINE_STAGES],
        )

    async def handle(self, context: JobContext, spec: jobs_pb2.PipelineSpec) -> job_pb2.JobResult:
        started = time.monotonic()
        stages = queued_stages()
        result = job_pb2.JobResult()
        async with contextlib.AsyncExitStack() as opened:
            async with self._stage(context, stages, 0) as run:
                mix, folder = await opened.enter_async_context(self._separation.recording(context))
                selection, stems = await run(functools.partial(_separate, mix=mix, folder=folder, model=spec.model))
            async with self._stage(context, stages, 1) as run:
                parts = await run(functools.partial(_decompose, mix=mix, folder=folder))
            async with self._stage(context, stages, 2) as run:
                composite = await run(functools.partial(_compose, mix=mix, folder=folder, parts=parts))
            async with self._stage(context, stages, 3) as run:
                normalized = await run(functools.partial(_normalize, mix=mix, folder=folder))
            describe_selection(selection, result)
            # The files move only now, because the third stage reads the files of the second.
            store = await opened.enter_async_context(JobOutputs(self._blobs, context))
            for output, file in (*stems, *parts, *composite, *normalized):
                result.outputs.append(await store.put(output, file))
            result.compute_seconds = time.monotonic() - started
            return result

    @contextlib.asynccontextmanager
    async def _stage(
        self, context: JobContext, stages: list[job_pb2.Stage], index: int
    ) -> AsyncIterator[Callable[[Work[Registry, T]], Awaitable[T]]]:
        """Record a stage that lasts as long as the block. What it provides runs work in an engine process."""
        begin, end = _SPANS[index]
        stage = stages[index]
        stage.state = job_pb2.JOB_STATE_RUNNING
        stage.start_time.CopyFrom(self._now())
        context.set_stages(stages)
        context.report(begin, stage.name)
        try:
            yield lambda work: self._processes.run(work, lambda share: context.report(begin + (end - begin) * share))
            stage.state = job_pb2.JOB_STATE_SUCCEEDED
        except AppError as error:
            stage.state = job_pb2.JOB_STATE_FAILED
            stage.error_message = error.message
            raise
        finally:
            if stage.state != job_pb2.JOB_STATE_RUNNING:  # the stage of a stopped job has no end
                stage.finish_time.CopyFrom(self._now())
                context.set_stages(stages)

    def _now(self) -> Timestamp:
        stamp = Timestamp()
        stamp.FromMicroseconds(round(self._clock.now() * 1e6))
        return stamp


def queued_stages() -> list[job_pb2.Stage]:
    return [
        job_pb2.Stage(name=stage.name, processor_type=stage.processor_type, state=job_pb2.JOB_STATE_QUEUED)
        for stage in PIPELINE_STAGES
    ]


# The functions below run in an engine process.


def _separate(
    registry: Registry, report: Report, *, mix: audio.AudioFile, folder: Path, model: str
) -> tuple[ModelSelection, Files]:
    selection = registry.select(model)
    return selection, _within("demucs_output", folder, registry, selection.model, mix, report)


def _decompose(registry: Registry, report: Report, *, mix: audio.AudioFile, folder: Path) -> Files:
    return _within("harmonic_percussive", folder, registry, HPSS.name, mix, report)


def _compose(_registry: Registry, report: Report, *, mix: audio.AudioFile, folder: Path, parts: Files) -> Files:
    (folder / "composite").mkdir()
    main = folder / "composite" / "main.wav"
    with audio.AudioWriter(main, mix.sample_rate_hz, mix.channel_count, ENCODING, or_floats=True) as writer:
        for block in mix.blocks(_BLOCK_FRAMES):
            writer.write(block)
            report(writer.frame_count / max(1, mix.frame_count))
    files = [(describe_output("main", "composite/main.wav", mix, writer), main)]
    for part, source in parts:  # the files of the second stage
        name = f"main_{part.name}"
        copy = folder / "composite" / f"{name}.wav"
        copy.hardlink_to(source)
        output = job_pb2.AudioOutput()
        output.CopyFrom(part)
        output.name, output.path = name, f"composite/{name}.wav"
        files.append((output, copy))
    return files


def _normalize(_registry: Registry, report: Report, *, mix: audio.AudioFile, folder: Path) -> Files:
    (folder / "normalized").mkdir()
    file = folder / "normalized" / "normalized.wav"
    writer = normalize(mix, file, report)
    return [(describe_output("normalized", "normalized/normalized.wav", mix, writer), file)]


def normalize(mix: service.Mix, file: Path, report: Report) -> audio.AudioWriter:
    """Write the recording at an RMS level of -20 dBFS, or as close to it as a peak of -1 dBFS allows.

    The level is measured over all channels. One gain applies to the whole recording, so no sample clips. Silence
    stays silent.
    """
    energy, count, peak = 0.0, 0, 0.0
    for block in mix.blocks(_BLOCK_FRAMES):
        energy += float(np.square(block, dtype=np.float64).sum())
        count += block.size
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        report(0.5 * count / max(1, mix.frame_count * mix.channel_count))
    rms = (energy / count) ** 0.5 if count else 0.0
    gain = np.float32(min(TARGET_RMS / rms, PEAK_CEILING / peak) if rms > 0 else 1.0)
    with audio.AudioWriter(file, mix.sample_rate_hz, mix.channel_count, ENCODING) as writer:
        for block in mix.blocks(_BLOCK_FRAMES):
            writer.write(block * gain)
            report(0.5 + 0.5 * writer.frame_count / max(1, mix.frame_count))
    return writer


def _within(name: str, folder: Path, registry: Registry, model: str, mix: audio.AudioFile, report: Report) -> Files:
    """Separate into the sub-folder ``name``, which is part of the public contract."""
    (folder / name).mkdir()
    outputs = registry.declaration(model).outputs
    files = {stem: folder / name / f"{stem}.wav" for stem in outputs}
    with registry.use(model) as engine:
        made = write_stems(separated(engine, Upright(mix, mix.level), model, outputs), mix, files, ENCODING, report)
    for output, _file in made:
        output.path = f"{name}/{output.path}"
    return made
