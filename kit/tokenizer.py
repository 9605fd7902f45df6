"""Words of texts and of search queries.

A word is a run of letters and digits with their marks. In Chinese, Japanese, Korean, Thai, Lao, Burmese and Khmer, where no blanks
separate words or words have endings, each character is a word. Words are compared without case and diacritics: "Noël" equals "noel",
"Straße" equals "strasse", "٣" equals "3". A query is a list of phrases. Blanks separate phrases; other characters separate the words of a phrase, so ``lo-fi`` is the phrase "lo fi".
There is no query syntax: quotes, stars, colons and ``OR`` have no meaning.

Signs count where there are no words: the name "!!!" and a query for it.
"""

import re
import unicodedata
from itertools import chain, islice

Phrase = tuple[str, ...]

_PHRASE_LIMIT = 256

_ASCII_WORD = re.compile("[a-z0-9]+")
# Variation selectors, enclosing marks and skin tones, mostly of emoji, and what only joins, lengthens or may break a word: the
# soft hyphen, the tatweel of Arabic, the joiners of words and letters. They change only the look of a text.
_STYLING = re.compile(
    "[\ufe00-\ufe0f\u20d0-\u20ff\U000e0100-\U000e01ef\U0001f3fb-\U0001f3ff\u00ad\u0640\u200d\u2060\ufeff]"
)
# Letters with a stroke, the dotless i and some ligatures have no decomposition, but users type them as plain letters.
_PLAIN = str.maketrans({**dict(zip("øłđħŧı", "oldhti", strict=True)), "æ": "ae", "œ": "oe"})
# Combining classes of diacritics: points of Semitic scripts, and marks around letters. Marks of other classes form another
# letter (kana) or a vowel (Indic and Thai scripts).
_DIACRITIC_CLASSES = frozenset((*range(10, 37), *range(200, 256)))
# Kana, bopomofo, ideographs and Hangul syllables; Thai, Lao, Burmese and Khmer.
_WITHOUT_BLANKS = (
    "\u3005-\u3007\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\uaa60-\uaa7f"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_WORD_OF_RUN = re.compile(rf"[{_WITHOUT_BLANKS}]\W*|[^{_WITHOUT_BLANKS}]+")


def words(text: str) -> list[str]:
    return list(chain.from_iterable(runs(text)))


def runs(text: str) -> list[Phrase]:
    """Return the runs of letters and digits of a text in order, each as its words."""
    if text.isascii():
        return [(word,) for word in _ASCII_WORD.findall(text.lower())]
    # Normalize twice: case folding may create marks, and decomposition may create letters with a case.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", _STYLING.sub("", text)).casefold())
    bare = "".join(sign for sign in decomposed if unicodedata.combining(sign) not in _DIACRITIC_CLASSES)
    composed = unicodedata.normalize("NFC", bare).translate(_PLAIN)
    # Marks belong to a word, but a run of marks alone is no word.
    found = "".join(_plain(sign) for sign in composed).split()
    split = (tuple(filter(_is_word, _WORD_OF_RUN.findall(run))) for run in found)
    return [run for run in split if run]


def _plain(sign: str) -> str:
    """Return a letter or mark, the ASCII digit for a digit of any script, or a blank for another sign."""
    category = unicodedata.category(sign)
    return str(unicodedata.decimal(sign)) if category == "Nd" else sign if category[0] in "LNM" else " "


def _is_word(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


def signs(text: str) -> list[str]:
    """Return those parts of a text between blanks that have no words, only punctuation and symbols."""
    if text.isascii() and text.isalnum():
        return []
    decomposed = (unicodedata.normalize("NFKD", _STYLING.sub("", part)) for part in text.split() if not runs(part))
    found = ("".join(sign for sign in part if unicodedata.category(sign)[0] in "PS") for part in decomposed)
    return [part for part in found if part]


def phrases(search: str) -> list[Phrase]:
    """Return the first 256 phrases of a query, each once. A phrase has one word or more."""
    found = dict.fromkeys(phrase for part in search.split() if (phrase := tuple(words(part))))
    return list(islice(found, _PHRASE_LIMIT))


def last_phrase(search: str) -> Phrase | None:
    """Return the last phrase of a query, or None if the query has no words."""
    return next((phrase for part in reversed(search.split()) if (phrase := tuple(words(part)))), None)
