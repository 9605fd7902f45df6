"""Words are the same in every document store; so is what a search asks for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kit.words import needed, phrases, says, terms, words

TEXTS = st.text(st.one_of(st.sampled_from("ab -éÉ.ßıİŁ\u0301\ufe0f"), st.characters()), max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lo-fi BEATS, 8-bit_retro", ["lo", "fi", "beats", "8", "bit", "retro"]),
        ("Noël STRASSE Straße Ångström Łódź", ["noel", "strasse", "strasse", "angstrom", "lodz"]),
        ("İstanbul ISTANBUL ısı", ["istanbul", "istanbul", "isi"]),
        ("ﬃ Ａｂ 𝐀𝐛 Ⅳ", ["ffi", "ab", "ab", "iv"]),
        ("がか ｶﾞ", ["がか", "ガ"]),  # another letter, not a diacritic
        ("हिन्दी กีต้าร์", ["हिन्दी", "กีต้าร์"]),
        ("العَرَبِيَّة שָׁלוֹם", ["العربية", "שלום"]),
        ("❤️ 1️⃣ \u0301 \ud800 \x00", ["1"]),
        ("", []),
    ],
)
def test_words_are_folded(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_what_stands_between_blanks_is_a_phrase() -> None:
    assert phrases(' lo-fi "rain" -x NEAR(a,b) ** lo_fi ') == [("lo", "fi"), ("rain",), ("x",), ("near", "a", "b")]
    assert phrases("!? 🌙") == []


def test_terms_answer_words_and_pairs() -> None:
    assert terms("a b a") == {"a", "b", "a b", "b a"}
    assert needed(("a",)) == ["a"]
    assert needed(("a", "b", "c")) == ["a b", "b c"]
    assert says("x a b c", ("a", "b", "c"))
    assert not says("a b x b c", ("a", "b", "c"))


@given(text=TEXTS)
@example(text="ΐ\u0345")
def test_folding_is_final_and_indifferent_to_case_and_form(text: str) -> None:
    folded = words(text)
    assert words(" ".join(folded)) == folded
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text)) == folded
    assert all(any(sign.isalnum() for sign in word) and not word.isspace() for word in folded)


@given(text=TEXTS, search=TEXTS)
def test_a_text_that_says_a_phrase_has_the_terms_of_it(text: str, search: str) -> None:
    for phrase in (*phrases(text), *phrases(search)):
        if says(text, phrase):
            assert set(needed(phrase)) <= terms(text)
        if len(phrase) <= 2:
            assert says(text, phrase) == (set(needed(phrase)) <= terms(text))
    assert all(says(text, phrase) for phrase in phrases(text))
