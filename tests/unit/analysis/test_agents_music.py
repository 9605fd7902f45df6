"""Agents: music theory, rules about questions, conversations, and the client of language models."""

import asyncio
import itertools
import random
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from library_fixture import ANN, BOB, Library, dying, ids, reason

from soundwright.kit.bars import bars_of
from soundwright.kit.security.identity import Principal
from soundwright.services.analysis.agents.camelot import Camelot, match_tempo, parse_key
from soundwright.services.analysis.agents.cue_points import Cue, find_cues, likely_chorus
from soundwright.services.analysis.agents.llm import LanguageModel
from soundwright.services.analysis.agents.loudness_advice import advise
from soundwright.services.analysis.agents.references import suggested_work, tracks_of
from soundwright.services.analysis.agents.replies import ModelError
from soundwright.services.analysis.agents.requested_work import ANALYSIS, SEPARATION, names, requested_work
from soundwright.services.analysis.agents.set_order import SONG_LIMIT, Song, propose_order, transition_cost
from soundwright.services.analysis.agents.specialists import SPECIALISTS, choose
from soundwright.services.analysis.agents.toolbox import ToolCall
from soundwright.services.library.conversations.service import CONVERSATION_LIMIT, MESSAGE_LIMIT, Conversations, Turn
from soundwright.services.library.paging import PageRequest
from tests.simulators.language_model import KEY, LanguageModelSimulator, picks, says

# The wheel as it is printed on every poster.
WHEEL = {
    "A♭ minor": "1A", "B major": "1B", "E♭ minor": "2A", "F♯ major": "2B", "B♭ minor": "3A", "D♭ major": "3B",
    "F minor": "4A", "A♭ major": "4B", "C minor": "5A", "E♭ major": "5B", "G minor": "6A", "B♭ major": "6B",
    "D minor": "7A", "F major": "7B", "A minor": "8A", "C major": "8B", "E minor": "9A", "G major": "9B",
    "B minor": "10A", "D major": "10B", "F♯ minor": "11A", "A major": "11B", "D♭ minor": "12A", "E major": "12B",
}  # fmt: skip


def codes(text: str) -> list[str]:
    return [str(code) for code in place(text).compatible()]


def place(text: str) -> Camelot:
    parsed = parse_key(text)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(("key", "code"), WHEEL.items())
def test_all_keys_have_their_place_on_the_wheel(key: str, code: str) -> None:
    assert str(place(key)) == code
    assert place(code) == place(key)


@pytest.mark.parametrize(("text", "code"), [
    ("Am", "8A"), ("a minor", "8A"), ("C", "8B"), ("C# minor", "12A"), ("Bb", "6B"), ("G#m", "1A"),
    (" 8a ", "8A"), ("F#maj", "2B"),
])  # fmt: skip
def test_keys_are_spelt_in_many_ways(text: str, code: str) -> None:
    assert str(place(text)) == code


@pytest.mark.parametrize("text", ["", "H minor", "13A", "0B", "loud", "A minor; drop table", "8C"])
def test_what_is_no_key(text: str) -> None:
    assert parse_key(text) is None


def test_neighbours_and_the_relative_mix() -> None:
    assert codes("8A") == ["8A", "7A", "9A", "8B"]
    assert codes("1B") == ["1B", "12B", "2B", "1A"]
    assert codes("12A") == ["12A", "11A", "1A", "12B"]
    assert place("C major").relation(place("A minor")) == "relative"
    assert place("C major").relation(place("G major")) == "one step up"
    assert place("C major").relation(place("F major")) == "one step down"
    assert place("C major").relation(place("D major")) is None
    assert place("C major").relation(place("E minor")) is None


def test_distances_on_the_wheel() -> None:
    assert place("1A").distance(place("12A")) == 1
    assert place("2A").distance(place("8A")) == 6
    assert place("2A").distance(place("8B")) == 7
    assert place("5B").distance(place("5B")) == 0


@pytest.mark.parametrize(("own", "other", "change", "feel"), [
    (120, 120, 0, "same"), (126, 120, 5, "same"), (120, 60, 0, "double"), (87, 174, 0, "half"),
    (128, 62, 3.2258, "double"), (106, 100, 6, "same"),
])  # fmt: skip
def test_tempos_that_match(own: float, other: float, change: float, feel: str) -> None:
    match = match_tempo(own, other)
    assert match is not None
    assert (match.change_percent, match.feel) == (pytest.approx(change, abs=1e-3), feel)


@pytest.mark.parametrize(("own", "other"), [(120, 140), (106.1, 100), (93.9, 100), (0, 120), (120, 0), (120, 90)])
def test_tempos_that_do_not_match(own: float, other: float) -> None:
    assert match_tempo(own, other) is None


