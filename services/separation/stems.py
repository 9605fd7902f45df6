"""Writes stems to files while an engine computes them. Runs in an engine process."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from soundwright.kit import audio
from soundwright.kit.compute import Report
from soundwright.kit.engines import ModelSelection
from soundwright.kit.file_names import content_type
from soundwright.kit.worker.derived_files import waveform_file
from soundwright.kit.worker.live import write_note
from soundwright.library.v1 import job_pb2
from soundwright.services.separation import service
from soundwright.services.separation.scratch import ScratchSignal

MIX = "mix"
"""Name of the recording that is stored beside its stems."""

_MIX_ENCODING: audio.Encoding = "flac16"
_BLOCK_FRAMES = 65_536

OutputFile = tuple[job_pb2.AudioOutput, Path]
"""An output with name, path and audio properties, and the file that contains it."""

Files = list[OutputFile]


class StemWriter(audio.AudioWriter):
    """Writes a stem, and its waveform beside it. A stem does not clip: see ``or_floats`` of :class:`~soundwright.kit.audio.AudioWriter`."""

    def __init__(self, path: Path, sample_rate_hz: int, channel_count: int, encoding: audio.Encoding) -> None:
        super().__init__(path, sample_rate_hz, channel_count, encoding, or_floats=True)
        self._waveform = audio.Waveform(sample_rate_hz)
        self._rate_hz = sample_rate_hz
        self._live_values = path.with_name(f"{path.name}.live")
        self._live_bytes = 0

    def write(self, block: service.Samples) -> None:
        super().write(block)
        self._waveform.add(block)

    def waveform_prefix(self) -> audio.Prefix:
        """Return what of the waveform is complete, in a file beside that of the stem."""
        values = self._waveform.values(self._live_bytes)
        with self._live_values.open("ab") as file:
            file.write(values)
        self._live_bytes += len(values)
        header = audio.waveform_header(self._rate_hz, self._live_bytes // 2)
        return audio.Prefix(self._live_values, header, 0, self._live_bytes, self.frame_count)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if kind is None:
            self._guarded(waveform_file(self.path).write_bytes, self._waveform.data())


def describe_selection(selection: ModelSelection, result: job_pb2.JobResult) -> None:
    """Store in ``result`` which model ran and why."""
    result.engine = selection.engine
    result.model = selection.model
    result.requested_model = selection.requested_model
    result.degraded = selection.degraded
    result.degraded_reason = selection.reason
    result.degraded_details = selection.details


@dataclass(frozen=True)
class LiveNote:
    """A file that says what of the stems can be heard while they are written (:mod:`soundwright.kit.worker.live`)."""

    path: Path
    model: str

    def write(self, mix: service.Mix, writers: Mapping[str, StemWriter]) -> None:
        write_note(
            self.path,
            model=self.model,
            sample_rate_hz=mix.sample_rate_hz,
            channel_count=mix.channel_count,
            total_frame_count=mix.frame_count,
            recordings={stem: writer.prefix() for stem, writer in writers.items()},
            waveforms={stem: writer.waveform_prefix() for stem, writer in writers.items()},
        )


class _Writer(Protocol):
    def write(self, block: service.Samples) -> None: ...


def write_stems(
    blocks: Iterator[Mapping[str, service.Samples]],
    mix: service.Mix,
    files: Mapping[str, Path],
    encoding: service.Format,
    report: Report,
    scratch: Mapping[str, ScratchSignal] | None = None,
    live: LiveNote | None = None,
) -> Files:
    """Write stems to files while they are computed.

    Args:
        blocks: consecutive blocks of all stems in ``files`` and ``scratch``. A generator is closed at the end.
        files: stem names and the files to write. Those of stems above full scale end in ".wav" instead.
        scratch: stem names and the signals to write, for further models.
        report: called with the progress ratio after every block. An exception that it raises stops the engine.
        live: where to note after each block what can be heard.

    Returns the description (name, path, audio properties) and the file of each stem, in the order of ``files``.
    """
    with contextlib.ExitStack() as stack:
        if hasattr(blocks, "close"):
            stack.callback(blocks.close)  # closes the files of a stopped generator at once
        encoders = {
            stem: stack.enter_context(StemWriter(path, mix.sample_rate_hz, mix.channel_count, encoding))
            for stem, path in files.items()
        }
        writers: dict[str, _Writer] = {**encoders}
        for stem, signal in (scratch or {}).items():
            writers[stem] = stack.enter_context(signal)

        def write(block: Mapping[str, service.Samples]) -> None:
            for stem, samples in block.items():
                writers[stem].write(samples)
            if live is not None:
                live.write(mix, encoders)

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
    return [
        (describe_output(stem, f"{stem}{writer.path.suffix}", mix, writer), writer.path)
        for stem, writer in encoders.items()
    ]


def write_mix(mix: service.Mix, folder: Path, report: Report) -> OutputFile:
    """Write a recording as FLAC with 16 bits, for players that play it in place of its stems. It has their rate and length.

    Above full scale it becomes WAV with floats, as stems do.

    Args:
        report: called with 1 for every block. An exception that it raises ends the work.

    Returns the description and the file.
    """
    with StemWriter(folder / f"{MIX}.flac", mix.sample_rate_hz, mix.channel_count, _MIX_ENCODING) as writer:
        for block in mix.blocks(_BLOCK_FRAMES):
            writer.write(block)
            report(1.0)
    return describe_output(MIX, writer.path.name, mix, writer), writer.path


def describe_output(name: str, path: str, shape: service.Shape, writer: audio.AudioWriter) -> job_pb2.AudioOutput:
    """Return a description of the file that ``writer`` wrote; ``path`` is relative to the folder of the job."""
    return job_pb2.AudioOutput(
        name=name,
        path=path,
        content_type=content_type(path.rpartition(".")[2]),
        sample_rate_hz=shape.sample_rate_hz,
        channel_count=shape.channel_count,
        frame_count=writer.frame_count,
        peak=writer.peak,
    )
