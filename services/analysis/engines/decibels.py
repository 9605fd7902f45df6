"""Levels in decibels, as librosa defines them, for streams whose loudest frame is known at the end only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["limit_db", "power_to_db"]

Floats = NDArray[np.float32]

_FLOOR_POWER = 1e-10
_RANGE_DB = 80.0


def power_to_db(power: Floats) -> Floats:
    """Decibels re 1, from -100 up; of any shape. Limit a whole recording to its top 80 with :func:`limit_db`."""
    return np.float32(10.0) * np.log10(np.maximum(power, np.float32(_FLOOR_POWER)))


def limit_db(levels_db: Floats, loudest_db: float) -> Floats:
    """Levels with everything further than 80 dB below the loudest raised to that floor."""
    return np.maximum(levels_db, np.float32(loudest_db - _RANGE_DB))
