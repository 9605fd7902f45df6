"""Words of texts and phrases of queries (soundwright.kit.tokenizer)."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soundwright.kit.tokenizer import phrases, runs, signs, words

TEXTS = st.text(st.one_of(st.sampled_from("ab -éÉ.ßıİŁÆ夜かกีﾞ한\u0301\u3099\ufe0f"), st.characters()), max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lo-fi BEATS, 8-bit_retro", ["lo", "fi", "beats", "8", "bit", "retro"]),
        ("Noël STRASSE Straße Ångström Łódź", ["noel", "strasse", "strasse", "angstrom", "lodz"]),
        ("İstanbul ISTANBUL ısı", ["istanbul", "istanbul", "isi"]),
        ("ﬃ Ａｂ 𝐀𝐛 Ⅳ", ["ffi", "ab", "ab", "iv"]),
        ("がか ｶﾞ", ["が", "か", "ガ"]),  # another letter, not a diacritic
        ("夜に駆けるDrive 한국어 人々〇", [*"夜に駆ける", "drive", *"한국어", *"人々〇"]),
        ("ん゙の", ["ん\u3099", "の"]),
        ("हिन्दी กีต้าร์ ລາວ", ["हिन्दी", "กี", "ต้", "า", "ร์", "ລ", "າ", "ວ"]),
        ("Æon Œuvre ﬁnal", ["aeon", "oeuvre", "final"]),
        ("العَرَبِيَّة שָׁלוֹם", ["العربية", "שלום"]),
        ("مـحـبة sof\u00adt क\u200dष \u2060a\ufeffb", ["محبة", "soft", "कष", "ab"]),  # what changes only the look
        ("٣ १२३ ４", ["3", "123", "4"]),
        ("❤️ 1️⃣ \u0301 \ud800 \x00", ["1"]),
        ("", []),
    ],
)
def test_words_are_folded(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_what_stands_between_blanks_is_a_phrase() -> None:
    assert phrases(' lo-fi "rain" -x NEAR(a,b) ** lo_fi ') == [("lo", "fi"), ("rain",), ("x",), ("near", "a", "b")]
    assert phrases("夜の drive2夜") == [("夜", "の"), ("drive2", "夜")]
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


def test_runs_are_the_words_between_other_characters() -> None:
    assert runs("AC/DC 夜のmix") == [("ac",), ("dc",), ("夜", "の", "mix")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!!!", ["!!!"]),
        ("！！！ ❤️", ["!!!", "❤"]),
        ("👍🏽 👨‍👩‍👧", ["👍", "👨👩👧"]),
        ("drum & bass -x", ["&"]),
        ("rain!!!", []),
        ("夜!", []),
        ("\x00 \ud800 \u0301", []),
        ("=\u0338", ["="]),
        ("", []),
    ],
)
def test_signs_are_parts_without_words(text: str, expected: list[str]) -> None:
    assert signs(text) == expected


@given(text=TEXTS)
def test_the_words_of_a_text_are_those_of_its_phrases(text: str) -> None:
    found = phrases(text)
    assert set(words(text)) == {word for phrase in found for word in phrase}
    assert all(found)
    assert len(found) == len(set(found))
