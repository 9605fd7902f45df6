"""Categories of prompts."""

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundwright.services.library.catalog import categories
from soundwright.services.library.catalog.categories import CATEGORIES, categorise, family

# The leading category of each prompt comes first, then the others.
MUSIC = """
peaceful ambient piano melody: piano ambient peaceful
epic orchestral trailer music: orchestral epic trailer
calm piano melody in C major: piano peaceful
upbeat electronic dance music with heavy bass: electronic edm upbeat
lo-fi hip hop beats to study to: lofi hiphop study
dark techno with acid bassline: techno dark_ambient
smooth jazz saxophone in a coffee shop: jazz cafe
sad violin solo: strings sad
heavy metal riff with double kick drums: metal guitar
80s synthwave night drive: synthwave 80s
chiptune boss battle theme: chiptune game_music epic
japanese koto and shakuhachi: asian
christmas jingle with sleigh bells: holiday advertising
liquid dnb: drum_and_bass
boom bap old school rap: boom_bap hiphop retro
epic battle anthem with brass: epic orchestra_section
romantic wedding waltz: romantic classical
punk rock with fast drums: punk rock upbeat
rain and piano: piano nature_music
suspenseful thriller score: suspense cinematic
techno, no drums or bass: techno
piano without heavy drums: piano
guitar with no drums and piano: guitar
no guitar but soft piano: piano gentle
no guitar, soft piano: piano gentle
ambient music with rain, not dark: ambient nature_music
"""

AUDIO = """
magic spell sparkle: magic sparkle
explosion with debris: explosion crash
footsteps on gravel: footstep
heavy rain and thunder: rain thunder
laser blast: laser explosion
fire alarm ringing: alarm
level up power up: power_up success
error buzzer: error alarm
zombie growl: monster dog
ui hover sound: button menu
notification chime: notification bell
cartoon boing: cartoon jump
wind howling: wind
crackling campfire: fire
birds chirping in a forest: bird forest
water dripping in a cave: water
spaceship hum: scifi drone
ghostly whisper: voice ghost
tense riser: tension transition
orchestral hit stinger: stinger impact
jump sound for a game: jump
rain without thunder: rain
wind, no birds: wind
wolves howling at night: dog
success fanfare: success stinger
menu select: menu
"""


def _expected() -> list[tuple[str, str, list[str]]]:
    pairs = [
        (model, line.split(": "))
        for model, lines in (("music", MUSIC), ("audio", AUDIO))
        for line in lines.strip().splitlines()
    ]
    return [(model, prompt, keys.split()) for model, (prompt, keys) in pairs]


@pytest.mark.parametrize(("model", "prompt", "keys"), _expected())
def test_prompts_have_these_categories(model: str, prompt: str, keys: list[str]) -> None:
    found = categorise(prompt, model)
    assert found[0] == keys[0]
    assert set(found) == set(keys)
    assert categorise(prompt.upper(), f"magnet-{model}") == found


@pytest.mark.parametrize(
    ("prompt", "model", "key"),
    [
        ("xyzzy", "music", "acoustic"),
        ("", "music", "acoustic"),
        ("a loop", "music", "ambient"),
        ("a commercial", "music", "advertising"),
        ("xyzzy", "audio", "notification"),
        ("game", "audio", "button"),
        ("an effect", "audio", "whoosh"),
        ("no effects", "audio", "notification"),
        ("quiet guitar in a building", "audio", "notification"),  # nothing matches, so the fallback decides
        ("staring at a star", "audio", "notification"),
    ],
)
def test_prompts_without_cues_have_a_fallback(prompt: str, model: str, key: str) -> None:
    assert categorise(prompt, model) == [key]


@pytest.mark.parametrize("prompt", ["lo-fi", "lo fi", "LÔFI", "lo\u2011fi", "lo_fi"])
def test_spellings_of_a_name_are_equivalent(prompt: str) -> None:
    assert categorise(prompt, "music") == ["lofi"]


@pytest.mark.parametrize(
    ("prompt", "model", "keys"),
    [
        ("piano without heavy drums, violin", "music", {"piano", "strings"}),
        ("piano, no drums and guitar", "music", {"piano"}),
        ("piano, no violin or guitar", "music", {"piano"}),
        ("piano, no violin, and guitar", "music", {"piano", "guitar"}),
        ("piano, or guitar", "music", {"piano", "guitar"}),
        ("piano, no very loud bass drum and electric guitar", "music", {"piano"}),
        # longer than a negation can be
        ("piano, no deep slow evolving wide sad violin", "music", {"piano", "sad", "strings"}),
        ("instrumental, no vocals, sad piano", "music", {"piano", "sad"}),
        ("no violin but piano", "music", {"piano"}),
        ("no violin\npiano", "music", {"piano"}),
        ("not sad piano, techno", "music", {"techno"}),
        ("don't use violin, piano", "music", {"piano"}),
        ("minus the guitar, piano", "music", {"piano"}),
        ("rain without thunder in a forest", "audio", {"rain", "forest"}),
        ("no dogs", "audio", {"notification"}),
    ],
)
def test_negated_words_do_not_match(prompt: str, model: str, keys: set[str]) -> None:
    assert set(categorise(prompt, model)) == keys


