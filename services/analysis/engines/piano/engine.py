"""Notes and pedals of a piano with the network of Yan and Duan. ``conversion.py`` has the origin of its parameters."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.audio import resample_blocks
from soundwright.services.analysis.engines.mono import finite
from soundwright.services.analysis.engines.piano.models import TRANSKUN, WEIGHTS
from soundwright.services.analysis.engines.torch_engine import TorchEngine
from soundwright.services.analysis.service import Recording, Signal
from soundwright.services.analysis.signals import parts_of

if TYPE_CHECKING:
    from soundwright.services.analysis.engines.piano.decoder import Note

Floats = NDArray[np.float32]

_RATE_HZ = 44_100
_FRAME = 1024  # samples
_HOP_FRAMES = 345  # from a segment to the next, 8 s
_SEGMENT = 16 * _RATE_HZ
_LEAD = 8 * _RATE_HZ  # silence before and after the signal
_LAST_FRAME = round(_SEGMENT / _FRAME)
_BLOCK_FRAMES = 65_536
_SUSTAIN = -64
_NOTE_LIMIT = 100_000  # of a song; a result is then 3 MB


class TranskunEngine(TorchEngine):
    """Transcribes the piano stem, or else the mix. Reads in overlapping segments, so that the memory for long songs is bounded.

    The only one of ``piano_notes.parts`` has ``notes`` like those of ``basic-pitch``, and ``pedals``: when the sustain pedal
    is down, as start and duration in seconds.
    """

    name = "transkun"
    models = (TRANSKUN,)
    signal = Signal.PIANO
    weights = WEIGHTS

    def read_network(self, content: bytes) -> Any:
        from soundwright.services.analysis.engines.piano.network import read_network

        return read_network(content)

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Return the notes of a recording; see :class:`soundwright.services.analysis.service.Engine`."""
        import torch

        from soundwright.services.analysis.engines.piano.decoder import decode
        from soundwright.services.analysis.engines.piano.network import TRACKS

        (name,) = parts_of(recording)
        blocks = (finite(block) for block in recording.blocks(_BLOCK_FRAMES))
        signal = resample_blocks(blocks, recording.sample_rate_hz, _RATE_HZ, recording.channel_count)
        seconds = recording.frame_count / recording.sample_rate_hz
        expected = max(1.0, (seconds * _RATE_HZ + 2 * _LEAD) / (_HOP_FRAMES * _FRAME))
        joined = _Joiner()
        first_frames = [_LEAD // _FRAME] * len(TRACKS)
        with torch.inference_mode():
            for number, segment in enumerate(_segments(signal, recording.channel_count)):
                notes: list[Note] = []
                ends = [0] * len(TRACKS)
                if segment.any():
                    described = self._network(torch.from_numpy(segment))
                    notes, ends = decode(self._network, described, first_frames, _LAST_FRAME)
                joined.push(notes, number * _HOP_FRAMES - _LEAD / _FRAME)
                first_frames = [max(0, end - _HOP_FRAMES) for end in ends]
                report(min(1.0, (number + 1) / expected))
        return {"piano_notes": {"parts": [{"name": name, **_public(joined.finish())}]}}


class _Joiner:
    """Joins the notes of segments."""

    def __init__(self) -> None:
        self._notes: dict[int, list[Note]] = defaultdict(list)

    def push(self, notes: "Sequence[Note]", offset: float) -> None:
        """Add the notes of the next segment, which begins ``offset`` frames after the signal."""
        for note in notes:
            note = note._replace(start=max(0.0, note.start + offset), end=max(0.0, note.end + offset))
            same = self._notes[note.track]
            if same and note.start < same[-1].end:  # this segment knows more about the note at the end of the last one
                last = same.pop()
                end = max(note.end, last.end)
                same.append(note if note.has_onset else last._replace(end=end, has_offset=note.has_offset))
            elif note.has_onset:
                same.append(note)

    def finish(self) -> "list[Note]":
        """Return the notes. A note ends at the latest where the next one of the same pitch begins."""
        found: list[Note] = []
        for same in filter(None, self._notes.values()):
            complete = sorted(note for note in (*same[:-1], same[-1]._replace(has_offset=True)) if note.has_offset)
            limits = [*(note.start for note in complete[1:]), np.inf]
            found += [note._replace(end=min(note.end, limit)) for note, limit in zip(complete, limits, strict=True)]
        return [note for note in found if note.start < note.end]


def _segments(blocks: Iterator[Floats], channel_count: int) -> Iterator[Floats]:
    """Yield float32 [channels, samples]: overlapping segments of a signal between silence."""
    silence = np.zeros((channel_count, _LEAD), np.float32)
    pending = silence
    for block in itertools.chain(blocks, [silence]):
        pending = np.concatenate([pending, block], axis=1)
        while pending.shape[1] >= _SEGMENT:
            yield pending[:, :_SEGMENT]
            pending = pending[:, _HOP_FRAMES * _FRAME :]
    while pending.shape[1]:
        yield np.pad(pending, ((0, 0), (0, _SEGMENT - pending.shape[1])))
        pending = pending[:, _HOP_FRAMES * _FRAME :]


def _public(notes: "Sequence[Note]") -> dict[str, Any]:
    def seconds(note: "Note") -> list[float]:
        start, end = (round(frame * _FRAME / _RATE_HZ, 3) for frame in (note.start, note.end))
        return [start, max(0.001, round(end - start, 3))]

    loudest = sorted((note for note in notes if note.track > 0), key=lambda note: note.velocity)[-_NOTE_LIMIT:]
    return {
        "notes": sorted([*seconds(note), note.track, max(1, note.velocity)] for note in loudest),
        "pedals": sorted(seconds(note) for note in notes if note.track == _SUSTAIN)[:_NOTE_LIMIT],
    }
