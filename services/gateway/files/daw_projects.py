"""Projects for digital audio workstations: stems as tracks, with the tempo, the metres and the sections of an analysis.

Reaper's format is text: https://github.com/ReaTeam/Doc/blob/master/State%20Chunk%20Definitions. DAWproject is XML:
https://github.com/bitwig/dawproject.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from soundwright.kit.midi import TICKS_PER_QUARTER
from soundwright.services.gateway.files.song_grid import sections_of, song_grid

_REAPER_SOURCES = {"wav": "WAVE", "flac": "FLAC", "mp3": "MP3"}
_STEADY = 1  # shape of a tempo that stays until the next one


@dataclass(frozen=True)
class Stem:
    """A stem, and the path of its file in the project."""

    name: str
    path: str
    seconds: float
    sample_rate_hz: int
    channel_count: int


def reaper_project(stems: Sequence[Stem], values: Mapping[str, Any]) -> bytes:
    """Return a project of Reaper. ``values`` are those of an analysis, or empty."""
    grid = song_grid(values)
    points = list(grid.points())
    lines = ["<REAPER_PROJECT 0.1", f"  TEMPO {60.0 / points[0][2]:.10f} 4 4"]
    for number, section in enumerate(sections_of(values), 1):
        lines.append(f"  MARKER {number} {section['start_seconds']:.6f} {_quoted(section['label'])} 0")
    lines += ["  <TEMPOENVEX", "    ACT 1", "    VIS 1 0 1", f"    DEFSHAPE {_STEADY} -1 -1"]
    for _, seconds, quarter, metre in points:
        changed = f" {(1 << metre[1] << 16) + metre[0]}" if metre else ""
        lines.append(f"    PT {seconds:.12f} {60.0 / quarter:.10f} {_STEADY}{changed}")
    lines.append("  >")
    for stem in stems:
        kind = _REAPER_SOURCES.get(stem.path.rpartition(".")[2], "VIDEO")  # which reads what FFmpeg reads
        lines += [
            "  <TRACK",
            f"    NAME {_quoted(stem.name)}",
            "    <ITEM",
            "      POSITION 0",
            f"      LENGTH {stem.seconds:.9f}",
            "      LOOP 0",
            f"      NAME {_quoted(stem.name)}",
            f"      <SOURCE {kind}",
            f"        FILE {_quoted(stem.path)}",
            "      >",
            "    >",
            "  >",
        ]
    return "\n".join([*lines, ">", ""]).encode()


def _quoted(text: str) -> str:
    """Return a text in quotation marks. Reaper has no escapes."""
    return f'"{printable(text).replace(chr(34), chr(39))}"'


def printable(text: str) -> str:
    """Return a text without characters that XML does not allow."""
    return "".join(c for c in text if c.isprintable())


def dawproject(version: str, stems: Sequence[Stem], values: Mapping[str, Any]) -> bytes:
    """Return ``project.xml`` of a DAWproject. ``values`` are those of an analysis, or empty.

    Args:
        version: that of Soundwright.
    """
    grid = song_grid(values)
    _, first_beats, first_exponent = grid.metres[0] if grid.metres else (0, 4, 2)
    tempos = grid.tempos()
    project = Element("Project", version="1.0")
    SubElement(project, "Application", name="Soundwright", version=version)
    transport = SubElement(project, "Transport")
    _real(transport, "Tempo", "tempo", 60.0 / tempos[0][2], "bpm", 1.0, 999.0)
    signature = {"numerator": str(first_beats), "denominator": str(1 << first_exponent)}
    SubElement(transport, "TimeSignature", {"id": "metre", **signature})
    structure = SubElement(project, "Structure")
    for number, stem in enumerate(stems):
        track = SubElement(structure, "Track", contentType="audio", loaded="true", id=f"track{number}", name=stem.name)
        _channel(track, f"channel{number}", stem.channel_count, role="regular", destination="master")
    _channel(
        SubElement(structure, "Track", contentType="audio", loaded="true", id="masterTrack", name="Master"),
        "master",
        2,
        role="master",
    )
    arrangement = SubElement(project, "Arrangement", id="arrangement")
    lanes = SubElement(arrangement, "Lanes", timeUnit="beats", id="lanes")
    for number, stem in enumerate(stems):
        lane = SubElement(lanes, "Lanes", timeUnit="seconds", track=f"track{number}", id=f"lane{number}")
        clips = SubElement(lane, "Clips", id=f"clips{number}")
        length = f"{stem.seconds:.9f}"
        clip = SubElement(
            clips, "Clip", time="0", duration=length, playStart="0", contentTimeUnit="seconds", name=stem.name
        )
        audio = SubElement(
            clip, "Audio", algorithm="raw", channels=str(stem.channel_count), sampleRate=str(stem.sample_rate_hz),
            duration=length, timeUnit="seconds", id=f"audio{number}",
        )  # fmt: skip
        SubElement(audio, "File", path=stem.path)
    if sections := sections_of(values):
        markers = SubElement(arrangement, "Markers", timeUnit="seconds", id="markers")
        for section in sections:
            SubElement(markers, "Marker", time=f"{section['start_seconds']:.6f}", name=section["label"])
    points = _automation(arrangement, "TempoAutomation", "tempo", unit="bpm")
    for tick, _, quarter in tempos:
        SubElement(points, "RealPoint", time=_beats(tick), value=f"{60.0 / quarter:.10f}", interpolation="hold")
    points = _automation(arrangement, "TimeSignatureAutomation", "metre")
    for tick, beats, exponent in grid.metres:
        SubElement(
            points, "TimeSignaturePoint", time=_beats(tick), numerator=str(beats), denominator=str(1 << exponent)
        )
    return tostring(project, "UTF-8", xml_declaration=True)


def metadata(title: str, artist: str) -> bytes:
    root = Element("MetaData")
    for name, text in (("Title", title), ("Artist", artist)):
        SubElement(root, name).text = printable(text)
    return tostring(root, "UTF-8", xml_declaration=True)


def _automation(arrangement: Element, name: str, parameter: str, **attributes: str) -> Element:
    points = SubElement(arrangement, name, {"timeUnit": "beats", "id": f"{parameter}Automation", **attributes})
    SubElement(points, "Target", parameter=parameter)
    return points


def _channel(track: Element, name: str, channel_count: int, **attributes: str) -> None:
    shape = {"audioChannels": str(channel_count), "id": name, "solo": "false"}
    channel = SubElement(track, "Channel", {**shape, **attributes})
    _real(channel, "Pan", f"{name}Pan", 0.5, "normalized", 0.0, 1.0)
    _real(channel, "Volume", f"{name}Volume", 1.0, "linear", 0.0, 2.0)


def _real(parent: Element, kind: str, name: str, value: float, unit: str, least: float, most: float) -> None:
    SubElement(parent, kind, id=name, name=kind, value=f"{value:.6f}", unit=unit, min=f"{least:.6f}", max=f"{most:.6f}")


def _beats(tick: int) -> str:
    return f"{tick / TICKS_PER_QUARTER:.6f}"
