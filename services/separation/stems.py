"""Writes stems to files while an engine computes them. Runs in an engine process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from soundwright.library.v1 import job_pb2

from kit import audio
from kit.compute import Report
from kit.engines import ModelSelection
from services.separation import service
from services.separation.service import Engine

__all__ = ["Files", "audio_extension", "describe_output", "describe_selection", "separate_to_files"]

_CONTENT_TYPES = {"flac": "audio/flac", "wav": "audio/wav"}

Files = list[tuple[job_pb2.AudioOutput, Path]]
"""Outputs with name, path and audio properties, and the files that contain them."""


def describe_selection(selection: ModelSelection, result: job_pb2.JobResult) -> None:
    """Store in ``result`` which model ran and why."""
    result.engine = selection.engine
    result.model = selection.model
    result.requested_model = selection.requested_model
    result.degraded = selection.degraded
    result.degraded_reason = selection.reason


def audio_extension(encoding: str) -> str:
    """Return the file extension of an encoding."""
    return "flac" if encoding == "flac" else "wav"


def separate_to_files(
    engine: Engine,
    model: str,
    mix: service.Mix,
    files: Mapping[str, Path],
    encoding: service.Format,
    report: Report,
) -> Files:
    """Run an engine and write each block of its stems.

    Args:
        files: stem names and the files to write.
        report: called with the progress ratio after every block. An exception that it raises stops the engine.

    Returns:
        The description (name, path, audio properties) and the file of each stem, in the order of ``files``.
    """
    blocks: Iterator[Mapping[str, service.Samples]] = engine.separate(mix, model)
    with contextlib.ExitStack() as stack:
        if hasattr(blocks, "close"):
            stack.callback(blocks.close)  # closes the files of a stopped generator at once
        writers = {
            stem: stack.enter_context(audio.AudioWriter(path, mix.sample_rate_hz, mix.channel_count, encoding))
            for stem, path in files.items()
        }

        def write(block: Mapping[str, service.Samples]) -> None:
            for stem, samples in block.items():
                writers[stem].write(samples)

        # One block is encoded while the next is computed, so at most two blocks are in memory.
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
    """Return a description of the file that ``writer`` wrote; ``path`` is relative to the folder of the job."""
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
