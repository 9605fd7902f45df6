"""Compile librosa's functions once, during set-up: ``python -m tools.compile_librosa``.

librosa compiles functions at import or at their first call, and stores the result. Processes that do this at the same time
can crash (https://github.com/numba/numba/issues/4807), also later, when they read what was stored.
"""

from __future__ import annotations

import librosa
import numpy as np

from services.analysis.engines.librosa_engine import warm_up


def main() -> None:
    """Call what the analysis service, the benchmarks and their tests call."""
    warm_up()
    samples = np.random.default_rng(0).normal(0.0, 0.1, 5 * 22_050).astype(np.float32)
    librosa.beat.beat_track(y=samples, sr=22_050, units="time")
    for signal in (samples, np.stack([samples, samples])):
        librosa.istft(librosa.stft(signal), length=len(samples))
    librosa.feature.chroma_cqt(y=samples, sr=22_050)
    librosa.feature.zero_crossing_rate(samples)


if __name__ == "__main__":
    main()
