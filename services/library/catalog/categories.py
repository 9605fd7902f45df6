"""Derives the categories of clips from the words of their prompts."""

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping

from soundwright.services.library.catalog import category_cues

_CATEGORY_LIMIT = 5
_CUE_SCORE = 3
_PHRASE_SCORE = 4
_NAME_SCORE = 4
_SOUND_BONUS = 1
_CUE_LIMIT_WORDS = 5
_NEGATION_LIMIT_WORDS = 4

_TOKEN = re.compile(r"[^\W_]+|[.,;:!?()\n]")
_NEGATIONS = frozenset(("no", "not", "without", "minus", "sans", "excluding", "dont"))
_LIST_WORDS = frozenset(("and", "or", "nor"))
# These words end a negation: "no drums but bass" excludes only drums.
_NEGATION_ENDS = frozenset(
    ("but", "with", "only", "just", "yet", "instead", "featuring", "plus", "while", "for", "in", "at", "on", "over")
)
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh)$")
_DOUBLED_CONSONANT = re.compile(r"[^aeiou]*[aeiou][bdgmnprt]$")  # hop, hopping; not whisper, roar


def _parse_table(lines: str) -> dict[str, list[str]]:
    """Parse lines of the form ``key: cue, cue``."""
    pairs = (line.split(": ", 1) for line in lines.strip().splitlines())
    return {key: cues.split(", ") for key, cues in pairs}


def _forms(word: str) -> set[str]:
    """Return a word with its plural and, for a verb ("bark~"), its other forms."""
    is_verb, word = word.endswith("~"), word.removesuffix("~")
    if len(word) < 3 or word[0].isdigit():
        return {word}
    ends_in_y = word[-1] == "y" and word[-2] not in "aeiou"
    plural = word[:-1] + "ies" if ends_in_y else word + ("es" if _SIBILANT.search(word) else "s")
    if not is_verb:
        return {word, plural}
    root = word + word[-1] if _DOUBLED_CONSONANT.match(word) else word.removesuffix("e")
    return {word, plural, root + "ing", (word[:-1] + "i" if ends_in_y else root) + "ed"}


def _spellings(cue: str) -> Iterator[str]:
    """Yield all spellings of a cue: its forms, and a hyphen as a space and as nothing."""
    for joint in (" ", "") if "-" in cue else ("",):
        *before, last = cue.replace("-", joint).split(" ")
        for form in _forms(last):
            yield " ".join([*before, form])


def _is_name(key: str, cue: str) -> bool:
    return cue.replace("-", "").removesuffix("~") == key.replace("_", "")


def _score(key: str, cue: str, qualities: Container[str]) -> int:
    bonus = 0 if key in qualities else _SOUND_BONUS
    if _is_name(key, cue):
        return _NAME_SCORE + bonus
    return (_PHRASE_SCORE if " " in cue else _CUE_SCORE) + bonus


def _index(table: Mapping[str, list[str]], qualities: Container[str]) -> dict[str, dict[tuple[str, str], int]]:
    """Return the cues of each spelling, as (key, cue), with their scores."""
    index: dict[str, dict[tuple[str, str], int]] = {}
    for key, cues in table.items():
        has_name = any(_is_name(key, cue) for cue in cues)
        for cue in cues if has_name else [*cues, key.replace("_", "-")]:
            for spelling in _spellings(cue):
                index.setdefault(spelling, {}).setdefault((key, cue), _score(key, cue, qualities))
    return index


_TABLES = {"music": _parse_table(category_cues.MUSIC), "audio": _parse_table(category_cues.AUDIO)}
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
"""Display names of categories, by family ("music", "audio") and key, in table order."""


def family(model: str) -> str:
    """Return the family of a model, which determines its categories: "music" or "audio"."""
    return "music" if model in ("music", "magnet-music") else "audio"


def categorise(prompt: str, model: str) -> list[str]:
    """Return one to five categories for a prompt, best match first. Ties keep the order of the table.

    Cues match whole words, including plurals and verb forms, and ignore case and accents. Excluded words ("no drums or
    bass") do not match. Phrases, names of categories and sounds score higher than moods and uses.
    """
    scores = _scores(prompt, model)
    if not scores:
        return [_fallback(family(model), set(_without_negated(_tokens(prompt))))]
    return sorted(scores, key=lambda key: -scores[key])[:_CATEGORY_LIMIT]


def _scores(prompt: str, model: str) -> dict[str, int]:
    """Return the scores of the categories that match, in table order. Each cue counts once."""
    kind = family(model)
    tokens = list(_without_negated(_tokens(prompt)))
    found: dict[tuple[str, str], int] = {}
    compound_end = 0  # words before this index belong to a compound
    for start in range(len(tokens)):
        longest = tokens[start : start + _CUE_LIMIT_WORDS]
        phrases = [" ".join(longest[:count]) for count in range(1, len(longest) + 1)]
        for count, phrase in enumerate(phrases, 1):
            if phrase in _COMPOUNDS:
                compound_end = max(compound_end, start + count)
        for count, phrase in enumerate(phrases, 1):
            if count > 1 or start >= compound_end:
                found.update(_INDEXES[kind].get(phrase, {}))
    scores = {key: sum(score for (owner, _), score in found.items() if owner == key) for key, _ in found}
    return {key: scores[key] for key in _TABLES[kind] if key in scores}


def _tokens(prompt: str) -> list[str]:
    """Return the words and punctuation marks of a prompt, without case and accents."""
    # Character by character, because normalizing a long run of combining marks takes quadratic time.
    parts = (unicodedata.normalize("NFKD", character) for character in prompt.casefold())
    plain = "".join(c for part in parts for c in part if not unicodedata.combining(c) and c not in "'\u2019")
    return _TOKEN.findall(plain)


def _without_negated(tokens: Iterable[str]) -> Iterator[str]:
    """Yield the tokens without negated ones: those from "no" to the end of its list or clause."""
    remaining = 0  # 1 + the number of words that the negation may still cover; 0 outside a negation
    comma_in_list = False
    for word in tokens:
        after_comma, comma_in_list = comma_in_list, bool(remaining) and word == ","
        if word in _NEGATIONS:
            remaining = _NEGATION_LIMIT_WORDS + 1
            yield "."  # separates the words before and after, so that they do not form a phrase
        elif (remaining and word in _LIST_WORDS) or (after_comma and word in ("or", "nor")):
            remaining = _NEGATION_LIMIT_WORDS + 1
        elif remaining > 1 and word not in _NEGATION_ENDS and word[0].isalnum():
            remaining -= 1
        else:
            remaining = 0
            yield word


def _fallback(kind: str, words: set[str]) -> str:
    """Return the category of a prompt without cues."""
    if kind == "music":
        if words & {"loop", "background"}:
            return "ambient"
        return "advertising" if words & {"jingle", "commercial"} else "acoustic"
    if "game" in words:
        return "button"
    return "whoosh" if words & {"effect", "effects"} else "notification"
