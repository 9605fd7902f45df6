"""A track for DJ software: the recording with a beat grid, and the sections of an analysis as memory cues.

The format is that of rekordbox's XML files: https://cdn.rekordbox.com/files/20200410160904/xml_format_list.pdf.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from soundwright.kit.chords import short_key
from soundwright.kit.midi import TICKS_PER_QUARTER
from soundwright.library.v1 import track_pb2
from soundwright.services.gateway.files.daw_projects import printable
from soundwright.services.gateway.files.song_grid import Grid, sections_of, song_grid

_CUE = "0"
_MEMORY = "-1"  # instead of the number of a hot cue


def rekordbox_collection(version: str, track: track_pb2.Track, filename: str, values: Mapping[str, Any]) -> bytes:
    """Return a collection with one track.

    Args:
        version: that of Soundwright.
        filename: of the recording. Only its user knows the folder, so rekordbox has to relocate it.
        values: those of an analysis, with beats.
    """
    root = Element("DJ_PLAYLISTS", Version="1.0.0")
    SubElement(root, "PRODUCT", Name="Soundwright", Version=version, Company="")
    entry = SubElement(
        SubElement(root, "COLLECTION", Entries="1"),
        "TRACK",
        TrackID="1",
        Name=printable(track.title),
        Artist=printable(track.artist),
        Album=printable(track.album),
        Kind=f"{filename.rpartition('.')[2].upper()} File",
        Size=str(track.size_bytes),
        TotalTime=f"{track.duration_seconds:.0f}",
        SampleRate=str(track.sample_rate_hz),
        AverageBpm=f"{track.bpm or values.get('tempo') or 0.0:.2f}",
        Tonality=short_key(track.key or values.get("key") or ""),
        Location=f"file://localhost/{quote(filename)}",
    )
    _add_tempos(entry, song_grid(values))
    for section in sections_of(values):
        start = f"{section['start_seconds']:.3f}"
        SubElement(entry, "POSITION_MARK", Name=section["label"], Type=_CUE, Start=start, Num=_MEMORY)
    SubElement(SubElement(root, "PLAYLISTS"), "NODE", Type="0", Name="ROOT", Count="0")
    return tostring(root, "UTF-8", xml_declaration=True)


def _add_tempos(entry: Element, grid: Grid) -> None:
    """Add where tempo or metre changes: the time, the tempo in beats per minute, the metre and the beat in the bar."""
    metres = {tick: (tick, beats, exponent) for tick, beats, exponent in grid.metres}
    if len(grid.metres) > 1 and grid.metres[0][1] < grid.metres[1][1]:
        tick, beats, exponent = grid.metres[1]
        metres[0] = (tick - beats * _beat_ticks(exponent), beats, exponent)  # a pickup is the end of a bar
    bar, beats, exponent = 0, 4, 2
    for tick, seconds, quarter_seconds, _ in grid.points():
        bar, beats, exponent = metres.get(tick, (bar, beats, exponent))
        beat_ticks = _beat_ticks(exponent)
        SubElement(
            entry,
            "TEMPO",
            Inizio=f"{seconds:.3f}",
            Bpm=f"{60.0 * TICKS_PER_QUARTER / (quarter_seconds * beat_ticks):.2f}",
            Metro=f"{beats}/{1 << exponent}",
            Battito=str((tick - bar) // beat_ticks % beats + 1),
        )


def _beat_ticks(exponent: int) -> int:
    return 4 * TICKS_PER_QUARTER >> exponent
