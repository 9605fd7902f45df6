"""Words of texts and of search queries. Every search adapter uses this tokenizer, so that all find the same.

A word is a run of letters and digits with their marks. Words are compared without case and diacritics: "Noël" equals
"noel", "Straße" equals "strasse". A query is a list of phrases, any of which may match. Blanks separate phrases; other
characters separate the words of a phrase, so ``lo-fi`` is the phrase "lo fi". There is no query syntax: quotes, stars,
colons and ``OR`` have no meaning.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import islice

__all__ = ["Phrase", "last_phrase", "phrases", "words"]

Phrase = tuple[str, ...]

_PHRASE_LIMIT = 256

_ASCII_WORD = re.compile("[a-z0-9]+")
# Variation selectors and enclosing marks, mostly of emoji. They change only the look of the previous character.
_STYLING = re.compile("[\ufe00-\ufe0f\u20d0-\u20ff\U000e0100-\U000e01ef]")
# Letters with a stroke and the dotless i have no decomposition, but users type them as plain letters.
_STROKES = str.maketrans("øłđħŧı", "oldhti")
# Combining classes of diacritics: points of Semitic scripts, and marks around letters. Marks of other classes form another
# letter (kana) or a vowel (Indic and Thai scripts).
_DIACRITIC_CLASSES = frozenset((*range(10, 37), *range(200, 256)))


def words(text: str) -> list[str]:
    """Return the words of a text in order, folded."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    # Normalize twice: case folding may create marks, and decomposition may create letters with a case.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", _STYLING.sub("", text)).casefold())
    bare = "".join(sign for sign in decomposed if unicodedata.combining(sign) not in _DIACRITIC_CLASSES)
    composed = unicodedata.normalize("NFC", bare).translate(_STROKES)
    # Marks belong to a word, but a run of marks alone is no word.
    runs = "".join(sign if unicodedata.category(sign)[0] in "LNM" else " " for sign in composed).split()
    return [run for run in runs if any(sign.isalnum() for sign in run)]


def phrases(search: str) -> list[Phrase]:
    """Return the first 256 phrases of a query, each once. A phrase has one word or more."""
    found = dict.fromkeys(phrase for part in search.split() if (phrase := tuple(words(part))))
    return list(islice(found, _PHRASE_LIMIT))


def last_phrase(search: str) -> Phrase | None:
    """Return the last phrase of a query, or None if the query has no words."""
    return next((phrase for part in reversed(search.split()) if (phrase := tuple(words(part)))), None)
