"""Runs the pipeline's jobs: four stages, nine tracks, and the normalised recording beside them.

The stages and their folders are the pipeline contract's. All keep the recording's channels and rate.
"""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path
from typing import TypeVar

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from soundwright.library.v1 import job_pb2

from kit import audio
from kit.compute import EngineProcesses, Report, Work
from kit.errors import AppError
from kit.jobs import JobContext
from kit.outputs import JobOutputs
from kit.ports import Blobs, Clock
from services.separation import service
from services.separation.stems import Choice, EngineRoom, Files, describe_output, separate_to_files
from services.separation.worker import SeparationWorker

__all__ = ["PipelineWorker", "normalize"]

ENCODING: service.Format = "wav24"
TARGET_RMS = 0.1  # -20 dBFS
PEAK_CEILING = 10 ** (-1 / 20)  # -1 dBFS
_BLOCK_FRAMES = 65_536
# Shares of the work: the first stage is by far the longest.
_SPANS = ((0.0, 0.8), (0.8, 0.95), (0.95, 0.97), (0.97, 1.0))

T = TypeVar("T")


class PipelineWorker:
    """The handler of pipeline jobs."""

    def __init__(
        self, separation: SeparationWorker, processes: EngineProcesses[EngineRoom], blobs: Blobs, clock: Clock
    ) -> None:
        self._separation = separation
        self._processes = processes
        self._blobs = blobs
        self._clock = clock

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Run the four stages on the job's track."""
        model = str(json.loads(context.job.spec_json)["model"])
        started = time.monotonic()
        stages = [job_pb2.Stage() for _ in service.PIPELINE_STAGES]
        for stage, (name, kind) in zip(stages, service.PIPELINE_STAGES, strict=True):
            stage.name, stage.processor_type, stage.state = name, kind, job_pb2.JOB_STATE_QUEUED
        result = job_pb2.JobResult()
        async with (
            self._separation.recording(context) as (mix, folder),
            JobOutputs(self._blobs, "pipeline", context.job) as store,
        ):
            run = functools.partial(self._stage, context, stages)
            choice, stems = await run(0, functools.partial(_separate, mix=mix, folder=folder, model=model))
            parts = await run(1, functools.partial(_decompose, mix=mix, folder=folder))
            composite = await run(2, functools.partial(_compose, mix=mix, folder=folder, parts=parts))
            normalized = await run(3, functools.partial(_normalize, mix=mix, folder=folder))
            choice.describe(result)
            # Only now do the files move: the third stage reads what the second wrote.
            for output, file in (*stems, *parts, *composite, *normalized):
                result.outputs.append(await store.put(output, file))
            result.compute_seconds = time.monotonic() - started
            return result

    async def _stage(
        self, context: JobContext, stages: list[job_pb2.Stage], index: int, work: Work[EngineRoom, T]
    ) -> T:
        """Run one stage and keep its record true."""
        begin, end = _SPANS[index]
        stage = stages[index]
        stage.state = job_pb2.JOB_STATE_RUNNING
        stage.start_time.CopyFrom(self._now())
        context.set_stages(stages)
        context.report(begin, stage.name)
        try:
            done = await self._processes.run(work, lambda share: context.report(begin + (end - begin) * share))
        except AppError as error:
            stage.state = job_pb2.JOB_STATE_FAILED
            stage.error_message = error.message
            stage.finish_time.CopyFrom(self._now())
            context.set_stages(stages)
            raise
        stage.state = job_pb2.JOB_STATE_SUCCEEDED
        stage.finish_time.CopyFrom(self._now())
        context.set_stages(stages)
        return done

    def _now(self) -> Timestamp:
        stamp = Timestamp()
        stamp.FromMicroseconds(round(self._clock.now() * 1e6))
        return stamp


# The stages, as a compute process runs them.


def _separate(
    room: EngineRoom, report: Report, *, mix: audio.AudioFile, folder: Path, model: str
) -> tuple[Choice, Files]:
    choice = room.choose(model)
    engine = room.engine(service.engine_of(choice.model))
    return choice, _within("demucs_output", folder, engine, choice.model, mix, report)


def _decompose(room: EngineRoom, report: Report, *, mix: audio.AudioFile, folder: Path) -> Files:
    return _within("harmonic_percussive", folder, room.engine("hpss"), "hpss", mix, report)


def _compose(_room: EngineRoom, report: Report, *, mix: audio.AudioFile, folder: Path, parts: Files) -> Files:
    (folder / "composite").mkdir()
    main = folder / "composite" / "main.wav"
    with audio.AudioWriter(main, mix.sample_rate_hz, mix.channel_count, ENCODING) as writer:
        for block in mix.blocks(_BLOCK_FRAMES):
            writer.write(block)
            report(writer.frame_count / max(1, mix.frame_count))
    files = [(describe_output("main", "composite/main.wav", mix, writer), main)]
    for part, source in parts:  # the recording's parts are the same as in the second stage
        name = f"main_{part.name}"
        copy = folder / "composite" / f"{name}.wav"
        copy.hardlink_to(source)
        output = job_pb2.AudioOutput()
        output.CopyFrom(part)
        output.name, output.path = name, f"composite/{name}.wav"
        files.append((output, copy))
    return files


def _normalize(_room: EngineRoom, report: Report, *, mix: audio.AudioFile, folder: Path) -> Files:
    (folder / "normalized").mkdir()
    file = folder / "normalized" / "normalized.wav"
    writer = normalize(mix, file, report)
    return [(describe_output("normalized", "normalized/normalized.wav", mix, writer), file)]


def normalize(mix: service.Mix, file: Path, report: Report) -> audio.AudioWriter:
    """Write the recording at an RMS level of -20 dBFS, or as near to it as a peak of -1 dBFS allows; silence stays.

    The level is that of all channels together. One gain serves the whole recording, so nothing is ever clipped.
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


def _within(name: str, folder: Path, engine: service.Engine, model: str, mix: audio.AudioFile, report: Report) -> Files:
    """Separate into a sub-folder that bears the contract's name."""
    (folder / name).mkdir()
    files = {stem: folder / name / f"{stem}.wav" for stem in engine.stems(model)}
    made = separate_to_files(engine, model, mix, files, ENCODING, report)
    for output, _file in made:
        output.path = f"{name}/{output.path}"
    return made
