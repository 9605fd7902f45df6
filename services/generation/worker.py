"""Bus messages to service calls: runs generation jobs."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from soundwright.library.v1 import job_pb2

from kit.audio import AudioWriter
from kit.compute import ComputeSlots
from kit.jobs import JobContext
from kit.outputs import JobOutputs
from kit.ports import Blobs
from services.generation.service import Engine, GenerationSpec

__all__ = ["GenerationWorker"]


class GenerationWorker:
    """The handler of generation jobs."""

    def __init__(self, engine: Engine, blobs: Blobs, slots: ComputeSlots, scratch: Path) -> None:
        self._engine = engine
        self._blobs = blobs
        self._slots = slots
        self._scratch = scratch

    async def handle(self, context: JobContext) -> job_pb2.JobResult:
        """Make the clip that the job describes."""
        spec = GenerationSpec(**json.loads(context.job.spec_json))
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
            file = Path(folder) / "clip.wav"
            context.report(0.0, f"Generating {spec.model}...")
            output = await self._slots.run(lambda: self._make(spec, file, context))
            async with JobOutputs(self._blobs, "generations", context.job) as store:
                stored = await store.put(output, file)
                return job_pb2.JobResult(
                    engine=self._engine.name,
                    model=spec.model,
                    requested_model=spec.model,
                    outputs=[stored],
                    compute_seconds=time.monotonic() - started,
                )

    def _make(self, spec: GenerationSpec, file: Path, context: JobContext) -> job_pb2.AudioOutput:
        clip = self._engine.generate(spec.prompt, spec.duration_seconds, spec.seed, spec.model, context.report)
        with AudioWriter(file, clip.sample_rate_hz, clip.samples.shape[0], "wav16") as writer:
            writer.write(clip.samples)
        return job_pb2.AudioOutput(
            name="clip",
            path="clip.wav",
            content_type="audio/wav",
            sample_rate_hz=clip.sample_rate_hz,
            channel_count=clip.samples.shape[0],
            frame_count=writer.frame_count,
            peak=writer.peak,
            clipped_sample_count=writer.clipped_sample_count,
        )
