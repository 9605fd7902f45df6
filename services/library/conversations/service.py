"""Conversations with agents. A turn adds a question and its answer. Only the owner can read a conversation."""

import dataclasses
import uuid
from dataclasses import dataclass, field

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.paging import Page, PageRequest
from soundwright.services.library.table import Table

CONVERSATION_LIMIT = 200
"""The number of conversations per account. A new one replaces the one whose last change is the oldest."""
MESSAGE_LIMIT = 200
"""The number of messages per conversation."""

_QUESTION_LIMIT_CHARS = 4000
_ANSWER_LIMIT_CHARS = 20_000
_TITLE_LIMIT_CHARS = 80
_TRACK_LIMIT = 50
_SUGGESTION_LIMIT = 10
_REFERENCE_LIMIT_CHARS = 500


@dataclass(frozen=True)
class Conversation:
    """A conversation. ``turn_count`` includes turns whose messages are being stored. Times are seconds since 1970."""

    id: str
    owner_id: str
    title: str
    track_id: str
    create_time: float
    update_time: float
    turn_count: int = 0
    revision: int = 0


@dataclass(frozen=True)
class TrackReference:
    """A track that an answer uses."""

    track_id: str
    title: str


@dataclass(frozen=True)
class SuggestedWork:
    """Work that an answer suggests: ``analysis`` or ``separation`` of a track."""

    work: str
    track_id: str
    title: str


@dataclass(frozen=True)
class Message:
    """A message. ``number`` orders the messages of a conversation. ``role`` is ``user`` or ``assistant``."""

    id: str
    conversation_id: str
    number: int
    role: str
    content: str
    agent: str
    create_time: float
    tracks: list[TrackReference] = field(default_factory=list)
    suggestions: list[SuggestedWork] = field(default_factory=list)
    revision: int = 0


@dataclass(frozen=True)
class Turn:
    """A question and its answer. ``agent`` is the name of the agent that answered."""

    id: str
    question: str
    answer: str
    agent: str
    tracks: list[TrackReference] = field(default_factory=list)
    suggestions: list[SuggestedWork] = field(default_factory=list)

    @property
    def answer_id(self) -> str:
        return self._message_id("assistant")

    @property
    def question_id(self) -> str:
        return self._message_id("user")

    def _message_id(self, role: str) -> str:
        return str(uuid.uuid5(uuid.UUID(self.id), role))


