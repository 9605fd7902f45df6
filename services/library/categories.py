"""Categories of clips, told from the words of their prompts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from services.library import category_cues

__all__ = ["CATEGORIES", "categorise", "family"]

_MOST_CATEGORIES = 5
_CUE_SCORE = 3
_OWN_NAME_SCORE = 4
_LONGEST_CUE_WORDS = 5

_TOKEN = re.compile(r"[a-z0-9]+|[.,;:!?()]")
_NEGATED = re.compile(r"\b(?:no|without|minus) (?:(?:any|a|an|the) )?[a-z0-9]+(?: n?or [a-z0-9]+)*")
_DOUBLES = re.compile(r"(?:^|[^aeiou])[aeiou][bdgmnprt]$")  # run, running; trap, trapping


def _table(lines: str) -> dict[str, list[str]]:
    pairs = (line.split(": ", 1) for line in lines.strip().splitlines())
    return {key: cues.split(", ") for key, cues in pairs}


def _forms(word: str) -> set[str]:
    """A word, its plural and its verb forms."""
    forms = {word, word + "s", word + "es"}
    if word[-1] == "y":
        forms |= {word[:-1] + "ies", word[:-1] + "ied"}
    if len(word) < 3 or word[0].isdigit():
        return {word}
    if _DOUBLES.search(word):
        forms |= {word + word[-1] + "ing", word + word[-1] + "ed"}
    if len(word) > 3:  # a car is not caring
        root = word.removesuffix("e")
        forms |= {root + "ing", root + "ed", word + "ing"}
    return forms


def _spellings(cue: str) -> Iterator[str]:
    for joint in (" ", "") if "-" in cue else ("",):
        *before, last = cue.replace("-", joint).split(" ")
        for form in _forms(last):
            yield " ".join([*before, form])


def _index(table: Mapping[str, list[str]]) -> dict[str, list[tuple[int, int]]]:
    """What a phrase adds to which categories: (place in the table, score)."""
    index: dict[str, dict[int, int]] = {}
    for place, (key, cues) in enumerate(table.items()):
        for cue, score in [*((cue, _CUE_SCORE) for cue in cues), (key.replace("_", "-"), _OWN_NAME_SCORE)]:
            for spelling in _spellings(cue):
                index.setdefault(spelling, {})[place] = score
    return {spelling: list(scores.items()) for spelling, scores in index.items()}


_TABLES = {"music": _table(category_cues.MUSIC), "audio": _table(category_cues.AUDIO)}
_INDEXES = {model: _index(table) for model, table in _TABLES.items()}
_KEYS = {model: list(table) for model, table in _TABLES.items()}

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
    ("no drums") does not.
    """
    kind = family(model)
    folded = unicodedata.normalize("NFKD", prompt.casefold())
    plain = "".join(c for c in folded if not unicodedata.combining(c) and c not in "'\u2019")
    plain = re.sub(r"[\s_\-\u2010-\u2015]+", " ", plain)
    tokens = _TOKEN.findall(_NEGATED.sub(".", plain))
    index = _INDEXES[kind]
    scores: dict[int, int] = {}
    found: set[str] = set()
    for start in range(len(tokens)):
        phrase = ""
        for token in tokens[start : start + _LONGEST_CUE_WORDS]:
            phrase = f"{phrase} {token}" if phrase else token
            if phrase in index and phrase not in found:
                found.add(phrase)
                for place, score in index[phrase]:
                    scores[place] = scores.get(place, 0) + score
    if scores:
        best = sorted(scores, key=lambda place: (-scores[place], place))[:_MOST_CATEGORIES]
        return [_KEYS[kind][place] for place in best]
    return [_fallback(kind, set(tokens))]


def _fallback(kind: str, words: set[str]) -> str:
    if kind == "music":
        if words & {"loop", "background"}:
            return "ambient"
        return "advertising" if words & {"jingle", "commercial"} else "acoustic"
    if "game" in words:
        return "button"
    return "whoosh" if words & {"effect", "effects"} else "notification"
