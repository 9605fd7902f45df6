"""Changes the tempo and the pitch of a mix, as a stream."""

import itertools
from collections.abc import Iterable, Iterator

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float64]
"""float64 [2, frames]."""


def stretched(
    blocks: Iterable[Block], sample_rate_hz: int, speed: float, semitones: float, frame_count: int
) -> Iterator[Block]:
    """Yield a stereo signal at another speed and pitch, in blocks of other lengths. FFmpeg's ``atempo`` overlaps similar pieces.

    Args:
        speed: 0.5 to 2, at constant pitch.
        semitones: -12 to 12, at constant speed.
    """
    if speed == 1 and semitones == 0:
        yield from blocks
        return
    graph = _graph(sample_rate_hz, speed, 2 ** (semitones / 12))
    # The filter swallows its last window, so silence follows the signal, and what exceeds the length is cut.
    silence = np.zeros((2, sample_rate_hz))
    left = frame_count
    for block in _filtered(graph, itertools.chain(blocks, [silence]), sample_rate_hz):
        if piece := min(left, block.shape[1]):
            yield block[:, :piece]
            left -= piece


def _filtered(graph: av.filter.Graph, blocks: Iterable[Block], sample_rate_hz: int) -> Iterator[Block]:
    position = 0
    for block in blocks:
        interleaved = np.ascontiguousarray(block.T, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout="stereo")
        frame.sample_rate, frame.pts = sample_rate_hz, position
        position += block.shape[1]
        graph.push(frame)
        yield from _ready(graph)
    graph.push(None)
    yield from _ready(graph)


def _graph(sample_rate_hz: int, speed: float, pitch: float) -> av.filter.Graph:
    """Return a graph that plays the samples ``pitch`` times as fast, and then stretches them to the speed."""
    graph = av.filter.Graph()
    factor = speed / pitch
    # One filter overlaps well from half to twice the speed.
    tempo = [factor] if 0.5 <= factor <= 2 else [factor**0.5] * 2
    parts = [
        graph.add_abuffer(sample_rate=sample_rate_hz, format="flt", layout="stereo"),
        graph.add("asetrate", str(round(sample_rate_hz * pitch))),
        graph.add("aresample", str(sample_rate_hz)),
        *[graph.add("atempo", f"{each:.9f}") for each in tempo],
        graph.add("aformat", "sample_fmts=flt:channel_layouts=stereo"),
        graph.add("abuffersink"),
    ]
    for before, after in itertools.pairwise(parts):
        before.link_to(after)
    graph.configure()
    return graph


def _ready(graph: av.filter.Graph) -> Iterator[Block]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield frame.to_ndarray().reshape(-1, 2).T.astype(np.float64)