@pytest.mark.parametrize(
    ("prompt", "model", "wrong"),
    [
        ("train passing", "audio", {"rain", "bird"}), ("sad piano", "music", {"advertising"}),
        ("modern jazz", "music", {"60s"}), ("darkness", "music", {"chiptune"}),
        ("quiet guitar in a building", "audio", {"menu", "transition", "button"}),
        ("stringing sad beads", "music", {"strings"}), ("machine gun", "audio", {"mechanical"}),
        ("fire alarm", "audio", {"fire"}),
    ],
)  # fmt: skip
def test_parts_of_words_do_not_match(prompt: str, model: str, wrong: set[str]) -> None:
    assert not wrong & set(categorise(prompt, model))


@pytest.mark.parametrize("prompt", ["bark", "barks", "barking", "barked", "Barking, barking; barks"])
def test_a_cue_counts_once_in_any_form(prompt: str) -> None:
    assert categories._scores(prompt, "audio") == {"dog": 4}


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("star", {"star", "stars"}), ("melody", {"melody", "melodies"}), ("torch", {"torch", "torches"}),
        ("hop~", {"hop", "hops", "hopping", "hopped"}), ("wail~", {"wail", "wails", "wailing", "wailed"}),
        ("breathe~", {"breathe", "breathes", "breathing", "breathed"}), ("808", {"808"}),
    ],
)  # fmt: skip
def test_only_verbs_have_verb_forms(word: str, forms: set[str]) -> None:
    assert categories._forms(word) == forms


def test_names_phrases_and_sounds_score_higher() -> None:
    assert categories._scores("guitarist", "music") == {"guitar": 4}
    assert categories._scores("guitar", "music") == {"guitar": 5}
    assert categories._scores("singing bowl", "music") == {"meditation": 4}
    assert categories._scores("joy", "music") == {"happy": 3}
    assert categories._scores("happy", "music") == {"happy": 4}


def test_ties_keep_the_order_of_the_table() -> None:
    assert categorise("sad happy", "music") == categorise("happy sad", "music") == ["happy", "sad"]


def test_at_most_five_categories() -> None:
    five = ["rain", "wind", "thunder", "ocean", "fire"]
    assert categorise("rain wind thunder water ocean fire forest bird", "audio") == five


@pytest.mark.parametrize(("model", "key"), [(model, key) for model, keys in CATEGORIES.items() for key in keys])
def test_each_category_matches_its_name(model: str, key: str) -> None:
    assert key in categorise(CATEGORIES[model][key], model)


@pytest.mark.parametrize(
    ("prompt", "model", "keys"),
    [
        ("garage rock", "music", ["rock"]), ("garage rock", "audio", ["notification"]),
        ("power chord", "music", ["rock"]), ("epic electric guitar", "music", ["guitar", "rock", "epic"]),
        ("heavy metal door", "audio", ["door", "metal"]), ("garage door", "audio", ["door"]),
    ],
)  # fmt: skip
def test_compounds_hide_their_words(prompt: str, model: str, keys: list[str]) -> None:
    assert categorise(prompt, model) == keys


@pytest.mark.parametrize(
    ("prompt", "keys"),
    [
        ("\0", ["acoustic"]), ("piano\0violin", ["piano", "strings"]), ("🎹🎻", ["acoustic"]),
        ("🎹piano🎹 ❤️ sad", ["piano", "sad"]), ("тихое piano 静かな violin", ["piano", "strings"]), ("ｐｉａｎｏ", ["piano"]),
        ("pianoфон", ["acoustic"]), ("a" * 10_000, ["acoustic"]), ("piano " * 1_700, ["piano"]),
        ("no " * 3_333 + ", piano", ["piano"]), ("e" + "\u0301\u0316" * 5_000 + " piano", ["piano"]),
    ],
)  # fmt: skip
def test_other_scripts_and_accents_do_no_harm(prompt: str, keys: list[str]) -> None:
    assert categorise(prompt, "music") == keys


@pytest.mark.parametrize(
    "unit", ["a", "piano ", "no ", "no drums, or ", "piano, ", "lo-", "- ", "\u0301\u0316", "ﷺ", "🎹 "]
)
def test_time_is_linear_in_the_length_of_the_prompt(unit: str) -> None:
    def lines_run(length: int) -> int:
        count = 0

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal count
            count += event == "line"
            return trace

        prompt = (unit * length)[:length]
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            categorise(prompt, "music")
        finally:
            sys.settrace(before)
        return count

    assert lines_run(10_000) <= 11 * lines_run(1_000)


@given(st.text(), st.sampled_from(["music", "audio", "magnet-music", "?"]))
def test_any_text_has_one_to_five_known_categories(prompt: str, model: str) -> None:
    keys = categorise(prompt, model)
    assert 1 <= len(keys) == len(set(keys)) <= 5
    assert set(keys) <= set(CATEGORIES[family(model)])
