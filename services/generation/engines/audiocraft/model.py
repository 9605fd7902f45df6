"""One of audiocraft's models on its device: takes in, clips of exact length out.

audiocraft thinks in tokens, of which a second has ``frame_rate`` (50, mostly), and makes as many as its window holds: 30
seconds of MusicGen, 10 of AudioGen and of MAGNeT. Longer audio slides the window: each starts with the end of the one
before, so that the music goes on. Here is what a library user has to know to get every length right.

Papers: Copet et al., "Simple and Controllable Music Generation" (2023) for MusicGen; Kreuk et al., "AudioGen: Textually
Guided Audio Generation" (2022); Ziv et al., "Masked Audio Generation using a Single Non-Autoregressive Transformer" (2024)
for MAGNeT.

This module imports PyTorch and audiocraft; import it when a model is needed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from services.generation.engines.audiocraft import library
from services.generation.service import Clip, Take

__all__ = ["KINDS", "Kind", "Model"]


@dataclass(frozen=True)
class Kind:
    """A class of audiocraft.

    Args:
        network: the class.
        heard_share: how much of a window is the end of the one before. Less is faster, more keeps the thread better; these
            are the library's own choices where it makes one.
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
    """Takes in, clips out. Not for several threads at once."""

    def __init__(self, kind: Kind, network: Any) -> None:
        self._network = network
        # MAGNeT decides about spans of tokens, and knows windows of one length only: that which it was trained on.
        self._masked = isinstance(network, library.MAGNeT)
        window = int(network.max_duration * network.frame_rate)
        self._window = window - window % network.lm.span_len if self._masked else window
        self._heard = int(self._window * kind.heard_share)
        self._token_frames = round(network.sample_rate / network.frame_rate)
        # Half a token more, as the network goes back from seconds to tokens by truncation.
        network.extend_stride = (self._window - self._heard + 0.5) / network.frame_rate
        library.separate_rows(network.lm)

    def heard_tokens(self, take: Take) -> int:
        """How many tokens of its lead-in a take goes on from. Takes of one batch must have the same number."""
        if take.lead_in is None:
            return 0
        seconds = take.lead_in.samples.shape[1] / take.lead_in.sample_rate_hz
        return min(self._heard, int(seconds * self._network.frame_rate))

    def run(self, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        """A clip for each take, all computed in one batch.

        Args:
            takes: of equal duration and equal :meth:`heard_tokens`.
            report: told the share done after each step of the network; raises to stop, and the model stays usable.

        Raises:
            torch.OutOfMemoryError: for a smaller batch it might suffice.
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
            # One by one, as decoding a batch needs far more memory than making its tokens.
            audio = network.generate_audio(row[None])[0, :, heard * self._token_frames :]
            clips.append(Clip(_exactly(audio.float().cpu().numpy(), frame_count), network.sample_rate))
            report(1 - DECODING_SHARE * (1 - len(clips) / len(takes)))
        return clips

    def _plan(self, token_count: int) -> tuple[int, int]:
        """How many tokens to make for at least so many (including those of a lead-in), and in about how many steps."""
        stride = self._window - self._heard
        window_count = 1 + max(0, math.ceil((token_count - self._window) / stride))
        if self._masked:
            steps = sum(self._network.generation_params["decoding_steps"])
            return self._window + (window_count - 1) * stride, window_count * steps
        return token_count, token_count + window_count * self._network.lm.num_codebooks  # which start one by one

    def _lead_in(self, take: Take, token_count: int) -> torch.Tensor:
        """The end of a take's lead-in as the network hears it: float32 [channels, frames]."""
        clip, network = take.lead_in, self._network
        assert clip is not None
        frame_count = token_count * self._token_frames
        read_count = math.ceil((frame_count / network.sample_rate + 1) * clip.sample_rate_hz)
        samples = torch.from_numpy(np.ascontiguousarray(clip.samples[:, -read_count:]))
        audio = library.convert_audio(samples, clip.sample_rate_hz, network.sample_rate, network.audio_channels)
        return functional.pad(audio, (max(0, frame_count - audio.shape[1]), 0))[:, -frame_count:]


def _exactly(samples: NDArray[np.float32], frame_count: int) -> NDArray[np.float32]:
    """Cut or filled with silence to ``frame_count``, and turned down if it would clip."""
    missing = max(0, frame_count - samples.shape[1])
    exact = np.pad(samples[:, :frame_count], ((0, 0), (0, missing)))
    return (exact / max(1.0, float(np.abs(exact).max(initial=0.0)))).astype(np.float32)
