"""Overlap-add machinery: whatever the window, the hop, the length and the blocks, nothing is lost, moved or scaled."""

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from soundwright.services.separation.engines.windows import CrossFade, overlap_add, read_windows, triangle

Samples = NDArray[np.float32]


def noise(channel_count: int, frame_count: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-1, 1, (channel_count, frame_count)).astype(np.float32)


def in_blocks(samples: Samples, block_frames: int) -> Iterator[Samples]:
    for start in range(0, samples.shape[1], block_frames):
        yield samples[:, start : start + block_frames]


grids = st.integers(1, 64).flatmap(lambda window: st.tuples(st.just(window), st.integers(1, window)))
lengths = st.integers(0, 300)
block_sizes = st.integers(1, 100)


@given(grids, lengths, block_sizes, st.integers(1, 3), st.booleans())
def test_an_identity_gives_the_recording_back(
    grid: tuple[int, int], frame_count: int, block_frames: int, channel_count: int, custom_weight: bool
) -> None:
    window_frames, hop_frames = grid
    samples = noise(channel_count, frame_count)
    weight = np.random.default_rng(1).uniform(0.1, 2, window_frames).astype(np.float32) if custom_weight else None
    outputs = list(
        overlap_add(
            in_blocks(samples, block_frames),
            lambda window: {"same": window, "negative": -window},
            frame_count=frame_count,
            window_frames=window_frames,
            hop_frames=hop_frames,
            weight=weight,
        )
    )
    if frame_count == 0:
        assert outputs == []
        return
    assert all(block["same"].shape == block["negative"].shape for block in outputs)
    same = np.concatenate([block["same"] for block in outputs], axis=1)
    negative = np.concatenate([block["negative"] for block in outputs], axis=1)
    assert same.dtype == np.float32
    assert same.shape == samples.shape
    np.testing.assert_allclose(same, samples, atol=1e-5)
    np.testing.assert_array_equal(negative, -same)


@given(grids, lengths, block_sizes, st.integers(0, 150))
def test_windows_hold_the_recording_with_zeros_around_it(
    grid: tuple[int, int], frame_count: int, block_frames: int, target_frames: int
) -> None:
    window_frames, hop_frames = grid
    samples = noise(2, frame_count)
    target = max(window_frames, target_frames)
    windows = list(
        read_windows(
            in_blocks(samples, block_frames),
            frame_count=frame_count,
            window_frames=window_frames,
            hop_frames=hop_frames,
            read_frames=lambda length: target,
        )
    )
    assert [window.start_frame for window in windows] == list(range(0, frame_count, hop_frames))
    padded = np.pad(samples, ((0, 0), (target, target)))
    for window in windows:
        assert window.frame_count == min(window_frames, frame_count - window.start_frame)
        first = window.start_frame - (target - window.frame_count) // 2 + target
        np.testing.assert_array_equal(window.samples, padded[:, first : first + target])
        inside = samples[:, window.start_frame : window.start_frame + window.frame_count]
        np.testing.assert_array_equal(window.middle(window.frame_count), inside)


@given(st.integers(1, 50), st.integers(0, 20), st.integers(0, 20))
def test_the_middle_of_a_window_equals_a_window_read_with_less_context(length: int, less: int, more: int) -> None:
    samples = noise(1, 200)
    grid = {"frame_count": 200, "window_frames": length, "hop_frames": max(1, length // 2)}
    wide = read_windows([samples], **grid, read_frames=lambda frames: frames + less + more)
    narrow = read_windows([samples], **grid, read_frames=lambda frames: frames + less)
    for one, other in zip(wide, narrow, strict=True):
        np.testing.assert_array_equal(one.middle(one.frame_count + less), other.samples)


def test_neighbours_are_faded_linearly_into_each_other() -> None:
    """Two windows of ones and threes: between them the output rises in the ratio of the triangles."""
    fade = CrossFade(triangle(8), hop_frames=4, frame_count=12)
    blocks = [fade.add({"stem": np.full((1, frames), value, np.float32)}) for value, frames in ((1, 8), (3, 8), (3, 4))]
    expected = ([1, 1, 1, 1], [1.4, 1.8, 2.2, 2.6], [3, 3, 3, 3])
    for block, samples in zip(blocks, expected, strict=True):
        np.testing.assert_allclose(block["stem"], [samples], rtol=1e-6)


@pytest.mark.parametrize(
    ("window_frames", "expected"), [(1, [1]), (4, [0.5, 1, 1, 0.5]), (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])]
)
def test_the_triangle_is_positive_and_greatest_in_the_middle(window_frames: int, expected: list[float]) -> None:
    np.testing.assert_allclose(triangle(window_frames), expected, rtol=1e-6)


def test_samples_come_out_as_soon_as_no_later_window_can_change_them() -> None:
    """Reading is lazy: after each window everything before the next one is out, and no block is read ahead of need."""
    read: list[int] = []

    def blocks() -> Iterator[Samples]:
        for index in range(100):
            read.append(index)
            yield np.full((1, 10), index, np.float32)

    out = 0
    outputs = overlap_add(blocks(), lambda window: {"stem": window}, frame_count=1000, window_frames=40, hop_frames=30)
    for index, block in zip(range(10), outputs, strict=False):
        out += block["stem"].shape[1]
        assert out == (index + 1) * 30
        assert len(read) == (index * 30 + 40) // 10


def test_memory_is_bounded_by_the_window() -> None:
    """Blocks that were used are let go: at no time are more than a window and a block alive."""
    alive: list[weakref.ref[Samples]] = []
    most = 0

    def blocks() -> Iterator[Samples]:
        for _ in range(200):
            block = np.zeros((1, 100), np.float32)
            alive.append(weakref.ref(block))
            yield block

    for _ in overlap_add(
        blocks(), lambda window: {"stem": window}, frame_count=20_000, window_frames=400, hop_frames=300
    ):
        gc.collect(0)
        most = max(most, sum(reference() is not None for reference in alive))
    assert len(alive) == 200
    assert most <= 5


def test_gaps_weights_that_are_not_positive_and_recordings_that_end_early_are_refused() -> None:
    for frames, hop_frames, words in ((50, 0, "hop_frames"), (50, 11, "hop_frames"), (30, 5, "after 30 of 50 frames")):
        with pytest.raises(ValueError, match=words):
            list(read_windows([noise(1, frames)], frame_count=50, window_frames=10, hop_frames=hop_frames))
    with pytest.raises(ValueError, match="positive"):
        CrossFade(np.array([0, 1, 0], np.float32), 1, 3)
    for frames in (1, 5):
        with pytest.raises(ValueError, match="2 to 4 frames"):
            CrossFade(triangle(4), 2, 20).add({"stem": np.zeros((1, frames), np.float32)})


def test_windows_belong_to_the_receiver() -> None:
    """A process that writes into its window harms neither the recording nor the next window."""
    samples = noise(1, 100)
    before = samples.copy()

    def spoil(window: Samples) -> dict[str, Samples]:
        out = {"stem": window.copy()}
        window[:] = 99
        return out

    blocks = list(overlap_add([samples], spoil, frame_count=100, window_frames=20, hop_frames=10))
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_allclose(np.concatenate([block["stem"] for block in blocks], axis=1), before, atol=1e-6)
