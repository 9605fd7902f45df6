"""Levels in decibels as librosa defines them, split into two steps for streams whose peak is known only at the end."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_FLOOR_POWER = 1e-10
_RANGE_DB = 80.0


def power_to_db(power: Floats) -> Floats:
    """Return levels in dB relative to 1, at least -100, for an array of any shape.

    At the end of the recording, apply :func:`limit_db`.
    """
    return np.float32(10.0) * np.log10(np.maximum(power, np.float32(_FLOOR_POWER)))


def limit_db(levels_db: Floats, loudest_db: float) -> Floats:
    """Return levels clipped to a range of 80 dB below the loudest level."""
    return np.maximum(levels_db, np.float32(loudest_db - _RANGE_DB))
