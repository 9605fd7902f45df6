"""Suggests prompts.

The vocabulary is plain text: groups of words, and templates with slots:

    {group}          a word of the group
    {a group}        the same with the article "a" or "an"
    {-group}         a place without its preposition: "a kitchen" from "in a kitchen"
    {adjective+noun} a word of the first group inserted into a noun phrase of the second: "a loud bell" from "a bell"
"""

import random as randomness
import re
from dataclasses import dataclass

from soundwright.services.generation import prompt_music, prompt_sounds

_SLOT = re.compile(r"\{(a |-)?(?:(\w+)\+)?(\w+)\}")
_SMALL = frozenset(
    ("a", "an", "and", "the", "of", "to", "for", "at", "by", "in", "on", "with", "over", "under", "into")
)
# Words whose first sound is a vowel but not their first letter, and vice versa.
_SPOKEN_WITH_VOWEL = re.compile(r"hours?\b|honest|heir|8|1[18](?:\d\d)?(?!\d)")
_SPOKEN_WITH_CONSONANT = re.compile(r"eu|on(?:e|ce)\b|u[ks]?\b|uku|uni(?!n|m)|us[aeiu]|ut[eio]")


@dataclass(frozen=True)
class _Vocabulary:
    templates: list[str]
    groups: dict[str, list[tuple[str, frozenset[str]]]]
    """Words of each group, each with the stems that must not occur twice in a prompt."""


def _vocabulary(templates: str, words: str, unions: dict[str, tuple[str, ...]]) -> _Vocabulary:
    groups = {}
    for block in re.split(r"\n(?=\w)", words.strip()):
        name, listed = block.split(":\n")
        groups[name] = [(entry, _stems(entry)) for entry in " ".join(listed.split()).split(", ")]
    for name, parts in unions.items():
        groups[name] = [entry for part in parts for entry in groups[part]]
    return _Vocabulary(templates.strip().splitlines(), groups)


def _stems(text: str) -> frozenset[str]:
    words = re.findall(r"[\w&/]+", text.lower())
    return frozenset(word.removesuffix("s") for word in words if word not in _SMALL)


def _article(words: str) -> str:
    """Return "a" or "an", depending on the pronunciation of the next word."""
    first = words.lower()
    if _SPOKEN_WITH_VOWEL.match(first):
        return "an"
    return "an" if first[0] in "aeiou" and not _SPOKEN_WITH_CONSONANT.match(first) else "a"


_MUSIC = _vocabulary(prompt_music.TEMPLATES, prompt_music.WORDS, {"instrument": ("melodic", "percussion")})
_SOUND = _vocabulary(
    prompt_sounds.TEMPLATES,
    prompt_sounds.WORDS,
    {"place": ("indoors", "outdoors", "works"), "source": ("household", "nature", "fixture")},
)


def suggest(model: str, random: randomness.Random) -> str:
    """Return a prompt of 2 to 14 words: music for "music" and "magnet-music", otherwise a sound effect.

    The same state of ``random`` gives the same prompt. No word occurs twice, except for articles, prepositions and
    similar words.
    """
    vocabulary = _MUSIC if model in ("music", "magnet-music") else _SOUND
    template = random.choice(vocabulary.templates)
    used = set(_stems(_SLOT.sub(" ", template)))

    def choose(group: str) -> str:
        entry, stems = random.choice([pair for pair in vocabulary.groups[group] if used.isdisjoint(pair[1])])
        used.update(stems)
        return entry

    def fill(slot: re.Match[str]) -> str:
        before, adjectives, group = slot.groups()
        entry = choose(group)
        if before == "-":
            return entry.split(" ", 1)[1]
        if adjectives:
            adjective = choose(adjectives)
            article, _, noun = entry.partition(" ")
            if article not in ("a", "an"):
                return f"{adjective} {entry}"
            entry = f"{adjective} {noun}"
        return f"{_article(entry)} {entry}" if before or adjectives else entry

    return _SLOT.sub(fill, template)
