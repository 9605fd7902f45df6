"""Browsers that are logged in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.ports import Clock
from services.library.identity.account import Account
from services.library.identity.audit import AuditLog
from services.library.identity.credentials import Session, digest, new_secret, require_active

__all__ = ["ActiveSession", "SessionStore", "Sessions"]

_LIFETIME_SECONDS = 14 * 86400.0
_RENEWAL_SECONDS = 7 * 86400.0
_FRESH_SECONDS = 600.0
# Pages send requests in parallel. After a renewal, requests with the old secret remain valid for this long.
_OVERLAP_SECONDS = 60.0


class SessionStore(Protocol):
    """Stores sessions."""

    async def get_account(self, account_id: str) -> Account | None: ...
    async def insert_session(self, session: Session) -> None: ...
    async def get_session(self, session_hash: str) -> Session | None: ...
    async def replace_session(self, session: Session) -> bool: ...
    async def delete_session(self, session_hash: str) -> bool: ...


@dataclass(frozen=True)
class ActiveSession:
    """A valid session and its account.

    Attributes:
        fresh: the user logged in within the last 10 minutes.
        renewed_secret: the secret that replaces the current one; empty if the session was not renewed.
    """

    session: Session
    account: Account
    fresh: bool
    renewed_secret: str = ""


class Sessions:
    """Manages sessions. A session lasts 14 days. If it is used after 7 days, it is replaced by a new one."""

    def __init__(self, store: SessionStore, clock: Clock, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    async def open(self, account: Account, remembered: bool, address: str = "") -> str:
        """Create a session and return its secret.

        Args:
            account: as it was when the user authenticated. If the account changed since, the session is invalid.
            address: the IP address of the client, for the audit log; empty if it is not known.
        """
        await self._audit.record(account, "login", "user", account.id, address=address)
        now = self._clock.now()
        return await self._open(account.id, account.session_epoch, remembered, now)

    async def authenticate(self, secret: str, *, passive: bool = False) -> ActiveSession:
        """Return the session with this secret, and renew it if it is old.

        Args:
            passive: do not renew the session.

        Raises:
            AppError: ``UNAUTHORIZED`` for an unknown, expired or revoked session; ``ACCOUNT_SUSPENDED``.
        """
        now = self._clock.now()
        session = await self._store.get_session(digest(secret))
        account = await self._store.get_account(session.account_id) if session else None
        expired = AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Your session has ended. Log in again.")
        if session is None or account is None or session.expire_time <= now:
            raise expired
        require_active(account)  # before the epoch, so that suspended users learn why their session ended
        if session.epoch != account.session_epoch:
            raise expired
        fresh = now - session.authenticate_time < _FRESH_SECONDS
        renewed = ""
        if now - session.create_time >= _RENEWAL_SECONDS and not session.renewed and not passive:
            ending = dataclasses.replace(session, renewed=True, expire_time=now + _OVERLAP_SECONDS)
            if await self._store.replace_session(ending):  # only one of parallel requests renews
                renewed = await self._open(account.id, session.epoch, session.remembered, session.authenticate_time)
        return ActiveSession(session, account, fresh, renewed)

    async def close(self, secret: str) -> None:
        """Delete the session if it exists."""
        await self._store.delete_session(digest(secret))

    async def _open(self, account_id: str, epoch: int, remembered: bool, authenticate_time: float) -> str:
        secret, now = new_secret(), self._clock.now()
        await self._store.insert_session(
            Session(digest(secret), account_id, epoch, remembered, now, authenticate_time, now + _LIFETIME_SECONDS)
        )
        return secret
