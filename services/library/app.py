"""Builds, starts and stops the library."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

# Clients that use reflection print jobs, whose specifications are messages of other components.
import soundwright.analysis.v1.jobs_pb2
import soundwright.generation.v1.jobs_pb2
import soundwright.ingest.v1.jobs_pb2
import soundwright.separation.v1.jobs_pb2  # noqa: F401
from soundwright.kit.metrics import SWEPT
from soundwright.kit.periodic import every
from soundwright.kit.ports import Clock, Docs
from soundwright.kit.run import Runtime
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.identity import ANONYMOUS_ROLE, GUEST_ROLE
from soundwright.kit.security.sealing import Sealer
from soundwright.kit.worker.commands import publish_run
from soundwright.services.library.belongings import Belongings
from soundwright.services.library.catalog.favorites import Favorites
from soundwright.services.library.catalog.listener_store import ListenerStore
from soundwright.services.library.catalog.play_store import PlayStore
from soundwright.services.library.catalog.playlist_store import PlaylistStore
from soundwright.services.library.catalog.playlists import Playlists
from soundwright.services.library.catalog.plays import Plays
from soundwright.services.library.catalog.rpc import CatalogRpc
from soundwright.services.library.catalog.service import Catalog
from soundwright.services.library.catalog.tags import Tags
from soundwright.services.library.catalog.totals import Totals
from soundwright.services.library.catalog.trends import Trends
from soundwright.services.library.catalog.votes import Votes
from soundwright.services.library.conversations.rpc import ConversationRpc
from soundwright.services.library.conversations.service import Conversations
from soundwright.services.library.identity.account_deletions import AccountDeletions
from soundwright.services.library.identity.admin_rpc import AdminRpc
from soundwright.services.library.identity.app import build_identity
from soundwright.services.library.identity.connection_rpc import ConnectionRpc
from soundwright.services.library.identity.rpc import AccountRpc
from soundwright.services.library.job_kinds import public_kinds
from soundwright.services.library.job_results import build_ledger
from soundwright.services.library.jobs.attempts import JobAttempts
from soundwright.services.library.jobs.creation import JobCreation
from soundwright.services.library.jobs.queue import JobQueue
from soundwright.services.library.jobs.queue_metrics import QueueMetrics
from soundwright.services.library.jobs.rpc import JobRpc, job_to_wire
from soundwright.services.library.jobs.service import BATCH, Job
from soundwright.services.library.jobs.sweeper import Sweeper
from soundwright.services.library.jobs.watches import JobWatches
from soundwright.services.library.orphans.first_start import require_documents_of_files
from soundwright.services.library.orphans.service import Orphans
from soundwright.services.library.orphans.store import BlobDocs
from soundwright.services.library.retention.app import build_retention
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.storage.rpc import StorageRpc
from soundwright.services.library.storage.service import Storage
from soundwright.services.library.stores import Stores
from soundwright.services.library.tracks.deletions import TrackDeletions
from soundwright.services.library.tracks.downloads import TrackDownloads
from soundwright.services.library.tracks.links import TrackLinks
from soundwright.services.library.tracks.rpc import TrackRpc
from soundwright.services.library.tracks.service import Tracks
from soundwright.services.library.tracks.setlist_rpc import SetlistRpc
from soundwright.services.library.tracks.setlists import Setlists
from soundwright.services.library.transfer.running_libraries import using
from soundwright.services.library.webhooks.deliveries import Deliveries
from soundwright.services.library.webhooks.dispatcher import WebhookDispatcher
from soundwright.services.library.webhooks.rpc import WebhookRpc
from soundwright.services.library.webhooks.service import Webhooks

_JOB_EVENTS = "soundwright.evt.*.v1.job.*"
_METRICS_SECONDS = 5.0
_RETENTION_SECONDS = 3600.0
_FIRST_ORPHAN_SECONDS, _ORPHAN_SECONDS = 600.0, 6 * 3600.0


@contextlib.asynccontextmanager
async def app(runtime: Runtime[LibrarySettings]) -> AsyncIterator[None]:
    settings = runtime.settings
    docs = runtime.docs()
    await runtime.enter(using(docs, runtime.clock))
    stores = Stores(docs)
    await stores.prepare()
    blobs = runtime.blobs()
    await require_documents_of_files(docs, blobs)
    jobs, tracks, clips, webhook_store = stores.jobs, stores.tracks, stores.clips, stores.webhooks
    identity = build_identity(docs, settings, runtime.clock)
    await identity.accounts.bootstrap(
        settings.admin_email, settings.admin_password.get_secret_value(), settings.data_dir / "admin-token"
    )
    bus = await runtime.bus(manages_streams=True)

    async def quota_of(owner_id: str) -> int:
        account = await identity.store.accounts.get(owner_id)
        own = account.storage_quota_bytes if account else None
        role = account.role if account and account.role != GUEST_ROLE else ANONYMOUS_ROLE
        return settings.storage_quota_of(role) if own is None else own

    storage = Storage(stores.storage, quota_of, runtime.clock)
    ledger = build_ledger(stores, runtime.clock, storage)

    async def publish(job: Job) -> None:
        await publish_run(bus, job_to_wire(job), job.publication)

    catalog = Catalog(clips, blobs, runtime.clock, ledger.remove_results, identity.audit.record_by)
    deletions = TrackDeletions(tracks, jobs, ledger, blobs, runtime.clock)
    votes = Votes(ListenerStore(docs), runtime.clock)
    belongings = Belongings(docs, stores, deletions, catalog, votes, ledger)
    account_deletions = AccountDeletions(
        identity.store, identity.accounts, identity.sessions, identity.audit, runtime.clock, belongings.remove
    )
    egress_policy, sealer = EgressPolicy(settings.fetch_allow_hosts), Sealer(settings.secrets())
    webhooks = Webhooks(webhook_store, egress_policy, sealer, runtime.clock, identity.audit.record_by)
    deliveries = Deliveries(webhooks, webhook_store, webhook_store.deliveries, jobs, public_kinds(), runtime.clock)
    dispatcher = WebhookDispatcher(
        deliveries,
        webhook_store,
        webhook_store.deliveries,
        egress_policy,
        sealer,
        runtime.clock,
        settings.webhook_retry_seconds,
    )
    sweeper = Sweeper(jobs, ledger, bus, runtime.clock, publish, settings.lost_command_seconds)
    server = runtime.rpc_server(identity.principal_of_token, identity.refuse_names_of_accounts)
    downloads = TrackDownloads(tracks, jobs, runtime.clock, storage)
    links = TrackLinks(
        tracks, runtime.clock, identity.store.token_epoch, identity.store.has_token, identity.audit.record_by
    )
    queue = JobQueue(jobs, runtime.clock)
    watches = JobWatches(ledger, queue)
    creation = JobCreation(ledger, jobs, runtime.clock, storage)
    attempts = JobAttempts(ledger, jobs, runtime.clock, storage)
    talks = stores.conversations
    server.add(
        AccountRpc(
            identity.accounts,
            identity.guests,
            identity.sessions,
            identity.tokens,
            identity.email_links,
            account_deletions,
            runtime.signer,
        ),
        AdminRpc(
            identity.administration,
            identity.consents,
            identity.store,
            jobs,
            ledger,
            stores.storage,
            blobs,
            runtime.clock,
        ),
        ConnectionRpc(identity.connections),
        SetlistRpc(Setlists(tracks, runtime.clock), downloads),
        TrackRpc(Tracks(tracks, runtime.clock, storage), downloads, deletions, links),
        StorageRpc(storage),
        JobRpc(ledger, creation, attempts, queue, watches),
        _catalog_rpc(catalog, docs, runtime.clock),
        WebhookRpc(webhooks, deliveries, dispatcher),
        ConversationRpc(Conversations(talks.conversations, talks.messages, runtime.clock)),
    )
    subscriptions = [await bus.subscribe(_JOB_EVENTS, listener) for listener in (dispatcher.on_event, watches.on_event)]
    async with runtime.serving(server):
        orphans = Orphans(blobs, BlobDocs(docs), runtime.clock)
        retention = build_retention(settings, docs, stores, blobs, ledger, runtime.clock)
        queue_metrics = QueueMetrics(jobs, [kind for kind in public_kinds() if kind != BATCH], runtime.clock)
        sweep_seconds, older_than = settings.sweep_seconds, settings.orphan_age_hours * 3600

        async def delete_orphans() -> int:
            return len(await orphans.delete(older_than))

        repairs: dict[str, Callable[[], Awaitable[int]]] = {
            "deletion": catalog.resume_deletions,
            "track_deletion": deletions.resume,
            "account_deletion": account_deletions.resume,
            "expiry": identity.delete_expired,
            "guest": identity.guests.delete_abandoned,
        }
        work = (
            every(sweep_seconds, "sweep.failed", sweeper.sweep, first_seconds=sweep_seconds),
            *(_repair(name, each, sweep_seconds, sweep_seconds) for name, each in repairs.items()),
            _repair("orphan", delete_orphans, _ORPHAN_SECONDS, _FIRST_ORPHAN_SECONDS),
            every(_RETENTION_SECONDS, "retention.failed", retention.apply),
            every(_METRICS_SECONDS, "queue_metrics.failed", queue_metrics.update),
            identity.email_queue.run(),
            dispatcher.run(),
        )
        running = [asyncio.create_task(part) for part in work]
        try:
            yield
        finally:
            for subscription in subscriptions:
                await subscription.close()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def _repair(name: str, repair: Callable[[], Awaitable[int]], seconds: float, first_seconds: float) -> None:
    """Repeat a repair that returns the number of repaired items. Several libraries may do so at once."""

    async def work() -> None:
        SWEPT.labels(name).inc(await repair())

    await every(seconds, f"{name}.not_repaired", work, first_seconds=first_seconds)


def _catalog_rpc(catalog: Catalog, docs: Docs, clock: Clock) -> CatalogRpc:
    listeners, plays = ListenerStore(docs), PlayStore(docs)
    return CatalogRpc(
        catalog,
        Favorites(listeners, clock),
        Votes(listeners, clock),
        Tags(listeners, clock),
        Playlists(PlaylistStore(docs), clock),
        Plays(plays, clock),
        Trends(plays, clock),
        Totals(listeners, clock),
    )