TEN = [
    Song("a", place("8A"), 120, 0.10), Song("b", place("8A"), 121, 0.12), Song("c", place("9A"), 122, 0.14),
    Song("d", place("9B"), 122, 0.16), Song("e", place("10B"), 123, 0.18), Song("f", place("11B"), 124, 0.20),
    Song("g", place("11A"), 125, 0.22), Song("h", place("12A"), 126, 0.24), Song("i", place("1A"), 127, 0.26),
    Song("j", place("2A"), 128, 0.28),
]  # fmt: skip


def test_ten_songs_come_in_the_order_that_builds() -> None:
    for seed in range(5):
        shuffled = random.Random(seed).sample(TEN, len(TEN))
        assert "".join(song.id for song in propose_order(shuffled)) == "abcdefghij"


def test_an_order_is_never_worse_than_another_of_few_songs() -> None:
    generator = random.Random(7)
    for _ in range(5):
        songs = [
            Song(name, Camelot(generator.randint(1, 12), "AB"[generator.randint(0, 1)]), generator.uniform(90, 140), generator.random() / 3)
            for name in "abcde"
        ]  # fmt: skip

        def total(order: list[Song]) -> float:
            return sum(transition_cost(x, y) for x, y in itertools.pairwise(order))

        best = min(total(list(order)) for order in itertools.permutations(songs))
        assert total(propose_order(songs)) <= best * 1.25


def test_every_song_comes_once_whatever_is_known_of_it() -> None:
    songs = [*TEN, Song("x", None, None, None), Song("y", place("3B"), None, 0.1)]
    assert sorted(song.id for song in propose_order(songs)) == sorted(song.id for song in songs)
    assert propose_order([]) == []
    assert propose_order(TEN[:1]) == TEN[:1]
    with pytest.raises(ValueError):
        propose_order([TEN[0]] * (SONG_LIMIT + 1))


def test_loudness_against_the_targets() -> None:
    advice = {each.target: each for each in advise(-10.0, -0.5)}
    assert {name: each.target_lufs for name, each in advice.items()} == {
        "streaming": -14, "podcast": -16, "broadcast": -23, "club": -6,
    }  # fmt: skip
    for target, expected in (("streaming", (-4, -4.5, 0)), ("club", (4, 3.5, 4.5))):
        assert (advice[target].gain_db, advice[target].peak_dbtp, advice[target].limiting_db) == expected


def test_the_chorus_is_probably_what_comes_most_often_and_longest() -> None:
    assert likely_chorus([("A", 8.0), ("B", 20.0), ("C", 24.0), ("B", 20.0), ("C", 24.0), ("D", 90.0)]) == "C"
    assert likely_chorus([("A", 8.0), ("B", 20.0)]) is None
    assert likely_chorus([]) is None


def test_bars_are_the_detected_ones_or_have_four_beats() -> None:
    beats = [0.5 * beat for beat in range(9)]
    detected = {"beats_per_bar": 3, "downbeats": [0.5, 2.0, 3.5]}
    assert bars_of({"beats": beats, "bars": detected}) == detected
    for bars in ({}, {"bars": None}, {"bars": {"beats_per_bar": 0, "downbeats": []}}):
        assert bars_of({"beats": beats, **bars}) == {"beats_per_bar": 4, "downbeats": [0.0, 2.0, 4.0]}
    assert not bars_of({})["downbeats"]


def test_cues_stand_at_phrases_and_drops_where_the_level_jumps() -> None:
    bars = [2.0 * bar for bar in range(24)]
    levels = [-30.0] * 32 + [-20.0] * 16  # a jump at 32 seconds, one level a second
    phrase_bars, cues = find_cues(bars, levels, 1.0)
    assert phrase_bars == 8
    assert cues == [Cue("mix_in", 1, 0.0), Cue("phrase", 9, 16.0), Cue("mix_out", 17, 32.0)]
    phrase_bars, cues = find_cues(bars[:20], [-30.0] * 16 + [-20.0] * 8 + [-30.0] * 16, 1.0)
    assert phrase_bars == 4
    assert [(cue.kind, cue.time_seconds) for cue in cues] == [
        ("mix_in", 0), ("phrase", 8), ("drop", 16), ("breakdown", 24), ("mix_out", 32),
    ]  # fmt: skip
    assert [cue.kind for cue in find_cues(bars[:20], [], 0.0)[1]] == ["mix_in", *["phrase"] * 3, "mix_out"]
    assert find_cues([], [], 0.0) == (4, [])


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
        ("When does the chorus start?", "cue_point_agent"),
        ("What are the words of the chorus?", "track_analysis_agent"),
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
    ("Tell me how to separate this", set()), ("Please explain the ways to isolate vocals", set()),
    ("I wonder whether you can analyse it", set()), ("Tell me how loud it is, then separate it", {SEPARATION}),
    ("Tell me its key and separate it", {SEPARATION}),
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


