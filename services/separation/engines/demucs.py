"""Separation with Demucs, a window at a time.

The result equals Demucs' own ``apply_model`` with one pass over overlapping segments (no random shifts), computed without
ever holding the song: a first reading measures the level of the whole recording, a second one separates.

Papers: Rouard, Massa, Défossez, "Hybrid Transformers for Music Source Separation" (2022) for ``htdemucs``; Défossez,
"Hybrid Spectrogram and Waveform Source Separation" (2021) for ``mdx_extra``.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.errors import AppError, Code
from services.separation.engines.windows import CrossFade, Window, read_windows, triangle
from services.separation.service import Mix, Samples

__all__ = ["DemucsEngine"]

FOUR_STEMS = ("drums", "bass", "other", "vocals")
STEMS = {
    "htdemucs": FOUR_STEMS,
    "htdemucs_ft": FOUR_STEMS,
    "htdemucs_6s": (*FOUR_STEMS, "guitar", "piano"),
    "mdx_extra": FOUR_STEMS,
}
OVERLAP = 0.25
BLOCK_SECONDS = 5
FAILURE_SECONDS = 30.0


class DemucsEngine:
    """Demucs networks behind the Engine Protocol. Safe to use from several threads; loads each model once.

    Args:
        model_dir: folder with the models, as Demucs' ``--repo`` takes it, also with safetensors files; the only source
            then. Without it, models come from the Hugging Face cache and hub.
        trusted_sha256: full SHA-256 digests (hex) of legacy checkpoints that may be unpickled.
        thread_count: CPU threads of one separation; PyTorch's default without it.
        device: ``"cpu"``, ``"cuda"``, ...; without it CUDA if there is any.
        batch_size: segments computed at once, halved when memory does not suffice; without it 4, on a CPU 1, where
            more costs memory and saves no time.
        clock: monotonic seconds.
    """

    name = "demucs"

    def __init__(
        self,
        *,
        model_dir: Path | None = None,
        trusted_sha256: frozenset[str] = frozenset(),
        thread_count: int | None = None,
        device: str | None = None,
        batch_size: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model_dir = model_dir
        self._trusted_sha256 = trusted_sha256
        self._thread_count = thread_count
        self._device = device
        self._batch_size = batch_size
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: dict[str, _Bag] = {}
        self._failures: dict[str, tuple[float, AppError]] = {}

    def stems(self, model: str) -> tuple[str, ...]:
        """Names of the stems of ``model``: from a table for the official models, else from the loaded weights.

        Raises:
            AppError: as ``load``, for a model outside the table.
        """
        known = STEMS.get(model)
        return known if known is not None else self._bag(model).stems

    def load(self, model: str) -> None:
        """Have the weights of ``model`` in memory, fetching them if need be. A failure is remembered for a while.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` when the weights cannot be had here, ``CHECKPOINT_UNTRUSTED`` when reading
                them could run code, ``MODEL_UNSUPPORTED`` when this engine cannot run the model.
        """
        self._bag(model)

    def separate(self, mix: Mix, model: str) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of all stems at the mix's own rate and channel count; see ``Engine.separate``.

        Mono is fed to both channels and averaged back. More than two channels are taken in pairs, each for itself.
        """
        bag = self._bag(model)
        if mix.frame_count == 0:
            yield {stem: np.zeros((mix.channel_count, 0), np.float32) for stem in bag.stems}
            return
        pairs = _channel_pairs(mix.channel_count, bag.channel_count)
        frame_count = math.ceil(mix.frame_count * bag.sample_rate_hz / mix.sample_rate_hz)

        levels = [_Level() for _ in pairs]
        for block in _at_rate(mix, bag.sample_rate_hz, frame_count):
            for level, pair in zip(levels, pairs, strict=True):
                level.add(block[pair].mean(axis=0))
            yield bag.nothing(mix.channel_count)

        def normalised() -> Iterator[Samples]:
            for block in _at_rate(mix, bag.sample_rate_hz, frame_count):
                yield np.concatenate(
                    [(block[pair] - level.mean) / level.std for level, pair in zip(levels, pairs, strict=True)]
                )

        def restored(block: Samples) -> Samples:
            """From normalised pairs back to the channels of the mix."""
            rows = np.split(block, len(pairs))
            outputs = [row * level.std + level.mean for row, level in zip(rows, levels, strict=True)]
            return np.concatenate(
                [
                    output.mean(axis=0, keepdims=True) if pair[0] == pair[-1] else output
                    for output, pair in zip(outputs, pairs, strict=True)
                ]
            )

        blocks = self._run(bag, normalised(), frame_count)
        stems = ({stem: restored(samples) for stem, samples in block.items()} for block in blocks)
        if bag.sample_rate_hz == mix.sample_rate_hz:
            yield from stems
        else:
            yield from _stems_at_rate(stems, bag, mix)

    def _run(self, bag: _Bag, blocks: Iterator[Samples], frame_count: int) -> Iterator[dict[str, Samples]]:
        """Separate normalised audio, float32 [pairs * channels of the model, frames], at the rate of the model.

        Yields the same rows for every stem; empty blocks after each pass of a network, so that the caller may stop.
        """
        fade = CrossFade(triangle(bag.segment_frames))
        windows = read_windows(
            blocks,
            frame_count=frame_count,
            window_frames=bag.segment_frames,
            hop_frames=int((1 - OVERLAP) * bag.segment_frames),
            read_frames=lambda length: max(_read_frames(network, length) for network in bag.networks),
        )
        for batch in _alike(windows, self._batch_limit(bag)):
            rows, length = batch[0].samples.shape[0], batch[0].frame_count
            items = len(batch) * rows // bag.channel_count
            estimates = np.zeros((items, len(bag.stems), bag.channel_count, length), np.float32)
            for network, weight in zip(bag.networks, bag.weights, strict=True):
                frames = _read_frames(network, length)
                inputs = np.concatenate([w.middle(frames).reshape(-1, bag.channel_count, frames) for w in batch])
                skip = (frames - length) // 2
                done = 0
                for outputs in self._forward(bag, network, inputs):
                    estimates[done : done + len(outputs)] += outputs[..., skip : skip + length] * weight[:, None, None]
                    done += len(outputs)
                    yield bag.nothing(rows)
            estimates /= bag.weights.sum(axis=0)[:, None, None]
            for window, estimate in zip(batch, np.split(estimates, len(batch)), strict=True):
                by_stem = estimate.swapaxes(0, 1).reshape(len(bag.stems), rows, length)
                yield fade.add(window.start_frame, dict(zip(bag.stems, by_stem, strict=True)))
        yield fade.finish()

    def _forward(self, bag: _Bag, network: Any, inputs: Samples) -> Iterator[Samples]:
        """Outputs of a network, float32 [some items, stems, channels, frames], for all inputs in their order."""
        import torch

        done = 0
        while done < len(inputs):
            size = min(self._batch_limit(bag), len(inputs) - done)
            try:
                outputs = self._infer(bag, network, inputs[done : done + size])
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise AppError(
                        Code.UNAVAILABLE,
                        "OUT_OF_MEMORY",
                        "The device has too little free memory for this model. Try again later or use the CPU.",
                    ) from error
                outputs = None
            if outputs is None:  # only here, as the error above keeps the tensors of the failed pass alive
                torch.cuda.empty_cache()
                self._batch_size = size // 2
                continue
            done += size
            yield outputs

    def _batch_limit(self, bag: _Bag) -> int:
        if self._batch_size is None:
            return 1 if bag.device == "cpu" else 4
        return self._batch_size

    def _infer(self, bag: _Bag, network: Any, inputs: Samples) -> Samples:
        import torch

        # The number of threads is a property of the calling thread, and callers may change between blocks.
        if self._thread_count is not None and torch.get_num_threads() != self._thread_count:
            torch.set_num_threads(self._thread_count)
        with torch.inference_mode():
            outputs: Samples = network(torch.from_numpy(inputs).to(bag.device)).cpu().numpy()
        return outputs

    def _bag(self, model: str) -> _Bag:
        # Without the lock, so that a long download of one model does not hold up those that are there.
        loaded = self._loaded.get(model)
        if loaded is not None:
            return loaded
        with self._lock:
            if model in self._loaded:
                return self._loaded[model]
            until, failure = self._failures.get(model, (-math.inf, None))
            if failure is not None and self._clock() < until:
                raise AppError(failure.code, failure.reason, failure.message, failure.meta)
            try:
                self._loaded[model] = self._load(model)
            except AppError as error:
                self._failures[model] = (self._clock() + FAILURE_SECONDS, error)
                raise
            return self._loaded[model]

    def _load(self, model: str) -> _Bag:
        if self._model_dir is None and model not in STEMS:
            raise AppError(
                Code.NOT_FOUND, "MODEL_UNKNOWN", f"There is no model {model!r}. Use one of: {', '.join(STEMS)}."
            )
        import torch

        from services.separation.engines import weights

        if self._model_dir is None:
            networks = weights.load_from_hub(model)
        else:
            networks = weights.load_from_folder(self._model_dir, model, self._trusted_sha256)
        return _Bag.of(networks, model, self._device or ("cuda" if torch.cuda.is_available() else "cpu"))


@dataclass(frozen=True)
class _Bag:
    """One or more networks whose estimates are averaged, on their device."""

    networks: tuple[Any, ...]
    weights: NDArray[np.float32]  # [networks, stems]
    stems: tuple[str, ...]
    sample_rate_hz: int
    channel_count: int
    segment_frames: int
    device: str

    @classmethod
    def of(cls, bag: Any, model: str, device: str) -> _Bag:
        segments = {int(network.samplerate * network.segment) for network in bag.models}
        if len(segments) != 1 or bag.audio_channels not in (1, 2):
            raise AppError(
                Code.UNPROCESSABLE,
                "MODEL_UNSUPPORTED",
                f"The model {model!r} is not supported: its networks must be mono or stereo and have one segment length.",
            )
        return cls(
            networks=tuple(network.to(device).eval() for network in bag.models),
            weights=np.array(bag.weights, np.float32),
            stems=tuple(bag.sources),
            sample_rate_hz=int(bag.samplerate),
            channel_count=bag.audio_channels,
            segment_frames=segments.pop(),
            device=device,
        )

    def nothing(self, channel_count: int) -> dict[str, Samples]:
        """A block of zero frames: a place to stop."""
        return {stem: np.zeros((channel_count, 0), np.float32) for stem in self.stems}


class _Level:
    """Mean and standard deviation of a signal that comes in blocks (Chan, Golub and LeVeque, 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    def add(self, block: Samples) -> None:
        """``block``: float32 [frames]."""
        if not len(block):
            return
        mean = float(block.mean(dtype=np.float64))
        delta = mean - self._mean
        count = self._count + len(block)
        self._squares += float(np.square(block - mean, dtype=np.float64).sum())
        self._squares += delta * delta * self._count * len(block) / count
        self._mean += delta * len(block) / count
        self._count = count

    @property
    def mean(self) -> np.float32:
        return np.float32(self._mean)

    @property
    def std(self) -> np.float32:
        """Never zero: silence divided by it is silence."""
        return np.float32(math.sqrt(self._squares / max(1, self._count - 1)) + 1e-8)


def _channel_pairs(channel_count: int, model_channel_count: int) -> list[list[int]]:
    """Which channels go through the model together; a channel that is left over fills both sides."""
    if model_channel_count == 1:
        return [[channel] for channel in range(channel_count)]
    return [[left, min(left + 1, channel_count - 1)] for left in range(0, channel_count, 2)]


def _read_frames(network: Any, length: int) -> int:
    """How many frames a network wants to read for a window of ``length`` frames."""
    return int(network.valid_length(length)) if hasattr(network, "valid_length") else length


def _alike(windows: Iterable[Window], count: int) -> Iterator[Sequence[Window]]:
    """Runs of at most ``count`` neighbours of equal size."""
    for _, run in itertools.groupby(windows, key=lambda window: (window.frame_count, window.samples.shape)):
        while batch := list(itertools.islice(run, count)):
            yield batch


def _at_rate(mix: Mix, sample_rate_hz: int, frame_count: int) -> Iterator[Samples]:
    """Read the mix at another rate, ``frame_count`` frames exactly."""
    blocks = mix.blocks(BLOCK_SECONDS * mix.sample_rate_hz)
    if sample_rate_hz == mix.sample_rate_hz:
        return blocks
    from kit.audio import resample_blocks

    resampled = resample_blocks(blocks, mix.sample_rate_hz, sample_rate_hz, mix.channel_count)
    return _exactly(resampled, mix.channel_count, frame_count)


def _stems_at_rate(stems: Iterator[Mapping[str, Samples]], bag: _Bag, mix: Mix) -> Iterator[dict[str, Samples]]:
    """All stems, resampled together to the rate and the length of the mix."""
    import soxr

    # Not with kit.audio's resampling: a block of zero frames has to pass at once, as a place to stop.
    row_count = len(bag.stems) * mix.channel_count
    stream = soxr.ResampleStream(bag.sample_rate_hz, mix.sample_rate_hz, row_count, dtype="float32", quality="HQ")

    def resampled() -> Iterator[Samples]:
        for block in stems:
            rows = np.concatenate([block[stem] for stem in bag.stems])
            yield stream.resample_chunk(np.ascontiguousarray(rows.T)).T
        yield stream.resample_chunk(np.zeros((0, row_count), np.float32), last=True).T

    for block in _exactly(resampled(), row_count, mix.frame_count):
        yield dict(zip(bag.stems, np.split(block, len(bag.stems)), strict=True))


def _exactly(blocks: Iterable[Samples], channel_count: int, frame_count: int) -> Iterator[Samples]:
    """Resampling may give a frame too many or too few, and nothing at all for a few: cut or fill the end."""
    left = frame_count
    for block in blocks:
        yield block[:, :left]
        left -= min(left, block.shape[1])
    if left:
        yield np.zeros((channel_count, left), np.float32)
