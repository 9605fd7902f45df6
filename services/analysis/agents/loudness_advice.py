"""Advice on the loudness of a master for common targets (ITU-R BS.1770, EBU R 128)."""

from dataclasses import dataclass

TARGETS_LUFS = {"streaming": -14.0, "podcast": -16.0, "broadcast": -23.0, "club": -6.0}
CEILING_DBTP = -1.0
"""Highest true peak that does not clip after lossy encoding."""


@dataclass(frozen=True)
class Advice:
    """How a recording reaches a target loudness.

    Args:
        target: a key of :data:`TARGETS_LUFS`.
        peak_dbtp: true peak after the gain, without a limiter.
        limiting_db: peak reduction by a limiter that keeps :data:`CEILING_DBTP`; 0 if none is needed.
    """

    target: str
    target_lufs: float
    gain_db: float
    peak_dbtp: float
    limiting_db: float


def advise(loudness_lufs: float, true_peak_dbtp: float) -> list[Advice]:
    """Return advice for every target, given the integrated loudness and the true peak of a recording."""
    advice = []
    for target, target_lufs in TARGETS_LUFS.items():
        gain_db = target_lufs - loudness_lufs
        peak_dbtp = true_peak_dbtp + gain_db
        advice.append(Advice(target, target_lufs, gain_db, peak_dbtp, max(0.0, peak_dbtp - CEILING_DBTP)))
    return advice
