"""The stores of the library over one document store."""

from __future__ import annotations

from kit.ports import Docs
from services.library.catalog.store import CatalogStore
from services.library.conversations.store import ConversationDocs
from services.library.identity.store import IdentityStore
from services.library.jobs.store import JobDocs
from services.library.mail.store import queued_emails
from services.library.schema import migrate
from services.library.storage.store import StorageDocs
from services.library.tracks.store import TrackDocs
from services.library.webhooks.store import WebhookDocs


class Stores:
    """The store of each room. A store may be opened twice, because it has no state of its own."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs
        self.jobs = JobDocs(docs)
        self.tracks = TrackDocs(docs)
        self.clips = CatalogStore(docs)
        self.conversations = ConversationDocs(docs)
        self.identity = IdentityStore(docs)
        self.emails = queued_emails(docs)
        self.webhooks = WebhookDocs(docs, self.identity.token_epoch, self.identity.has_token)
        self.storage = StorageDocs(docs)

    async def prepare(self) -> None:
        """Migrate the documents, and create missing collections and indexes.

        Repeated and concurrent calls, by several processes too, are safe.
        """
        await migrate(self._docs)
        for store in (
            self.jobs, self.tracks, self.clips, self.conversations, self.identity, self.emails, self.webhooks, self.storage,
        ):  # fmt: skip
            await store.prepare()