class Conversations:
    """Manages the conversations of accounts."""

    def __init__(self, conversations: Table[Conversation], messages: Table[Message], clock: Clock) -> None:
        self._conversations = conversations
        self._messages = messages
        self._clock = clock

    async def append(
        self, principal: Principal, conversation_id: str, track_id: str, turn: Turn
    ) -> tuple[Conversation, Message]:
        """Add a turn to a conversation, and return the conversation and the message with the answer.

        Calls with the same turn store it once. An empty ``conversation_id`` starts a new conversation.

        Raises ``CONVERSATION_NOT_FOUND``, ``CONVERSATION_FULL``, ``TURN_INVALID``.
        """
        _require_turn(turn)
        now = self._clock.now()
        is_new = not conversation_id
        # The ID is derived from the turn, so that a repeated call does not start a second conversation.
        conversation_id = conversation_id or str(uuid.uuid5(uuid.UUID(turn.id), principal.id))
        stored = await self._messages.get(turn.answer_id)
        if stored is not None and stored.conversation_id == conversation_id:
            return await self._get_own(principal, conversation_id), stored
        if is_new:
            await self._create(principal, conversation_id, track_id, turn, now)
        conversation = await self._reserve_turn(principal, conversation_id, now)
        last = 2 * conversation.turn_count
        question = Message(turn.question_id, conversation_id, last - 1, "user", turn.question, "", now)
        answer = Message(
            turn.answer_id,
            conversation_id,
            last,
            "assistant",
            turn.answer,
            turn.agent,
            now,
            turn.tracks,
            turn.suggestions,
        )
        for message in (question, answer):
            await self._messages.add(message)
        if await self._conversations.get(conversation_id) is None:
            # The conversation was deleted in between, so delete the new messages, too.
            await self._delete(conversation_id)
            raise errors.CONVERSATION_NOT_FOUND()
        return conversation, answer

    async def get(self, principal: Principal, conversation_id: str, limit: int) -> tuple[Conversation, list[Message]]:
        """Return a conversation and its latest ``limit`` messages, oldest first. A limit of 0 returns all messages.

        Raises ``CONVERSATION_NOT_FOUND`` if it does not exist or belongs to another account.
        """
        conversation = await self._get_own(principal, conversation_id)
        latest = await self._messages.find(
            {"conversation_id": conversation_id}, sort="number", descending=True, limit=limit or MESSAGE_LIMIT
        )
        return conversation, latest[::-1]

    async def list_own(self, principal: Principal, asked: PageRequest) -> Page[Conversation]:
        """Return a page of the caller's conversations, latest change first."""
        owner = {"owner_id": principal.id}
        return await self._conversations.adjacent_page(owner, asked, sort=("update_time",), descending=True)

    async def count(self, conversation_id: str) -> int:
        return await self._messages.count({"conversation_id": conversation_id})

    async def delete(self, principal: Principal, conversation_id: str) -> None:
        """Delete a conversation of the caller. Raises ``CONVERSATION_NOT_FOUND``."""
        await self._get_own(principal, conversation_id)
        await self._delete(conversation_id)

    async def _get_own(self, principal: Principal, conversation_id: str) -> Conversation:
        conversation = await self._conversations.get(conversation_id)
        if conversation is None or conversation.owner_id != principal.id:
            raise errors.CONVERSATION_NOT_FOUND()
        return conversation

    async def _delete(self, conversation_id: str) -> None:
        """Delete a conversation, its messages first: after a crash, it is still listed and can be deleted again."""
        await self._messages.delete_all({"conversation_id": conversation_id})
        await self._conversations.delete(conversation_id)

    async def _create(self, principal: Principal, conversation_id: str, track_id: str, turn: Turn, now: float) -> None:
        title = " ".join(turn.question.split())
        if len(title) > _TITLE_LIMIT_CHARS:
            title = title[: _TITLE_LIMIT_CHARS - 1].rstrip() + "…"
        await self._conversations.add(Conversation(conversation_id, principal.id, title, track_id, now, now))
        for surplus in (await self.list_own(principal, PageRequest(10, CONVERSATION_LIMIT))).entries:
            if surplus.id != conversation_id:  # the clocks of two libraries may differ
                await self._delete(surplus.id)

    async def _reserve_turn(self, principal: Principal, conversation_id: str, now: float) -> Conversation:
        """Increase the number of turns, so that parallel turns get different numbers."""

        def change(conversation: Conversation) -> Conversation:
            if 2 * (conversation.turn_count + 1) > MESSAGE_LIMIT:
                raise errors.CONVERSATION_FULL(limit=MESSAGE_LIMIT)
            update_time = max(conversation.update_time, now)
            return dataclasses.replace(conversation, turn_count=conversation.turn_count + 1, update_time=update_time)

        await self._get_own(principal, conversation_id)
        conversation = await self._conversations.change(conversation_id, change)
        if conversation is None:
            raise errors.CONVERSATION_NOT_FOUND()
        return conversation


def _require_turn(turn: Turn) -> None:
    references: list[TrackReference | SuggestedWork] = [*turn.tracks, *turn.suggestions]
    valid = len(turn.tracks) <= _TRACK_LIMIT and len(turn.suggestions) <= _SUGGESTION_LIMIT
    valid = valid and all(len(each.track_id) + len(each.title) <= _REFERENCE_LIMIT_CHARS for each in references)
    valid = valid and 1 <= len(turn.question) <= _QUESTION_LIMIT_CHARS and 1 <= len(turn.answer) <= _ANSWER_LIMIT_CHARS
    try:
        uuid.UUID(turn.id)
    except ValueError:
        valid = False
    if not valid:
        raise errors.TURN_INVALID(
            f"A turn needs a UUID, a question of 1 to {_QUESTION_LIMIT_CHARS} characters and an answer of 1 to "
            f"{_ANSWER_LIMIT_CHARS} characters, and at most {_TRACK_LIMIT} tracks and {_SUGGESTION_LIMIT} suggestions."
        )
