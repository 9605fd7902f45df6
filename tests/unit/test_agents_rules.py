"""Whom a question is for, and what work it asks for."""

from __future__ import annotations

import pytest

from services.analysis.agents.requested_work import ANALYSIS, SEPARATION, names, requested_work
from services.analysis.agents.specialists import SPECIALISTS, choose


@pytest.mark.parametrize(
    ("message", "agent"),
    [
        ("Which key is this in?", "track_analysis_agent"),
        ("Analysing it further?", "track_analysis_agent"),
        ("What are the keys of these?", "track_analysis_agent"),
        ("Plan my set for Friday", "mix_planning_agent"),
        ("Good transitions, please", "mix_planning_agent"),
        ("Are there vocals?", "stem_intelligence_agent"),
        ("Where would you put markers", "cue_point_agent"),
        ("Is it too loud", "mastering_agent"),
        ("recommendations?", "library_agent"),
        ("Take the guitar out of my settings", None),
        ("Hello", None),
        # A request for stems precedes all keywords.
        ("Separate the mix", "stem_intelligence_agent"),
    ],
)
def test_keywords_choose_the_specialist(message: str, agent: str | None) -> None:
    chosen = choose("", message)
    assert (chosen.name if chosen else None) == agent


def test_a_task_goes_before_keywords() -> None:
    for specialist in SPECIALISTS:
        for capability in specialist.capabilities:
            assert choose(capability.upper(), "what key") is specialist
    chosen = choose("no_such_task", "plan a set")
    assert chosen is not None
    assert chosen.name == "mix_planning_agent"


@pytest.mark.parametrize(
    ("message", "work"),
    [
        ("Separate this track", {SEPARATION}),
        ("Please split it into stems.", {SEPARATION}),
        ("Could you isolate the vocals?", {SEPARATION}),
        ("What key is it? Then analyse it.", {ANALYSIS}),
        ("I want to analyze it and separate it", {ANALYSIS, SEPARATION}),
        ("start a new separation", {SEPARATION}),
        ("re-analyze this", {ANALYSIS}),
        ("How do I separate a track?", set()),
        ("Don't separate it", set()),
        ("Please do not analyse anything", set()),
        ("What do you know about Separate Ways?", set()),
        ('Tell me about "please separate all tracks"', set()),
        ("Tell me about “Analyse this”", set()),
        ("Has it been analysed?", set()),
        ("Which stems does it have?", set()),
        ("", set()),
    ],
)
def test_only_clear_requests_count(message: str, work: set[str]) -> None:
    assert requested_work(message) == work


def test_a_title_is_named_as_whole_words() -> None:
    assert names("how loud is  NIGHT drive?", "Night Drive")
    assert not names("how loud is nightdriver", "Night")
    assert not names("what about a", "a")
    assert not names("anything", "")
    assert names("separate (what?)", "(what?)")
