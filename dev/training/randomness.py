"""Random numbers that several instruments draw."""

from __future__ import annotations

import math

import numpy as np


def log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    """Return a number between ``low`` and ``high``, both above 0, whose logarithm is uniformly distributed."""
    return math.exp(random.uniform(math.log(low), math.log(high)))
