"""The owner's corrections of an analysis, for exports."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from soundwright.kit import lrc
from soundwright.kit.bars import bars_of
from soundwright.kit.chords import harte
from soundwright.library.v1 import track_pb2


def corrected(values: Mapping[str, Any], corrections: track_pb2.Corrections) -> dict[str, Any]:
    """Return the values of an analysis, with the chords, bars and lyrics as the owner has corrected them."""
    changed = dict(values)
    if "chords" in values:
        segments = values["chords"]["segments"]
        for chord in corrections.chords:
            segments = _with_chord(segments, chord)
        changed["chords"] = {**values["chords"], "segments": segments}
    if corrections.HasField("bar_one_seconds") and (beats := values.get("beats")):
        bars = bars_of(values)
        changed["bars"] = {**bars, "downbeats": _moved(beats, bars, corrections.bar_one_seconds)}
    if corrections.HasField("lyrics"):
        changed["lyrics"] = {"lines": lrc.lines_of(corrections.lyrics)}
    return changed


def _with_chord(segments: Sequence[Mapping[str, Any]], chord: track_pb2.ChordCorrection) -> list[Mapping[str, Any]]:
    """Return the segments with a chord instead of what was there."""
    start, end = chord.start_seconds, chord.end_seconds
    new = {
        "start_seconds": start,
        "end_seconds": end,
        "chord": harte(chord.label),
        "label": chord.label,
        "confidence": 1.0,
    }
    before = [
        {**one, "end_seconds": min(one["end_seconds"], start)} for one in segments if one["start_seconds"] < start
    ]
    after = [{**one, "start_seconds": max(one["start_seconds"], end)} for one in segments if one["end_seconds"] > end]
    return [*before, new, *after]


def _moved(beats: Sequence[float], bars: Mapping[str, Any], bar_one_seconds: float) -> list[float]:
    """Return the downbeats, moved by less than a bar so that one is at the beat that is nearest to ``bar_one_seconds``."""
    step = bars["beats_per_bar"]
    first = _nearest(beats, bar_one_seconds)
    found = sorted({_nearest(beats, seconds) for seconds in bars["downbeats"]})
    place = bisect_right(found, first)
    shift = first - found[max(0, place - 1)]
    if place in (0, len(found)):
        shift %= step
    moved = [beat + shift for beat in found if beat + shift < len(beats)]
    before, after = range(moved[0] % step, moved[0], step), range(moved[-1] + step, first + 1, step)
    return [beats[beat] for beat in (*before, *moved, *after)]


def _nearest(beats: Sequence[float], seconds: float) -> int:
    after = bisect_left(beats, seconds)
    if after == len(beats) or (after > 0 and seconds - beats[after - 1] <= beats[after] - seconds):
        return after - 1
    return after
