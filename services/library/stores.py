"""The stores of the library over one document store."""

from soundwright.kit.ports import Docs
from soundwright.services.library.catalog.store import CatalogStore
from soundwright.services.library.conversations.store import ConversationDocs
from soundwright.services.library.identity.store import IdentityStore
from soundwright.services.library.jobs.store import JobDocs
from soundwright.services.library.mail.store import queued_emails
from soundwright.services.library.schema import migrate
from soundwright.services.library.storage.store import StorageDocs
from soundwright.services.library.tracks.store import TrackDocs
from soundwright.services.library.webhooks.store import WebhookDocs


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
