"""Words of texts and of searches. Every document store matches by these, so that all of them find the same.

A word is a run of letters and digits with the marks that belong to them, compared without case and diacritics ("Noël" is
"noel", "Straße" is "strasse"). A search is a list of phrases, any of which may match: what stands between blanks is one
phrase, and any other sign merely parts its words, so ``lo-fi`` is the phrase "lo fi", and quotes, stars, colons or
``OR`` mean nothing.

What a store indexes are the :func:`terms` of a text: words, and pairs of neighbours, which answer phrases.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["Phrase", "needed", "phrases", "says", "terms", "words"]

Phrase = tuple[str, ...]

_ASCII_WORD = re.compile("[a-z0-9]+")
# Signs that change how the one before looks, not which one it is: variation selectors and enclosing marks, mostly of emoji.
_STYLING = re.compile("[\ufe00-\ufe0f\u20d0-\u20ff\U000e0100-\U000e01ef]")
# Letters with a stroke, and the dotless i, have no decomposition, yet people type them without.
_STROKES = str.maketrans("øłđħŧı", "oldhti")
# The combining classes of diacritics: points of Semitic scripts, and what stands around letters. A mark of another class
# makes another letter (in kana) or a vowel (in Indic and Thai scripts).
_DIACRITIC_CLASSES = frozenset((*range(10, 37), *range(200, 256)))


def words(text: str) -> list[str]:
    """The words of a text in order, folded."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    # Folding case may make marks, and decomposing may bring out letters that have a case.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", _STYLING.sub("", text)).casefold())
    bare = "".join(sign for sign in decomposed if unicodedata.combining(sign) not in _DIACRITIC_CLASSES)
    composed = unicodedata.normalize("NFC", bare).translate(_STROKES)
    # A mark is neither letter nor digit, but part of the word all the same.
    runs = "".join(sign if unicodedata.category(sign)[0] in "LNM" else " " for sign in composed).split()
    return [run for run in runs if any(sign.isalnum() for sign in run)]


def phrases(search: str) -> list[Phrase]:
    """What a search asks for: phrases of one word or more, each once. Empty when it has no word at all."""
    return list(dict.fromkeys(phrase for part in search.split() if (phrase := tuple(words(part)))))


def terms(text: str) -> set[str]:
    """What a text is indexed under: its words, and its pairs of neighbours with a blank between."""
    sequence = words(text)
    return {*sequence, *_pairs(sequence)}


def needed(phrase: Phrase) -> list[str]:
    """The terms that every text with this phrase has. With more than two words, others may have them too."""
    return list(phrase) if len(phrase) == 1 else _pairs(phrase)


def says(text: str, phrase: Phrase) -> bool:
    """Whether the words of the phrase follow each other in the text."""
    sequence = words(text)
    return any(tuple(sequence[start : start + len(phrase)]) == phrase for start in range(len(sequence)))


def _pairs(sequence: Sequence[str]) -> list[str]:
    return [f"{first} {second}" for first, second in pairwise(sequence)]
