"""What an account owns in all parts of the library, and its removal."""

from soundwright.kit.errors import suppressed
from soundwright.kit.ports import Docs
from soundwright.kit.security.identity import Principal
from soundwright.services.library.catalog.records import ClipFilter, ClipSort
from soundwright.services.library.catalog.service import Catalog
from soundwright.services.library.catalog.votes import Votes
from soundwright.services.library.documents import walk
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.retention.store import RetentionDocs
from soundwright.services.library.stores import Stores
from soundwright.services.library.tracks.deletions import TrackDeletions

_BATCH = 100
# Documents that nothing else depends on, by the field with their owner.
_OWN = (
    ("playlists", "owner_id"),
    ("setlists", "owner_id"),
    ("favorites", "listener_id"),
    ("tag_suggestions", "listener_id"),
    ("plays", "listener_id"),
    ("tokens", "account_id"),
    ("sessions", "account_id"),
    ("links", "account_id"),
    ("connections", "account_id"),
)


class Belongings:
    """Removes what an account owns. Clips of others keep the number of its plays, and lose its votes."""

    def __init__(
        self, docs: Docs, stores: Stores, tracks: TrackDeletions, catalog: Catalog, votes: Votes, ledger: JobLedger
    ) -> None:
        self._docs = docs
        self._stores = stores
        self._tracks = tracks
        self._catalog = catalog
        self._votes = votes
        self._ledger = ledger
        self._retention = RetentionDocs(docs)

    async def remove(self, account_id: str) -> bool:
        """Remove what an account owns. Return whether nothing is left. Jobs that run are cancelled, and left until they end."""
        owner = Principal(account_id, "user")
        for collection, field in _OWN:
            async for doc in walk(self._docs, collection, {field: account_id}):
                await self._docs.delete(collection, doc["id"])
        async for webhook in self._stores.webhooks.webhooks.walk({"owner_id": account_id}):
            await self._stores.webhooks.delete(webhook.id)
        async for conversation in self._stores.conversations.conversations.walk({"owner_id": account_id}):
            await self._stores.conversations.messages.delete_all({"conversation_id": conversation.id})
            await self._stores.conversations.conversations.delete(conversation.id)
        async for vote in walk(self._docs, "votes", {"listener_id": account_id}):
            with suppressed("GENERATION_NOT_FOUND"):
                await self._votes.vote(owner, vote["clip_id"], 0)
        async for track in walk(self._docs, "tracks", {"owner_id": account_id}):
            with suppressed("TRACK_NOT_FOUND"):
                await self._tracks.delete(owner, track["id"])
        own_clips = ClipFilter(owner_id=account_id)
        while clips := (await self._catalog.list_clips(own_clips, ClipSort.RECENT, 0, _BATCH))[0]:
            for clip in clips:
                with suppressed("GENERATION_NOT_FOUND"):
                    await self._catalog.delete(owner, clip.id)
        return await self._remove_jobs(account_id)

    async def _remove_jobs(self, account_id: str) -> bool:
        left = False
        async for doc in walk(self._docs, "jobs", {"owner_id": account_id}):
            job = await self._stores.jobs.get(doc["id"])
            if job is None:
                continue
            has_ended = await self._tracks.end_job(job)
            if not has_ended or job.results_pending or await self._retention.has_results(job.id):
                left = True
                continue
            await self._retention.delete_clip_traces(job.id)
            await self._docs.delete("jobs", job.id)
        return not left
