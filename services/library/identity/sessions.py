"""Browsers that are logged in."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.services.library.bearer_secrets import digest, new_secret
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.credentials import Session, require_active

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore

_LIFETIME_SECONDS = 14 * 86400.0
_RENEWAL_SECONDS = 7 * 86400.0
_FRESH_SECONDS = 600.0
# Pages send requests in parallel. After a renewal, requests with the old secret remain valid for this long.
_OVERLAP_SECONDS = 60.0
_USE_TIME_PRECISION_SECONDS = 60.0
_USER_AGENT_LIMIT_CHARS = 400


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


@dataclass(frozen=True)
class Visit:
    """Where a request comes from: the IP address of the client, and what its browser says of itself."""

    ip_address: str = ""
    user_agent: str = ""


class Sessions:
    """Manages sessions. A session lasts 14 days. If it is used after 7 days, it is replaced by a new one."""

    def __init__(self, store: "IdentityStore", clock: Clock, audit: AuditLog) -> None:
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
        return await self._begin(account, remembered)

    async def open_guest(self, account: Account) -> str:
        """Create the session of a new guest, which outlives the browser process, and return its secret."""
        return await self._begin(account, True)

    async def authenticate(self, secret: str, *, passive: bool = False, visit: Visit | None = None) -> ActiveSession:
        """Return the session with this secret. Renew it if it is old, and record when it was used.

        Args:
            passive: do not renew the session.
            visit: the request of the browser; None: there is none to record.

        Raises ``UNAUTHORIZED`` for an unknown, expired or revoked session; ``ACCOUNT_SUSPENDED``.
        """
        now = self._clock.now()
        session = await self._store.sessions.get(digest(secret))
        account = await self._store.accounts.get(session.account_id) if session else None
        expired = errors.SESSION_ENDED()
        if session is None or account is None or session.expire_time <= now:
            raise expired
        require_active(account)  # before the epoch, so that suspended users learn why their session ended
        if session.epoch != account.session_epoch:
            raise expired
        fresh = now - session.authenticate_time < _FRESH_SECONDS
        renewed = ""
        if now - session.create_time >= _RENEWAL_SECONDS and not session.renewed and not passive:
            renewed = await self._renew(session, visit)  # first: if the store fails then, the session stays as it is
            ending = dataclasses.replace(session, renewed=True, expire_time=now + _OVERLAP_SECONDS)
            if not await self._store.sessions.replace(ending):  # a parallel request has renewed the session
                await self.close(renewed)
                renewed = ""
        elif visit and not session.renewed:
            session = await self._record(session, visit)
        return ActiveSession(session, account, fresh, renewed)

    async def close(self, secret: str) -> None:
        await self._store.sessions.delete(digest(secret))

    async def list_own(self, account_id: str, offset: int, limit: int) -> tuple[list[Session], int]:
        """Return a page of the valid sessions of an account, newest first, and their total count.

        Raises ``ACCOUNT_NOT_FOUND``.
        """
        account, now = await self._get_account(account_id), self._clock.now()
        where = {"account_id": account.id, "epoch": account.session_epoch, "renewed": False}
        sessions, count = await self._store.sessions.page(
            where, sort="create_time", descending=True, offset=offset, limit=limit
        )
        return [session for session in sessions if session.expire_time > now], count

    async def end(self, account_id: str, public_id: str) -> None:
        """End a session of the account. Raises ``SESSION_NOT_FOUND``."""
        ended = [
            session
            async for session in self._store.sessions.walk({"account_id": account_id})
            if session.public_id == public_id
        ]
        if not ended:
            raise errors.SESSION_NOT_FOUND()
        await self._delete(account_id, ended)

    async def end_others(self, account_id: str, kept_id: str) -> None:
        """End all sessions of the account, except the one with this ID."""
        ended = [
            session
            async for session in self._store.sessions.walk({"account_id": account_id})
            if session.public_id != kept_id
        ]
        await self._delete(account_id, ended)

    async def _delete(self, account_id: str, sessions: list[Session]) -> None:
        account = await self._get_account(account_id)
        for public_id in dict.fromkeys(session.public_id for session in sessions):
            await self._audit.record(account, "session_end", "session", public_id)
        for session in sessions:
            await self._store.sessions.delete(session.id)

    async def _get_account(self, account_id: str) -> Account:
        account = await self._store.accounts.get(account_id)
        if account is None:
            raise errors.ACCOUNT_NOT_FOUND()
        return account

    async def _record(self, session: Session, visit: Visit) -> Session:
        now = self._clock.now()
        if session.use_time is not None and now - session.use_time < _USE_TIME_PRECISION_SECONDS:
            return session
        used = _used(session, visit, now)
        # A conflict is fine: a parallel request has just recorded the same use, or ended the session.
        return (
            dataclasses.replace(used, revision=used.revision + 1)
            if await self._store.sessions.replace(used)
            else session
        )

    async def _renew(self, session: Session, visit: Visit | None) -> str:
        now = self._clock.now()
        used = _used(session, visit, now) if visit else session
        return await self._insert(
            dataclasses.replace(
                used, login_id=session.public_id, create_time=now, expire_time=now + _LIFETIME_SECONDS, revision=0
            )
        )

    async def _begin(self, account: Account, remembered: bool) -> str:
        now = self._clock.now()
        return await self._insert(
            Session("", account.id, account.session_epoch, remembered, now, now, now + _LIFETIME_SECONDS)
        )

    async def _insert(self, session: Session) -> str:
        secret = new_secret()
        await self._store.sessions.add(dataclasses.replace(session, id=digest(secret)))
        return secret


def _used(session: Session, visit: Visit, now: float) -> Session:
    user_agent = visit.user_agent[:_USER_AGENT_LIMIT_CHARS]
    return dataclasses.replace(session, use_time=now, ip_address=visit.ip_address, user_agent=user_agent)
