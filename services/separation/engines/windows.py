"""Overlap-add: read a recording as overlapping windows, cross-fade what a process makes of them, emit as it is finished.

Three parts that fit together and also work alone:

* ``read_windows`` turns a stream of blocks into overlapping windows, with context around them if a model wants it;
* ``CrossFade`` takes the outputs of consecutive windows and gives finished samples back, as soon as no later window can
  change them;
* ``overlap_add`` joins both around a function that processes one window.

Weights are divided out, so any positive weight reconstructs an identity exactly, wherever a window is cut short. Memory
is bounded by the window, the context and one block, whatever the length of the recording.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundwright.services.separation.service import Samples


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, and where it is.

    Attributes:
        start_frame: the frame of the recording at which the window begins.
        frame_count: length of the window: ``window_frames``, or less where the recording ends.
        samples: float32 [channels, read frames]: the window in the middle of its context. Without context this is the
            window alone. The array belongs to the receiver.
    """

    start_frame: int
    frame_count: int
    samples: Samples

    def middle(self, frames: int) -> Samples:
        """The ``frames`` samples around the window, as if the window had been read with that much context.

        ``frames`` must lie between ``frame_count`` and the number of frames that were read.
        """
        skip = (self.samples.shape[1] - self.frame_count) // 2 - (frames - self.frame_count) // 2
        return self.samples[:, skip : skip + frames]


