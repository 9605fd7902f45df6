"""Builds, starts and stops the library."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc

from kit.jobs import publish_run
from kit.run import Runtime
from services.library.accounts import Accounts
from services.library.rpc import AccountRpc, JobRpc, TrackRpc, job_to_wire
from services.library.service import Job, JobLedger, Tracks
from services.library.settings import LibrarySettings
from services.library.store import LibraryStore
from services.library.sweeper import Sweeper

__all__ = ["app"]


@contextlib.asynccontextmanager
async def app(runtime: Runtime[LibrarySettings]) -> AsyncIterator[None]:
    """The library, for the length of the block."""
    settings = runtime.settings
    store = LibraryStore(runtime.docs())
    await store.prepare()
    runtime.check("documents", store.ping)
    accounts = Accounts(store, runtime.clock)
    await accounts.bootstrap(
        settings.admin_email, settings.admin_password.get_secret_value(), settings.data_dir / "admin-token"
    )
    bus = await runtime.bus()
    ledger = JobLedger(store, store, runtime.clock)

    async def publish(job: Job) -> None:
        await publish_run(bus, job_to_wire(job), job.publication)

    sweeper = Sweeper(store, ledger, bus, runtime.clock, publish, settings.lost_command_seconds)
    server = runtime.rpc_server()
    library_service_pb2_grpc.add_AccountServiceServicer_to_server(AccountRpc(accounts), server.server)
    library_service_pb2_grpc.add_TrackServiceServicer_to_server(TrackRpc(Tracks(store, runtime.clock)), server.server)
    library_service_pb2_grpc.add_JobServiceServicer_to_server(JobRpc(ledger), server.server)
    server.announce_all(library_service_pb2)
    async with runtime.serving(server):
        sweeping = asyncio.create_task(sweeper.run(settings.sweep_seconds))
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
