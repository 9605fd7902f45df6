"""Files for musicians from the values of an analysis: chords as LAB and ChordPro, and a click track."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.audio import wav_header
from soundwright.kit.chords import short_key
from soundwright.services.gateway.files.song_grid import sections_of

CLICK_RATE_HZ = 44_100
_BARS_PER_LINE = 4
_CLICK_SECONDS = 0.03
_FIRST_HZ, _OTHER_HZ = 1760.0, 1175.0
_CHUNK_FRAMES = 65_536


def lab_text(segments: Sequence[dict[str, Any]]) -> str:
    """Return chords as LAB: a line with start, end and name for each, separated by tabs, as MIREX and Audacity read them."""
    return "".join(f"{each['start_seconds']:.3f}\t{each['end_seconds']:.3f}\t{each['chord']}\n" for each in segments)


@dataclass(frozen=True)
class Sheet:
    """What a chord sheet shows besides the chords. Texts are empty if they are not known."""

    title: str
    artist: str
    key: str
    tempo_bpm: float


def chordpro_text(sheet: Sheet, values: dict[str, Any]) -> str:
    """Return a chord sheet as ChordPro: grids with four bars in a line, and a comment where a section begins.

    Args:
        values: of an analysis with ``chords``; without ``bars``, each chord is a cell.
    """
    segments = values["chords"]["segments"]
    bars = values.get("bars") or {}
    lines = [f"{{{name}: {text}}}" for name, text in _directives(sheet, bars.get("beats_per_bar", 0)) if text]
    cells = _cells(segments, bars)
    starts = [start for start, _ in cells]
    # Sections begin at the nearest bar.
    comments = {_nearest(starts, each["start_seconds"]): each for each in sections_of(values)} if cells else {}
    rows: list[str] = []
    for place, (_, text) in enumerate(cells):
        if place in comments or (not place and not rows):
            lines += _grid(rows)
            rows = []
            if place in comments:
                section = comments[place]
                minutes, seconds = divmod(int(section["start_seconds"]), 60)
                lines += ["", f"{{comment: {section['label']} ({minutes}:{seconds:02d})}}"]
        rows.append(text)
    lines += _grid(rows)
    return "\n".join(lines) + "\n"


def _directives(sheet: Sheet, beats_per_bar: int) -> Iterator[tuple[str, str]]:
    yield "title", _plain(sheet.title)
    yield "artist", _plain(sheet.artist)
    yield "key", short_key(sheet.key)
    yield "tempo", f"{sheet.tempo_bpm:.0f}" if sheet.tempo_bpm else ""
    yield "time", {0: "", 6: "6/8"}.get(beats_per_bar, f"{beats_per_bar}/4")


def _plain(text: str) -> str:
    """Return a text that cannot end a directive."""
    return re.sub(r"[{}\s]+", " ", text).strip()


def _cells(segments: Sequence[dict[str, Any]], bars: dict[str, Any]) -> list[tuple[float, str]]:
    """Return the start and the content of each bar, or of each chord if there are no bars."""
    downbeats, beats_per_bar = bars.get("downbeats") or [], bars.get("beats_per_bar", 0)
    if len(downbeats) < 2 or not beats_per_bar:
        return [(each["start_seconds"], each["label"]) for each in segments]
    bar_seconds = float(np.median(np.diff(downbeats)))
    edges = [*downbeats, downbeats[-1] + bar_seconds]
    if downbeats[0] > bar_seconds / 2:
        edges.insert(0, downbeats[0] - bar_seconds)
    starts = [each["start_seconds"] for each in segments]
    cells = []
    for start, end in pairwise(edges):
        beat_seconds = (end - start) / beats_per_bar
        labels = [
            segments[max(0, bisect_right(starts, start + (beat + 0.5) * beat_seconds) - 1)]["label"]
            for beat in range(beats_per_bar)
        ]
        shown = [label if not beat or label != labels[beat - 1] else "." for beat, label in enumerate(labels)]
        cells.append((start, " ".join(shown)))
    return cells


def _nearest(starts: Sequence[float], time: float) -> int:
    return int(np.argmin(np.abs(np.asarray(starts) - time)))


def _grid(cells: Sequence[str]) -> list[str]:
    if not cells:
        return []
    rows = [cells[start : start + _BARS_PER_LINE] for start in range(0, len(cells), _BARS_PER_LINE)]
    return ["{start_of_grid}", *(f"| {' | '.join(row)} |" for row in rows), "{end_of_grid}"]


def click_size_bytes(duration_seconds: float) -> int:
    return len(_click_header(duration_seconds)) + 2 * _frame_count(duration_seconds)


def click_track(duration_seconds: float, beats: Sequence[float], downbeats: Sequence[float]) -> Iterator[bytes]:
    """Yield a WAV file, mono with 16 bits, that clicks on each beat, and higher on downbeats. It is as long as the recording."""
    yield _click_header(duration_seconds)
    first = {round(1000 * time) for time in downbeats}
    clicks = [
        (round(time * CLICK_RATE_HZ), _click(_FIRST_HZ if round(1000 * time) in first else _OTHER_HZ))
        for time in sorted(beats)
    ]
    total = _frame_count(duration_seconds)
    place = 0
    for start in range(0, total, _CHUNK_FRAMES):
        chunk = np.zeros(min(_CHUNK_FRAMES, total - start), np.int16)
        while place < len(clicks) and clicks[place][0] + clicks[place][1].size <= start:
            place += 1
        for at, click in clicks[place:]:
            if at >= start + chunk.size:
                break
            into, skipped = max(0, at - start), max(0, start - at)
            part = click[skipped : skipped + chunk.size - into]
            chunk[into : into + part.size] = part
        yield chunk.astype("<i2").tobytes()


def _frame_count(duration_seconds: float) -> int:
    return round(duration_seconds * CLICK_RATE_HZ)


def _click_header(duration_seconds: float) -> bytes:
    return wav_header(CLICK_RATE_HZ, 1, 16, _frame_count(duration_seconds), is_float=False)


def _click(frequency_hz: float) -> NDArray[np.int16]:
    times = np.arange(round(_CLICK_SECONDS * CLICK_RATE_HZ)) / CLICK_RATE_HZ
    return np.asarray(
        20_000 * np.sin(2 * np.pi * frequency_hz * times) * np.exp(-times / (_CLICK_SECONDS / 5)), np.int16
    )
