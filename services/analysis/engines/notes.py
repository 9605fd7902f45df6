"""The ``basic-pitch`` engine: notes of any instrument, by Spotify's network of the same name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from soundwright.kit.engines import ModelDeclaration, ModelFile
from soundwright.services.analysis.engines.mono import mono_blocks
from soundwright.services.analysis.engines.note_events import NoteEvent, NoteFinder, without_overtones
from soundwright.services.analysis.engines.onnx_engine import OnnxEngine, windows
from soundwright.services.analysis.service import Recording, Signal
from soundwright.services.analysis.signals import parts_of

_RATE_HZ = 22_050
_HOP = 256
_WINDOW = 43_844  # samples, 172 frames
_MARGIN = 15  # frames at each end of a window that its neighbours compute better
_FRAMES = 141  # frames of a window that count
_LOWEST_PITCH = 21  # MIDI, A0
_PITCH_COUNT = 88
# Notes that are so much weaker than a lower note are its overtones. A bass and a voice rarely play octaves.
_OVERTONE_RATIOS = {"bass": 0.85, "vocals": 0.85}
_OVERTONE_RATIO = 0.5
_NOTE_LIMIT = 100_000  # of a song; a result is then 3 MB

BASIC_PITCH = ModelDeclaration(
    name="basic-pitch",
    description="Notes of any instrument and of voices, of several at a time",
    architecture="Convolutions over harmonics",
    outputs=("notes",),
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    needs_weights=True,
    files=(
        ModelFile(
            name="nmp.onnx",
            size_bytes=230_444,
            sha256="2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
        ),
    ),
    device_memory_bytes=0,
)


class BasicPitchEngine(OnnxEngine):
    """Finds the notes of each stem except drums, or those of the mix.

    The result has ``notes.parts``, with ``name`` and ``notes``: start and duration in seconds, MIDI pitch, and velocity 1 to 127.
    """

    name = "basic-pitch"
    models = (BASIC_PITCH,)
    signal = Signal.WITHOUT_DRUMS
    package = "basic-pitch"
    folder = "basic_pitch/saved_models/icassp_2022"
    input_shape = (1, _WINDOW, 1)

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Find the notes; see :class:`soundwright.services.analysis.service.Engine`."""
        parts = parts_of(recording)
        result: list[dict[str, Any]] = []
        for name, part in parts.items():

            def report_part(share: float, done: int = len(result)) -> None:
                report((done + share) / len(parts))

            notes = without_overtones(self._notes(part, report_part), _OVERTONE_RATIOS.get(name, _OVERTONE_RATIO))
            strongest = sorted(notes, key=lambda note: note.strength)[-_NOTE_LIMIT // len(parts) :]
            result.append({"name": name, "notes": [_public(note) for note in sorted(strongest)]})
        return {"notes": {"parts": result}}

    def _notes(self, recording: Recording, report: Callable[[float], None]) -> list[NoteEvent]:
        finder = NoteFinder(_PITCH_COUNT)
        notes: list[NoteEvent] = []
        blocks = mono_blocks(recording, _RATE_HZ, report)
        for window, count in windows(blocks, _WINDOW, _FRAMES * _HOP, _MARGIN * _HOP):
            onsets, pitches, _ = self.compute(window[None, :, None])
            rows = slice(_MARGIN, _MARGIN + -(-count // _HOP))
            notes += finder.push(onsets[0, rows], pitches[0, rows])
        return [*notes, *finder.finish()]


def _public(note: NoteEvent) -> list[float | int]:
    velocity = int(np.clip(round(127 * note.strength), 1, 127))
    start, end = (round(frame * _HOP / _RATE_HZ, 3) for frame in (note.start, note.end))
    return [start, round(end - start, 3), note.pitch + _LOWEST_PITCH, velocity]
