"""Loudness and true peak according to ITU-R BS.1770-4, at the recording's own sample rate and in all channels."""

import math

import numpy as np
import scipy
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_STEPS_PER_SECOND = 10
_STEPS_PER_BLOCK = 4
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_CHANNEL_WEIGHTS = {
    # By channel count, in the order of WAVE files: L R C LFE back side. Surround channels have the weight 1.41, LFE 0.
    4: (1.0, 1.0, 1.41, 1.41),
    5: (1.0, 1.0, 1.0, 1.41, 1.41),
    6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41),
    7: (1.0, 1.0, 1.0, 0.0, 1.0, 1.41, 1.41),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41),
}
_OVERSAMPLING = 4
_TAPS_PER_PHASE = 12
_TILE = 32


class LoudnessMeter:
    """Integrated loudness and true peak of a signal that arrives in blocks.

    The K-weighting filters are those of the standard, converted from 48 kHz to other rates through their analogue
    prototypes (B. De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 2018).
    """

    def __init__(self, sample_rate_hz: int, channel_count: int, *, finds_peak: bool = True) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._finds_peak = finds_peak
        self._weights = np.array(_CHANNEL_WEIGHTS.get(channel_count, (1.0,) * channel_count))
        self._sections = _k_weighting(sample_rate_hz)
        self._state = np.zeros((len(self._sections), channel_count, 2))
        self._frame_count = 0
        self._step_energy = [0.0]
        self._interpolator = _tiled_interpolator()
        self._tail = np.zeros((channel_count, _TAPS_PER_PHASE - 1), dtype=np.float32)
        self._peak = 0.0

    def push(self, block: Samples) -> None:
        """Add the next block of the signal, float32 [channels, frames]."""
        if block.shape[1] == 0:
            return
        self._add_energy(block)
        if self._finds_peak:
            self._add_peak(block)

    def loudness_lufs(self) -> float | None:
        """Return the integrated loudness in LUFS; None for less than 400 ms of signal or if all is below -70 LUFS."""
        complete = self._frame_count * _STEPS_PER_SECOND // self._sample_rate_hz
        steps = np.array(self._step_energy[:complete])
        if steps.size < _STEPS_PER_BLOCK:
            return None
        block_frames = _STEPS_PER_BLOCK * self._sample_rate_hz / _STEPS_PER_SECOND
        blocks = np.convolve(steps, np.ones(_STEPS_PER_BLOCK), mode="valid") / block_frames
        blocks = blocks[blocks > _lufs_to_power(_ABSOLUTE_GATE_LUFS)]
        if blocks.size == 0:
            return None
        gated = blocks[blocks > blocks.mean() * 10.0 ** (_RELATIVE_GATE_LU / 10.0)]
        return -0.691 + 10.0 * math.log10(float(gated.mean()))

    def true_peak_dbtp(self) -> float | None:
        """Highest absolute value of the four times oversampled signal in dB of full scale; None for silence."""
        tail = np.zeros((self._tail.shape[0], _TAPS_PER_PHASE), dtype=np.float32)
        peak = max(self._peak, self._peak_of(tail))
        return 20.0 * math.log10(peak) if peak > 1e-10 else None

    def _add_energy(self, block: Samples) -> None:
        weighted, self._state = scipy.signal.sosfilt(self._sections, block.astype(np.float64), axis=1, zi=self._state)
        energy = self._weights @ np.square(weighted)
        # Steps are 100 ms long. If the rate is not a multiple of 10, a step starts at the next whole frame.
        first, last = self._frame_count, self._frame_count + block.shape[1]
        starts = [
            -(-step * self._sample_rate_hz // _STEPS_PER_SECOND)
            for step in range(len(self._step_energy), last * _STEPS_PER_SECOND // self._sample_rate_hz + 1)
        ]
        running = np.concatenate([[0.0], np.cumsum(energy)])
        sums = np.diff(running[[0, *(start - first for start in starts), block.shape[1]]])
        self._step_energy[-1] += float(sums[0])
        self._step_energy.extend(float(value) for value in sums[1:])
        self._frame_count = last

    def _add_peak(self, block: Samples) -> None:
        self._peak = max(self._peak, float(np.max(np.abs(block))), self._peak_of(block))
        self._tail = np.concatenate([self._tail, block[:, -(_TAPS_PER_PHASE - 1) :]], axis=1)[:, 1 - _TAPS_PER_PHASE :]

    def _peak_of(self, block: Samples) -> float:
        """Return the highest absolute value between samples, for outputs whose last input is in the block."""
        extended = np.concatenate([self._tail, block], axis=1)
        missing = -block.shape[1] % _TILE
        extended = np.pad(extended, ((0, 0), (0, missing)))
        tiles = np.lib.stride_tricks.sliding_window_view(extended, _TILE + _TAPS_PER_PHASE - 1, axis=1)[:, ::_TILE]
        # Values between samples never exceed this multiple of their neighbours, so quiet tiles need no filter.
        reach = float(np.abs(self._interpolator).sum(axis=0).max())
        peak = self._peak
        loud = np.max(np.abs(tiles), axis=2) * reach > peak
        if not loud.any():
            return peak
        between = tiles[loud] @ self._interpolator
        return max(peak, float(np.max(np.abs(between))))


def _lufs_to_power(loudness_lufs: float) -> float:
    return float(10.0 ** ((loudness_lufs + 0.691) / 10.0))


def _k_weighting(sample_rate_hz: int) -> NDArray[np.float64]:
    """Return the second-order sections of the shelf and the high-pass, float64 [2, 6]."""
    k = math.tan(math.pi * 1681.974450955533 / sample_rate_hz)
    q = 0.7071752369554196
    high = 10.0 ** (3.999843853973347 / 20.0)
    band = high**0.4996667741545416
    scale = 1.0 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / scale,
        2.0 * (k * k - high) / scale,
        (high - band * k / q + k * k) / scale,
        1.0,
        2.0 * (k * k - 1.0) / scale,
        (1.0 - k / q + k * k) / scale,
    ]
    k = math.tan(math.pi * 38.13547087602444 / sample_rate_hz)
    q = 0.5003270373238773
    scale = 1.0 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2.0 * (k * k - 1.0) / scale, (1.0 - k / q + k * k) / scale]
    return np.array([shelf, high_pass])


def _tiled_interpolator() -> Samples:
    """Return a four times oversampling low-pass for a tile of samples, float32 [_TILE + taps - 1, 4 * _TILE]."""
    length = _OVERSAMPLING * _TAPS_PER_PHASE
    taps = scipy.signal.firwin(length + 1, 1.0 / _OVERSAMPLING, window=("kaiser", 5.0))[:length] * _OVERSAMPLING
    phases = taps.reshape(_TAPS_PER_PHASE, _OVERSAMPLING)[::-1]
    phases = phases / phases.sum(axis=0)
    matrix = np.zeros((_TILE + _TAPS_PER_PHASE - 1, _TILE, _OVERSAMPLING), dtype=np.float32)
    for sample in range(_TILE):
        matrix[sample : sample + _TAPS_PER_PHASE, sample] = phases
    return matrix.reshape(_TILE + _TAPS_PER_PHASE - 1, _TILE * _OVERSAMPLING)
