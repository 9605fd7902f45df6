"""What a master's loudness means for where it is to be played (ITU-R BS.1770, EBU R 128)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CEILING_DBTP", "TARGETS_LUFS", "Advice", "advise"]

TARGETS_LUFS = {"streaming": -14.0, "podcast": -16.0, "broadcast": -23.0, "club": -6.0}
CEILING_DBTP = -1.0
"""Highest true peak that survives lossy encoding."""


@dataclass(frozen=True)
class Advice:
    """How to get a recording to a target.

    Args:
        target: one of :data:`TARGETS_LUFS`.
        gain_db: what to turn it up (or down) by.
        peak_dbtp: the true peak after that, without a limiter.
        limiting_db: how much of the peaks a limiter has to take off to keep :data:`CEILING_DBTP`; 0: none is needed.
    """

    target: str
    target_lufs: float
    gain_db: float
    peak_dbtp: float
    limiting_db: float


def advise(loudness_lufs: float, true_peak_dbtp: float) -> list[Advice]:
    """Advice for every target, for a recording of this integrated loudness and true peak."""
    advice = []
    for target, target_lufs in TARGETS_LUFS.items():
        gain_db = target_lufs - loudness_lufs
        peak_dbtp = true_peak_dbtp + gain_db
        advice.append(Advice(target, target_lufs, gain_db, peak_dbtp, max(0.0, peak_dbtp - CEILING_DBTP)))
    return advice
