"""RPCs of the administration."""

from dataclasses import dataclass
from typing import Any

from soundwright.kit.messages import to_wire, word_from_wire
from soundwright.kit.ports import Blobs, Clock
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import account_pb2, job_pb2, library_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.administration import Administration
from soundwright.services.library.identity.consents import Consents
from soundwright.services.library.identity.rpc import account_to_wire
from soundwright.services.library.identity.store import IdentityStore
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.jobs.rpc import job_to_wire, listed_job_to_wire
from soundwright.services.library.jobs.service import BATCH, Job, Priority
from soundwright.services.library.jobs.store import JobDocs
from soundwright.services.library.paging import PageRequest, page_bounds
from soundwright.services.library.storage.store import StorageDocs

_PAGE_SIZE_LIMIT = 100
_STATES = job_pb2.JobState.DESCRIPTOR


def _chosen(words: Any, value: int) -> list[str]:
    """Return the word of an enum's value, or all words for the unspecified value."""
    values = [value] if value else [each.number for each in words.values]
    return [word for each in values if (word := word_from_wire(words, each))]


@dataclass(eq=False)
class AdminRpc(library_service_pb2_grpc.AdminServiceServicer):
    """Serves ``AdminService``."""

    administration: Administration
    consents: Consents
    accounts: IdentityStore
    jobs: JobDocs
    ledger: JobLedger
    storage: StorageDocs
    blobs: Blobs
    clock: Clock

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Context) -> pb.ListAccountsResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        accounts, total = await self.administration.list_accounts(
            require_principal(), request.search, request.role, request.status, offset, limit
        )
        summaries = [await self._summary(account) for account in accounts]
        return pb.ListAccountsResponse(accounts=summaries, total_count=total)

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, context: Context) -> pb.UpdateAccountResponse:
        account = await self.administration.update_account(
            require_principal(),
            request.account_id,
            request.role,
            request.status,
            request.ip_address,
            request.storage_quota_bytes if request.HasField("storage_quota_bytes") else None,
        )
        return pb.UpdateAccountResponse(account=await self._summary(account))

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        entries, total = await self.administration.list_audit(
            require_principal(), offset, limit, request.action, request.actor_id
        )
        listed = [to_wire(entry, account_pb2.AuditEntry) for entry in entries]
        return pb.ListAuditEntriesResponse(entries=listed, total_count=total)

    async def GetJobOverview(self, request: pb.GetJobOverviewRequest, context: Context) -> pb.GetJobOverviewResponse:
        await self.administration.require_admin(require_principal())
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        counts = await self.jobs.count_by_kind_and_state()
        kinds, states = _chosen(job_pb2.JobKind.DESCRIPTOR, request.kind), _chosen(_STATES, request.state)
        if not kinds or not states:  # of another release
            jobs, total = list[Job](), 0
        elif request.owner_id:
            page = await self.jobs.list_jobs(request.owner_id, kinds, states, "", PageRequest(limit, offset))
            jobs, total = page.entries, page.total_count
        else:
            filtered = request.kind or request.state
            jobs = await self.jobs.newest_jobs(offset, limit, kinds if filtered else (), states)
            total = sum(count for (kind, state), count in counts.items() if kind in kinds and state in states)
        return pb.GetJobOverviewResponse(
            counts=[
                pb.JobCount(
                    kind=job_pb2.JobKind.Value(f"JOB_KIND_{kind.upper()}"),
                    state=job_pb2.JobState.Value(f"JOB_STATE_{state.upper()}"),
                    count=count,
                )
                for (kind, state), count in sorted(counts.items())
            ],
            jobs=[listed_job_to_wire(job) for job in jobs],
            total_count=total,
        )

    async def CancelUserJob(self, request: pb.CancelUserJobRequest, context: Context) -> pb.CancelUserJobResponse:
        principal = require_principal()
        async with self.administration.recorded(principal, "cancel", "job", request.job_id, request.ip_address):
            job = await self.ledger.cancel(principal, request.job_id, of_anyone=True)
        return pb.CancelUserJobResponse(job=job_to_wire(job))

    async def GetQueues(self, request: pb.GetQueuesRequest, context: Context) -> pb.GetQueuesResponse:
        await self.administration.require_admin(require_principal())
        queues, now = [], self.clock.now()
        for kind in _chosen(job_pb2.JobKind.DESCRIPTOR, 0):
            if kind == BATCH:  # no worker waits for batches
                continue
            for priority in Priority:
                count, oldest_time = await self.jobs.queued(kind, priority)
                if oldest_time is not None:
                    queue = pb.QueueDepth(queued_count=count, oldest_age_seconds=max(0.0, now - oldest_time))
                    queue.kind = job_pb2.JobKind.Value(f"JOB_KIND_{kind.upper()}")
                    queue.priority = job_pb2.Priority.Value(f"PRIORITY_{priority.upper()}")
                    queues.append(queue)
        return pb.GetQueuesResponse(queues=queues)

    async def AllowModel(self, request: pb.AllowModelRequest, context: Context) -> pb.AllowModelResponse:
        actor = await self.administration.require_admin(require_principal())
        await self.consents.allow(actor, request.model, request.terms)
        return pb.AllowModelResponse()

    async def ListAllowedModels(
        self, request: pb.ListAllowedModelsRequest, context: Context
    ) -> pb.ListAllowedModelsResponse:
        return pb.ListAllowedModelsResponse(models=await self.consents.models())

    async def GetStorage(self, request: pb.GetStorageRequest, context: Context) -> pb.GetStorageResponse:
        await self.administration.require_admin(require_principal())
        space = await self.blobs.space()
        return pb.GetStorageResponse(
            used_bytes=await self.storage.all_stored_bytes(),
            free_bytes=space.free_bytes if space else None,
            total_bytes=space.total_bytes if space else None,
        )

    async def _summary(self, account: Account) -> account_pb2.AccountSummary:
        return account_pb2.AccountSummary(
            account=account_to_wire(account),
            track_count=await self.accounts.count_tracks(account.id),
            used_bytes=await self.storage.stored_bytes(account.id),
        )
