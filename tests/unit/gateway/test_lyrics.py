"""Lyrics as LRC and plain text, and those of the owner."""

import pytest

from soundwright.kit.lrc import Line, lines_of, lines_within, lrc_text, plain_text
from soundwright.library.v1 import track_pb2 as pb
from soundwright.services.gateway.corrections import corrected


def line(start: float | None, end: float | None, text: str, *words: tuple[float, float | None, str]) -> Line:
    return {
        "start_seconds": start,
        "end_seconds": end,
        "text": text,
        "words": [{"start_seconds": begin, "end_seconds": stop, "text": word} for begin, stop, word in words],
    }


ENHANCED = """[ti:Song]
[00:01.00]<00:01.00>Hello <00:01.50>world<00:02.25>
[01:02.30]Again
[01:04.00]
[100:00.00]End
"""
LINES = [
    line(1.0, 2.25, "Hello world", (1.0, 1.5, "Hello "), (1.5, 2.25, "world")),
    line(62.3, 64.0, "Again"),
    line(6000.0, None, "End"),
]


def test_lrc_and_back() -> None:
    assert lines_of(ENHANCED) == LINES
    assert lrc_text(LINES, {"ti": "Song", "ar": ""}) == ENHANCED
    assert plain_text(LINES) == "Hello world\nAgain\nEnd\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" one\r\n\r\n[Chorus]\n two ", [line(None, None, "one"), line(None, None, "[Chorus]"), line(None, None, "two")]),
        ("[00:09]b\n[0:1.5] [00:12:25]a", [line(1.5, None, "a"), line(9.0, None, "b"), line(12.25, None, "a")]),
        ("[offset:-250]\n[00:01]a\n[offset:x]", [line(1.25, None, "a")]),
        ("[offset:2000]\n[00:01]a", [line(0.0, None, "a")]),
        (
            "[00:01.00] <00:01.10> When  <00:01.60> the <00:02.00>",
            [line(1.0, 2.0, "When the", (1.1, 1.6, "When "), (1.6, 2.0, "the"))],
        ),
        (
            "[00:01][00:11]Oh <00:02>yes",
            [
                line(1.0, None, "Oh yes", (1.0, 2.0, "Oh "), (2.0, None, "yes")),
                line(11.0, None, "Oh yes", (11.0, 12.0, "Oh "), (12.0, None, "yes")),
            ],
        ),
        ("[00:05]sung\nand not timed\n[00:02]first", [line(2.0, None, "first"), line(5.0, None, "sung"), line(None, None, "and not timed")]),
    ],
)  # fmt: skip
def test_forms_of_lrc(text: str, expected: list[Line]) -> None:
    assert lines_of(text) == expected


def test_no_text_becomes_a_time_or_a_line() -> None:
    hostile = [line(1.0, None, "[00:09.00]a\n[00:10]b"), line(2.0, 3.0, "<00:05>c", (2.0, 3.0, "<00:05>c"))]
    written = lrc_text(hostile, {"ti": "x]\n[00:00.00]y"})
    assert written == "[ti:x] [00:00.00]y]\n[00:01.00](00:09.00]a (00:10]b\n[00:02.00]<00:02.00>(00:05>c<00:03.00>\n"
    assert [each["start_seconds"] for each in lines_of(written)] == [1.0, 2.0]


def test_lines_after_the_end_of_a_song_are_left_out() -> None:
    assert lines_within(LINES, 6000.004) == LINES[:2]
    assert lines_within([*LINES, line(None, None, "not timed")], 1.758) == [
        line(1.0, 1.75, "Hello world", (1.0, 1.5, "Hello "), (1.5, 1.75, "world")), line(None, None, "not timed")
    ]  # fmt: skip


def test_lyrics_of_the_owner_replace_those_of_the_analysis() -> None:
    detected = {"lyrics": {"lines": LINES, "source": "mix"}}
    assert corrected(detected, pb.Corrections()) == detected
    assert corrected(detected, pb.Corrections(lyrics="")) == {"lyrics": {"lines": []}}
    assert corrected({}, pb.Corrections(lyrics="[00:01]Mine")) == {"lyrics": {"lines": [line(1.0, None, "Mine")]}}
