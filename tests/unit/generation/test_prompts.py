"""Suggested prompts."""

import random
import re
from itertools import pairwise

import pytest

from soundwright.services.generation import prompts
from soundwright.services.generation.prompts import suggest
from soundwright.services.library.catalog import categories

_SMALL = {"a", "an", "and", "the", "of", "to", "for", "at", "by", "in", "on", "with", "over", "under", "into"}


def _draws(model: str, count: int = 5000) -> list[str]:
    source = random.Random(7)
    return [suggest(model, source) for _ in range(count)]


@pytest.mark.parametrize("model", ["music", "audio"])
def test_suggestions_are_short_grammatical_and_various(model: str) -> None:
    found = _draws(model)
    before = {"humming", "hitting", "through", "around", "down", "beside", "behind", "beneath", "near", "along", "from"}
    plurals = "footsteps|leaves|noises|bells|birds|chimes|rapids|waves|dishes"
    for prompt in found:
        words = re.findall(r"[^\s,]+", prompt.lower())
        assert 2 <= len(words) <= 14, prompt
        assert not re.search(r"[{}_+\n]|[.,;]$|\s\s", prompt), prompt
        told = [word.removesuffix("s") for word in words if word not in _SMALL]
        assert len(told) == len(set(told)), prompt
        assert not re.search(r"\b(a|an|the|in|on|at|of)( (a|an|the|in|on|at|of)){2}\b", prompt), prompt
        assert not re.search(r"\b(a|an|the) (a|an|the)\b", prompt), prompt
        for previous, word in pairwise(prompt.split()):
            assert word not in ("a", "an") or previous in _SMALL | before | {"playing"}, prompt
        assert not re.search(rf"\b(a|an) \w+ ({plurals})\b", prompt), prompt
    assert len(set(found)) >= 4500


@pytest.mark.parametrize(
    ("words", "article"),
    [
        ("hour", "an"), ("honest song", "an"), ("80s beat", "an"), ("8-bit tune", "an"), ("1800s waltz", "an"),
        ("11th hour", "an"), ("1980s feel", "a"), ("90s beat", "a"), ("unicorn", "a"), ("ukulele", "a"),
        ("UK garage track", "a"), ("European song", "a"), ("euphoric drop", "a"), ("one-note riff", "a"),
        ("utopian choir", "a"), ("uneasy drone", "an"), ("unhurried waltz", "an"), ("uninvited guest", "an"),
        ("unsettling hum", "an"), ("upbeat jingle", "an"), ("house beat", "a"), ("Edwardian feel", "an"),
    ],
)  # fmt: skip
def test_articles_follow_the_sound(words: str, article: str) -> None:
    assert prompts._article(words) == article


def test_the_same_seed_gives_the_same_prompt() -> None:
    assert suggest("music", random.Random(3)) == suggest("magnet-music", random.Random(3))
    assert suggest("audio", random.Random(3)) == suggest("anything", random.Random(3))


def test_music_prompts_have_music_categories() -> None:
    found = _draws("music", 2000)
    assert sum(bool(categories._scores(prompt, "music")) for prompt in found) >= 1800
