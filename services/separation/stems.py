"""What a compute process does: choose the engine, take a recording apart, write the stems as they come."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from soundwright.library.v1 import job_pb2

from kit import audio
from kit.compute import Report
from kit.errors import AppError
from kit.log import get_logger
from services.separation import service
from services.separation.engines.demucs import DemucsEngine
from services.separation.engines.dsp import DspEngine
from services.separation.engines.hpss import HpssEngine
from services.separation.service import Engine
from services.separation.settings import SeparationSettings

__all__ = ["Choice", "EngineRoom", "Files", "audio_extension", "build_engines", "describe_output", "separate_to_files"]

# The model came to nothing for good or for now: the built-in engine can still do the job.
_FALLBACK_REASONS = {"MODEL_UNAVAILABLE", "CHECKPOINT_UNTRUSTED", "MODEL_UNSUPPORTED"}
_CONTENT_TYPES = {"flac": "audio/flac", "wav": "audio/wav"}
log = get_logger()

Files = list[tuple[job_pb2.AudioOutput, Path]]
"""Outputs and where they lie; the outputs know name, path and audio properties."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The model that does a job, and why, if it is not the one that was asked for."""

    model: str
    requested_model: str
    reason: str = ""

    def describe(self, result: job_pb2.JobResult) -> None:
        """Name the maker in ``result``."""
        result.engine = service.engine_of(self.model)
        result.model = self.model
        result.requested_model = self.requested_model
        result.degraded = self.model != self.requested_model
        result.degraded_reason = self.reason


class EngineRoom:
    """The engines of one process, with the weights that they hold."""

    def __init__(self, engines: Mapping[str, Engine], demucs: DemucsEngine, fallback: bool) -> None:
        self._engines = engines
        self._demucs = demucs
        self._fallback = fallback

    def engine(self, name: str) -> Engine:
        return self._engines[name]

    def load(self, model: str) -> None:
        """Have the model's weights in memory.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` or its like.
        """
        if service.engine_of(model) == self._demucs.name:
            self._demucs.load(model)

    def choose(self, model: str) -> Choice:
        """``model``, its weights loaded; the built-in one if that is allowed and needed.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` or its like, when there is no falling back.
        """
        try:
            self.load(model)
        except AppError as error:
            if not self._fallback or error.reason not in _FALLBACK_REASONS:
                raise
            log.warning("model.degraded", requested=model, used=service.FALLBACK_MODEL, reason=error.message)
            return Choice(service.FALLBACK_MODEL, model, error.message)
        return Choice(model, model)


def build_engines(settings: SeparationSettings) -> EngineRoom:
    """The engines as ``settings`` describe them; nothing is loaded yet."""
    demucs = DemucsEngine(
        model_dir=settings.separation_model_dir,
        trusted_sha256=settings.separation_trusted_sha256,
        thread_count=settings.separation_thread_count or None,
        device=settings.separation_device or None,
        batch_size=settings.separation_batch_size or None,
    )
    engines: tuple[Engine, ...] = (demucs, DspEngine(), HpssEngine())
    return EngineRoom({engine.name: engine for engine in engines}, demucs, settings.fallback)


def audio_extension(encoding: str) -> str:
    return "flac" if encoding == "flac" else "wav"


def separate_to_files(
    engine: Engine,
    model: str,
    mix: service.Mix,
    files: Mapping[str, Path],
    encoding: service.Format,
    report: Report,
) -> Files:
    """Run the engine and write its stems as they come.

    Args:
        files: where each stem goes.
        report: called with the share done after every block; raises to stop, which the engine then does.

    Returns:
        Each stem's description (name, path, audio properties) and file, in the engine's order.
    """
    blocks: Iterator[Mapping[str, service.Samples]] = engine.separate(mix, model)
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
        (describe_output(stem, f"{stem}.{extension}", mix, writer), files[stem]) for stem, writer in writers.items()
    ]


def describe_output(name: str, path: str, shape: service.Shape, writer: audio.AudioWriter) -> job_pb2.AudioOutput:
    """What ``writer`` wrote; ``path`` is relative to the job's folder."""
    return job_pb2.AudioOutput(
        name=name,
        path=path,
        content_type=_CONTENT_TYPES[path.rpartition(".")[2]],
        sample_rate_hz=shape.sample_rate_hz,
        channel_count=shape.channel_count,
        frame_count=writer.frame_count,
        peak=writer.peak,
        clipped_sample_count=writer.clipped_sample_count,
    )
