"""The right recording among what a search finds."""

from __future__ import annotations

import pytest

from services.ingest.fetch.matching import Candidate, Wanted, rank, similarity

SONG = Wanted("Blinding Lights", ["The Weeknd"], 200.0)


def found(title: str, seconds: float | None, channel: str = "The Weeknd") -> Candidate:
    return Candidate(f"https://example.org/{title}/{seconds}", title, channel, seconds)


def titles(*candidates: Candidate, wanted: Wanted = SONG) -> list[tuple[str, float | None]]:
    return [(candidate.title, candidate.duration_seconds) for candidate in rank(wanted, candidates)]


def test_the_length_decides_first() -> None:
    video = found("The Weeknd - Blinding Lights (Official Video)", 262.0)
    audio = found("Blinding Lights", 201.0, channel="Somebody")
    unknown = found("The Weeknd - Blinding Lights", None)
    assert titles(video, unknown, audio) == [(each.title, each.duration_seconds) for each in (audio, unknown, video)]


@pytest.mark.parametrize(("seconds", "first"), [(190.0, True), (210.0, True), (189.9, False), (210.1, False)])
def test_ten_seconds_more_or_less_are_the_right_length(seconds: float, first: bool) -> None:
    unknown = found("The Weeknd - Blinding Lights", None)
    assert (titles(unknown, found("Blinding Lights", seconds))[0][1] == seconds) is first


@pytest.mark.parametrize(
    "other",
    [
        "The Weeknd - Blinding Lights (Live at the Festival)", "Blinding Lights - Karaoke Version",
        "Blinding Lights (Remix)", "Blinding Lights - The Weeknd (Cover by Anna)",
        "the weeknd blinding lights slowed + reverb", "Blinding Lights (8D AUDIO)", "Blinding Lights Instrumental",
    ],
)  # fmt: skip
def test_another_version_comes_after_the_plain_one(other: str) -> None:
    plain = found("Blinding Lights (Official Audio)", 195.0)
    assert titles(found(other, 200.0), plain)[0][0] == plain.title
    assert titles(found(other, 200.0)) == [(other, 200.0)]  # better than nothing


def test_another_version_comes_first_if_it_is_wanted() -> None:
    wanted = Wanted("Blinding Lights (Live)", ["The Weeknd"], 210.0)
    plain, live = found("Blinding Lights", 210.0), found("Blinding Lights (Live)", 210.0)
    assert titles(plain, live, wanted=wanted)[0][0] == live.title


def test_what_is_about_something_else_is_left_out() -> None:
    assert titles(found("Cooking pasta", 200.0, "A Kitchen"), found("Save Your Tears", 200.0)) == []
    assert rank(Wanted("", [], 10.0), [found("Blinding Lights", 10.0)]) == []


@pytest.mark.parametrize(
    ("seconds", "channel", "fits"), [(300.0, "Somebody", False), (300.0, "The Weeknd", True), (200.0, "Somebody", True)]
)
def test_of_another_length_it_must_name_title_and_artist(seconds: float, channel: str, fits: bool) -> None:
    assert bool(titles(found("Blinding Lights", seconds, channel))) is fits


def test_title_and_artist_beat_the_title_alone() -> None:
    named = found("Blinding Lights", 200.0)
    stranger = found("Blinding Lights", 200.0, "Somebody Else")
    assert [candidate.channel for candidate in rank(SONG, [stranger, named])] == ["The Weeknd", "Somebody Else"]


def test_a_channel_writes_names_in_one_word() -> None:
    channel = found("Blinding Lights", 300.0, "TheWeekndVEVO")
    assert titles(channel) == [("Blinding Lights", 300.0)]
    assert similarity(Wanted("Hey", ["U2"], 0.0), Candidate("", "Hey", "u2xyz", None)) < 0.7  # too short to tell


def test_equals_stay_in_the_order_of_the_search() -> None:
    first, second = found("Blinding Lights", 203.0), found("Blinding Lights", 200.0)
    assert rank(SONG, [first, second]) == [first, second]


@pytest.mark.parametrize(
    ("title", "artist", "text"),
    [
        ("Déjà Vu", "Beyoncé", "BEYONCE - Deja vu ft. JAY-Z"),
        ("Don't Stop Me Now", "Queen", "Queen – Don’t Stop Me Now (Official Video)"),
        ("夜に駆ける", "YOASOBI", "YOASOBI「夜に駆ける」 Official Music Video"),
        ("The The", "The", "The The"),
    ],
)
def test_spelling_does_not_matter(title: str, artist: str, text: str) -> None:
    assert similarity(Wanted(title, [artist], 0.0), Candidate("https://example.org", text, "", None)) > 0.95
