"""Conversations over a real store, with a clock that is set by hand."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.adapters.docs_sqlite import SqliteDocs
from kit.errors import AppError
from kit.identity import Principal
from services.library.conversation_store import ConversationStore
from services.library.conversations import CONVERSATION_LIMIT, MESSAGE_LIMIT, Conversations, Turn

ANN, BOB = Principal("ann", "user"), Principal("bob", "user")


class HandClock:
    time = 1_000_000.0

    def now(self) -> float:
        return self.time


class World:
    def __init__(self, store: ConversationStore, clock: HandClock) -> None:
        self.conversations, self.store, self.clock = Conversations(store, clock), store, clock

    async def say(self, question: str, conversation_id: str = "", who: Principal = ANN) -> str:
        """A turn a second later; the conversation's id."""
        self.clock.time += 1
        conversation, _ = await self.conversations.append(who, conversation_id, "", turn(question))
        return conversation.id

    async def told(self, conversation_id: str, limit: int = 0) -> list[str]:
        _, messages = await self.conversations.get(ANN, conversation_id, limit)
        return [message.content for message in messages]

    async def ids(self, who: Principal = ANN, limit: int = CONVERSATION_LIMIT + 50) -> list[str]:
        found, _ = await self.conversations.list_own(who, 0, limit)
        return [conversation.id for conversation, _ in found]


def turn(question: str, turn_id: str = "") -> Turn:
    return Turn(turn_id or str(uuid.uuid4()), question, f"re: {question}", "library_agent")


@contextlib.asynccontextmanager
async def a_world(folder: Path) -> AsyncIterator[World]:
    docs = SqliteDocs(folder / "library.db")
    store = ConversationStore(docs)
    await store.prepare()
    try:
        yield World(store, HandClock())
    finally:
        await docs.close()


async def test_messages_come_in_the_order_in_which_they_were_said(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        first = await world.say("one")
        second = await world.say("other")
        # The clock may be set back; what was said later stays later.
        world.clock.time -= 1000
        await world.say("two", first)
        assert await world.told(first) == ["one", "re: one", "two", "re: two"]
        assert await world.told(first, 2) == ["two", "re: two"]
        world.clock.time += 5000
        await world.say("three", first)
        assert await world.ids() == [first, second]


async def test_turns_at_the_same_time_all_have_their_place(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        conversation = await world.say("start")
        questions = [f"question {number}" for number in range(12)]
        await asyncio.gather(*(world.conversations.append(ANN, conversation, "", turn(q)) for q in questions))
        told = await world.told(conversation)
        assert sorted(told[2::2]) == sorted(questions)
        assert told[3::2] == [f"re: {question}" for question in told[2::2]]


async def test_a_turn_that_is_sent_again_is_there_once(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        same = turn("once")
        for _ in range(2):
            conversation, answer = await world.conversations.append(ANN, "", "track", same)
            assert (answer.content, conversation.track_id) == ("re: once", "track")
        assert await world.ids() == [conversation.id]
        assert await world.told(conversation.id) == ["once", "re: once"]


async def test_an_account_keeps_so_many_conversations(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        kept = [await world.say(f"question {number}") for number in range(CONVERSATION_LIMIT)]
        bobs = await world.say("mine", who=BOB)
        await world.say("still used", kept[0])
        newest = await world.say("one more")
        assert await world.ids() == [newest, kept[0], *kept[:1:-1]]
        assert await world.store.count_messages(kept[1]) == 0
        assert await world.ids(BOB) == [bobs]


async def test_a_conversation_has_so_many_messages(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        conversation = await world.say("question 0")
        for number in range(1, MESSAGE_LIMIT // 2):
            await world.say(f"question {number}", conversation)
        with pytest.raises(AppError) as caught:
            await world.say("one more", conversation)
        assert caught.value.reason == "CONVERSATION_FULL"
        assert len(await world.told(conversation)) == MESSAGE_LIMIT


async def test_others_conversations_do_not_exist(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        conversation = await world.say("secret")
        for act in (
            world.conversations.get(BOB, conversation, 0),
            world.conversations.delete(BOB, conversation),
            world.conversations.append(BOB, conversation, "", turn("let me in")),
        ):
            with pytest.raises(AppError) as caught:
                await act
            assert caught.value.reason == "CONVERSATION_NOT_FOUND"
        assert await world.told(conversation) == ["secret", "re: secret"]
        assert await world.ids(BOB) == []
        await world.conversations.delete(ANN, conversation)
        assert await world.ids() == []
        assert await world.store.count_messages(conversation) == 0


@pytest.mark.parametrize("bad", [Turn("x", "q", "a", ""), turn(""), turn("q" * 4001)])
async def test_turns_that_do_not_fit(tmp_path: Path, bad: Turn) -> None:
    async with a_world(tmp_path) as world:
        with pytest.raises(AppError) as caught:
            await world.conversations.append(ANN, "", "", bad)
        assert caught.value.reason == "TURN_INVALID"
        assert await world.ids() == []
