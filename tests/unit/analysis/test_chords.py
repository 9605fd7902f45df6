"""Names of chords."""

import pytest

from soundwright.kit.chords import harte


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("C", "C:maj"), ("Bbm7", "Bb:min7"), ("F#m7b5", "F#:hdim7"), ("G/B", "G:maj/3"), ("Am/G", "A:min/b7"), ("C/C", "C:maj"),
        ("Cb/Bb", "Cb:maj/7"), ("E7sus4", "E:sus4(b7)"), ("Dadd9", "D:maj(9)"), ("N.C.", "N"),
    ],
)  # fmt: skip
def test_chords_have_a_name_in_hartes_syntax(label: str, expected: str) -> None:
    assert harte(label) == expected


@pytest.mark.parametrize("label", ["", "H", "c", "Am ", "Amaj8", "A/", "A/H", "A" * 50, "A\nB"])
def test_other_texts_are_no_chords(label: str) -> None:
    with pytest.raises(ValueError, match="need chords such as Am7"):
        harte(label)
