"""The notes of the composer as a Standard MIDI File."""

from soundwright.services.generation.engines.procedural.midi import midi_file
from soundwright.services.generation.engines.procedural.score import Note, Song, Track


def test_a_score_is_written_note_by_note() -> None:
    flute = Track(
        "vocals", "flute", (Note(0.0, 0.5, 72, 1.0), Note(0.5, 0.5, 74, 0.5), Note(5.0, 1.0, 76, 1.0)), pan=1.0
    )
    drums = Track("drums", "kit_rock", (Note(3.5, 2.0, 36, 0.5),))
    written = midi_file(Song("s", 120.0, "D minor", 4, 2.0, (drums, flute)))
    header, tempo, kit, lead = written.split(b"MTrk")
    assert header == b"MThd" + bytes((0, 0, 0, 6, 0, 1, 0, 3, 1, 224))
    assert tempo[4:] == (
        b"\0\xff\x51\x03\x07\xa1\x20"  # half a second for a beat
        b"\0\xff\x58\x04\x04\x02\x18\x08"  # 4/4
        b"\0\xff\x59\x02\xff\x01"  # one flat, minor
        b"\x8f\0\xff\x2f\0"  # 4 beats of 480 ticks
    )
    # Drums are on channel 10, and a note ends with the song.
    assert kit[4:].endswith(b"\x8d\x10\x99\x24\x40" + b"\x81\x70\x89\x24\0" + b"\0\xff\x2f\0")
    # Program, place, and two notes; the third would begin after the end.
    assert lead[4:].endswith(
        b"\0\xc0\x49" + b"\0\xb0\x0a\x7f"
        + b"\0\x90\x48\x7f" + b"\x81\x70\x80\x48\0" + b"\0\x90\x4a\x40" + b"\x81\x70\x80\x4a\0"
        + b"\x8b\x20\xff\x2f\0"
    )  # fmt: skip
    assert [int.from_bytes(track[:4], "big") for track in (tempo, kit, lead)] == [
        len(track) - 4 for track in (tempo, kit, lead)
    ]
