"""The limiter: nothing above full scale, nothing touched that need not be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.separation.limiter import CEILING, REACH_SECONDS, Limiter

RATE_HZ = 8000
REACH = round(REACH_SECONDS * RATE_HZ)


def limited(signal: np.ndarray, block_frames: int = 1000) -> np.ndarray:
    blocks = [signal[:, i : i + block_frames] for i in range(0, signal.shape[1], block_frames)]
    return np.concatenate(list(Limiter(RATE_HZ).limited(blocks)), axis=1)


def test_what_stays_within_full_scale_passes_bit_for_bit() -> None:
    signal = np.random.default_rng(1).uniform(-1, 1, (2, 5000))
    signal[0, 100] = 1.0
    limiter = Limiter(RATE_HZ)
    out = np.concatenate(list(limiter.limited([signal[:, :70], signal[:, 70:]])), axis=1)
    assert np.array_equal(out, signal)
    assert not limiter.engaged


def test_a_peak_is_turned_down_to_the_ceiling_and_what_is_far_from_it_is_not() -> None:
    signal = np.full((2, 6000), 0.5)
    signal[1, 3000] = 2.0
    limiter = Limiter(RATE_HZ)
    out = np.concatenate(list(limiter.limited([signal])), axis=1)
    assert limiter.engaged
    assert out[1, 3000] == pytest.approx(CEILING, abs=1e-9)
    assert out[0, 3000] == pytest.approx(0.5 * CEILING / 2, abs=1e-9)  # both channels, so the image stays
    far = np.abs(np.arange(6000) - 3000) > 2 * REACH
    np.testing.assert_allclose(out[:, far], signal[:, far], rtol=1e-12)
    assert np.abs(np.diff(out[0] / signal[0])).max() < 0.02  # no jump


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3000), st.integers(1, 1500), st.floats(0.5, 30))
def test_nothing_exceeds_the_ceiling_wherever_blocks_end(
    seed: int, length: int, block_frames: int, loud: float
) -> None:
    generator = np.random.default_rng(seed)
    signal = generator.uniform(-1, 1, (2, length)) * np.where(generator.random(length) < 0.01, loud, 0.9)
    if not length:
        return
    out = limited(signal, block_frames)
    assert out.shape == signal.shape
    assert np.abs(out).max() <= max(1.0, CEILING)
    over = np.abs(signal).max(axis=0) > 1
    assert np.abs(out[:, over]).max(initial=0) <= CEILING + 1e-9
    np.testing.assert_allclose(out, limited(signal, length), atol=1e-9)
