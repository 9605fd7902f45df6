"""An analysis as files for other programs, read back."""

import struct
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import pytest

from soundwright.library.v1 import track_pb2
from soundwright.services.gateway.files.daw_projects import Stem, dawproject, metadata, reaper_project
from soundwright.services.gateway.files.rekordbox import rekordbox_collection
from soundwright.services.gateway.files.song_grid import song_grid
from soundwright.services.gateway.files.song_midi import song_midi

BEATS = [0.6, 1.1, 1.6, 2.1, 2.6, 3.1, 3.7, 4.3, 4.9, 5.5, 6.1]  # slower from the sixth on
VALUES: Mapping[str, Any] = {
    "duration_seconds": 7.3,
    "tempo": 120.0,
    "beats": BEATS,
    "bars": {"beats_per_bar": 4, "downbeats": [1.1, 3.1, 6.1]},
    "sections": {"segments": [{"start_seconds": 0.0, "label": "A"}, {"start_seconds": 3.1, "label": "B"}]},
    "chords": {"segments": [{"start_seconds": 0.0, "label": "N.C."}, {"start_seconds": 1.1, "label": "F♯m7"}]},
    "notes": {
        "parts": [
            {"name": "bass", "notes": [[1.1, 0.5, 40, 96], [3.4, 0.001, 42, 1]]},
            {"name": "other", "notes": [[6.7, 0.6, 64, 127]]},
        ]
    },
}


def read_midi(content: bytes) -> tuple[int, list[list[tuple[int, bytes]]]]:
    """Return ticks per quarter, and the events of each track with their ticks."""
    kind, size, form, count, division = struct.unpack(">4sIHHH", content[:14])
    assert (kind, size, form) == (b"MThd", 6, 1)
    tracks, place = [], 14
    for _ in range(count):
        kind, size = struct.unpack(">4sI", content[place : place + 8])
        assert kind == b"MTrk"
        tracks.append(_events(content[place + 8 : place + 8 + size]))
        place += 8 + size
    assert place == len(content)
    return division, tracks


def _events(body: bytes) -> list[tuple[int, bytes]]:
    found, tick, place = [], 0, 0

    def number() -> int:
        nonlocal place
        value = 0
        while True:
            byte = body[place]
            value, place = value << 7 | byte & 127, place + 1
            if byte < 128:
                return value

    while place < len(body):
        tick += number()
        start = place
        if body[place] == 0xFF:
            place += 2
            length = number()
            place += length
        else:
            place += 2 if body[place] & 0xF0 in (0xC0, 0xD0) else 3
        found.append((tick, body[start:place]))
    return found


def of_kind(track: list[tuple[int, bytes]], kind: int) -> list[tuple[int, bytes]]:
    """Return the meta events of a kind: tick and content."""
    return [(tick, event[3:]) for tick, event in track if event[:2] == bytes((0xFF, kind))]


def seconds_at(tempos: list[tuple[int, bytes]], tick: int) -> float:
    """Return when a player that follows the tempos reaches a tick."""
    total, ends = 0.0, [start for start, _ in tempos[1:]] + [tick]
    for (start, content), end in zip(tempos, ends, strict=True):
        total += max(0, min(end, tick) - start) / 480 * int.from_bytes(content, "big") / 1e6
    return total