class Talks:
    """The conversations of a library."""

    def __init__(self, library: Library) -> None:
        self.clock, self.store = library.clock, library.stores.conversations
        self.conversations = Conversations(self.store.conversations, self.store.messages, self.clock)

    async def ask(self, question: str, conversation_id: str = "", who: Principal = ANN) -> str:
        """Add a turn one second later, and return the ID of the conversation."""
        self.clock.advance(1)
        conversation, _ = await self.conversations.append(who, conversation_id, "", turn(question))
        return conversation.id

    async def messages(self, conversation_id: str, limit: int = 0) -> list[str]:
        _, messages = await self.conversations.get(ANN, conversation_id, limit)
        return [message.content for message in messages]

    async def ids(self, who: Principal = ANN) -> list[str]:
        return ids((await self.conversations.list_own(who, PageRequest(CONVERSATION_LIMIT + 50))).entries)


def turn(question: str, turn_id: str = "") -> Turn:
    return Turn(turn_id or str(uuid.uuid4()), question, f"re: {question}", "library_agent")


@pytest.fixture
def fixture(library: Library) -> Talks:
    return Talks(library)


async def test_messages_are_ordered(fixture: Talks) -> None:
    first = await fixture.ask("one")
    second = await fixture.ask("other")
    # Messages keep their order if the clock is set back.
    fixture.clock.time -= 1000
    await fixture.ask("two", first)
    assert await fixture.messages(first) == ["one", "re: one", "two", "re: two"]
    assert await fixture.messages(first, 2) == ["two", "re: two"]
    fixture.clock.time += 5000
    await fixture.ask("three", first)
    assert await fixture.ids() == [first, second]


async def test_parallel_turns_have_different_numbers(fixture: Talks) -> None:
    conversation = await fixture.ask("start")
    questions = [f"question {number}" for number in range(12)]
    await asyncio.gather(*(fixture.conversations.append(ANN, conversation, "", turn(q)) for q in questions))
    told = await fixture.messages(conversation)
    assert sorted(told[2::2]) == sorted(questions)
    assert told[3::2] == [f"re: {question}" for question in told[2::2]]


async def test_a_repeated_turn_is_stored_once(fixture: Talks) -> None:
    same = turn("once")
    for _ in range(2):
        conversation, answer = await fixture.conversations.append(ANN, "", "track", same)
        assert (answer.content, conversation.track_id) == ("re: once", "track")
    assert await fixture.ids() == [conversation.id]
    assert await fixture.messages(conversation.id) == ["once", "re: once"]


async def test_the_number_of_conversations_is_limited(fixture: Talks) -> None:
    kept = [await fixture.ask(f"question {number}") for number in range(CONVERSATION_LIMIT)]
    bobs = await fixture.ask("mine", who=BOB)
    await fixture.ask("still used", kept[0])
    newest = await fixture.ask("one more")
    assert await fixture.ids() == [newest, kept[0], *kept[:1:-1]]
    assert await fixture.conversations.count(kept[1]) == 0
    assert await fixture.ids(BOB) == [bobs]
    again = turn("interrupted")
    with dying(fixture.store.messages, "add"):
        await fixture.conversations.append(ANN, "", "", again)
    await fixture.conversations.append(ANN, "", "", again)
    assert len(await fixture.ids()) == CONVERSATION_LIMIT


async def test_the_number_of_messages_is_limited(fixture: Talks) -> None:
    conversation = await fixture.ask("question 0")
    for number in range(1, MESSAGE_LIMIT // 2):
        await fixture.ask(f"question {number}", conversation)
    assert await reason(fixture.ask("one more", conversation)) == "CONVERSATION_FULL"
    assert len(await fixture.messages(conversation)) == MESSAGE_LIMIT


async def test_conversations_of_others_are_not_found(fixture: Talks) -> None:
    conversation = await fixture.ask("secret")
    for act in (
        fixture.conversations.get(BOB, conversation, 0),
        fixture.conversations.delete(BOB, conversation),
        fixture.conversations.append(BOB, conversation, "", turn("let me in")),
    ):
        assert await reason(act) == "CONVERSATION_NOT_FOUND"
    assert await fixture.messages(conversation) == ["secret", "re: secret"]
    assert await fixture.ids(BOB) == []
    await fixture.conversations.delete(ANN, conversation)
    assert await fixture.ids() == []
    assert await fixture.conversations.count(conversation) == 0


@pytest.mark.parametrize("bad", [Turn("x", "q", "a", ""), turn(""), turn("q" * 4001)])
async def test_invalid_turns_are_refused(fixture: Talks, bad: Turn) -> None:
    assert await reason(fixture.conversations.append(ANN, "", "", bad)) == "TURN_INVALID"
    assert await fixture.ids() == []


HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def simulator() -> Iterator[LanguageModelSimulator]:
    with LanguageModelSimulator() as started:
        yield started


@asynccontextmanager
async def model(
    simulator: LanguageModelSimulator, name: str = "scripted", key: str = KEY, path: str = "/v1", seconds: float = 20
) -> AsyncIterator[LanguageModel]:
    opened = LanguageModel(simulator.url + path, key, name, seconds)
    try:
        yield opened
    finally:
        await opened.close()


async def test_what_is_asked_and_what_comes_back(simulator: LanguageModelSimulator) -> None:
    simulator.plays(picks(("get_track", {"track_id": "x"})))
    async with model(simulator) as opened:
        reply = await opened.complete("Be brief.", HELLO, [{"type": "function", "function": {"name": "get_track"}}])
    assert [(each.name, each.arguments) for each in reply.picked] == [("get_track", '{"track_id": "x"}')]
    assert (reply.content, reply.input_token_count, reply.output_token_count) == ("", 100, 10)
    [body] = simulator.seen
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]
    assert (body["model"], body["max_tokens"], body["tools"][0]["function"]["name"]) == ("scripted", 2000, "get_track")


