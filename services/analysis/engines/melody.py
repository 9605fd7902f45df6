"""The ``swift-f0`` engine: the pitch of the lead over time.

Nieradzik, "SwiftF0: fast and accurate monophonic pitch detection", 2025, https://arxiv.org/abs/2508.18440.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from soundwright.kit.engines import ModelDeclaration, ModelFile
from soundwright.services.analysis.engines.mono import mono_blocks
from soundwright.services.analysis.engines.onnx_engine import OnnxEngine, windows
from soundwright.services.analysis.service import Recording, Signal

_RATE_HZ = 16_000
_HOP = 256
_LOWEST_HZ, _HIGHEST_HZ = 46.875, 2093.75
_BEFORE, _AFTER = 11, 10  # frames that the network reads around a frame
_FRAMES = 1875  # of a window, 30 seconds
_VOICED = 0.2  # 0.5 is better for speech, and misses two fifths of singing in separated stems
_SILENCE = 1e-3  # peak of a frame below which the network answers at random
_VALUE_LIMIT = 225_000  # of a song: an hour; longer ones have a longer hop, so that the result stays small

SWIFT_F0 = ModelDeclaration(
    name="swift-f0",
    description="The pitch of one voice or instrument over time",
    architecture="Convolutions over the spectrogram",
    outputs=("melody",),
    code_licence="Apache-2.0",
    weights_licence="MIT",
    needs_weights=True,
    files=(
        ModelFile(
            name="model.onnx",
            size_bytes=135_090,
            sha256="6385e8c2ebc3872e82c9ff5946228de44cd3be77a750ea53698b7dbfe94b0a22",
        ),
    ),
    device_memory_bytes=0,
)


class SwiftF0Engine(OnnxEngine):
    """Follows the pitch of the vocals, or of the loudest voice of the mix.

    The result has ``melody``, with ``hop_seconds``, ``frequency_hz``, 0 where nothing with a pitch sounds, and ``confidence``.
    """

    name = "swift-f0"
    models = (SWIFT_F0,)
    signal = Signal.VOCALS
    package = "swift-f0"
    folder = "swift_f0"

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Follow the pitch; see :class:`soundwright.services.analysis.service.Engine`."""
        frequencies, confidences = [np.zeros(0)], [np.zeros(0)]
        blocks = mono_blocks(recording, _RATE_HZ, report)
        length = (_BEFORE + _FRAMES + _AFTER) * _HOP
        for window, count in windows(blocks, length, _FRAMES * _HOP, _BEFORE * _HOP):
            rows = slice(_BEFORE, _BEFORE + -(-count // _HOP))
            frequency, confidence = self.compute(
                window[None], np.array(_LOWEST_HZ, np.float32), np.array(_HIGHEST_HZ, np.float32)
            )
            peaks = np.abs(window.reshape(-1, _HOP)).max(axis=1)
            frequencies.append(frequency[0, rows])
            confidences.append(np.where(peaks < _SILENCE, 0.0, confidence[0])[rows])
        frequency, confidence = np.concatenate(frequencies), np.concatenate(confidences)
        step = max(1, -(-len(frequency) // _VALUE_LIMIT))
        frequency, confidence = frequency[::step], confidence[::step]
        return {
            "melody": {
                "hop_seconds": step * _HOP / _RATE_HZ,
                "frequency_hz": np.where(confidence >= _VOICED, frequency, 0.0).round(1).tolist(),
                "confidence": confidence.round(2).tolist(),
            }
        }
