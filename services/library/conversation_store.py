"""Conversations and their messages as documents."""

from __future__ import annotations

import dataclasses

from pydantic import TypeAdapter

from kit.ports import Collection, Docs, Index
from services.library.clip_docs import insert_new
from services.library.conversations import Conversation, Message

__all__ = ["ConversationStore"]

_CONVERSATIONS = Collection("conversations", (Index(("owner_id", "update_time")),))
_MESSAGES = Collection("conversation_messages", (Index(("conversation_id", "number")),))
_BATCH = 100
_conversation: TypeAdapter[Conversation] = TypeAdapter(Conversation)
_message: TypeAdapter[Message] = TypeAdapter(Message)


class ConversationStore:
    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def prepare(self) -> None:
        await self._docs.ensure(_CONVERSATIONS)
        await self._docs.ensure(_MESSAGES)

    async def insert_conversation(self, conversation: Conversation) -> bool:
        return await insert_new(self._docs, _CONVERSATIONS, dataclasses.asdict(conversation))

    async def conversation(self, conversation_id: str) -> Conversation | None:
        doc = await self._docs.get(_CONVERSATIONS.name, conversation_id)
        return _conversation.validate_python(doc) if doc else None

    async def replace_conversation(self, conversation: Conversation) -> bool:
        return await self._docs.replace(_CONVERSATIONS.name, dataclasses.asdict(conversation), conversation.revision)

    async def delete_conversation(self, conversation_id: str) -> None:
        """Messages first: what a crash leaves behind can still be seen, and deleted."""
        while docs := await self._docs.find(_MESSAGES.name, {"conversation_id": conversation_id}, limit=_BATCH):
            for doc in docs:
                await self._docs.delete(_MESSAGES.name, doc["id"])
        await self._docs.delete(_CONVERSATIONS.name, conversation_id)

    async def conversations_of(self, owner_id: str, offset: int, limit: int) -> list[Conversation]:
        """Latest change first."""
        docs = await self._docs.find(
            _CONVERSATIONS.name,
            {"owner_id": owner_id},
            sort="update_time",
            descending=True,
            offset=offset,
            limit=limit,
        )
        return [_conversation.validate_python(doc) for doc in docs]

    async def count_conversations(self, owner_id: str) -> int:
        return await self._docs.count(_CONVERSATIONS.name, {"owner_id": owner_id})

    async def insert_message(self, message: Message) -> bool:
        return await insert_new(self._docs, _MESSAGES, dataclasses.asdict(message))

    async def message(self, message_id: str) -> Message | None:
        doc = await self._docs.get(_MESSAGES.name, message_id)
        return _message.validate_python(doc) if doc else None

    async def latest_messages(self, conversation_id: str, limit: int) -> list[Message]:
        """The last ``limit``, oldest first."""
        docs = await self._docs.find(
            _MESSAGES.name, {"conversation_id": conversation_id}, sort="number", descending=True, limit=limit
        )
        return [_message.validate_python(doc) for doc in reversed(docs)]

    async def count_messages(self, conversation_id: str) -> int:
        return await self._docs.count(_MESSAGES.name, {"conversation_id": conversation_id})
