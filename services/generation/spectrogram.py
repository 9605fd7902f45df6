"""Draws the mel spectrogram of a clip."""

from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray

from soundwright.kit.audio.mel import hz_to_mel, mel_filters

Samples = NDArray[np.float32]

_BAND_COUNT = 128
_MAX_HZ = 8000.0
_FLOOR_DB = -80.0
_WINDOW_FRAMES = 2048
_HOP_FRAMES = 512
_BLOCK = 512
_TICKS_HZ = (256, 512, 1024, 2048, 4096, 8000)
_BACKGROUND = "#1a1a2e"


def mel_spectrogram_db(samples: Samples, sample_rate_hz: int) -> NDArray[np.float32]:
    """Return the mel power spectrogram of the mean of all channels, in dB relative to its maximum.

    Args:
        samples: float32 [channels, frames], of any length.

    Returns float32 [128, times], -80 to 0, lowest band first, with one time per 512 frames. All -80 for silence.
    """
    mono = samples.mean(axis=0, dtype=np.float32) if samples.size else np.zeros(0, np.float32)
    padded = np.pad(mono, _WINDOW_FRAMES // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_FRAMES)[::_HOP_FRAMES]
    bands = mel_filters(sample_rate_hz, _WINDOW_FRAMES, _BAND_COUNT, high_hz=min(_MAX_HZ, sample_rate_hz / 2))
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW_FRAMES) / _WINDOW_FRAMES)).astype(np.float32)
    power = np.empty((_BAND_COUNT, windows.shape[0]), np.float32)
    for start in range(0, windows.shape[0], _BLOCK):
        spectrum = scipy.fft.rfft(windows[start : start + _BLOCK] * hann, axis=1)
        power[:, start : start + _BLOCK] = bands @ (np.abs(spectrum) ** 2).T
    largest = float(power.max(initial=0.0))
    if largest <= 1e-10:
        return np.full_like(power, _FLOOR_DB)
    return np.asarray(np.maximum(10.0 * np.log10(np.maximum(power / largest, 1e-12)), _FLOOR_DB), dtype=np.float32)


def draw_spectrogram(samples: Samples, sample_rate_hz: int, file: Path) -> None:
    """Write the mel spectrogram as a PNG image of 1000 x 300 pixels. The same audio gives the same bytes.

    Uses its own canvas, because pyplot's state is shared between threads.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    levels = mel_spectrogram_db(samples, sample_rate_hz)
    top_hz = min(_MAX_HZ, sample_rate_hz / 2)
    figure = Figure(figsize=(10, 3), dpi=100, facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.065, 0.17, 0.845, 0.77), facecolor=_BACKGROUND)
    image = axes.imshow(
        levels, origin="lower", aspect="auto", cmap="magma", vmin=_FLOOR_DB, vmax=0.0, interpolation="antialiased",
        extent=(0.0, max(samples.shape[1], 1) / sample_rate_hz, 0.0, float(hz_to_mel(top_hz))),
    )  # fmt: skip
    ticks = [hz for hz in _TICKS_HZ if hz <= top_hz]
    axes.set_yticks([float(hz_to_mel(hz)) for hz in ticks], [str(hz) for hz in ticks])
    axes.set_xlabel("Time (s)")
    axes.set_ylabel("Frequency (Hz)")
    bar = figure.colorbar(image, cax=figure.add_axes((0.925, 0.17, 0.015, 0.77)), format="%+d dB")
    for part in (axes, bar.ax):
        part.tick_params(colors="white", labelsize=8)
        part.xaxis.label.set_color("white")
        part.yaxis.label.set_color("white")
        for spine in part.spines.values():
            spine.set_color("white")
    figure.savefig(file, format="png", metadata={"Software": None})
