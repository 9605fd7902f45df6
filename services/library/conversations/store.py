"""The tables of conversations."""

from soundwright.kit.ports import Collection, Docs, Index
from soundwright.services.library.conversations.service import Conversation, Message
from soundwright.services.library.table import Table

_CONVERSATIONS = Collection("conversations", (Index(("owner_id", "update_time")),))
_MESSAGES = Collection("conversation_messages", (Index(("conversation_id", "number")),))


class ConversationDocs:
    """Conversations and their messages."""

    def __init__(self, docs: Docs) -> None:
        self.conversations = Table(docs, _CONVERSATIONS, Conversation)
        self.messages = Table(docs, _MESSAGES, Message)

    async def prepare(self) -> None:
        await self.conversations.prepare()
        await self.messages.prepare()
