"""The client of language models, against a server that speaks their API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.analysis.agents.llm import LanguageModel
from services.analysis.agents.replies import ModelError
from tests.simulators.language_model import KEY, LanguageModelSimulator, picks, says

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


@pytest.mark.parametrize("name", ["o3-mini", "o1", "gpt-5", "openai/gpt-5.1-mini"])
async def test_models_that_reason_get_their_own_parameters(simulator: LanguageModelSimulator, name: str) -> None:
    simulator.plays(says("Hi"))
    async with model(simulator, name) as opened:
        assert (await opened.complete("Be brief.", HELLO)).content == "Hi"
    [body] = simulator.seen
    assert body["messages"][0]["role"] == "developer"
    assert body["max_completion_tokens"] == 2000
    assert not {"max_tokens", "temperature", "tools"} & set(body)


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-oss:20b", "llama3.1", "claude-opus-4"])
async def test_other_models_get_the_usual_ones(simulator: LanguageModelSimulator, name: str) -> None:
    simulator.plays(says("Hi"))
    async with model(simulator, name) as opened:
        await opened.complete("", HELLO)
    assert ("max_tokens" in simulator.seen[0], "max_completion_tokens" in simulator.seen[0]) == (True, False)


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
