"""Queries on conversations and their messages."""

from __future__ import annotations

import dataclasses

from kit.ports import Collection, Docs, Index
from services.library.conversations.service import Conversation, Message
from services.library.documents import from_doc, insert_if_absent

__all__ = ["ConversationDocs"]

_CONVERSATIONS = Collection("conversations", (Index(("owner_id", "update_time")),))
_MESSAGES = Collection("conversation_messages", (Index(("conversation_id", "number")),))
_BATCH_SIZE = 100


class ConversationDocs:
    """Conversations and messages in the document store."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def prepare(self) -> None:
        """Create missing collections and indexes."""
        await self._docs.ensure(_CONVERSATIONS)
        await self._docs.ensure(_MESSAGES)

    async def insert_conversation(self, conversation: Conversation) -> bool:
        """Store a new conversation. Return False if it already exists."""
        return await insert_if_absent(self._docs, _CONVERSATIONS.name, conversation)

    async def get_conversation(self, conversation_id: str) -> Conversation | None:
        """Return a conversation, or None."""
        doc = await self._docs.get(_CONVERSATIONS.name, conversation_id)
        return from_doc(Conversation, doc) if doc else None

    async def replace_conversation(self, conversation: Conversation) -> bool:
        """Replace a conversation. Return False if it was changed or deleted."""
        return await self._docs.replace(_CONVERSATIONS.name, dataclasses.asdict(conversation), conversation.revision)

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation and its messages.

        Messages are deleted first. After a crash, the conversation is still listed and can be deleted again.
        """
        while docs := await self._docs.find(_MESSAGES.name, {"conversation_id": conversation_id}, limit=_BATCH_SIZE):
            for doc in docs:
                await self._docs.delete(_MESSAGES.name, doc["id"])
        await self._docs.delete(_CONVERSATIONS.name, conversation_id)

    async def list_conversations(self, owner_id: str, offset: int, limit: int) -> list[Conversation]:
        """Return a page of the conversations of an account, latest change first."""
        docs = await self._docs.find(
            _CONVERSATIONS.name,
            {"owner_id": owner_id},
            sort="update_time",
            descending=True,
            offset=offset,
            limit=limit,
        )
        return [from_doc(Conversation, doc) for doc in docs]

    async def count_conversations(self, owner_id: str) -> int:
        """Return the number of conversations of an account."""
        return await self._docs.count(_CONVERSATIONS.name, {"owner_id": owner_id})

    async def insert_message(self, message: Message) -> bool:
        """Store a new message. Return False if it already exists."""
        return await insert_if_absent(self._docs, _MESSAGES.name, message)

    async def get_message(self, message_id: str) -> Message | None:
        """Return a message, or None."""
        doc = await self._docs.get(_MESSAGES.name, message_id)
        return from_doc(Message, doc) if doc else None

    async def list_latest_messages(self, conversation_id: str, limit: int) -> list[Message]:
        """Return the latest ``limit`` messages of a conversation, oldest first."""
        docs = await self._docs.find(
            _MESSAGES.name, {"conversation_id": conversation_id}, sort="number", descending=True, limit=limit
        )
        return [from_doc(Message, doc) for doc in reversed(docs)]

    async def count_messages(self, conversation_id: str) -> int:
        """Return the number of messages of a conversation."""
        return await self._docs.count(_MESSAGES.name, {"conversation_id": conversation_id})
