"""Chord sheets and click tracks, from the values of an analysis."""

import io
from typing import Any

import numpy as np
import pytest
import soundfile

from soundwright.services.gateway.files.charts import (
    CLICK_RATE_HZ,
    Sheet,
    chordpro_text,
    click_size_bytes,
    click_track,
    lab_text,
)

SEGMENTS = [
    {"start_seconds": 0.0, "end_seconds": 1.0, "chord": "N", "label": "N.C."},
    {"start_seconds": 1.0, "end_seconds": 4.04, "chord": "A:min7", "label": "Am7"},
    {"start_seconds": 4.04, "end_seconds": 11.5, "chord": "F:maj", "label": "F"},
]
VALUES: dict[str, Any] = {
    "chords": {"segments": SEGMENTS},
    "bars": {"beats_per_bar": 4, "downbeats": [1.0, 3.0, 5.0, 7.0, 9.0]},
    "sections": {"segments": [{"start_seconds": 0.0, "label": "A"}, {"start_seconds": 7.2, "label": "B"}]},
}


def test_chords_as_lab() -> None:
    assert lab_text(SEGMENTS) == "0.000\t1.000\tN\n1.000\t4.040\tA:min7\n4.040\t11.500\tF:maj\n"


def test_a_chord_sheet_has_bars_and_sections() -> None:
    text = chordpro_text(Sheet("Song {x}\n{new_page}", "", "A minor", 119.6), VALUES)
    assert (
        text
        == """{title: Song x new_page}
{key: Am}
{tempo: 120}
{time: 4/4}

{comment: A (0:00)}
{start_of_grid}
| Am7 . . . | Am7 . F . | F . . . |
{end_of_grid}

{comment: B (0:07)}
{start_of_grid}
| F . . . | F . . . |
{end_of_grid}
"""
    )
    without_bars = chordpro_text(Sheet("Song", "Band", "", 0.0), {"chords": VALUES["chords"]})
    assert without_bars.splitlines()[2:] == ["{start_of_grid}", "| N.C. | Am7 | F |", "{end_of_grid}"]


def test_a_click_track_clicks_on_beats_and_higher_on_downbeats() -> None:
    beats, seconds = [0.5, 1.4855, 2.5, 3.5], 4.25
    content = b"".join(click_track(seconds, beats, [1.4855]))
    assert len(content) == click_size_bytes(seconds)
    samples, rate_hz = soundfile.read(io.BytesIO(content))
    assert (rate_hz, samples.shape) == (CLICK_RATE_HZ, (187_425,))
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    starts = loud[np.diff(loud, prepend=-(10**6)) > 1000] / rate_hz
    assert starts == pytest.approx(beats, abs=0.001)
    crossings = [np.sum(np.diff(np.sign(samples[round(at * rate_hz) :][:441])) != 0) for at in beats]
    assert crossings[1] > 1.3 * max(crossings[0], crossings[2], crossings[3])
