"""What agents know of music, with plain values."""

from __future__ import annotations

import itertools
import random

import pytest

from services.analysis.agents.camelot import Camelot, match_tempo, parse_key
from services.analysis.agents.cue_points import Cue, find_cues
from services.analysis.agents.loudness_advice import advise
from services.analysis.agents.set_order import SONG_LIMIT, Song, propose_order, transition_cost

# The wheel as it is printed on every poster.
WHEEL = {
    "A♭ minor": "1A", "B major": "1B", "E♭ minor": "2A", "F♯ major": "2B", "B♭ minor": "3A", "D♭ major": "3B",
    "F minor": "4A", "A♭ major": "4B", "C minor": "5A", "E♭ major": "5B", "G minor": "6A", "B♭ major": "6B",
    "D minor": "7A", "F major": "7B", "A minor": "8A", "C major": "8B", "E minor": "9A", "G major": "9B",
    "B minor": "10A", "D major": "10B", "F♯ minor": "11A", "A major": "11B", "D♭ minor": "12A", "E major": "12B",
}  # fmt: skip


def codes(text: str) -> list[str]:
    return [str(code) for code in place(text).compatible()]


def place(text: str) -> Camelot:
    parsed = parse_key(text)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(("key", "code"), WHEEL.items())
def test_all_keys_have_their_place_on_the_wheel(key: str, code: str) -> None:
    assert str(place(key)) == code
    assert place(code) == place(key)


def test_the_wheel_is_complete() -> None:
    assert len(WHEEL) == 24
    assert set(WHEEL.values()) == {f"{number}{letter}" for number in range(1, 13) for letter in "AB"}


@pytest.mark.parametrize(("text", "code"), [
    ("Am", "8A"), ("a minor", "8A"), ("C", "8B"), ("C# minor", "12A"), ("Bb", "6B"), ("G#m", "1A"),
    (" 8a ", "8A"), ("F#maj", "2B"),
])  # fmt: skip
def test_keys_are_spelt_in_many_ways(text: str, code: str) -> None:
    assert str(place(text)) == code


@pytest.mark.parametrize("text", ["", "H minor", "13A", "0B", "loud", "A minor; drop table", "8C"])
def test_what_is_no_key(text: str) -> None:
    assert parse_key(text) is None


def test_neighbours_and_the_relative_mix() -> None:
    assert codes("8A") == ["8A", "7A", "9A", "8B"]
    assert codes("1B") == ["1B", "12B", "2B", "1A"]
    assert codes("12A") == ["12A", "11A", "1A", "12B"]
    assert place("C major").relation(place("A minor")) == "relative"
    assert place("C major").relation(place("G major")) == "one step up"
    assert place("C major").relation(place("F major")) == "one step down"
    assert place("C major").relation(place("D major")) is None
    assert place("C major").relation(place("E minor")) is None


def test_distances_on_the_wheel() -> None:
    assert place("1A").distance(place("12A")) == 1
    assert place("2A").distance(place("8A")) == 6
    assert place("2A").distance(place("8B")) == 7
    assert place("5B").distance(place("5B")) == 0


@pytest.mark.parametrize(("own", "other", "change", "feel"), [
    (120, 120, 0, "same"), (126, 120, 5, "same"), (120, 60, 0, "double"), (87, 174, 0, "half"),
    (128, 62, 3.2258, "double"), (106, 100, 6, "same"),
])  # fmt: skip
def test_tempos_that_match(own: float, other: float, change: float, feel: str) -> None:
    match = match_tempo(own, other)
    assert match is not None
    assert (match.change_percent, match.feel) == (pytest.approx(change, abs=1e-3), feel)


@pytest.mark.parametrize(("own", "other"), [(120, 140), (106.1, 100), (93.9, 100), (0, 120), (120, 0), (120, 90)])
def test_tempos_that_do_not_match(own: float, other: float) -> None:
    assert match_tempo(own, other) is None


TEN = [
    Song("a", place("8A"), 120, 0.10), Song("b", place("8A"), 121, 0.12), Song("c", place("9A"), 122, 0.14),
    Song("d", place("9B"), 122, 0.16), Song("e", place("10B"), 123, 0.18), Song("f", place("11B"), 124, 0.20),
    Song("g", place("11A"), 125, 0.22), Song("h", place("12A"), 126, 0.24), Song("i", place("1A"), 127, 0.26),
    Song("j", place("2A"), 128, 0.28),
]  # fmt: skip


def test_ten_songs_come_in_the_order_that_builds() -> None:
    for seed in range(5):
        shuffled = random.Random(seed).sample(TEN, len(TEN))
        assert "".join(song.id for song in propose_order(shuffled)) == "abcdefghij"


def test_an_order_is_never_worse_than_another_of_few_songs() -> None:
    generator = random.Random(7)
    for _ in range(5):
        songs = [
            Song(name, Camelot(generator.randint(1, 12), "AB"[generator.randint(0, 1)]), generator.uniform(90, 140), generator.random() / 3)
            for name in "abcde"
        ]  # fmt: skip

        def total(order: list[Song]) -> float:
            return sum(transition_cost(x, y) for x, y in itertools.pairwise(order))

        best = min(total(list(order)) for order in itertools.permutations(songs))
        assert total(propose_order(songs)) <= best * 1.25


def test_every_song_comes_once_whatever_is_known_of_it() -> None:
    songs = [*TEN, Song("x", None, None, None), Song("y", place("3B"), None, 0.1)]
    assert sorted(song.id for song in propose_order(songs)) == sorted(song.id for song in songs)
    assert propose_order([]) == []
    assert propose_order(TEN[:1]) == TEN[:1]
    with pytest.raises(ValueError):
        propose_order([TEN[0]] * (SONG_LIMIT + 1))


def test_loudness_against_the_targets() -> None:
    advice = {each.target: each for each in advise(-10.0, -0.5)}
    assert {name: each.target_lufs for name, each in advice.items()} == {
        "streaming": -14, "podcast": -16, "broadcast": -23, "club": -6,
    }  # fmt: skip
    for target, expected in (("streaming", (-4, -4.5, 0)), ("club", (4, 3.5, 4.5))):
        assert (advice[target].gain_db, advice[target].peak_dbtp, advice[target].limiting_db) == expected


def test_cues_stand_at_phrases_and_drops_where_the_level_jumps() -> None:
    beats = [0.5 * beat for beat in range(4 * 24)]  # 24 bars of 2 seconds
    levels = [-30.0] * 32 + [-20.0] * 16  # a jump at 32 seconds, one level a second
    phrase_bars, cues = find_cues(beats, levels, 1.0)
    assert phrase_bars == 8
    assert cues == [Cue("mix_in", 1, 0.0), Cue("phrase", 9, 16.0), Cue("mix_out", 17, 32.0)]
    phrase_bars, cues = find_cues(beats[: 4 * 20], [-30.0] * 16 + [-20.0] * 8 + [-30.0] * 16, 1.0)
    assert phrase_bars == 4
    assert [(cue.kind, cue.time_seconds) for cue in cues] == [
        ("mix_in", 0), ("phrase", 8), ("drop", 16), ("breakdown", 24), ("mix_out", 32),
    ]  # fmt: skip
    assert [cue.kind for cue in find_cues(beats[: 4 * 20], [], 0.0)[1]] == ["mix_in", *["phrase"] * 3, "mix_out"]
    assert find_cues([], [], 0.0) == (4, [])