def triangle(window_frames: int) -> NDArray[np.float32]:
    """Positive triangular weights, float32 [window_frames], greatest (1.0) in the middle: a linear cross-fade.

    The transition weights of Demucs (Défossez et al., "Music Source Separation in the Waveform Domain", 2019).
    """
    rising = np.arange(1, window_frames // 2 + 1)
    falling = np.arange(window_frames - window_frames // 2, 0, -1)
    weight: NDArray[np.float32] = np.concatenate([rising, falling]).astype(np.float32)
    weight /= weight.max()
    return weight


def trapezoid(window_frames: int, overlap_frames: int) -> NDArray[np.float32]:
    """Weights of 1.0, float32 [window_frames], that rise and fall over ``overlap_frames``: a cross-fade only there."""
    ramp = np.arange(1, overlap_frames + 1, dtype=np.float32) / np.float32(overlap_frames + 1)
    weight = np.ones(window_frames, dtype=np.float32)
    weight[:overlap_frames] = np.minimum(weight[:overlap_frames], ramp)
    last = window_frames - overlap_frames
    weight[last:] = np.minimum(weight[last:], ramp[::-1])
    return weight


def read_windows(
    blocks: Iterable[Samples],
    *,
    frame_count: int,
    window_frames: int,
    hop_frames: int,
    read_frames: Callable[[int], int] | None = None,
) -> Iterator[Window]:
    """Cut a stream into windows that begin every ``hop_frames`` frames; the last ones end with the recording.

    Args:
        blocks: consecutive blocks, float32 [channels, any number of frames], ``frame_count`` frames in all.
        frame_count: exact length of the recording. Zero frames give no window.
        hop_frames: frames between the beginnings of neighbours, 1 to ``window_frames``.
        read_frames: how many frames to read for a window of the given length, at least that length; the surplus is
            context, half of it (rounded down) before the window. Zeros stand in for what lies outside the recording.

    Raises ``ValueError``: the hop does not fit the window, or the stream ends before ``frame_count`` frames.
    """
    if not 1 <= hop_frames <= window_frames:
        raise ValueError(f"hop_frames must be 1 to window_frames ({window_frames}), not {hop_frames}.")
    starts = range(0, frame_count, hop_frames)
    sizes = {}
    for start in (*starts[:1], *starts[-math.ceil(window_frames / hop_frames) :]):
        length = min(window_frames, frame_count - start)
        sizes[length] = length if read_frames is None else read_frames(length)
    # How far before its beginning any window may look: what lies further back is dropped.
    reach = max(((size - length) // 2 for length, size in sizes.items()), default=0)

    source = iter(blocks)
    held = np.zeros((0, 0), np.float32)
    held_start = 0
    for start in starts:
        length = min(window_frames, frame_count - start)
        first = start - (sizes[length] - length) // 2
        last = first + sizes[length]

        pieces = [held[:, max(0, start - reach - held_start) :]]
        held_start = max(held_start, min(start - reach, held_start + held.shape[1]))
        held_end = held_start + pieces[0].shape[1]
        while held_end < min(last, frame_count):
            block = next(source, None)
            if block is None:
                raise ValueError(f"The recording ended after {held_end} of {frame_count} frames.")
            pieces.append(block)
            held_end += block.shape[1]
        if pieces[0].shape[0] == 0 and len(pieces) > 1:
            del pieces[0]  # the placeholder from before the number of channels was known
        held = np.concatenate(pieces, axis=1) if len(pieces) > 1 else pieces[0]

        samples = np.zeros((held.shape[0], last - first), np.float32)
        begin, end = max(first, 0), min(last, frame_count)
        samples[:, begin - first : end - first] = held[:, begin - held_start : end - held_start]
        yield Window(start, length, samples)


class CrossFade:
    """Adds up weighted outputs of overlapping windows and gives back the samples that no later window can change."""

    def __init__(self, weight: NDArray[np.float32], hop_frames: int, frame_count: int) -> None:
        """Join windows as :func:`read_windows` cuts them.

        Args:
            weight: float32 [window_frames], positive; how much each frame of a window counts.
        """
        if weight.ndim != 1 or not len(weight) or not (weight > 0).all():
            raise ValueError("The weight of every frame of a window must be positive.")
        self._weight = weight.astype(np.float32)
        self._hop_frames = hop_frames
        self._frame_count = frame_count
        self._total = np.zeros(len(weight), np.float32)
        self._sums: dict[str, Samples] = {}
        self._start = 0

    def add(self, outputs: Mapping[str, Samples]) -> dict[str, Samples]:
        """Add the next window and return all samples before the one after it that were not yet returned.

        Args:
            outputs: name to float32 [channels, frames], ``window_frames`` frames or less where the recording ends, the
                same for all names and the same names in every call.

        Returns:
            Name to finished samples, float32 [channels, frames]: ``hop_frames`` frames, or less where the recording ends.
        """
        frames = next(iter(outputs.values())).shape[1]
        count = min(self._hop_frames, self._frame_count - self._start)
        if not count <= frames <= len(self._weight):
            raise ValueError(f"A window has {count} to {len(self._weight)} frames, not {frames}.")
        for name in outputs.keys() - self._sums.keys():
            self._sums[name] = np.zeros((outputs[name].shape[0], len(self._weight)), np.float32)
        weight = self._weight[:frames]
        for name, output in outputs.items():
            self._sums[name][:, :frames] += weight * output
        self._total[:frames] += weight
        return self._take(count)

    def _take(self, count: int) -> dict[str, Samples]:
        finished = {name: sums[:, :count] / self._total[:count] for name, sums in self._sums.items()}
        for buffer in (*self._sums.values(), self._total):
            rest = buffer.shape[-1] - count
            buffer[..., :rest] = buffer[..., count:]
            buffer[..., rest:] = 0
        self._start += count
        return finished


def overlap_add(
    blocks: Iterable[Samples],
    process: Callable[[Samples], Mapping[str, Samples]],
    *,
    frame_count: int,
    window_frames: int,
    hop_frames: int,
    weight: NDArray[np.float32] | None = None,
) -> Iterator[dict[str, Samples]]:
    """Process a recording window by window and cross-fade the results.

    Args:
        blocks: consecutive blocks, float32 [channels, any number of frames], ``frame_count`` frames in all.
        process: gives for one window, float32 [channels, frames], named outputs of the same number of frames. Its
            windows are ``window_frames`` long, save those that the end of the recording cuts short.
        frame_count, window_frames, hop_frames: see ``read_windows``.
        weight: float32 [window_frames], positive; ``triangle`` by default.

    Yields:
        Consecutive finished blocks, one per window, ``frame_count`` frames in all. A recording of zero frames yields
        nothing.
    """
    fade = CrossFade(triangle(window_frames) if weight is None else weight, hop_frames, frame_count)
    windows = read_windows(blocks, frame_count=frame_count, window_frames=window_frames, hop_frames=hop_frames)
    for window in windows:
        yield fade.add(process(window.samples))
