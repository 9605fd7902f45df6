"""Conversations over a real document store, with a clock that tests set."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.adapters.sqlite.docs import SqliteDocs
from kit.errors import AppError
from kit.security.identity import Principal
from services.library.conversations.service import CONVERSATION_LIMIT, MESSAGE_LIMIT, Conversations, Turn
from services.library.conversations.store import ConversationDocs

ANN, BOB = Principal("ann", "user"), Principal("bob", "user")


class ManualClock:
    time = 1_000_000.0

    def now(self) -> float:
        return self.time


class ConversationFixture:
    def __init__(self, store: ConversationDocs, clock: ManualClock) -> None:
        self.conversations, self.store, self.clock = Conversations(store, clock), store, clock

    async def ask(self, question: str, conversation_id: str = "", who: Principal = ANN) -> str:
        """Add a turn one second later, and return the ID of the conversation."""
        self.clock.time += 1
        conversation, _ = await self.conversations.append(who, conversation_id, "", turn(question))
        return conversation.id

    async def messages(self, conversation_id: str, limit: int = 0) -> list[str]:
        _, messages = await self.conversations.get(ANN, conversation_id, limit)
        return [message.content for message in messages]

    async def ids(self, who: Principal = ANN, limit: int = CONVERSATION_LIMIT + 50) -> list[str]:
        found, _ = await self.conversations.list_own(who, 0, limit)
        return [conversation.id for conversation, _ in found]


def turn(question: str, turn_id: str = "") -> Turn:
    return Turn(turn_id or str(uuid.uuid4()), question, f"re: {question}", "library_agent")


@contextlib.asynccontextmanager
async def conversation_fixture(folder: Path) -> AsyncIterator[ConversationFixture]:
    docs = SqliteDocs(folder / "library.db")
    store = ConversationDocs(docs)
    await store.prepare()
    try:
        yield ConversationFixture(store, ManualClock())
    finally:
        await docs.close()


async def test_messages_are_ordered(tmp_path: Path) -> None:
    async with conversation_fixture(tmp_path) as fixture:
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


async def test_parallel_turns_have_different_numbers(tmp_path: Path) -> None:
    async with conversation_fixture(tmp_path) as fixture:
        conversation = await fixture.ask("start")
        questions = [f"question {number}" for number in range(12)]
        await asyncio.gather(*(fixture.conversations.append(ANN, conversation, "", turn(q)) for q in questions))
        told = await fixture.messages(conversation)
        assert sorted(told[2::2]) == sorted(questions)
        assert told[3::2] == [f"re: {question}" for question in told[2::2]]


async def test_a_repeated_turn_is_stored_once(tmp_path: Path) -> None:
    async with conversation_fixture(tmp_path) as fixture:
        same = turn("once")
        for _ in range(2):
            conversation, answer = await fixture.conversations.append(ANN, "", "track", same)
            assert (answer.content, conversation.track_id) == ("re: once", "track")
        assert await fixture.ids() == [conversation.id]
        assert await fixture.messages(conversation.id) == ["once", "re: once"]


async def test_the_number_of_conversations_is_limited(tmp_path: Path) -> None:
    async with conversation_fixture(tmp_path) as fixture:
        kept = [await fixture.ask(f"question {number}") for number in range(CONVERSATION_LIMIT)]
        bobs = await fixture.ask("mine", who=BOB)
        await fixture.ask("still used", kept[0])
        newest = await fixture.ask("one more")
        assert await fixture.ids() == [newest, kept[0], *kept[:1:-1]]
        assert await fixture.store.count_messages(kept[1]) == 0
        assert await fixture.ids(BOB) == [bobs]


async def test_the_number_of_messages_is_limited(tmp_path: Path) -> None:
    async with conversation_fixture(tmp_path) as fixture:
        conversation = await fixture.ask("question 0")
        for number in range(1, MESSAGE_LIMIT // 2):
            await fixture.ask(f"question {number}", conversation)
        with pytest.raises(AppError) as caught:
            await fixture.ask("one more", conversation)
        assert caught.value.reason == "CONVERSATION_FULL"
        assert len(await fixture.messages(conversation)) == MESSAGE_LIMIT


async def test_conversations_of_others_are_not_found(tmp_path: Path) -> None:
    async with conversation_fixture(tmp_path) as fixture:
        conversation = await fixture.ask("secret")
        for act in (
            fixture.conversations.get(BOB, conversation, 0),
            fixture.conversations.delete(BOB, conversation),
            fixture.conversations.append(BOB, conversation, "", turn("let me in")),
        ):
            with pytest.raises(AppError) as caught:
                await act
            assert caught.value.reason == "CONVERSATION_NOT_FOUND"
        assert await fixture.messages(conversation) == ["secret", "re: secret"]
        assert await fixture.ids(BOB) == []
        await fixture.conversations.delete(ANN, conversation)
        assert await fixture.ids() == []
        assert await fixture.store.count_messages(conversation) == 0


@pytest.mark.parametrize("bad", [Turn("x", "q", "a", ""), turn(""), turn("q" * 4001)])
async def test_invalid_turns_are_refused(tmp_path: Path, bad: Turn) -> None:
    async with conversation_fixture(tmp_path) as fixture:
        with pytest.raises(AppError) as caught:
            await fixture.conversations.append(ANN, "", "", bad)
        assert caught.value.reason == "TURN_INVALID"
        assert await fixture.ids() == []
