"""The audit log: what administrators did to others, how accounts were entered, and changes of their credentials."""

import json
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import client_address
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.records import AuditEntry

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore


class AuditLog:
    """Writes the audit log. An entry comes before the action: after a crash, an entry without an action is the lesser evil."""

    def __init__(self, store: "IdentityStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def record(
        self,
        actor: Account | None,
        action: str,
        resource_type: str,
        resource_id: str,
        changes: Mapping[str, Any] | None = None,
        address: str = "",
    ) -> str:
        """Store an entry and return its ID.

        Args:
            actor: None: nobody with an account, for example after a login with an unknown email address.
            action: for example ``login`` or ``role_change``.
            resource_type: for example ``user``, ``token`` or ``generation``.
            address: the IP address of the client; empty: that of the current call, if it is known.
        """
        entry = AuditEntry(
            id=str(uuid.uuid4()),
            actor_id=actor.id if actor else "",
            actor_email=actor.email if actor else "",
            action=action,
            resource_type=resource_type,
            resource_id=resource_id,
            changes_json=json.dumps(changes or {}),
            ip_address=address or client_address(),
            create_time=self._clock.now(),
        )
        await self._store.audit.add(entry)
        return entry.id

    async def record_by(
        self, actor_id: str, action: str, resource_type: str, resource_id: str, changes: Mapping[str, Any] | None = None
    ) -> None:
        """Store an entry of the account with this ID. See :meth:`record`."""
        await self.record(await self._store.accounts.get(actor_id), action, resource_type, resource_id, changes)

    async def withdraw(self, entry_id: str) -> None:
        """Delete the entry of an action that did not take place."""
        await self._store.audit.delete(entry_id)