def test_a_midi_file_follows_the_beats_of_the_recording() -> None:
    division, (conductor, chords, bass, other) = read_midi(song_midi("Blue Hour", VALUES))
    assert division == 480
    tempos = of_kind(conductor, 0x51)
    # The recording begins a beat of 0.6 s before the first beat.
    for place, beat in enumerate(BEATS):
        assert seconds_at(tempos, 480 * (place + 1)) == pytest.approx(beat, abs=1e-4)
    assert len(tempos) == 3, "a tempo that stays is written once"
    # Two beats before the first bar, and a bar of 5 beats.
    assert of_kind(conductor, 0x58) == [
        (0, b"\x02\x02\x18\x08"), (960, b"\x04\x02\x18\x08"), (6 * 480, b"\x05\x02\x18\x08")
    ]  # fmt: skip
    assert of_kind(conductor, 0x06) == [(0, b"A"), (6 * 480, b"B")]
    assert of_kind(chords, 0x01) == [(0, b"N.C."), (960, "F♯m7".encode())]
    assert [of_kind(track, 0x03)[0][1] for track in (conductor, chords, bass, other)] == [
        b"Blue Hour", b"Chords", b"bass", b"other"
    ]  # fmt: skip
    assert [event for event in bass if event[1][0] < 0xF0] == [
        (0, b"\xc0\x21"), (960, b"\x90\x28\x60"), (1440, b"\x80\x28\0"), (3120, b"\x90\x2a\x01"), (3121, b"\x80\x2a\0")
    ]  # fmt: skip
    # After the last beat, the tempo stays. The file ends with the recording.
    assert [event for event in other if event[1][0] < 0xF0] == [
        (0, b"\xc1\0"), (12 * 480, b"\x91\x40\x7f"), (13 * 480, b"\x81\x40\0")
    ]  # fmt: skip
    assert of_kind(conductor, 0x2F) == [(13 * 480, b"")]


def test_piano_notes_come_first_and_bring_the_pedal() -> None:
    read = {"name": "piano", "notes": [[1.1, 0.5, 60, 80]], "pedals": [[1.1, 0.5], [1.6, 0.5]]}
    _, tracks = read_midi(song_midi("Blue Hour", {**VALUES, "piano_notes": {"parts": [read]}}))
    assert [of_kind(track, 0x03)[0][1] for track in tracks[2:]] == [b"piano", b"bass", b"other"]
    assert [event for event in tracks[2] if event[1][0] < 0xF0] == [
        (0, b"\xc0\0"), (960, b"\xb0\x40\x7f"), (960, b"\x90\x3c\x50"),
        (1440, b"\xb0\x40\0"), (1440, b"\xb0\x40\x7f"), (1440, b"\x80\x3c\0"), (1920, b"\xb0\x40\0"),
    ]  # fmt: skip
    _, alone = read_midi(song_midi("Blue Hour", {"piano_notes": {"parts": [read]}}))
    assert [of_kind(track, 0x03)[0][1] for track in alone] == [b"Blue Hour", b"piano"]


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ({"tempo": 90.0}, {0.0: 0, 2 / 3: 480, 20.0: 14400}),  # no beats
        ({"tempo": 0.0, "beats": []}, {1.0: 960}),  # nothing repeats
        ({"beats": [0.1, 0.6, 1.1]}, {0.0: 0, 0.6: 480, 1.1: 960}),  # the first beat is the beginning
        ({"beats": [0.0, 0.5, 8.5, 9.0]}, {0.5: 480, 8.5: 480 * 17}),  # the beats of a pause
        (
            {"beats": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2], "bars": {"beats_per_bar": 6, "downbeats": [0.0, 1.2]}},
            {0.2: 240, 1.2: 1440},  # eighths
        ),
    ],
)
def test_times_become_ticks(values: dict[str, Any], ticks: dict[float, int]) -> None:
    grid = song_grid(values)
    assert {seconds: grid.tick(seconds) for seconds in ticks} == ticks


STEMS = (Stem("bass", "bass.flac", 7.3, 44_100, 2), Stem('the "other"', "other.m4a", 7.3, 44_100, 1))


def test_a_reaper_project_has_stems_tempos_and_markers() -> None:
    lines = [line.strip() for line in reaper_project(STEMS, VALUES).decode().splitlines()]
    assert sum(line.startswith("<") for line in lines) == lines.count(">")
    points = [line.split()[1:] for line in lines if line.startswith("PT ")]
    assert [(round(float(p[0]), 6), round(float(p[1]), 6), *p[2:]) for p in points] == [
        (0.0, 100.0, "1", "262146"),  # 2/4
        (0.6, 120.0, "1"),
        (1.1, 120.0, "1", "262148"),  # 4/4
        (3.1, 100.0, "1", "262149"),  # 5/4, and slower
    ]
    assert [line for line in lines if line.startswith("MARKER")] == [
        'MARKER 1 0.000000 "A" 0',
        'MARKER 2 3.100000 "B" 0',
    ]
    assert lines.count('NAME "bass"') == lines.count("NAME \"the 'other'\"") == 2  # a track and its item
    assert [lines[i - 1 : i + 1] for i, line in enumerate(lines) if line.startswith("FILE")] == [
        ["<SOURCE FLAC", 'FILE "bass.flac"'], ["<SOURCE VIDEO", 'FILE "other.m4a"']
    ]  # fmt: skip
    assert lines.count("LENGTH 7.300000000") == 2


