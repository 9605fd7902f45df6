"""Administration of accounts, and the audit log. Administrators can act on accounts up to their own rank."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import ADMIN_ROLES, ADMINISTRATION_ROLES, GUEST_ROLE, ROLE_RANKS, Principal
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.records import AuditEntry
from soundwright.services.library.identity.service import STATUSES

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore

DEFAULT_QUOTA = -1
"""As a new storage quota: that of the platform."""

_STATUS_ACTIONS = {"active": "reactivate", "suspended": "suspend", "banned": "ban"}


class Administration:
    """Operations for administrators. Each checks the current role of the caller in the store."""

    def __init__(self, store: "IdentityStore", audit: AuditLog) -> None:
        self._store = store
        self._audit = audit

    async def require_admin(self, principal: Principal) -> Account:
        """Return the account of the caller, if it is an active administrator. Raises ``ROLE_TOO_LOW``."""
        actor = await self._store.accounts.get(principal.id)
        if actor is None or actor.status != "active" or actor.role not in ADMINISTRATION_ROLES:
            raise errors.ROLE_TOO_LOW()
        return actor

    async def list_accounts(
        self, principal: Principal, search: str, role: str, status: str, offset: int, limit: int
    ) -> tuple[list[Account], int]:
        """Return a page of accounts, newest first, and the total count.

        Args:
            search: part of the email address.
            role, status: return only accounts with this role and status; empty for all.

        Raises ``ROLE_TOO_LOW``; ``VALIDATION_ERROR`` for an unknown role or status.
        """
        await self.require_admin(principal)
        errors.require_known("role", role, ("", *ROLE_RANKS, GUEST_ROLE))
        errors.require_known("status", status, ("", *STATUSES))
        return await self._store.list_accounts(search.strip(), role, status, offset, limit)

    async def list_audit(
        self, principal: Principal, offset: int, limit: int, action: str = "", actor_id: str = ""
    ) -> tuple[list[AuditEntry], int]:
        """Return a page of the audit log, newest first, and the total count.

        Args:
            action, actor_id: return only entries with this action and of this account; empty for all.

        Raises ``ROLE_TOO_LOW``.
        """
        await self.require_admin(principal)
        return await self._store.list_audit(offset, limit, action, actor_id)

    @contextlib.asynccontextmanager
    async def recorded(
        self, principal: Principal, action: str, resource_type: str, resource_id: str, address: str
    ) -> AsyncIterator[None]:
        """Record an action of an administrator, unless the block raises an ``AppError``.

        Raises ``ROLE_TOO_LOW``; that of the block.
        """
        actor = await self.require_admin(principal)
        entry = await self._audit.record(actor, action, resource_type, resource_id, address=address)
        try:
            yield
        except AppError:
            await self._audit.withdraw(entry)
            raise

    async def update_account(
        self,
        principal: Principal,
        account_id: str,
        role: str,
        status: str,
        address: str,
        storage_quota_bytes: int | None = None,
    ) -> Account:
        """Change the role, the status and the storage quota, and record it in the audit log.

        Suspending or banning an account revokes all its sessions. An empty ``role`` or ``status`` keeps the current one.

        Args:
            storage_quota_bytes: None: no change; 0: no limit; ``DEFAULT_QUOTA``: the default of the platform.

        Raises ``ROLE_TOO_LOW``, ``RANK_TOO_HIGH``, ``OWN_ACCOUNT``, ``LAST_SUPER_ADMIN``, ``ACCOUNT_NOT_FOUND``,
        ``VALIDATION_ERROR``, ``GUEST_ACCOUNT``.
        """
        actor = await self.require_admin(principal)
        errors.require_known("role", role, ("", *ROLE_RANKS))
        errors.require_known("status", status, ("", *STATUSES))
        if not (role or status or storage_quota_bytes is not None):
            sentence = "The request changes nothing. Send role, status or storage_quota_bytes."
            raise errors.invalid("role", "or status or storage_quota_bytes is required", sentence)
        if storage_quota_bytes is not None and storage_quota_bytes < DEFAULT_QUOTA:
            raise errors.invalid("storage_quota_bytes", "must be -1 or greater", "The storage quota is invalid.")
        before = await self._store.accounts.get(account_id)
        if before is None:
            raise errors.ACCOUNT_NOT_FOUND()
        after = _changed(actor, before, role, status, storage_quota_bytes)
        entries = [
            await self._audit.record(actor, action, "user", before.id, changes, address)
            for action, changes in _actions(before, after)
        ]
        try:
            account = await self._store.change_account(
                account_id,
                lambda current: _require_unchanged(
                    before, current, _changed(actor, current, role, status, storage_quota_bytes)
                ),
            )
            await self._require_super_admin(before, account)
        except AppError:
            for entry in entries:
                await self._audit.withdraw(entry)
            raise
        return account

    async def _require_super_admin(self, before: Account, after: Account) -> None:
        """Revert the change if no active super_admin remains.

        Two super_admins who demote each other at the same time both end up here, and both changes are reverted.
        """
        was_super_admin = (before.role, before.status) == ("super_admin", "active")
        if not was_super_admin or await self._store.count_active("super_admin"):
            return
        await self._store.change_account(
            after.id, lambda account: dataclasses.replace(account, role=before.role, status=before.status)
        )
        raise errors.LAST_SUPER_ADMIN()


def _actions(before: Account, after: Account) -> list[tuple[str, dict[str, dict[str, Any]]]]:
    """Return what the audit log says of a change: actions, and the values that each changes."""
    actions: list[tuple[str, dict[str, dict[str, Any]]]] = []
    if before.role != after.role:
        actions.append(("role_change", {"role": {"from": before.role, "to": after.role}}))
    if before.status != after.status:
        actions.append((_STATUS_ACTIONS[after.status], {"status": {"from": before.status, "to": after.status}}))
    if before.storage_quota_bytes != after.storage_quota_bytes:
        quotas = {"from": before.storage_quota_bytes, "to": after.storage_quota_bytes}
        actions.append(("quota_change", {"storage_quota_bytes": quotas}))
    return actions


def _changed(actor: Account, account: Account, role: str, status: str, storage_quota_bytes: int | None) -> Account:
    """Return the changed account. Raises ``RANK_TOO_HIGH``, ``OWN_ACCOUNT``, ``GUEST_ACCOUNT``."""
    rank = ROLE_RANKS[actor.role]
    if account.role == GUEST_ROLE and role:
        raise errors.GUEST_ACCOUNT()
    if ROLE_RANKS.get(account.role, 0) > rank:
        raise errors.RANK_TOO_HIGH(f"Your role is too low to change an account with the role {account.role}.")
    lacks_rights = role in ADMIN_ROLES and actor.role not in ADMIN_ROLES
    if role and (ROLE_RANKS[role] > rank or lacks_rights):
        raise errors.RANK_TOO_HIGH(role=role)
    quota = None if storage_quota_bytes == DEFAULT_QUOTA else storage_quota_bytes
    changed = dataclasses.replace(
        account,
        role=role or account.role,
        status=status or account.status,
        storage_quota_bytes=account.storage_quota_bytes if storage_quota_bytes is None else quota,
    )
    if account.id == actor.id and (changed.role, changed.status) != (account.role, account.status):
        raise errors.OWN_ACCOUNT()
    if account.status == "active" and changed.status != "active":
        changed = dataclasses.replace(changed, session_epoch=account.session_epoch + 1)
    return changed


def _require_unchanged(before: Account, current: Account, changed: Account) -> Account:
    """Return ``changed`` if the account still has the values that the audit entry names."""
    if _audited(before) != _audited(current):
        raise errors.ACCOUNT_CHANGED()
    return changed


def _audited(account: Account) -> tuple[str, str, int | None]:
    return account.role, account.status, account.storage_quota_bytes
