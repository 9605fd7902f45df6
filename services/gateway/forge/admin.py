"""For administrators: users, the record of what was done to them, everybody's jobs."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from soundwright.library.v1 import account_pb2, job_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.responses import Response
from typing_extensions import TypedDict

from services.gateway import refusals
from services.gateway.answers import Time, Uuid, answers
from services.gateway.clients import Gateway
from services.gateway.forge.shapes import Data, JobSummary, Page
from services.gateway.forge.tracks import PageNumber, PageSize
from services.gateway.forge.wire import JOB_TYPES, data, job_to_wire, listing, time_to_wire
from services.gateway.params import AccountId, body_of, body_schema, require_uuid

__all__ = ["admin_routes"]

_STATES = {
    job_pb2.JOB_STATE_QUEUED: "queued",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "cancelled",
}
_ROLES = "user, pro, enterprise, admin, platform_admin, super_admin"
_STATUSES = "active, suspended, banned"


class AccountChanges(BaseModel):
    """What to change about a user; what is left out stays."""

    role: str = Field(
        "", description="empty: as it is", json_schema_extra={"enum": ["", *_ROLES.split(", ")]}, examples=["pro"]
    )
    status: str = Field(
        "", description="empty: as it is", json_schema_extra={"enum": ["", *_STATUSES.split(", ")]}, examples=["active"]
    )


class User(TypedDict):
    """An account as administrators see it."""

    id: Uuid
    email: Annotated[str, Field(examples=["you@example.com"])]
    role: Annotated[str, Field(description=_ROLES, examples=["user"])]
    status: Annotated[str, Field(description=_STATUSES, examples=["active"])]
    track_count: Annotated[int, Field(ge=0, examples=[12])]
    confirmed_at: Annotated[Time | None, Field(description="null: the address is not confirmed")]
    inserted_at: Time | None


class AuditEntry(TypedDict):
    """An act of an administrator."""

    id: Uuid
    action: Annotated[str, Field(examples=["suspend"])]
    resource_type: Annotated[str, Field(examples=["account"])]
    resource_id: Annotated[str, Field(examples=["0f8fad5b-d9cb-469f-a165-70867728950e"])]
    changes: Annotated[
        dict[str, Any], Field(examples=[{"status": {"from": "active", "to": "suspended"}}], description="by field")
    ]
    actor_id: Uuid
    actor_email: Annotated[str, Field(examples=["admin@example.com"])]
    ip_address: Annotated[str, Field(examples=["203.0.113.9"])]
    inserted_at: Time | None


class OwnedJob(JobSummary):
    """A job, and whose it is."""

    owner_id: Annotated[str, Field(examples=["0f8fad5b-d9cb-469f-a165-70867728950e"])]


class JobOverview(TypedDict):
    """How many jobs there are of each kind in each state, and the jobs."""

    counts: Annotated[dict[str, dict[str, int]], Field(examples=[{"analysis": {"completed": 31, "failed": 1}}])]
    jobs: list[OwnedJob]


def admin_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/admin", tags=["forge admin"])
    admin = gateway.clients.admin

    @router.get("/users")
    @answers(Page[list[User]], refusals.ROLE_TOO_LOW, refusals.VALIDATION_ERROR)
    async def list_users(
        page: PageNumber = 1,
        page_size: PageSize = 25,
        search: Annotated[str, Query(max_length=200, description="a part of the email")] = "",
        role: Annotated[str, Query(max_length=200, description=_ROLES)] = "",
        status: Annotated[str, Query(max_length=200, description=_STATUSES)] = "",
    ) -> Response:
        """All users, newest first; those whose email holds ``search``, with this role or status, if you ask for it."""
        answer = await admin.ListAccounts(
            pb.ListAccountsRequest(page=page, page_size=page_size, search=search, role=role, status=status)
        )
        return listing([_user_to_wire(user) for user in answer.accounts], page, page_size, answer.total_count)

    @router.patch("/users/{user_id}", openapi_extra=body_schema(AccountChanges))
    @answers(
        Data[User],
        refusals.ROLE_TOO_LOW,
        refusals.RANK_TOO_HIGH,
        refusals.ACCOUNT_NOT_FOUND,
        refusals.OWN_ACCOUNT,
        refusals.LAST_SUPER_ADMIN,
        refusals.ACCOUNT_CHANGED,
        refusals.VALIDATION_ERROR,
    )
    async def update_user(
        request: Request, user_id: AccountId, changes: Annotated[AccountChanges, Depends(body_of(AccountChanges))]
    ) -> Response:
        """Change a user's role or status. Nobody gives more than they have, or changes their own."""
        answer = await admin.UpdateAccount(
            pb.UpdateAccountRequest(
                account_id=require_uuid(user_id, "account"),
                role=changes.role,
                status=changes.status,
                ip_address=request.scope["peer"],
            )
        )
        return data(_user_to_wire(answer.account))

    @router.get("/audit")
    @answers(Page[list[AuditEntry]], refusals.ROLE_TOO_LOW, refusals.VALIDATION_ERROR)
    async def list_audit(page: PageNumber = 1, page_size: PageSize = 25) -> Response:
        """What administrators did, newest first."""
        answer = await admin.ListAuditEntries(pb.ListAuditEntriesRequest(page=page, page_size=page_size))
        return listing([_entry_to_wire(entry) for entry in answer.entries], page, page_size, answer.total_count)

    @router.get("/jobs")
    @answers(Page[JobOverview], refusals.ROLE_TOO_LOW, refusals.VALIDATION_ERROR)
    async def get_job_overview(page: PageNumber = 1, page_size: PageSize = 50) -> Response:
        """How many jobs there are of each kind in each state, and everybody's jobs, newest first."""
        answer = await admin.GetJobOverview(pb.GetJobOverviewRequest(page=page, page_size=page_size))
        counts: dict[str, dict[str, int]] = {}
        for entry in answer.counts:
            counts.setdefault(JOB_TYPES.get(entry.kind, "unknown"), {})[_STATES[entry.state]] = entry.count
        jobs: list[OwnedJob] = [{**job_to_wire(job), "owner_id": job.owner_id} for job in answer.jobs]
        return listing({"counts": counts, "jobs": jobs}, page, page_size, answer.total_count)

    return router


def _user_to_wire(summary: account_pb2.AccountSummary) -> User:
    account = summary.account
    return {
        "id": account.id,
        "email": account.email,
        "role": account.role,
        "status": account.status,
        "track_count": summary.track_count,
        "confirmed_at": time_to_wire(account, "confirm_time"),
        "inserted_at": time_to_wire(account, "create_time"),
    }


def _entry_to_wire(entry: account_pb2.AuditEntry) -> AuditEntry:
    return {
        "id": entry.id,
        "action": entry.action,
        "resource_type": entry.resource_type,
        "resource_id": entry.resource_id,
        "changes": json.loads(entry.changes_json),
        "actor_id": entry.actor_id,
        "actor_email": entry.actor_email,
        "ip_address": entry.ip_address,
        "inserted_at": time_to_wire(entry, "create_time"),
    }
