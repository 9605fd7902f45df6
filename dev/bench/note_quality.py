"""Quality of notes, melody and vocal activity on rendered songs with known notes: ``python -m dev.bench.note_quality``.

It prints the F-measure of notes (pitch, and onset within 50 ms), the raw pitch accuracy of the melody (within 50 cents), both
with ``mir_eval``, the F-measure of vocal activity by time, and the CPU time as a share of the length of the songs. The engines
read the true stems, the stems that a model separates, and the mix.

    make evaluation-songs
    python -m dev.bench.note_quality build/songs/evaluation
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from dev.bench._songs import SONGS, RenderedSong, rendered_songs
from dev.bench.analysis import RATE_HZ
from dev.bench.analysis_quality import Memory
from services.analysis.engines.melody import SwiftF0Engine
from services.analysis.engines.notes import BasicPitchEngine
from services.analysis.engines.vocal_activity import VocalActivityEngine
from services.analysis.service import Engine, Recording
from services.analysis.signals import StemSum

Samples = NDArray[np.float32]
Notes = Sequence[Sequence[float]]

_STEP_SECONDS = 0.01
_BREATH_SECONDS = 0.3  # a shorter gap between sung notes is part of the singing
