"""Runs a model of audiocraft: computes clips of exact length for takes.

audiocraft generates tokens, ``frame_rate`` (usually 50) per second, up to the length of its window: 30 seconds for
MusicGen, 10 for AudioGen and MAGNeT. For longer audio, the window slides: each window starts with the end of the previous
one. This module converts between durations and tokens, so that every clip has its exact length.

Papers: Copet et al., "Simple and Controllable Music Generation" (2023) for MusicGen; Kreuk et al., "AudioGen: Textually
Guided Audio Generation" (2022); Ziv et al., "Masked Audio Generation using a Single Non-Autoregressive Transformer" (2024)
for MAGNeT.

This module imports PyTorch and audiocraft. Import it only when a model is needed.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from soundwright.services.generation.engines.audiocraft import library
from soundwright.services.generation.service import Clip, Take


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Attributes:
        heard_share: the share of a window that repeats the previous one. Less is faster, more is more coherent. The
            values are the defaults of audiocraft where it has one.
    """

    network: Any
    heard_share: float


KINDS = {
    "music": Kind(library.MusicGen, 0.4),
    "audio": Kind(library.AudioGen, 0.8),
    "magnet-music": Kind(library.MAGNeT, 0.2),
    "magnet-audio": Kind(library.MAGNeT, 0.2),
}
DECODING_SHARE = 0.05


class Model:
    """A loaded model. It is not thread-safe."""

    def __init__(self, kind: Kind, network: Any) -> None:
        self._network = network
        # MAGNeT works on spans of tokens, and supports only the window length that it was trained with.
        self._is_masked = isinstance(network, library.MAGNeT)
        window = int(network.max_duration * network.frame_rate)
        self._window = window - window % network.lm.span_len if self._is_masked else window
        self._heard = int(self._window * kind.heard_share)
        self._token_frames = round(network.sample_rate / network.frame_rate)
        # Add half a token, because the network truncates when it converts seconds to tokens.
        network.extend_stride = (self._window - self._heard + 0.5) / network.frame_rate
        library.separate_rows(network.lm)

    def heard_tokens(self, take: Take) -> int:
        """Return the number of tokens of its lead-in that a take continues. It must be equal for all takes of a batch."""
        if take.lead_in is None:
            return 0
        seconds = take.lead_in.samples.shape[1] / take.lead_in.sample_rate_hz
        return min(self._heard, int(seconds * self._network.frame_rate))

    def run(self, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        """Compute a clip for each take in one batch.

        Args:
            takes: takes of equal duration and equal :meth:`heard_tokens`.
            report: called with the completed share after each step. If it raises, the model remains usable.

        Raises ``torch.OutOfMemoryError``: the memory of the device does not suffice for this batch size.
        """
        network = self._network
        frame_count = round(takes[0].duration_seconds * network.sample_rate)
        heard = self.heard_tokens(takes[0])
        token_count, step_count = self._plan(heard + math.ceil(frame_count / self._token_frames))
        steps = itertools.count(1)

        def step(done: int, of: int) -> None:
            report((1 - DECODING_SHARE) * min(1.0, next(steps) / step_count))

        network.duration = (token_count + 0.5) / network.frame_rate
        network.set_custom_progress_callback(step)
        generators = [torch.Generator(network.device).manual_seed(take.seed) for take in takes]
        lead_in = torch.stack([self._lead_in(take, heard) for take in takes]) if heard else None
        try:
            with library.drawing(generators):
                attributes, tokens = network._prepare_tokens_and_attributes([take.prompt for take in takes], lead_in)
                tokens = network._generate_tokens(attributes, tokens, progress=True)
        finally:
            network.set_custom_progress_callback(None)
        clips: list[Clip] = []
        for row in tokens:
            # Decode one by one, because decoding a batch needs much more memory than generating its tokens.
            audio = network.generate_audio(row[None])[0, :, heard * self._token_frames :]
            clips.append(Clip(_fit_length(audio.float().cpu().numpy(), frame_count), network.sample_rate))
            report(1 - DECODING_SHARE * (1 - len(clips) / len(takes)))
        return clips

    def _plan(self, token_count: int) -> tuple[int, int]:
        """Return how many tokens to generate for at least ``token_count`` tokens with lead-in, and the approximate steps."""
        stride = self._window - self._heard
        window_count = 1 + max(0, math.ceil((token_count - self._window) / stride))
        if self._is_masked:
            steps = sum(self._network.generation_params["decoding_steps"])
            return self._window + (window_count - 1) * stride, window_count * steps
        return (
            token_count,
            token_count + window_count * self._network.lm.num_codebooks,
        )  # codebooks start one step after the other

    def _lead_in(self, take: Take, token_count: int) -> torch.Tensor:
        """Return the end of the lead-in of a take in the format of the network: float32 [channels, frames]."""
        clip, network = take.lead_in, self._network
        assert clip is not None
        frame_count = token_count * self._token_frames
        read_count = math.ceil((frame_count / network.sample_rate + 1) * clip.sample_rate_hz)
        samples = torch.from_numpy(np.ascontiguousarray(clip.samples[:, -read_count:]))
        audio = library.convert_audio(samples, clip.sample_rate_hz, network.sample_rate, network.audio_channels)
        return functional.pad(audio, (max(0, frame_count - audio.shape[1]), 0))[:, -frame_count:]


def _fit_length(samples: NDArray[np.float32], frame_count: int) -> NDArray[np.float32]:
    """Return the samples trimmed or padded to ``frame_count``, and attenuated if they would clip."""
    missing = max(0, frame_count - samples.shape[1])
    exact = np.pad(samples[:, :frame_count], ((0, 0), (0, missing)))
    return (exact / max(1.0, float(np.abs(exact).max(initial=0.0)))).astype(np.float32)
