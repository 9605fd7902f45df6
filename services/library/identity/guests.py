"""Guest accounts: without email address and password, for visitors of a platform with open access."""

import uuid
from typing import TYPE_CHECKING

from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import GUEST_ROLE
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.credentials import NO_PASSWORD
from soundwright.services.library.identity.login_throttle import Budget, LoginThrottle
from soundwright.services.library.identity.sessions import Sessions

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore

_BATCH = 20
_MIN_AGE_SECONDS = 86400.0
_PAUSE_SECONDS = 3600.0


class Guests:
    """Creates guest accounts, and deletes those that nobody can use any more and that own nothing."""

    def __init__(
        self,
        store: "IdentityStore",
        sessions: Sessions,
        throttle: LoginThrottle,
        clock: Clock,
        attempts_per_address: int,
    ) -> None:
        """
        Args:
            attempts_per_address: guest accounts that one IP address may create without a wait.
        """
        self._store = store
        self._sessions = sessions
        self._throttle = throttle
        self._clock = clock
        self._budget = Budget(attempts_per_address, wait_seconds=2.0, limit_seconds=900.0)
        self._cursor: Account | None = None
        self._next_walk_time = 0.0

    async def create(self, address: str) -> tuple[str, Account]:
        """Create a guest account, and return the secret of its session and the account.

        The session is the only way into the account, until the guest registers.

        Args:
            address: the IP address of the client.

        Raises ``RATE_LIMITED``.
        """
        await self._throttle.acquire("guest", address, self._budget)
        account_id = str(uuid.uuid4())
        account = Account(
            id=account_id,
            email=f"guest:{account_id}",  # unique, and no email address
            role=GUEST_ROLE,
            status="active",
            password_hash=NO_PASSWORD,
            create_time=self._clock.now(),
        )
        await self._store.accounts.add(account)
        return await self._sessions.open_guest(account), account

    async def delete_abandoned(self) -> int:
        """Delete guests of the next batch who have no session and own nothing, and return their number.

        One call looks at a batch, and the next call at the batch behind it. After the last one, the walk pauses for an hour.
        """
        now = self._clock.now()
        if self._cursor is None and now < self._next_walk_time:
            return 0
        guests = await self._store.list_guests(now - _MIN_AGE_SECONDS, self._cursor, _BATCH)
        self._cursor = guests[-1] if len(guests) == _BATCH else None
        if self._cursor is None:
            self._next_walk_time = now + _PAUSE_SECONDS
        return sum([await self._delete_if_abandoned(guest) for guest in guests])

    async def _delete_if_abandoned(self, guest: Account) -> bool:
        # A guest without a session gets no other one, so nothing can be added between these calls.
        if await self._store.sessions.first({"account_id": guest.id}) or await self._store.owns_anything(guest.id):
            return False
        return await self._store.accounts.delete(guest.id)
