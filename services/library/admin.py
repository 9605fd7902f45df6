"""What administrators do to accounts, within their own rank, and the record of it."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock
from services.library.accounts import ROLES, STATUSES
from services.library.service import Account, not_found

__all__ = ["AdminStore", "Administration", "AuditEntry"]

_RANKS = {"user": 0, "pro": 1, "enterprise": 2, "admin": 3, "platform_admin": 3, "super_admin": 5}
_ADMIN_RANK = 3
_STATUS_ACTIONS = {"active": "reactivate", "suspended": "suspend", "banned": "ban"}


@dataclass(frozen=True)
class AuditEntry:
    """An act of an administrator."""

    id: str
    actor_id: str
    actor_email: str
    action: str
    resource_type: str
    resource_id: str
    changes_json: str
    ip_address: str
    create_time: float
    revision: int = 0


class AdminStore(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    async def change_account(self, account_id: str, change: Callable[[Account], Account]) -> Account: ...
    async def list_accounts(
        self, search: str, role: str, status: str, offset: int, limit: int
    ) -> tuple[list[Account], int]: ...
    async def count_active(self, role: str) -> int: ...
    async def insert_audit(self, entry: AuditEntry) -> None: ...
    async def delete_audit(self, entry_id: str) -> None: ...
    async def list_audit(self, offset: int, limit: int) -> tuple[list[AuditEntry], int]: ...


class Administration:
    """For accounts of the rank of an administrator or higher."""

    def __init__(self, store: AdminStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def require_admin(self, principal: Principal) -> Account:
        """The caller's account, as it is now.

        Raises:
            AppError: ``ROLE_TOO_LOW``.
        """
        actor = await self._store.account(principal.id)
        if actor is None or actor.status != "active" or _RANKS.get(actor.role, 0) < _ADMIN_RANK:
            raise _forbidden("ROLE_TOO_LOW", "This needs the role of an administrator.")
        return actor

    async def list_accounts(
        self, principal: Principal, search: str, role: str, status: str, offset: int, limit: int
    ) -> tuple[list[Account], int]:
        """Newest first; ``search`` is a part of the mail address."""
        await self.require_admin(principal)
        _require_known("role", role, ROLES)
        _require_known("status", status, STATUSES)
        return await self._store.list_accounts(search.strip(), role, status, offset, limit)

    async def list_audit(self, principal: Principal, offset: int, limit: int) -> tuple[list[AuditEntry], int]:
        """Newest first."""
        await self.require_admin(principal)
        return await self._store.list_audit(offset, limit)

    async def update_account(
        self, principal: Principal, account_id: str, role: str, status: str, address: str
    ) -> Account:
        """Change role, status or both. Suspending and banning ends all sessions for good.

        Raises:
            AppError: ``ROLE_TOO_LOW``, ``RANK_TOO_HIGH``, ``OWN_ACCOUNT``, ``LAST_SUPER_ADMIN``, ``ACCOUNT_NOT_FOUND``,
                ``VALIDATION_ERROR``.
        """
        actor = await self.require_admin(principal)
        _require_known("role", role, ROLES)
        _require_known("status", status, STATUSES)
        if not (role or status):
            details = {"details": {"role": ["give a role, a status or both"]}}
            raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "There is nothing to change.", details)
        before = await self._store.account(account_id)
        if before is None:
            raise not_found("account")
        after = _changed(actor, before, role, status)
        entries = self._entries(actor, before, after, address)
        # First the record: an act that is written down and did not happen is better than one that nobody knows of.
        for entry in entries:
            await self._store.insert_audit(entry)
        try:
            account = await self._store.change_account(
                account_id, lambda current: _same(before, current, _changed(actor, current, role, status))
            )
            await self._require_super_admin(before, account)
        except AppError:
            for entry in entries:
                await self._store.delete_audit(entry.id)
            raise
        return account

    async def _require_super_admin(self, before: Account, after: Account) -> None:
        """Two who remove each other at the same time both see here that nobody is left, and both take it back."""
        was = (before.role, before.status) == ("super_admin", "active")
        if not was or await self._store.count_active("super_admin"):
            return
        await self._store.change_account(
            after.id, lambda account: dataclasses.replace(account, role=before.role, status=before.status)
        )
        raise AppError(Code.CONFLICT, "LAST_SUPER_ADMIN", "The last super_admin must stay one. Make another one first.")

    def _entries(self, actor: Account, before: Account, after: Account, address: str) -> list[AuditEntry]:
        acts = []
        if before.role != after.role:
            acts.append(("role_change", {"role": {"from": before.role, "to": after.role}}))
        if before.status != after.status:
            acts.append((_STATUS_ACTIONS[after.status], {"status": {"from": before.status, "to": after.status}}))
        return [
            AuditEntry(
                id=str(uuid.uuid4()),
                actor_id=actor.id,
                actor_email=actor.email,
                action=action,
                resource_type="user",
                resource_id=before.id,
                changes_json=json.dumps(changes),
                ip_address=address,
                create_time=self._clock.now(),
            )
            for action, changes in acts
        ]


def _changed(actor: Account, account: Account, role: str, status: str) -> Account:
    """What becomes of the account, if the actor may do that."""
    rank = _RANKS[actor.role]
    if _RANKS[account.role] > rank:
        raise _forbidden("RANK_TOO_HIGH", f"Only a {account.role} may change an account that is one.")
    if role and _RANKS[role] > rank:
        raise _forbidden("RANK_TOO_HIGH", "Nobody can give a role that is higher than their own.")
    changed = dataclasses.replace(account, role=role or account.role, status=status or account.status)
    if account.id == actor.id and (changed.role, changed.status) != (account.role, account.status):
        raise AppError(
            Code.CONFLICT, "OWN_ACCOUNT", "Your own role and status are for another administrator to change."
        )
    if account.status == "active" and changed.status != "active":
        changed = dataclasses.replace(changed, session_epoch=account.session_epoch + 1)
    return changed


def _same(before: Account, current: Account, changed: Account) -> Account:
    """The record says what the account was before, so that must still be true."""
    if (before.role, before.status) != (current.role, current.status):
        raise AppError(Code.STALE, "ACCOUNT_CHANGED", "Somebody else changed this account just now. Look at it again.")
    return changed


def _forbidden(reason: str, message: str) -> AppError:
    return AppError(Code.PERMISSION_DENIED, reason, message)


def _require_known(field: str, value: str, known: tuple[str, ...]) -> None:
    if value and value not in known:
        details = {"details": {field: [f"must be one of: {', '.join(known)}"]}}
        raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", f"There is no {field} {value[:40]!r}.", details)
