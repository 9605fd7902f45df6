"""Deletion of accounts. A deleted account is gone at once; what it owned is removed even after a crash.

The record of a deletion is written first. The sweeper removes what the account owns, again and again for a day, because requests
that began before the deletion may still store something.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.log import get_logger
from soundwright.kit.periodic import failures_logged
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import GUEST_ROLE
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.records import AccountDeletion
from soundwright.services.library.identity.service import Accounts
from soundwright.services.library.identity.sessions import Sessions

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore

_REPEAT_SECONDS = 86400.0
_SUPER_ADMIN = "super_admin"
log = get_logger()


@dataclass(eq=False)
class AccountDeletions:
    """Deletes accounts and what they own.

    Args:
        remove_belongings: removes what an account with this ID owns; returns whether nothing is left.
    """

    store: "IdentityStore"
    accounts: Accounts
    sessions: Sessions
    audit: AuditLog
    clock: Clock
    remove_belongings: Callable[[str], Awaitable[bool]]

    async def delete(self, session_secret: str, current_password: str, address: str) -> None:
        """Delete the account of a session. :meth:`resume` removes what it owns.

        Raises ``AppError``: errors of :meth:`Accounts.reauthenticate`, except for guests; ``LAST_SUPER_ADMIN``.
        """
        account = (await self.sessions.authenticate(session_secret, passive=True)).account
        if account.role != GUEST_ROLE:
            await self.accounts.reauthenticate(session_secret, current_password, address, {})
        if account.role == _SUPER_ADMIN:
            await self._resign(account)
        await self.audit.record(account, "delete", "user", account.id, address=address)
        await self.store.deletions.add(AccountDeletion(account.id, self.clock.now()))
        await self.store.accounts.delete(account.id)
        log.info("account.deleted", account_id=account.id)

    async def _resign(self, account: Account) -> None:
        """Give up the role of a super_admin, unless no other one would remain. Two who resign at once may both be refused."""
        await self.store.change_account(account.id, lambda current: dataclasses.replace(current, role="user"))
        if await self.store.count_active(_SUPER_ADMIN):
            return
        await self.store.change_account(account.id, lambda current: dataclasses.replace(current, role=_SUPER_ADMIN))
        raise errors.LAST_SUPER_ADMIN()

    async def resume(self) -> int:
        """Remove deleted accounts, and what they own. Return how many accounts are done."""
        count = 0
        async for deletion in self.store.deletions.walk():
            with failures_logged("account.deletion_interrupted", account_id=deletion.id):
                await self.store.accounts.delete(deletion.id)  # the request may have ended before this step
                is_empty = await self.remove_belongings(deletion.id)
                if is_empty and self.clock.now() - deletion.delete_time > _REPEAT_SECONDS:
                    count += await self.store.deletions.delete(deletion.id)
        return count
