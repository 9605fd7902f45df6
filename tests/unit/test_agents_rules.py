"""Whom a question is for, and what work it asks for."""

from __future__ import annotations

import pytest

from services.analysis.agents.references import suggested_work, tracks_of
from services.analysis.agents.requested_work import ANALYSIS, SEPARATION, names, requested_work
from services.analysis.agents.specialists import SPECIALISTS, choose
from services.analysis.agents.toolbox import ToolCall


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


@pytest.mark.parametrize(("message", "work"), [
    ("Separate this track", {SEPARATION}), ("Please split it into stems.", {SEPARATION}),
    ("Could you isolate the vocals?", {SEPARATION}), ("What key is it? Then analyse it.", {ANALYSIS}),
    ("I want to analyze it and separate it", {ANALYSIS, SEPARATION}), ("start a new separation", {SEPARATION}),
    ("re-analyze this", {ANALYSIS}), ("How do I separate a track?", set()), ("Don't separate it", set()),
    ("Please do not analyse anything", set()), ("What do you know about Separate Ways?", set()),
    ('Tell me about "please separate all tracks"', set()), ("Tell me about “Analyse this”", set()),
    ("Has it been analysed?", set()), ("Which stems does it have?", set()), ("", set()),
])  # fmt: skip
def test_only_clear_requests_count(message: str, work: set[str]) -> None:
    assert requested_work(message) == work


def test_a_title_is_named_as_whole_words() -> None:
    assert names("how loud is  NIGHT drive?", "Night Drive")
    assert not names("how loud is nightdriver", "Night")
    assert not names("what about a", "a")
    assert not names("anything", "")
    assert names("separate (what?)", "(what?)")


SONG, OTHER = "0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def test_an_answer_refers_to_the_tracks_in_the_results_of_tools() -> None:
    match = {"track_id": OTHER, "title": "<b>Two</b>", "relation": "same key"}
    calls = [
        ToolCall("find_compatible_tracks", {}, {"track": {"track_id": SONG, "title": "One"}, "matches": [match]}, ""),
        ToolCall("get_track", {"track_id": SONG}, {"track_id": SONG, "title": "One"}, ""),
        ToolCall("get_analysis", {"track_id": "lost"}, {"error": "There is no such track."}, "", failed=True),
    ]
    assert [(track.track_id, track.title) for track in tracks_of(calls)] == [(SONG, "One"), (OTHER, "<b>Two</b>")]
    many = {"tracks": [{"track_id": str(number), "title": "x"} for number in range(100)]}
    assert len(tracks_of([ToolCall("search_tracks", {}, many, "")])) == 20


def test_an_answer_suggests_the_work_that_its_tools_lacked() -> None:
    unmeasured = ToolCall("get_analysis", {"track_id": SONG}, {"error": ""}, "", True, "ANALYSIS_NOT_FOUND")
    silent = ToolCall("loudness_advice", {"track_id": SONG}, {"error": ""}, "", True, "MEASUREMENT_MISSING")
    foreign = ToolCall("get_track", {"track_id": OTHER}, {"error": ""}, "", True, "TRACK_NOT_FOUND")
    named = ToolCall("get_track", {"track_id": SONG}, {"track_id": SONG, "title": "One"}, "")
    unseparated = ToolCall("list_stems", {"track_id": OTHER}, {"track_id": OTHER, "title": "Two", "stems": []}, "")
    wanted = suggested_work([unmeasured, silent, foreign, named, unseparated])
    assert [(each.work, each.track_id, each.title) for each in wanted] == [
        ("analysis", SONG, "One"),
        ("separation", OTHER, "Two"),
    ]
    started = ToolCall("start_analysis", {}, {"job_id": "1", "work": "analysis", "track_id": SONG, "title": "One"}, "")
    assert suggested_work([unmeasured, started]) == []
