"""Suggested prompts."""

import random
import re

import pytest

from services.generation.prompts import suggest
from services.library.categories import categorise

_SMALL = {"a", "an", "and", "the", "to", "in", "at", "with"}


@pytest.mark.parametrize("model", ["music", "audio"])
def test_suggestions_are_short_grammatical_and_various(model: str) -> None:
    source = random.Random(7)
    prompts = [suggest(model, source) for _ in range(5000)]
    for prompt in prompts:
        words = prompt.lower().split()
        assert 2 <= len(words) <= 14, prompt
        assert not re.search(r"[{}]|\.$|\ba [aeiou]|\ban [^aeiou]", prompt.lower()), prompt
        told = [word for word in words if word not in _SMALL]
        assert len(told) == len(set(told)), prompt
    assert len(set(prompts)) >= (4500 if model == "music" else 2500)


def test_the_same_seed_gives_the_same_prompt() -> None:
    assert suggest("music", random.Random(3)) == suggest("magnet-music", random.Random(3))
    assert suggest("audio", random.Random(3)) == suggest("anything", random.Random(3))


def test_music_prompts_have_music_categories() -> None:
    source = random.Random(7)
    keys = [categorise(suggest("music", source), "music") for _ in range(1000)]
    assert sum(found != ["acoustic"] for found in keys) >= 900
