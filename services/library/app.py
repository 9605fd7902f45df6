"""Builds, starts and stops the library."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from soundwright.library.v1 import (
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    connection_service_pb2,
    connection_service_pb2_grpc,
    conversation_service_pb2,
    conversation_service_pb2_grpc,
    library_service_pb2,
    library_service_pb2_grpc,
    webhook_service_pb2,
    webhook_service_pb2_grpc,
)

from kit.jobs import publish_run
from kit.outbound.guard import Guard
from kit.ports import Clock, Docs
from kit.run import Runtime
from kit.sealing import Sealer
from services.library.account_rpc import AccountRpc, AdminRpc
from services.library.catalog import Catalog
from services.library.catalog_rpc import CatalogRpc
from services.library.catalog_store import CatalogStore
from services.library.connection_rpc import ConnectionRpc
from services.library.conversation_rpc import ConversationRpc
from services.library.conversation_store import ConversationStore
from services.library.conversations import Conversations
from services.library.favorites import Favorites
from services.library.ledger import JobLedger
from services.library.listener_store import ListenerStore
from services.library.people import gather
from services.library.play_store import PlayStore
from services.library.playlist_store import PlaylistStore
from services.library.playlists import Playlists
from services.library.plays import Plays
from services.library.queue import JobQueue
from services.library.rpc import JobRpc, TrackRpc, job_to_wire
from services.library.service import Job
from services.library.settings import LibrarySettings
from services.library.store import LibraryStore
from services.library.sweeper import Sweeper
from services.library.tags import Tags
from services.library.track_deletions import TrackDeletions
from services.library.tracks import Tracks
from services.library.trends import Trends
from services.library.votes import Votes
from services.library.webhook_delivery import Courier
from services.library.webhook_rpc import WebhookRpc
from services.library.webhook_store import WebhookDocs
from services.library.webhooks import Webhooks

__all__ = ["app"]


@contextlib.asynccontextmanager
async def app(runtime: Runtime[LibrarySettings]) -> AsyncIterator[None]:
    """The library, for the length of the block."""
    settings = runtime.settings
    docs = runtime.docs()
    store, clips, conversations = LibraryStore(docs), CatalogStore(docs), ConversationStore(docs)
    people = gather(docs, settings, runtime.clock)
    await store.prepare()
    await clips.prepare()
    await conversations.prepare()
    await people.store.prepare()
    letterbox = WebhookDocs(docs)
    await letterbox.prepare()
    runtime.check("documents", store.ping)
    await people.accounts.bootstrap(
        settings.admin_email, settings.admin_password.get_secret_value(), settings.data_dir / "admin-token"
    )
    bus = await runtime.bus()
    ledger = JobLedger(store, store, clips, runtime.clock)

    async def publish(job: Job) -> None:
        await publish_run(bus, job_to_wire(job), job.publication)

    catalog = Catalog(clips, runtime.blobs(), runtime.clock)
    deletions = TrackDeletions(store, ledger, runtime.blobs(), runtime.clock)
    chores = {"deletion": catalog.resume_deletions, "track_deletion": deletions.resume, "expiry": people.expire}
    guard, sealer = Guard(settings.fetch_allow_hosts), Sealer(settings.signing_key())
    webhooks = Webhooks(letterbox, store, guard, sealer, runtime.clock)
    courier = Courier(webhooks, letterbox, guard, sealer, runtime.clock, settings.webhook_retry_seconds)
    chores |= {"webhook": webhooks.tell_ended, "webhook_log": webhooks.expire}
    sweeper = Sweeper(store, ledger, bus, runtime.clock, publish, settings.lost_command_seconds, chores)
    server = runtime.rpc_server()
    library_service_pb2_grpc.add_AccountServiceServicer_to_server(
        AccountRpc(people.accounts, people.sessions, people.tokens, people.mailboxes), server.server
    )
    library_service_pb2_grpc.add_AdminServiceServicer_to_server(
        AdminRpc(people.administration, people.store, store), server.server
    )
    library_service_pb2_grpc.add_TrackServiceServicer_to_server(
        TrackRpc(Tracks(store, runtime.clock), deletions), server.server
    )
    library_service_pb2_grpc.add_JobServiceServicer_to_server(
        JobRpc(ledger, JobQueue(store, runtime.clock)), server.server
    )
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(
        _catalog_rpc(catalog, docs, runtime.clock), server.server
    )
    webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server(WebhookRpc(webhooks, courier), server.server)
    conversation_service_pb2_grpc.add_ConversationServiceServicer_to_server(
        ConversationRpc(Conversations(conversations, runtime.clock)), server.server
    )
    connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(
        ConnectionRpc(people.connections), server.server
    )
    server.announce_all(connection_service_pb2)
    server.announce_all(conversation_service_pb2)
    server.announce_all(library_service_pb2)
    server.announce_all(catalog_service_pb2)
    server.announce_all(webhook_service_pb2)
    ends = await bus.subscribe("soundwright.evt.*.v1.job.*", courier.hear)
    async with runtime.serving(server):
        work = (sweeper.run(settings.sweep_seconds), people.letters.run(), courier.run())
        running = [asyncio.create_task(part) for part in work]
        try:
            yield
        finally:
            await ends.close()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


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
    )
