"""Chords with the networks of Jiang et al. ``conversion.py`` has the origin of their parameters."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.services.analysis.engines.chords.decoder import decode
from soundwright.services.analysis.engines.chords.models import CHORD_NET, WEIGHTS
from soundwright.services.analysis.engines.chords.spectrum import HOP_LENGTH, MARGIN_FRAMES, RATE_HZ, spectrum
from soundwright.services.analysis.engines.mono import mono_blocks
from soundwright.services.analysis.engines.torch_engine import TorchEngine
from soundwright.services.analysis.service import Recording

Floats = NDArray[np.float32]

_WINDOW_FRAMES = 1000  # 23 s, the length of the training examples
_CONTEXT_FRAMES = 100  # before and after a window
_LONGEST_FRAMES = _WINDOW_FRAMES + 2 * _CONTEXT_FRAMES
_READ_SHARE = 0.95  # progress at the end of the signal


class ChordEngine(TorchEngine):
    """Recognises chords. Reads the song in windows, so that the memory for long songs is bounded."""

    name = "chords"
    models = (CHORD_NET,)
    weights = WEIGHTS

    def read_network(self, content: bytes) -> Any:
        from soundwright.services.analysis.engines.chords.network import read_ensemble

        return read_ensemble(content, len(WEIGHTS.sources))

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Return the chords of a recording; see :class:`soundwright.services.analysis.service.Engine`."""
        import torch

        torch.set_num_threads(1)  # more threads wait for each other in these small layers
        duration_seconds = recording.frame_count / recording.sample_rate_hz
        found = []
        done_frames = 0
        with torch.inference_mode():
            for magnitudes, window in _windows(mono_blocks(recording, RATE_HZ, lambda share: None)):
                found.append(self._network(torch.from_numpy(magnitudes)).numpy()[window])
                done_frames += found[-1].shape[0]
                done_seconds = done_frames * HOP_LENGTH / RATE_HZ
                report(_READ_SHARE * min(1.0, done_seconds / max(duration_seconds, 1e-3)))
        segments = []
        for first, last, chord, confidence in decode(np.concatenate(found)):
            is_last = last == done_frames
            segments.append(
                {
                    "start_seconds": _seconds(first),
                    "end_seconds": round(duration_seconds, 4) if is_last else _seconds(last),
                    "chord": chord.name,
                    "label": chord.label,
                    "confidence": round(min(1.0, confidence), 4),
                }
            )
        report(1.0)
        return {"chords": {"segments": segments}}


def _seconds(frame: int) -> float:
    """Return when a frame begins. Frames are centred."""
    return round(max(0.0, (frame - 0.5) * HOP_LENGTH / RATE_HZ), 4)


def _windows(blocks: Iterator[Floats]) -> Iterator[tuple[Floats, slice]]:
    """Yield the spectrum of each window with its surroundings, float32 [frames, bins], and where the window lies in it."""
    pending = np.zeros(0, np.float32)
    skipped_frames = 0  # before ``pending``
    first = 0
    for block in blocks:
        pending = np.concatenate([pending, block])
        end = first + _WINDOW_FRAMES + _CONTEXT_FRAMES
        if (skipped_frames * HOP_LENGTH + pending.size) >= (end + MARGIN_FRAMES) * HOP_LENGTH:
            yield _window(pending, skipped_frames, first, first + _WINDOW_FRAMES, end)
            first += _WINDOW_FRAMES
            # The last window may be short, and reads more of what precedes it.
            unused = max(0, first - _LONGEST_FRAMES - MARGIN_FRAMES - skipped_frames)
            pending, skipped_frames = pending[unused * HOP_LENGTH :], skipped_frames + unused
    total = skipped_frames + 1 + pending.size // HOP_LENGTH
    while first < total:
        last = min(total, first + _WINDOW_FRAMES)
        yield _window(pending, skipped_frames, first, last, min(total, last + _CONTEXT_FRAMES))
        first = last


def _window(pending: Floats, skipped_frames: int, first: int, last: int, end: int) -> tuple[Floats, slice]:
    start = max(0, end - _LONGEST_FRAMES)
    from_frame = max(0, start - MARGIN_FRAMES)
    samples = pending[(from_frame - skipped_frames) * HOP_LENGTH :][: (end + MARGIN_FRAMES - from_frame) * HOP_LENGTH]
    magnitudes = spectrum(samples)[start - from_frame : end - from_frame]
    return magnitudes, slice(first - start, last - start)
