"""Prompts for those who have no idea yet."""

from __future__ import annotations

import random as randomness
import re

from services.generation import prompt_words

__all__ = ["suggest"]

_SLOT = re.compile(r"\{(a )?(\w+)\}")


def _groups(lines: str) -> dict[str, list[str]]:
    pairs = (line.split(": ", 1) for line in lines.strip().splitlines())
    return {name: words.split(", ") for name, words in pairs}


_MUSIC = (prompt_words.MUSIC_TEMPLATES.strip().splitlines(), _groups(prompt_words.MUSIC_WORDS))
_SOUND = (prompt_words.SOUND_TEMPLATES.strip().splitlines(), _groups(prompt_words.SOUND_WORDS))


def suggest(model: str, random: randomness.Random) -> str:
    """A prompt of 2 to 14 words: music for "music" and "magnet-music", else a sound effect.

    The same state of `random` gives the same prompt. No word comes twice, but for articles and small words.
    """
    templates, groups = _MUSIC if model in ("music", "magnet-music") else _SOUND
    template = random.choice(templates)
    used = set(_SLOT.sub(" ", template).lower().split())

    def fill(slot: re.Match[str]) -> str:
        choices = [words for words in groups[slot[2]] if not used & (set(words.lower().split()) - _SMALL)]
        words = random.choice(choices)
        used.update(words.lower().split())
        return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}" if slot[1] else words

    return _SLOT.sub(fill, template)


_SMALL = {"a", "an", "and", "the", "to"}
