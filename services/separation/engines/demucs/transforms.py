"""The transform from the spectrograms of a segment to waveforms, with fewer copies than that of Demucs.

This module imports PyTorch; import it when weights are needed.
"""

import torch
from torch import Tensor

_OVERLAP = 4
"""Frames that contain a sample."""


class InverseTransform:
    """The inverse of ``HTDemucs._spec`` for segments of one length. Safe to use from several threads.

    Args:
        frequency_count: frequencies without the highest one, which Demucs drops; half the length of a frame.
        frame_count: frames of a spectrogram.
        sample_count: samples of a waveform.
    """

    def __init__(self, frequency_count: int, frame_count: int, sample_count: int) -> None:
        self._frequency_count = frequency_count
        self._frame_count = frame_count
        self._sample_count = sample_count
        self._hop = 2 * frequency_count // _OVERLAP
        self._window = torch.hann_window(2 * frequency_count)
        # Demucs adds two frames of zeros at both ends, which count in the sum of the squared windows.
        padded_count = frame_count + 4
        squares = self._window.square().view(_OVERLAP, self._hop)
        total = torch.zeros(padded_count + _OVERLAP - 1, self._hop)
        for part, square in enumerate(squares):
            total[part : part + padded_count] += square
        start = frequency_count + self._hop // 2 * 3  # of the waveform, after the padding of the transform
        self._scale = 1 / total.flatten()[start : start + sample_count]
        self._begin = start - 2 * self._hop  # without the added frames
        self._hop_count = max(frame_count + _OVERLAP - 1, -(-(self._begin + sample_count) // self._hop))

    def __call__(self, spectrograms: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """Return float32 [waveforms, samples].

        Args:
            spectrograms: float32 [frequencies, frames, waveforms * 2], with real and imaginary parts.
            mean: added to all real and imaginary parts, after they are multiplied with ``deviation``.
        """
        count = spectrograms.shape[2] // 2
        values = torch.view_as_complex(spectrograms.contiguous().unflatten(2, (count, 2))).permute(2, 1, 0)
        bins = torch.zeros(count, self._frame_count, self._frequency_count + 1, dtype=torch.complex64)
        bins[:, :, :-1] = values
        bins[:, :, :-1].mul_(deviation).add_(torch.complex(mean, mean))
        frames = torch.fft.irfft(bins, norm="ortho").mul_(self._window).unflatten(2, (_OVERLAP, self._hop))
        summed = torch.zeros(count, self._hop_count, self._hop)
        for part in range(_OVERLAP):
            summed[:, part : part + self._frame_count] += frames[:, :, part]
        return summed.flatten(1)[:, self._begin : self._begin + self._sample_count] * self._scale
