"""The engine for harmonic and percussive parts."""

from __future__ import annotations

import numpy as np

from services.separation.engines.hpss import HpssEngine
from tests.models.recordings import ArrayMix, joined, song


def test_the_parts_add_up_to_the_recording_and_each_can_be_requested_alone() -> None:
    mix = ArrayMix(song(2, 30_000, sample_rate_hz=8_000), 8_000)
    both = joined(HpssEngine().separate(mix, "hpss"))
    np.testing.assert_allclose(both["harmonic"] + both["percussive"], mix.samples, atol=1e-6)
    for part in ("harmonic", "percussive"):
        alone = joined(HpssEngine().separate(mix, "hpss", (part,)))
        assert set(alone) == {part}
        assert alone[part].tobytes() == both[part].tobytes()
