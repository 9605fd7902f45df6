"""Conversations with agents: a question and its answer at a time, for their owner alone."""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock

__all__ = [
    "CONVERSATION_LIMIT",
    "MESSAGE_LIMIT",
    "Conversation",
    "ConversationStore",
    "Conversations",
    "Message",
    "Turn",
]

CONVERSATION_LIMIT = 200
"""Conversations that an account keeps; a new one takes the place of the one that rested longest."""
MESSAGE_LIMIT = 200
"""Messages of one conversation."""
_QUESTION_LENGTH = 4000
_ANSWER_LENGTH = 20_000
_TITLE_LENGTH = 80


@dataclass(frozen=True)
class Conversation:
    id: str
    owner_id: str
    title: str
    track_id: str
    create_time: float
    update_time: float
    turn_count: int = 0
    revision: int = 0


@dataclass(frozen=True)
class Message:
    """``number`` orders the messages of a conversation."""

    id: str
    conversation_id: str
    number: int
    role: str
    content: str
    agent: str
    create_time: float
    revision: int = 0


@dataclass(frozen=True)
class Turn:
    """A question and its answer."""

    id: str
    question: str
    answer: str
    agent: str

    @property
    def answer_id(self) -> str:
        return self._message_id("assistant")

    @property
    def question_id(self) -> str:
        return self._message_id("user")

    def _message_id(self, role: str) -> str:
        return str(uuid.uuid5(uuid.UUID(self.id), role))


class ConversationStore(Protocol):
    async def insert_conversation(self, conversation: Conversation) -> bool: ...
    async def conversation(self, conversation_id: str) -> Conversation | None: ...
    async def replace_conversation(self, conversation: Conversation) -> bool: ...
    async def delete_conversation(self, conversation_id: str) -> None: ...
    async def conversations_of(self, owner_id: str, offset: int, limit: int) -> list[Conversation]: ...
    async def count_conversations(self, owner_id: str) -> int: ...
    async def insert_message(self, message: Message) -> bool: ...
    async def message(self, message_id: str) -> Message | None: ...
    async def latest_messages(self, conversation_id: str, limit: int) -> list[Message]: ...
    async def count_messages(self, conversation_id: str) -> int: ...


class Conversations:
    def __init__(self, store: ConversationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def append(
        self, principal: Principal, conversation_id: str, track_id: str, turn: Turn
    ) -> tuple[Conversation, Message]:
        """Store a turn, once; without a ``conversation_id`` in a new conversation. The answer comes back.

        Raises:
            AppError: ``CONVERSATION_NOT_FOUND``, ``CONVERSATION_FULL``, ``TURN_INVALID``.
        """
        _require_turn(turn)
        now = self._clock.now()
        is_new = not conversation_id
        # The same turn makes the same conversation, too.
        conversation_id = conversation_id or str(uuid.uuid5(uuid.UUID(turn.id), principal.id))
        stored = await self._store.message(turn.answer_id)
        if stored is not None and stored.conversation_id == conversation_id:
            return await self._own(principal, conversation_id), stored
        if is_new:
            await self._start(principal, conversation_id, track_id, turn, now)
        conversation = await self._take_place(principal, conversation_id, now)
        last = 2 * conversation.turn_count
        question = Message(turn.question_id, conversation_id, last - 1, "user", turn.question, "", now)
        answer = Message(turn.answer_id, conversation_id, last, "assistant", turn.answer, turn.agent, now)
        for message in (question, answer):
            await self._store.insert_message(message)
        if await self._store.conversation(conversation_id) is None:
            # Somebody deleted it meanwhile, perhaps before these messages were there.
            await self._store.delete_conversation(conversation_id)
            raise _not_found()
        return conversation, answer

    async def get(self, principal: Principal, conversation_id: str, limit: int) -> tuple[Conversation, list[Message]]:
        """The conversation and its latest ``limit`` messages, oldest first; all of them for 0.

        Raises:
            AppError: ``CONVERSATION_NOT_FOUND``, also for somebody else's.
        """
        conversation = await self._own(principal, conversation_id)
        return conversation, await self._store.latest_messages(conversation_id, limit or MESSAGE_LIMIT)

    async def list_own(
        self, principal: Principal, offset: int, limit: int
    ) -> tuple[list[tuple[Conversation, int]], int]:
        """The caller's, latest change first, each with the number of its messages."""
        found = await self._store.conversations_of(principal.id, offset, limit)
        counted = [(each, await self.count(each.id)) for each in found]
        return counted, await self._store.count_conversations(principal.id)

    async def count(self, conversation_id: str) -> int:
        """How many messages there are."""
        return await self._store.count_messages(conversation_id)

    async def delete(self, principal: Principal, conversation_id: str) -> None:
        """
        Raises:
            AppError: ``CONVERSATION_NOT_FOUND``.
        """
        await self._own(principal, conversation_id)
        await self._store.delete_conversation(conversation_id)

    async def _own(self, principal: Principal, conversation_id: str) -> Conversation:
        conversation = await self._store.conversation(conversation_id)
        if conversation is None or conversation.owner_id != principal.id:
            raise _not_found()
        return conversation

    async def _start(self, principal: Principal, conversation_id: str, track_id: str, turn: Turn, now: float) -> None:
        surplus = await self._store.conversations_of(principal.id, CONVERSATION_LIMIT - 1, 10)
        for old in surplus:
            await self._store.delete_conversation(old.id)
        title = " ".join(turn.question.split())
        title = title if len(title) <= _TITLE_LENGTH else title[: _TITLE_LENGTH - 1].rstrip() + "…"
        await self._store.insert_conversation(Conversation(conversation_id, principal.id, title, track_id, now, now))

    async def _take_place(self, principal: Principal, conversation_id: str, now: float) -> Conversation:
        """Compare-and-set of the number of turns, so that two at once have different places."""
        while True:
            conversation = await self._own(principal, conversation_id)
            if 2 * (conversation.turn_count + 1) > MESSAGE_LIMIT:
                raise AppError(
                    Code.CONFLICT,
                    "CONVERSATION_FULL",
                    f"A conversation has at most {MESSAGE_LIMIT} messages. Start a new one.",
                )
            changed = dataclasses.replace(
                conversation,
                turn_count=conversation.turn_count + 1,
                update_time=max(conversation.update_time, now),
            )
            if await self._store.replace_conversation(changed):
                return changed


def _require_turn(turn: Turn) -> None:
    fits = 1 <= len(turn.question) <= _QUESTION_LENGTH and 1 <= len(turn.answer) <= _ANSWER_LENGTH
    try:
        uuid.UUID(turn.id)
    except ValueError:
        fits = False
    if not fits:
        raise AppError(
            Code.INVALID_ARGUMENT,
            "TURN_INVALID",
            f"A turn has an id, a question of 1 to {_QUESTION_LENGTH} characters and an answer of 1 to {_ANSWER_LENGTH}.",
        )


def _not_found() -> AppError:
    return AppError(
        Code.NOT_FOUND,
        "CONVERSATION_NOT_FOUND",
        "There is no such conversation. Check the id; it may have been deleted.",
    )