REASONING = ("o3-mini", "o1", "gpt-5", "openai/gpt-5.1-mini")


@pytest.mark.parametrize("name", [*REASONING, "gpt-4o", "gpt-oss:20b", "llama3.1", "claude-opus-4"])
async def test_models_that_reason_get_their_own_parameters(simulator: LanguageModelSimulator, name: str) -> None:
    simulator.plays(says("Hi"))
    async with model(simulator, name) as opened:
        assert (await opened.complete("Be brief.", HELLO)).content == "Hi"
    [body] = simulator.seen
    role, limit = ("developer", "max_completion_tokens") if name in REASONING else ("system", "max_tokens")
    assert (body["messages"][0]["role"], body[limit], "tools" in body) == (role, 2000, False)
    assert len({"max_tokens", "max_completion_tokens"} & set(body)) == 1
    assert ("temperature" in body) is (name not in REASONING)


async def test_a_model_that_hides_that_it_reasons_is_found_out_once(simulator: LanguageModelSimulator) -> None:
    simulator.plays(says("One"), says("Two"))
    simulator.wants_reasoning = True
    async with model(simulator, "my-deployment") as opened:
        assert (await opened.complete("", HELLO)).content == "One"
        assert (await opened.complete("", HELLO)).content == "Two"
    assert ["max_tokens" in body for body in simulator.seen] == [True, False, False]


async def test_a_failure_that_passes_is_tried_again_twice(simulator: LanguageModelSimulator) -> None:
    simulator.plays(503, 429, says("Here"))
    async with model(simulator) as opened:
        assert (await opened.complete("", HELLO)).content == "Here"
    simulator.plays(500, 500, 500, says("Too late"))
    async with model(simulator) as opened:
        with pytest.raises(ModelError, match="status 500"):
            await opened.complete("", HELLO)
    assert len(simulator.seen) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"not json", b"[]", b"null", b"{}", b'{"choices": []}', b'{"choices": null}', b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"tool_calls": [{"id": "x"}]}}]}', b'{"choices": [{"message": {"tool_calls": 3}}]}',
        b'"words"',
    ],
)  # fmt: skip
async def test_answers_that_are_none(simulator: LanguageModelSimulator, answer: bytes) -> None:
    simulator.plays(answer, then=answer)
    async with model(simulator) as opened:
        with pytest.raises(ModelError) as caught:
            await opened.complete("", HELLO)
        assert caught.value.status == "unreachable"
        assert (await opened.check(20)).status == "unreachable"


async def test_health_is_seen_by_using_the_model(simulator: LanguageModelSimulator) -> None:
    simulator.plays()
    states: dict[str, Any] = {}
    async with model(simulator) as opened:
        states["right"] = await opened.check(20)
        assert opened.host == "127.0.0.1"
    async with model(simulator, key="wrong-" + KEY) as opened:
        states["wrong key"] = await opened.check(20)
    async with model(simulator, path="/v2") as opened:
        states["wrong path"] = await opened.check(20)
    simulator.plays(None)
    async with model(simulator) as opened:
        states["slow"] = await opened.check(0.2)
    simulator.released.set()
    with LanguageModelSimulator() as gone:
        pass
    async with model(gone) as opened:
        states["away"] = await opened.check(20)
    assert {name: state.status for name, state in states.items()} == {
        "right": "healthy",
        "wrong key": "unauthorized",
        "wrong path": "unreachable",
        "slow": "unreachable",
        "away": "unreachable",
    }
    assert states["right"].latency_seconds > 0
    assert not any(KEY in state.detail for state in states.values())
