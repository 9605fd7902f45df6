"""Words of texts and phrases of queries (kit.tokenizer)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kit.tokenizer import phrases, words

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
    assert phrases(" ".join(f"w{number} w{number}" for number in range(300))) == [
        (f"w{number}",) for number in range(256)
    ]


@given(text=TEXTS)
@example(text="ΐ\u0345")
def test_folding_is_final_and_indifferent_to_case_and_form(text: str) -> None:
    folded = words(text)
    assert words(" ".join(folded)) == folded
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text)) == folded
    assert all(any(sign.isalnum() for sign in word) and not word.isspace() for word in folded)


@given(text=TEXTS)
def test_the_words_of_a_text_are_those_of_its_phrases(text: str) -> None:
    found = phrases(text)
    assert set(words(text)) == {word for phrase in found for word in phrase}
    assert all(found)
    assert len(found) == len(set(found))
