"""From a take to the files of a clip, whatever the take is like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services.generation.finishing import FinishedClip, FinishOrder, finish

RATE_HZ = 8000


def tone(seconds: float, channel_count: int = 1, amplitude: float = 0.2) -> np.ndarray:
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.tile(amplitude * np.sin(2 * np.pi * 330 * time), (channel_count, 1)).astype(np.float32)


@pytest.fixture
def order(tmp_path: Path) -> FinishOrder:
    return FinishOrder(
        take=tmp_path / "take.npy", sample_rate_hz=RATE_HZ, duration_seconds=2.0, before=None, loop_fade_seconds=0.0,
        audio=tmp_path / "audio.wav", picture=tmp_path / "picture.png",
    )  # fmt: skip


def finished(order: FinishOrder, take: np.ndarray, before: np.ndarray | None = None) -> FinishedClip:
    np.save(order.take, take)
    if before is not None:
        path = order.take.with_name("before.wav")
        soundfile.write(path, before.T, RATE_HZ, subtype="PCM_16")
        order = replace(order, before=path)
    clip = finish(None, lambda share: None, order=order)
    assert soundfile.info(order.audio).frames == clip.frame_count
    assert order.picture.exists()
    return clip


@pytest.mark.parametrize("seconds", [1.0, 2.03, 3.3337])
def test_loops_and_continuations_have_the_asked_length_to_the_frame(order: FinishOrder, seconds: float) -> None:
    asked, before = replace(order, duration_seconds=seconds), tone(1.5)
    fade = min(0.5, seconds / 4)
    loop = replace(asked, loop_fade_seconds=fade)
    assert finished(loop, tone(seconds + fade)).frame_count == round(seconds * RATE_HZ)
    longer = round(seconds * RATE_HZ) + before.shape[1]
    assert finished(asked, tone(seconds + 0.2), before).frame_count == longer
    assert abs(finished(loop, tone(seconds + 0.2 + fade), before).frame_count - longer) <= 1


@pytest.mark.parametrize("is_loop", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("seconds", [0.9, 1.8])
def test_a_take_that_is_too_short_still_becomes_a_clip(
    order: FinishOrder, seconds: float, is_loop: bool, goes_on: bool
) -> None:
    asked = replace(order, loop_fade_seconds=0.5 if is_loop else 0.0)
    clip = finished(asked, tone(seconds), tone(1.5) if goes_on else None)
    assert 0.4 * RATE_HZ <= clip.frame_count <= (1.5 + seconds) * RATE_HZ
    assert clip.clipped_sample_count == 0


def test_what_is_beyond_full_scale_is_not_clipped(order: FinishOrder) -> None:
    clip = finished(order, tone(2.0, amplitude=3.0))
    assert clip.clipped_sample_count == 0
    assert clip.peak < 1.0


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1), (2, 2)])
def test_a_continuation_has_the_channels_of_whichever_has_more(order: FinishOrder, first: int, second: int) -> None:
    clip = finished(order, tone(2.2, second), tone(1.0, first))
    assert clip.channel_count == 2
    samples, _ = soundfile.read(order.audio)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1])


def test_silence_stays_silence(order: FinishOrder) -> None:
    finished(order, np.zeros((1, 2 * RATE_HZ), np.float32))
    samples, _ = soundfile.read(order.audio)
    assert not samples.any()
