"""Conversations over a real document store, with a clock that tests set."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from library import ANN, BOB, Library, ids, reason

from kit.security.identity import Principal
from services.library.conversations.service import CONVERSATION_LIMIT, MESSAGE_LIMIT, Conversations, Turn


class Talks:
    """The conversations of a library."""

    def __init__(self, library: Library) -> None:
        self.clock, self.store = library.clock, library.stores.conversations
        self.conversations = Conversations(self.store, self.clock)

    async def ask(self, question: str, conversation_id: str = "", who: Principal = ANN) -> str:
        """Add a turn one second later, and return the ID of the conversation."""
        self.clock.advance(1)
        conversation, _ = await self.conversations.append(who, conversation_id, "", turn(question))
        return conversation.id

    async def messages(self, conversation_id: str, limit: int = 0) -> list[str]:
        _, messages = await self.conversations.get(ANN, conversation_id, limit)
        return [message.content for message in messages]

    async def ids(self, who: Principal = ANN) -> list[str]:
        found, _ = await self.conversations.list_own(who, 0, CONVERSATION_LIMIT + 50)
        return ids(conversation for conversation, _ in found)


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
    assert await fixture.store.count_messages(kept[1]) == 0
    assert await fixture.ids(BOB) == [bobs]


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
    assert await fixture.store.count_messages(conversation) == 0


@pytest.mark.parametrize("bad", [Turn("x", "q", "a", ""), turn(""), turn("q" * 4001)])
async def test_invalid_turns_are_refused(fixture: Talks, bad: Turn) -> None:
    assert await reason(fixture.conversations.append(ANN, "", "", bad)) == "TURN_INVALID"
    assert await fixture.ids() == []
