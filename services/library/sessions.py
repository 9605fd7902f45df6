"""Browsers that are logged in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.ports import Clock
from services.library.credentials import Session, digest, new_secret, require_active
from services.library.service import Account

__all__ = ["Opened", "SessionStore", "Sessions"]

_LIFETIME_SECONDS = 14 * 86400.0
_RENEWAL_SECONDS = 7 * 86400.0
_FRESH_SECONDS = 600.0
# Pages ask for several things at once: what was on its way with the old secret still counts.
_OVERLAP_SECONDS = 60.0


class SessionStore(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    async def insert_session(self, session: Session) -> None: ...
    async def session(self, session_hash: str) -> Session | None: ...
    async def replace_session(self, session: Session) -> bool: ...
    async def delete_session(self, session_hash: str) -> bool: ...


@dataclass(frozen=True)
class Opened:
    """A session that counts, and whose it is.

    Attributes:
        fresh: it was logged in a few minutes ago.
        renewed_secret: what to go on with instead; empty: with the one at hand.
    """

    session: Session
    account: Account
    fresh: bool
    renewed_secret: str = ""


class Sessions:
    """A session lives for 14 days; one that is used after 7 gets a new secret and 14 more."""

    def __init__(self, store: SessionStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def open(self, account: Account, remembered: bool) -> str:
        """The secret of a new session. ``account`` is as it was when its owner was recognised."""
        now = self._clock.now()
        return await self._open(account.id, account.session_epoch, remembered, now)

    async def authenticate(self, secret: str, *, passive: bool = False) -> Opened:
        """Whose session it is. A ``passive`` look does not renew it.

        Raises:
            AppError: ``UNAUTHORIZED`` for a session that is unknown, over or revoked; ``ACCOUNT_SUSPENDED``.
        """
        now = self._clock.now()
        session = await self._store.session(digest(secret))
        account = await self._store.account(session.account_id) if session else None
        over = AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Your session is over. Log in again.")
        if session is None or account is None or session.expire_time <= now:
            raise over
        require_active(account)  # first, so that people whose sessions it has ended learn why
        if session.epoch != account.session_epoch:
            raise over
        fresh = now - session.authenticate_time < _FRESH_SECONDS
        renewed = ""
        if now - session.create_time >= _RENEWAL_SECONDS and not session.renewed and not passive:
            ending = dataclasses.replace(session, renewed=True, expire_time=now + _OVERLAP_SECONDS)
            if await self._store.replace_session(ending):  # of several requests at once, one renews
                renewed = await self._open(account.id, session.epoch, session.remembered, session.authenticate_time)
        return Opened(session, account, fresh, renewed)

    async def close(self, secret: str) -> None:
        """Log out; a session that is over is fine."""
        await self._store.delete_session(digest(secret))

    async def _open(self, account_id: str, epoch: int, remembered: bool, authenticate_time: float) -> str:
        secret, now = new_secret(), self._clock.now()
        await self._store.insert_session(
            Session(digest(secret), account_id, epoch, remembered, now, authenticate_time, now + _LIFETIME_SECONDS)
        )
        return secret
