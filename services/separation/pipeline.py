"""Runs the pipeline's jobs: four stages, nine tracks, and the normalised recording beside them.

The stages and their folders are the pipeline contract's. All keep the recording's channels and rate.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from soundwright.library.v1 import job_pb2

from kit import audio
from kit.compute import ComputeSlots
from kit.errors import AppError
from kit.jobs import JobContext
from kit.outputs import JobOutputs
from kit.ports import Blobs, Clock
from services.separation import service
from services.separation.worker import Choice, SeparationWorker, separate_to_files

__all__ = ["PipelineWorker", "normalize"]

ENCODING: service.Format = "wav24"
TARGET_RMS = 0.1  # -20 dBFS
PEAK_CEILING = 10 ** (-1 / 20)  # -1 dBFS
_BLOCK_FRAMES = 65_536
# Shares of the work: the first stage is by far the longest.
_SPANS = ((0.0, 0.8), (0.8, 0.95), (0.95, 0.97), (0.97, 1.0))

Files = list[tuple[job_pb2.AudioOutput, Path]]


class PipelineWorker:
    """The handler of pipeline jobs."""

    def __init__(
        self, separation: SeparationWorker, hpss: service.Engine, blobs: Blobs, slots: ComputeSlots, clock: Clock
    ) -> None:
        self._separation = separation
        self._hpss = hpss
        self._blobs = blobs
        self._slots = slots
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
            self._separation.recording(context) as (_track, mix, folder),
            JobOutputs(self._blobs, "pipeline", context.job) as store,
        ):
            parts: Files = []

            def separate(report: Callable[[float], None]) -> Files:
                choice = self._separation.choose(model)
                choice.describe(result)
                return _within("demucs_output", folder, choice, mix, report)

            def decompose(report: Callable[[float], None]) -> Files:
                files = _within("harmonic_percussive", folder, Choice(self._hpss, "hpss", "hpss"), mix, report)
                parts.extend(files)
                return files

            def compose(report: Callable[[float], None]) -> Files:
                (folder / "composite").mkdir()
                main = folder / "composite" / "main.wav"
                with audio.AudioWriter(main, mix.sample_rate_hz, mix.channel_count, ENCODING) as writer:
                    for block in mix.blocks(_BLOCK_FRAMES):
                        writer.write(block)
                        report(writer.frame_count / max(1, mix.frame_count))
                files = [(_output("main", "composite/main.wav", mix, writer), main)]
                for part, source in parts:  # the recording's parts are the same as in the second stage
                    name = f"main_{part.name}"
                    copy = folder / "composite" / f"{name}.wav"
                    copy.hardlink_to(source)
                    output = job_pb2.AudioOutput()
                    output.CopyFrom(part)
                    output.name, output.path = name, f"composite/{name}.wav"
                    files.append((output, copy))
                return files

            def normalise(report: Callable[[float], None]) -> Files:
                (folder / "normalized").mkdir()
                file = folder / "normalized" / "normalized.wav"
                writer = normalize(mix, file, report)
                return [(_output("normalized", "normalized/normalized.wav", mix, writer), file)]

            made: list[Files] = []
            for index, work in enumerate((separate, decompose, compose, normalise)):
                made.append(await self._stage(context, stages, index, work))
            # Only now do the files move: the third stage reads what the second wrote.
            for output, file in (pair for files in made for pair in files):
                result.outputs.append(await store.put(output, file))
            result.compute_seconds = time.monotonic() - started
            return result

    async def _stage(
        self,
        context: JobContext,
        stages: list[job_pb2.Stage],
        index: int,
        work: Callable[[Callable[[float], None]], Files],
    ) -> Files:
        """Run one stage and keep its record true."""
        begin, end = _SPANS[index]
        stage = stages[index]
        stage.state = job_pb2.JOB_STATE_RUNNING
        stage.start_time.CopyFrom(self._now())
        context.set_stages(stages)
        context.report(begin, stage.name)
        try:
            files = await self._slots.run(lambda: work(lambda share: context.report(begin + (end - begin) * share)))
        except AppError as error:
            stage.state = job_pb2.JOB_STATE_FAILED
            stage.error_message = error.message
            stage.finish_time.CopyFrom(self._now())
            context.set_stages(stages)
            raise
        stage.state = job_pb2.JOB_STATE_SUCCEEDED
        stage.finish_time.CopyFrom(self._now())
        context.set_stages(stages)
        return files

    def _now(self) -> Timestamp:
        stamp = Timestamp()
        stamp.FromMicroseconds(round(self._clock.now() * 1e6))
        return stamp


def normalize(mix: service.Mix, file: Path, report: Callable[[float], None]) -> audio.AudioWriter:
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


def _within(name: str, folder: Path, choice: Choice, mix: service.Mix, report: Callable[[float], None]) -> Files:
    """Separate into a sub-folder that bears the contract's name."""
    (folder / name).mkdir()
    files = {stem: folder / name / f"{stem}.wav" for stem in choice.engine.stems(choice.model)}
    made = separate_to_files(choice, mix, files, ENCODING, report)
    for output, _file in made:
        output.path = f"{name}/{output.path}"
    return made


def _output(name: str, path: str, mix: service.Mix, writer: audio.AudioWriter) -> job_pb2.AudioOutput:
    return job_pb2.AudioOutput(
        name=name,
        path=path,
        content_type="audio/wav",
        sample_rate_hz=mix.sample_rate_hz,
        channel_count=mix.channel_count,
        frame_count=writer.frame_count,
        peak=writer.peak,
        clipped_sample_count=writer.clipped_sample_count,
    )
