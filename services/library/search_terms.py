"""Search terms: what a document stores so that it is found, and the conditions that find it.

A document has one array of terms with a multikey index, written together with the rest of the document. The first character tells what
a term is:

- ``rain``: a word.
- a blank, then two words: they follow each other in a text. A phrase of more words is found by its pairs.
- ``!`` and signs: a part of a text that has no words.
- ``=owner ann``: a facet, a value that queries filter by.
"""

from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import Any

from soundwright.kit.ports import AllOf, AnyOf, Contains, StartsWith
from soundwright.kit.tokenizer import Phrase, last_phrase, phrases, runs, signs, words

_WORD_LIMIT = 1_000  # of a document; further words are not found
_WORD_LIMIT_CHARACTERS = 64  # longer words are found by their beginning
_PHRASE_LIMIT_WORDS = 32
_RUN_LIMIT = 20


def text_terms(texts: Iterable[str]) -> set[str]:
    """Return the terms of texts: all of their words, neighbouring words and signs."""
    found = set[str]()
    left = _WORD_LIMIT
    for text in texts:
        kept = _shortened(words(text)[:left])
        left -= len(kept)
        found.update(kept, map(_pair, pairwise(kept)), map(_sign_term, signs(text)))
    return found


def facet(name: str, *values: str) -> str:
    """Return the term of a value, or of several values together. Only the last one may contain blanks."""
    return " ".join((f"={name}", *values))


def any_phrase(search: str, *, prefix: bool) -> AnyOf:
    """Return the condition on the terms of documents that have one of the phrases of a query, or more.

    Args:
        prefix: the last word of the query also matches the beginning of a word.
    """
    last = last_phrase(search) if prefix else None
    options = [_has(phrase) for phrase in phrases(search) if phrase != last]
    options += [_has(last, prefix=True)] if last else []
    return AnyOf(options or _have_signs(search, prefix))


def every_word(search: str) -> AllOf:
    """Return the condition on the terms of documents that have all words of a query. Each word may be the beginning of a word."""
    found = islice(dict.fromkeys(runs(search)), _RUN_LIMIT)
    options = [_has(run, prefix=True) for run in found] or _have_signs(search, prefix=True)
    return AllOf(options or [AnyOf([])])


def _has(phrase: Phrase, prefix: bool = False) -> Any:
    kept = _shortened(phrase[:_PHRASE_LIMIT_WORDS])
    *others, last = map(_pair, pairwise(kept)) if len(kept) > 1 else kept
    found: list[Any] = [*map(Contains, dict.fromkeys(others)), StartsWith(last) if prefix else Contains(last)]
    return AllOf(found) if others else found[0]


def _have_signs(search: str, prefix: bool) -> list[Any]:
    found = map(_sign_term, islice(dict.fromkeys(signs(search)), _RUN_LIMIT))
    return [StartsWith(term) if prefix else Contains(term) for term in found]


def _shortened(found: Sequence[str]) -> list[str]:
    return [word[:_WORD_LIMIT_CHARACTERS] for word in found]


def _pair(neighbours: tuple[str, str]) -> str:
    return f" {' '.join(neighbours)}"


def _sign_term(signs: str) -> str:
    return f"!{signs[:_WORD_LIMIT_CHARACTERS]}"
