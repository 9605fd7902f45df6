"""The one scale on which ``auto`` compares models: gains over the mix on excerpts of real songs (docs/BENCHMARKS.md).

Models that no test has run here have published scores alone, on other songs. Their gains are estimated: a published score
and an offset for its test set. The offset of MUSDB18 is the difference for Spleeter's vocals, which have both: they gain 8.3 dB
on the excerpts, and their published SDR is 6.55 dB (masks, https://doi.org/10.21105/joss.02154). The offset of Multisong
adds the difference for the vocals of ``htdemucs``, which have both scores: 8.93 dB and 8.24 dB. So an estimate tells which of two
models is better, and not how good a model is on the excerpts.
"""

from collections.abc import Iterable

from soundwright.kit.engines import Gain, Score

MUSDB18 = "MUSDB18-HQ, test"
MULTISONG = "MVSEP Multisong"
_OFFSETS_DB = {MUSDB18: 1.75, MULTISONG: 2.44}


def measured(**stems: float) -> tuple[Gain, ...]:
    """Return measured gains in dB."""
    return tuple(Gain(stem=stem, db=gain) for stem, gain in stems.items())


def estimated(scores: Iterable[Score]) -> tuple[Gain, ...]:
    """Return estimates of gains from published scores of stems."""
    return tuple(
        Gain(stem=score.stem, db=round(score.sdr_db + _OFFSETS_DB[score.test_set], 1), is_measured=False)
        for score in scores
        if score.stem
    )
