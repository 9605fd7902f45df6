"""Categories of clips, told from the words of their prompts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping

from services.library import category_cues

__all__ = ["CATEGORIES", "categorise", "family"]

_MOST_CATEGORIES = 5
_CUE_SCORE = 3
_PHRASE_SCORE = 4
_OWN_NAME_SCORE = 4
_SOUND_BONUS = 1
_LONGEST_CUE_WORDS = 5
_LONGEST_NEGATED_WORDS = 4

_TOKEN = re.compile(r"[^\W_]+|[.,;:!?()\n]")
_NEGATIONS = frozenset(("no", "not", "without", "minus", "sans", "excluding", "dont"))
_LIST_WORDS = frozenset(("and", "or", "nor"))
# A negation ends before what the clip shall have after all.
_NEGATION_ENDS = frozenset(
    ("but", "with", "only", "just", "yet", "instead", "featuring", "plus", "while", "for", "in", "at", "on", "over")
)
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh)$")
_DOUBLING = re.compile(r"[^aeiou]*[aeiou][bdgmnprt]$")  # hop, hopping; not whisper, roar


def _table(lines: str) -> dict[str, list[str]]:
    pairs = (line.split(": ", 1) for line in lines.strip().splitlines())
    return {key: cues.split(", ") for key, cues in pairs}


def _forms(word: str) -> set[str]:
    """A word and its plural, and of a verb ("bark~") the other forms too."""
    verb, word = word.endswith("~"), word.removesuffix("~")
    if len(word) < 3 or word[0].isdigit():
        return {word}
    ends_in_y = word[-1] == "y" and word[-2] not in "aeiou"
    plural = word[:-1] + "ies" if ends_in_y else word + ("es" if _SIBILANT.search(word) else "s")
    if not verb:
        return {word, plural}
    root = word + word[-1] if _DOUBLING.match(word) else word.removesuffix("e")
    return {word, plural, root + "ing", (word[:-1] + "i" if ends_in_y else root) + "ed"}


def _spellings(cue: str) -> Iterator[str]:
    for joint in (" ", "") if "-" in cue else ("",):
        *before, last = cue.replace("-", joint).split(" ")
        for form in _forms(last):
            yield " ".join([*before, form])


def _is_name(key: str, cue: str) -> bool:
    return cue.replace("-", "").removesuffix("~") == key.replace("_", "")


def _score(key: str, cue: str, qualities: Container[str]) -> int:
    bonus = 0 if key in qualities else _SOUND_BONUS
    if _is_name(key, cue):
        return _OWN_NAME_SCORE + bonus
    return (_PHRASE_SCORE if " " in cue else _CUE_SCORE) + bonus


def _index(table: Mapping[str, list[str]], qualities: Container[str]) -> dict[str, dict[tuple[str, str], int]]:
    """What each spelling stands for: (key, cue) and the cue's score."""
    index: dict[str, dict[tuple[str, str], int]] = {}
    for key, cues in table.items():
        named = any(_is_name(key, cue) for cue in cues)
        for cue in cues if named else [*cues, key.replace("_", "-")]:
            for spelling in _spellings(cue):
                index.setdefault(spelling, {}).setdefault((key, cue), _score(key, cue, qualities))
    return index


_TABLES = {"music": _table(category_cues.MUSIC), "audio": _table(category_cues.AUDIO)}
_INDEXES = {
    "music": _index(_TABLES["music"], category_cues.MUSIC_QUALITIES.split()),
    "audio": _index(_TABLES["audio"], category_cues.AUDIO_QUALITIES.split()),
}
_COMPOUNDS = frozenset(
    spelling for phrase in re.split(r",\s+", category_cues.COMPOUNDS.strip()) for spelling in _spellings(phrase)
)

CATEGORIES: Mapping[str, Mapping[str, str]] = {
    model: {key: key.replace("_", " ").title() for key in table} for model, table in _TABLES.items()
}
"""Display name by key by family ("music", "audio"), in table order."""


def family(model: str) -> str:
    """The family of categories that a model's clips have: "music" or "audio"."""
    return "music" if model in ("music", "magnet-music") else "audio"


def categorise(prompt: str, model: str) -> list[str]:
    """One to five categories of a clip of this prompt, the fitting best first; ties keep the order of the table.

    Whole words count, with plurals and verb forms, whatever their case and accents; what the prompt excludes
    ("no drums or bass") does not. Phrases, a category's own name and what sounds weigh more than moods and uses.
    """
    scores = _scores(prompt, model)
    if not scores:
        return [_fallback(family(model), set(_stated(_tokens(prompt))))]
    return sorted(scores, key=lambda key: -scores[key])[:_MOST_CATEGORIES]


def _scores(prompt: str, model: str) -> dict[str, int]:
    """Score of each category that the prompt has a cue of, in table order; each cue counts once."""
    kind = family(model)
    tokens = list(_stated(_tokens(prompt)))
    found: dict[tuple[str, str], int] = {}
    explained = 0  # words before this place belong to a compound
    for start in range(len(tokens)):
        longest = tokens[start : start + _LONGEST_CUE_WORDS]
        phrases = [" ".join(longest[:count]) for count in range(1, len(longest) + 1)]
        for count, phrase in enumerate(phrases, 1):
            if phrase in _COMPOUNDS:
                explained = max(explained, start + count)
        for count, phrase in enumerate(phrases, 1):
            if count > 1 or start >= explained:
                found.update(_INDEXES[kind].get(phrase, {}))
    scores = {key: sum(score for (owner, _), score in found.items() if owner == key) for key, _ in found}
    return {key: scores[key] for key in _TABLES[kind] if key in scores}


def _tokens(prompt: str) -> list[str]:
    """Words and signs of a prompt, without case and accents."""
    # Sign by sign, because ordering the accents of a long pile of them takes quadratic time.
    parts = (unicodedata.normalize("NFKD", sign) for sign in prompt.casefold())
    plain = "".join(c for part in parts for c in part if not unicodedata.combining(c) and c not in "'\u2019")
    return _TOKEN.findall(plain)


def _stated(tokens: Iterable[str]) -> Iterator[str]:
    """The tokens without what is excluded: from "no" on to the end of its list or clause."""
    left = 0  # words that the negation may still take, and one
    comma_in_list = False
    for word in tokens:
        at_comma, comma_in_list = comma_in_list, bool(left) and word == ","
        if word in _NEGATIONS:
            left = _LONGEST_NEGATED_WORDS + 1
            yield "."  # no phrase reaches across
        elif (left and word in _LIST_WORDS) or (at_comma and word in ("or", "nor")):
            left = _LONGEST_NEGATED_WORDS + 1
        elif left > 1 and word not in _NEGATION_ENDS and word[0].isalnum():
            left -= 1
        else:
            left = 0
            yield word


def _fallback(kind: str, words: set[str]) -> str:
    if kind == "music":
        if words & {"loop", "background"}:
            return "ambient"
        return "advertising" if words & {"jingle", "commercial"} else "acoustic"
    if "game" in words:
        return "button"
    return "whoosh" if words & {"effect", "effects"} else "notification"
