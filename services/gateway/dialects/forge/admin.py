"""Administration: users, the audit log, and the jobs of all users."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.security.identity import GUEST_ROLE, ROLE_RANKS
from soundwright.library.v1 import account_pb2, job_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import JOB_TYPES, data, job_to_wire, listing, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data, JobSummary, Page
from soundwright.services.gateway.openapi.responses import Time, Uuid, documented
from soundwright.services.gateway.wire.parameters import AccountId, JobId, PageNumber, PageSize, body_of, body_schema

_STATES = {
    job_pb2.JOB_STATE_QUEUED: "queued",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "cancelled",
}
_KINDS = {name: kind for kind, name in JOB_TYPES.items()}
_ROLES = ", ".join((GUEST_ROLE, *ROLE_RANKS))
_STATUSES = "active, suspended, banned"


class AccountChanges(BaseModel):
    """Changes to a user. Omitted fields do not change."""

    role: str = Field(
        "",
        description="The new role. Empty: no change.",
        json_schema_extra={"enum": ["", *ROLE_RANKS]},
        examples=["pro"],
    )
    status: str = Field(
        "",
        description="The new status. Empty: no change.",
        json_schema_extra={"enum": ["", *_STATUSES.split(", ")]},
        examples=["active"],
    )
    storage_quota_bytes: int | None = Field(
        None,
        ge=-1,
        le=10**18,
        description="The new storage quota. Null: no change; 0: no limit; -1: the default of the server.",
        examples=[5000000000],
    )


class User(TypedDict):
    """An account as administrators see it."""

    id: Uuid
    email: Annotated[str, Field(description="Of a guest: `guest:` and the ID.", examples=["you@example.com"])]
    role: Annotated[str, Field(description=f"One of: {_ROLES}.", examples=["user"])]
    status: Annotated[str, Field(description=f"One of: {_STATUSES}.", examples=["active"])]
    track_count: Annotated[int, Field(ge=0, examples=[12])]
    storage_used_bytes: Annotated[int, Field(ge=0, description="Size of all files of the user.", examples=[52428800])]
    storage_quota_bytes: Annotated[
        int | None, Field(description="The storage quota. 0: no limit. Null: the default of the server.")
    ]
    confirmed_at: Annotated[
        Time | None, Field(description="When the user confirmed the email address. Null if not confirmed.")
    ]
    inserted_at: Time | None


class AuditEntry(TypedDict):
    """An action of an administrator, a login, or the creation or revocation of a token."""

    id: Uuid
    action: Annotated[str, Field(examples=["suspend"])]
    resource_type: Annotated[str, Field(examples=["account"])]
    resource_id: Annotated[str, Field(examples=["0f8fad5b-d9cb-469f-a165-70867728950e"])]
    changes: Annotated[
        dict[str, Any],
        Field(description="Old and new values by field.", examples=[{"status": {"from": "active", "to": "suspended"}}]),
    ]
    actor_id: Annotated[Uuid | None, Field(description="Null: nobody with an account, whose login failed.")]
    actor_email: Annotated[str, Field(examples=["admin@example.com"])]
    ip_address: Annotated[str, Field(examples=["203.0.113.9"])]
    inserted_at: Time | None


class OwnedJob(JobSummary):
    """A job with the ID of its owner."""

    owner_id: Annotated[str, Field(examples=["0f8fad5b-d9cb-469f-a165-70867728950e"])]


class JobOverview(TypedDict):
    """The number of jobs by type and status, and a page of jobs."""

    counts: Annotated[dict[str, dict[str, int]], Field(examples=[{"analysis": {"completed": 31, "failed": 1}}])]
    jobs: list[OwnedJob]


def admin_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/admin", tags=["forge admin"])
    admin = gateway.clients.admin

    @router.get("/users")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[list[User]], errors.ROLE_TOO_LOW, errors.VALIDATION_ERROR)
    async def list_users(
        page: PageNumber = 1,
        page_size: PageSize = 25,
        search: Annotated[str, Query(max_length=200, description="Part of the email address.")] = "",
        role: Annotated[str, Query(max_length=200, description=f"One of: {_ROLES}.")] = "",
        status: Annotated[str, Query(max_length=200, description=f"One of: {_STATUSES}.")] = "",
    ) -> Response:
        """List users, newest first. Filter by email address, role and status."""
        answer = await admin.ListAccounts(
            pb.ListAccountsRequest(page=page, page_size=page_size, search=search, role=role, status=status)
        )
        return listing([_user_to_wire(user) for user in answer.accounts], page, page_size, answer.total_count)

    @router.patch("/users/{user_id}", openapi_extra=body_schema(AccountChanges))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[User],
        errors.ROLE_TOO_LOW,
        errors.RANK_TOO_HIGH,
        errors.ACCOUNT_NOT_FOUND,
        errors.OWN_ACCOUNT,
        errors.LAST_SUPER_ADMIN,
        errors.GUEST_ACCOUNT,
        errors.ACCOUNT_CHANGED,
        errors.VALIDATION_ERROR,
    )
    async def update_user(
        request: Request, user_id: AccountId, changes: Annotated[AccountChanges, Depends(body_of(AccountChanges))]
    ) -> Response:
        """Change a user's role, status or storage quota.

        You cannot assign a role above your own, change a user of a higher role, or change your own account.
        """
        answer = await admin.UpdateAccount(
            pb.UpdateAccountRequest(
                account_id=user_id,
                role=changes.role,
                status=changes.status,
                storage_quota_bytes=changes.storage_quota_bytes,
                ip_address=request.scope["peer"],
            )
        )
        return data(_user_to_wire(answer.account))

    @router.get("/audit")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[list[AuditEntry]], errors.ROLE_TOO_LOW, errors.VALIDATION_ERROR)
    async def list_audit(
        page: PageNumber = 1,
        page_size: PageSize = 25,
        action: Annotated[str, Query(max_length=50, description="Only this action, such as `suspend`.")] = "",
        actor_id: Annotated[str, Query(max_length=50, description="Only actions of this account.")] = "",
    ) -> Response:
        """List logins, actions of administrators, and the creation and revocation of tokens, newest first."""
        answer = await admin.ListAuditEntries(
            pb.ListAuditEntriesRequest(page=page, page_size=page_size, action=action, actor_id=actor_id)
        )
        return listing([_entry_to_wire(entry) for entry in answer.entries], page, page_size, answer.total_count)

    @router.get("/jobs")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[JobOverview], errors.ROLE_TOO_LOW, errors.VALIDATION_ERROR)
    async def get_job_overview(
        page: PageNumber = 1,
        page_size: PageSize = 50,
        job_type: Annotated[str, Query(max_length=50, description=f"One of: {', '.join(_KINDS)}.")] = "",
        status: Annotated[str, Query(max_length=50, description=f"One of: {', '.join(_STATES.values())}.")] = "",
        owner_id: Annotated[str, Query(max_length=200, description="Only jobs of this account.")] = "",
    ) -> Response:
        """Get the number of all jobs by type and status, and a page of the jobs that match the filters, newest first."""
        answer = await admin.GetJobOverview(
            pb.GetJobOverviewRequest(
                page=page,
                page_size=page_size,
                kind=_number_of("job_type", job_type, _KINDS),
                state=_number_of("status", status, {word: number for number, word in _STATES.items()}),
                owner_id=owner_id,
            )
        )
        counts: dict[str, dict[str, int]] = {}
        for entry in answer.counts:
            counts.setdefault(JOB_TYPES.get(entry.kind, "unknown"), {})[_STATES[entry.state]] = entry.count
        jobs: list[OwnedJob] = [{**job_to_wire(job), "owner_id": job.owner_id} for job in answer.jobs]
        return listing({"counts": counts, "jobs": jobs}, page, page_size, answer.total_count)

    @router.delete("/jobs/{job_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.ROLE_TOO_LOW, errors.JOB_NOT_FOUND, errors.JOB_FINISHED, status=204)
    async def cancel_user_job(request: Request, job_id: JobId) -> Response:
        """Cancel a job of any user. The audit log records it."""
        asked = pb.CancelUserJobRequest(job_id=job_id, ip_address=request.scope["peer"])
        await admin.CancelUserJob(asked)
        return Response(status_code=204)

    return router


def _number_of(field: str, word: str, numbers: dict[str, Any]) -> Any:
    """Return the number of an enum's word; 0 for an empty one. Raises ``VALIDATION_ERROR``."""
    if word:
        errors.require_known(field, word, numbers)
    return numbers.get(word, 0)


def _user_to_wire(summary: account_pb2.AccountSummary) -> User:
    counts = {"track_count": summary.track_count, "storage_used_bytes": summary.used_bytes}
    return shaped(summary.account, User, **counts)


def _entry_to_wire(entry: account_pb2.AuditEntry) -> AuditEntry:
    return shaped(entry, AuditEntry, changes=json.loads(entry.changes_json))