def test_a_dawproject_has_stems_tempos_and_markers() -> None:
    root = ElementTree.fromstring(dawproject("1.2", STEMS, VALUES))
    assert [clip.get("path") for clip in root.iter("File")] == ["bass.flac", "other.m4a"]
    assert {(clip.get("time"), clip.get("duration")) for clip in root.iter("Clip")} == {("0", "7.300000000")}
    tempos = [(float(point.attrib["time"]), float(point.attrib["value"])) for point in root.iter("RealPoint")]
    assert [(beat, round(bpm, 6)) for beat, bpm in tempos] == [(0.0, 100.0), (1.0, 120.0), (6.0, 100.0)]
    metres = [(p.get("time"), p.get("numerator"), p.get("denominator")) for p in root.iter("TimeSignaturePoint")]
    assert metres == [("0.000000", "2", "4"), ("2.000000", "4", "4"), ("6.000000", "5", "4")]
    assert [(m.get("time"), m.get("name")) for m in root.iter("Marker")] == [("0.000000", "A"), ("3.100000", "B")]
    tracks = [track.get("name") for track in root.iter("Track")]
    assert tracks == ["bass", 'the "other"', "Master"]
    names = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(set(names)) == len(names)
    references = {
        value for e in root.iter() for key, value in e.items() if key in ("track", "destination", "parameter")
    }
    assert references <= set(names)
    without = ElementTree.fromstring(dawproject("1.2", STEMS, {}))
    assert [float(point.attrib["value"]) for point in without.iter("RealPoint")] == [120.0]
    assert ElementTree.fromstring(metadata("A \x00& B", "")).findtext("Title") == "A & B"


def test_a_rekordbox_collection_has_a_beat_grid_and_cues() -> None:
    track = track_pb2.Track(
        title="A \x00& B", artist="Ann", key="F# minor", bpm=120.5, size_bytes=7, duration_seconds=7.3
    )
    root = ElementTree.fromstring(rekordbox_collection("1.2", track, "A & B.flac", VALUES))
    assert (root.tag, root.get("Version")) == ("DJ_PLAYLISTS", "1.0.0")
    [entry] = root.iterfind("COLLECTION/TRACK")
    shown = ("Name", "Artist", "Kind", "Size", "TotalTime", "AverageBpm", "Tonality", "Location")
    assert [entry.get(name) for name in shown] == [
        "A & B", "Ann", "FLAC File", "7", "7", "120.50", "F#m", "file://localhost/A%20%26%20B.flac"
    ]  # fmt: skip
    grid = [
        tuple(tempo.attrib[name] for name in ("Inizio", "Bpm", "Metro", "Battito")) for tempo in entry.iter("TEMPO")
    ]
    assert grid == [
        ("0.000", "100.00", "4/4", "3"),  # a pickup of two beats
        ("0.600", "120.00", "4/4", "4"),
        ("1.100", "120.00", "4/4", "1"),
        ("3.100", "100.00", "5/4", "1"),
    ]
    cues = [tuple(mark.attrib.values()) for mark in entry.iter("POSITION_MARK")]
    assert cues == [("A", "0", "0.000", "-1"), ("B", "0", "3.100", "-1")]
    eighths = {"beats": [0.25 * beat for beat in range(7)], "bars": {"beats_per_bar": 6, "downbeats": [0.0, 1.5]}}
    [tempo] = ElementTree.fromstring(rekordbox_collection("1.2", track, "a.wav", eighths)).iter("TEMPO")
    assert dict(tempo.attrib) == {"Inizio": "0.000", "Bpm": "240.00", "Metro": "6/8", "Battito": "1"}
