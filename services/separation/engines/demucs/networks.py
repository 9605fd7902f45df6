"""Demucs networks on their device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.errors import AppError, Code
from services.separation.service import Samples

__all__ = ["Bag", "read_frames"]


@dataclass(frozen=True)
class Bag:
    """One or more networks on a device whose estimates are averaged.

    Args:
        weights: float32 [networks, stems].
        segment_frames: length of the windows that the networks process.
    """

    networks: tuple[Any, ...]
    weights: NDArray[np.float32]
    stems: tuple[str, ...]
    sample_rate_hz: int
    channel_count: int
    segment_frames: int
    device: str

    @classmethod
    def of(cls, bag: Any, model: str, device: str) -> Bag:
        """Move a ``demucs.apply.BagOfModels`` to ``device``.

        Raises:
            AppError: ``MODEL_UNSUPPORTED``.
        """
        segments = {int(network.samplerate * network.segment) for network in bag.models}
        if len(segments) != 1 or bag.audio_channels not in (1, 2):
            raise AppError(
                Code.UNPROCESSABLE,
                "MODEL_UNSUPPORTED",
                f"The model {model!r} is not supported: its networks must be mono or stereo and have one segment length.",
            )
        return cls(
            networks=tuple(network.to(device).eval() for network in bag.models),
            weights=np.array(bag.weights, np.float32),
            stems=tuple(bag.sources),
            sample_rate_hz=int(bag.samplerate),
            channel_count=bag.audio_channels,
            segment_frames=segments.pop(),
            device=device,
        )

    def empty_block(self, channel_count: int) -> dict[str, Samples]:
        """Return a block of zero frames, at which the caller may stop."""
        return {stem: np.zeros((channel_count, 0), np.float32) for stem in self.stems}


def read_frames(network: Any, length: int) -> int:
    """Return the number of frames that a network reads for a window of ``length`` frames."""
    return int(network.valid_length(length)) if hasattr(network, "valid_length") else length
