"""Mel spectrograms for players: one byte for each band and column, in bounded memory."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.kit.audio import AudioFile
from soundwright.kit.audio.downmix import Downmix
from soundwright.kit.audio.mel import mel_filters
from soundwright.services.analysis.engines.frames import Framer
from soundwright.services.analysis.engines.mono import finite

FFT_LENGTH = 4096
LOWEST_HZ = 30.0
HIGHEST_HZ = 16_000.0
FLOOR_DB = -90.0
_BLOCK_FRAMES = 65_536


def write_spectrogram(
    recording: AudioFile, target: Path, *, hop_frames: int, band_count: int, check: Callable[[], None]
) -> None:
    """Write the mel spectrogram of the mean of all channels.

    Column ``i`` is centred on frame ``i * hop_frames``; there are ``1 + frame_count // hop_frames``. A column has one byte
    for each band, the lowest first: 0 is :data:`FLOOR_DB` or less, 255 is 0 dB, the level of a full-scale sine. The window
    is a Hann window of :data:`FFT_LENGTH` frames. The bands are equally wide in mel from :data:`LOWEST_HZ` to
    :data:`HIGHEST_HZ`, or to half the sample rate.

    Args:
        check: called for each block. An exception that it raises ends the work.

    Raises ``AppError``: see :class:`~soundwright.kit.audio.AudioFile`.
    """
    rate = recording.sample_rate_hz
    bands = mel_filters(
        rate, FFT_LENGTH, band_count, low_hz=LOWEST_HZ, high_hz=min(HIGHEST_HZ, rate / 2), htk=True, equal_area=False
    )
    window = np.hanning(FFT_LENGTH + 1)[:-1].astype(np.float32)
    # A full-scale sine has half the sum of the window in its bin. The window spreads its power over 1.5 bins.
    scale = np.float32(1.0 / (1.5 * (window.sum() / 2) ** 2))
    framer = Framer(FFT_LENGTH, hop_frames)
    downmix = Downmix(recording.channel_count)
    with target.open("wb") as file:
        for block in recording.blocks(_BLOCK_FRAMES):
            check()
            for frames in framer.push(downmix.push(finite(block))[0]):
                _write_columns(file, frames * window, bands, scale)
        for frames in framer.finish():
            _write_columns(file, frames * window, bands, scale)


def _write_columns(file: BinaryIO, frames: NDArray[np.float32], bands: NDArray[np.float32], scale: np.float32) -> None:
    spectrum = scipy.fft.rfft(frames, axis=1)
    power = (np.square(spectrum.real) + np.square(spectrum.imag)) @ bands.T * scale
    decibels = 10.0 * np.log10(np.maximum(power, 1e-12))
    levels = np.clip(np.rint((decibels / -FLOOR_DB + 1.0) * 255.0), 0, 255)
    file.write(np.ascontiguousarray(levels, np.uint8).tobytes())
