"""Suggested prompts."""

import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from services.generation import prompts
from services.generation.prompts import suggest
from services.library.catalog import categories

_SMALL = {"a", "an", "and", "the", "of", "to", "for", "at", "by", "in", "on", "with", "over", "under", "into"}
_VOCABULARIES = {"music": prompts._MUSIC, "audio": prompts._SOUND}


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


@pytest.mark.parametrize("model", ["music", "audio"])
def test_the_longest_possible_suggestion_has_14_words(model: str) -> None:
    vocabulary = _VOCABULARIES[model]
    longest = {name: max(len(entry.split()) for entry, _ in entries) for name, entries in vocabulary.groups.items()}
    for template in vocabulary.templates:
        count = len(prompts._SLOT.sub(" ", template).split())
        for before, adjective, group in prompts._SLOT.findall(template):
            count += longest[group] + (before == "a ") + (longest[adjective] if adjective else 0)
        assert count <= 15 if "{-" in template else count <= 14, template


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("music", {"mood": 74, "genre": 276, "instrument": 159, "texture": 67, "scene": 87, "era": 49}),
        ("music", {"region": 96, "soundtrack": 80, "style": 58}),
        ("audio", {"place": 136, "source": 139, "modifier worn temper voice": 104, "time": 31}),
        ("audio", {"motion doing growling driving cutting cooking": 115}),
    ],
)
def test_the_vocabulary_is_rich(model: str, sizes: dict[str, int]) -> None:
    groups = _VOCABULARIES[model].groups
    for names, size in sizes.items():
        entries = [entry for name in names.split() for entry, _ in groups[name]]
        assert len(set(entries)) == pytest.approx(size, abs=4), names


@pytest.mark.parametrize(("model", "count"), [("music", 20), ("audio", 18)])
def test_every_template_is_used(model: str, count: int) -> None:
    templates = _VOCABULARIES[model].templates
    assert len(set(templates)) == count

    def shape(template: str) -> re.Pattern[str]:
        return re.compile(".+".join(re.escape(part) for part in re.split(r"\{[^}]+\}", template)))

    chosen: Counter[str] = Counter()
    for seed in range(1000):
        template = random.Random(seed).choice(templates)  # the first choice that suggest makes
        assert shape(template).fullmatch(suggest(model, random.Random(seed)))
        chosen[template] += 1
    assert min(chosen[template] for template in templates) >= 20


@pytest.mark.parametrize("model", ["music", "audio"])
def test_every_group_is_used_without_repetitions_and_its_articles_follow_the_sound(model: str) -> None:
    vocabulary = _VOCABULARIES[model]
    slots = [slot for template in vocabulary.templates for slot in prompts._SLOT.findall(template)]
    parts = {"melodic", "percussion", "household", "nature", "fixture", "indoors", "outdoors", "works"}
    assert set(vocabulary.groups) <= {group for slot in slots for group in slot[1:]} | parts
    for name, entries in vocabulary.groups.items():
        words = [entry for entry, _ in entries]
        assert len(words) == len(set(words)), name
        for entry in words:
            assert entry, name
            assert entry == " ".join(entry.split()), name
            for article, noun in re.findall(r"\b(an?) (\S+)", entry):
                assert prompts._article(noun) == article, entry


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
