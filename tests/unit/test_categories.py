"""Categories told from prompts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.library.categories import CATEGORIES, categorise, family

EXPECTED = [
    ("peaceful ambient piano melody", "music", {"piano", "ambient", "peaceful"}),
    ("epic orchestral trailer music", "music", {"orchestral", "epic", "trailer"}),
    ("calm piano melody in C major", "music", {"piano", "peaceful"}),
    ("magic spell sparkle", "audio", {"magic", "sparkle"}),
    ("explosion with debris", "audio", {"explosion", "crash"}),
    ("footsteps on gravel", "audio", {"footstep"}),
    ("xyzzy", "music", {"acoustic"}),
    ("xyzzy", "audio", {"notification"}),
    ("loop", "music", {"ambient"}),
    ("game", "audio", {"button"}),
    ("effect", "audio", {"whoosh"}),
    ("lo-fi", "magnet-music", {"lofi"}),
    ("lo fi", "music", {"lofi"}),
    ("LÔFI", "music", {"lofi"}),
    ("piano, no drums or guitar", "music", {"piano"}),
    ("rain without thunder", "audio", {"rain"}),
    ("dogs barking", "magnet-audio", {"dog"}),
]


@pytest.mark.parametrize(("prompt", "model", "keys"), EXPECTED)
def test_a_prompt_has_the_categories_of_its_words(prompt: str, model: str, keys: set[str]) -> None:
    assert set(categorise(prompt, model)) == keys


@pytest.mark.parametrize(
    ("prompt", "model", "wrong"),
    [
        ("train passing", "audio", {"rain", "bird"}),
        ("sad piano", "music", {"advertising"}),
        ("modern jazz", "music", {"60s"}),
        ("darkness", "music", {"chiptune"}),
        ("upbeat", "music", {"instrumental_hiphop"}),
        ("quiet guitar in a building", "audio", {"menu", "transition", "button"}),
    ],
)
def test_a_part_of_a_word_is_not_the_word(prompt: str, model: str, wrong: set[str]) -> None:
    assert not wrong & set(categorise(prompt, model))


@pytest.mark.parametrize(("model", "key"), [(model, key) for model, keys in CATEGORIES.items() for key in keys])
def test_each_category_is_found_by_its_own_name(model: str, key: str) -> None:
    assert key in categorise(CATEGORIES[model][key], model)


def test_tables_have_all_categories() -> None:
    assert [len(CATEGORIES["music"]), len(CATEGORIES["audio"])] == [77, 61]
    assert CATEGORIES["music"]["drum_and_bass"] == "Drum And Bass"
    assert CATEGORIES["music"]["80s"] == "80S"


@given(st.text(), st.sampled_from(["music", "audio", "magnet-music", "?"]))
def test_any_text_has_one_to_five_known_categories(prompt: str, model: str) -> None:
    keys = categorise(prompt, model)
    assert 1 <= len(keys) == len(set(keys)) <= 5
    assert set(keys) <= set(CATEGORIES[family(model)])
