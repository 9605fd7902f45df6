"""Queries on queued emails."""

from __future__ import annotations

import dataclasses

from kit.ports import Collection, Docs, Index, LessThan
from services.library.documents import from_doc
from services.library.mail.service import QueuedEmail

__all__ = ["EmailDocs"]

_EMAILS = Collection("email_queue", (Index(("due_time",)),))


class EmailDocs:
    """The email queue in the document store."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def prepare(self) -> None:
        """Create the collection and its index if they are missing."""
        await self._docs.ensure(_EMAILS)

    async def insert(self, email: QueuedEmail) -> None:
        """Store a new email."""
        await self._docs.insert(_EMAILS.name, dataclasses.asdict(email))

    async def list_due(self, now: float, limit: int) -> list[QueuedEmail]:
        """Return emails whose ``due_time`` has passed: unclaimed emails, oldest first, then expired claims."""
        docs = await self._docs.find(_EMAILS.name, {"due_time": LessThan(now)}, sort="due_time", limit=limit)
        return [from_doc(QueuedEmail, doc) for doc in docs]

    async def replace(self, email: QueuedEmail) -> bool:
        """Replace an email. Return False if another process changed or deleted it."""
        return await self._docs.replace(_EMAILS.name, dataclasses.asdict(email), email.revision)

    async def delete(self, email_id: str) -> None:
        """Delete an email."""
        await self._docs.delete(_EMAILS.name, email_id)
