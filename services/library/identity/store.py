"""Queries on accounts, their credentials and connections, throttle records, and the audit log."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from kit.errors import AppError
from kit.ports import Collection, Docs, Index, LessThan
from kit.security.identity import GUEST_ROLE
from services.library.access import not_found
from services.library.documents import from_doc, insert_if_absent, insert_in_slot
from services.library.identity.account import Account
from services.library.identity.audit import AuditEntry
from services.library.identity.connections import Connection
from services.library.identity.consents import Consent
from services.library.identity.credentials import ApiToken, Link, Session
from services.library.identity.login_throttle import ThrottleRecord

__all__ = ["IdentityStore"]

_ACCOUNTS = Collection(
    "accounts",
    (
        Index(("email",), unique=True),
        Index(("create_time",)),
        Index(("role", "create_time")),
        Index(("status", "create_time")),
        Index(("role", "status", "create_time")),
    ),
)
_TOKENS = Collection(
    "tokens",
    (Index(("account_id", "create_time")), Index(("account_id", "epoch", "slot"), unique=True, present="slot")),
)
_SESSIONS = Collection(
    "sessions",
    (Index(("account_id", "epoch", "renewed", "create_time")), Index(("account_id",)), Index(("expire_time",))),
)
_LINKS = Collection("links", (Index(("expire_time",)),))
_THROTTLE_RECORDS = Collection("login_throttle", (Index(("forget_time",)),))
_CONNECTIONS = Collection(
    "connections",
    (Index(("account_id",)), Index(("provider", "subject"), unique=True, present="subject")),
)

_AUDIT = Collection(
    "audit",
    (Index(("create_time",)), Index(("action", "create_time")), Index(("actor_id", "create_time"))),
)
_CONSENTS = Collection("consents")
_CONSENT_LIMIT = 1000
_BATCH = 200
_OWNED = (
    ("tracks", "owner_id"),
    ("jobs", "owner_id"),
    ("playlists", "owner_id"),
    ("conversations", "owner_id"),
    ("favorites", "listener_id"),
    ("votes", "listener_id"),
)

T = TypeVar("T")


class IdentityStore:
    """Accounts, API tokens, sessions, email links, connections, throttle records and the audit log in ``Docs``."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def prepare(self) -> None:
        """Create missing collections and indexes."""
        for collection in (_ACCOUNTS, _TOKENS, _SESSIONS, _LINKS, _THROTTLE_RECORDS, _CONNECTIONS, _AUDIT, _CONSENTS):
            await self._docs.ensure(collection)

    async def _get(self, kind: type[T], collection: str, doc_id: str) -> T | None:
        doc = await self._docs.get(collection, doc_id)
        return from_doc(kind, doc) if doc else None

    # accounts

    async def insert_account(self, account: Account) -> bool:
        """Store a new account. Return False if another account has its email address or ID."""
        return await insert_if_absent(self._docs, "accounts", account)

    async def get_account(self, account_id: str) -> Account | None:
        """Return an account, or None."""
        return await self._get(Account, "accounts", account_id)

    async def token_epoch(self, account_id: str) -> int:
        """Return the epoch of an account's API tokens; 0 if there is no account."""
        account = await self.get_account(account_id)
        return account.token_epoch if account else 0

    async def find_account_by_email(self, email: str) -> Account | None:
        """Return the account with an email address, or None."""
        found = await self._docs.find("accounts", {"email": email.strip().lower()}, limit=1)
        return from_doc(Account, found[0]) if found else None

    async def change_account(self, account_id: str, change: Callable[[Account], Account]) -> Account:
        """Replace an account by ``change(account)``, and return it. On a conflict, call ``change`` again.

        Raises:
            AppError: ``ACCOUNT_NOT_FOUND``; ``DOC_EXISTS`` if another account has the new email address; errors of
                ``change``.
        """
        while True:
            account = await self.get_account(account_id)
            if account is None:
                raise not_found("account")
            changed = change(account)
            if await self._docs.replace("accounts", dataclasses.asdict(changed), account.revision):
                return dataclasses.replace(changed, revision=account.revision + 1)

    async def list_accounts(
        self, search: str, role: str, status: str, offset: int, limit: int
    ) -> tuple[list[Account], int]:
        """Return a page of accounts, newest first, and the total count. ``search`` is part of the email address."""
        where = {name: value for name, value in (("role", role), ("status", status)) if value}
        if not search:
            return await self._page(Account, "accounts", where, offset, limit)
        wanted, after, matching = search.lower(), None, list[Account]()
        while docs := await self._docs.find(
            "accounts", where, sort="create_time", descending=True, limit=_BATCH, after=after
        ):
            matching += [from_doc(Account, doc) for doc in docs if wanted in doc["email"]]
            after = (docs[-1]["create_time"], docs[-1]["id"])
        return matching[offset : offset + limit], len(matching)

    async def list_guests(self, before: float, after: Account | None, limit: int) -> list[Account]:
        """Return guests that were created before a time, the oldest first, from the one behind ``after`` on."""
        where = {"role": GUEST_ROLE, "create_time": LessThan(before)}
        position = (after.create_time, after.id) if after else None
        docs = await self._docs.find("accounts", where, sort="create_time", limit=limit, after=position)
        return [from_doc(Account, doc) for doc in docs]

    async def delete_account(self, account: Account) -> bool:
        """Delete an account. Return False if it was already deleted."""
        return await self._docs.delete("accounts", account.id)

    async def owns_anything(self, account_id: str) -> bool:
        """Return whether there is a record of the account. Each clip has a job."""
        for collection, field in _OWNED:
            if await self._docs.find(collection, {field: account_id}, limit=1):
                return True
        return False

    async def count_active(self, role: str) -> int:
        """Return the number of active accounts with a role."""
        return await self._docs.count("accounts", {"role": role, "status": "active"})

    async def count_tracks(self, account_id: str) -> int:
        """Return the number of tracks of an account."""
        return await self._docs.count("tracks", {"owner_id": account_id})

    # API tokens

    async def insert_token(self, token: ApiToken, limit: int) -> bool:
        """Store a new API token. Return False if the account has ``limit`` tokens of this epoch."""
        group = {"account_id": token.account_id, "epoch": token.epoch}
        return await insert_in_slot(self._docs, "tokens", dataclasses.asdict(token), group, limit)

    async def get_token(self, token_hash: str) -> ApiToken | None:
        """Return the API token with this hash, or None."""
        return await self._get(ApiToken, "tokens", token_hash)

    async def list_tokens(self, account_id: str, limit: int) -> list[ApiToken]:
        """Return the API tokens of an account, newest first."""
        where = {"account_id": account_id}
        docs = await self._docs.find("tokens", where, sort="create_time", descending=True, limit=limit)
        return [from_doc(ApiToken, doc) for doc in docs]

    async def replace_token(self, token: ApiToken) -> bool:
        """Replace an API token. Return False if it was changed or deleted."""
        return await self._docs.replace("tokens", dataclasses.asdict(token), token.revision)

    async def delete_token(self, token_hash: str) -> bool:
        """Delete an API token. Return False if it was already deleted."""
        return await self._docs.delete("tokens", token_hash)

    # sessions

    async def insert_session(self, session: Session) -> None:
        """Store a new session."""
        await self._docs.insert("sessions", dataclasses.asdict(session))

    async def get_session(self, session_hash: str) -> Session | None:
        """Return the session with this hash, or None."""
        return await self._get(Session, "sessions", session_hash)

    async def replace_session(self, session: Session) -> bool:
        """Replace a session. Return False if it was changed or deleted."""
        return await self._docs.replace("sessions", dataclasses.asdict(session), session.revision)

    async def has_session(self, account_id: str) -> bool:
        """Return whether the account has a session that was not deleted."""
        return bool(await self._docs.find("sessions", {"account_id": account_id}, limit=1))

    async def delete_session(self, session_hash: str) -> bool:
        """Delete a session. Return False if it was already deleted."""
        return await self._docs.delete("sessions", session_hash)

    async def list_sessions(self, account_id: str, epoch: int, offset: int, limit: int) -> tuple[list[Session], int]:
        """Return a page of the sessions of an account that no other has replaced, newest first, and their total count."""
        where = {"account_id": account_id, "epoch": epoch, "renewed": False}
        return await self._page(Session, "sessions", where, offset, limit)

    async def sessions_after(self, account_id: str, session_hash: str, limit: int) -> list[Session]:
        """Return sessions of an account by their hashes; only those after ``session_hash``, unless it is empty."""
        after = (session_hash, session_hash) if session_hash else None
        docs = await self._docs.find("sessions", {"account_id": account_id}, limit=limit, after=after)
        return [from_doc(Session, doc) for doc in docs]

    # email links

    async def insert_link(self, link: Link) -> None:
        """Store a new link."""
        await self._docs.insert("links", dataclasses.asdict(link))

    async def get_link(self, link_hash: str) -> Link | None:
        """Return the link with this hash, or None."""
        return await self._get(Link, "links", link_hash)

    async def redeem_link(self, link: Link) -> bool:
        """Make a link expire, so that it is deleted later. Return True to exactly one of parallel callers."""
        redeemed = dataclasses.replace(link, expire_time=0.0)
        return await self._docs.replace("links", dataclasses.asdict(redeemed), link.revision)

    # connections

    async def insert_connection(self, connection: Connection) -> bool:
        """Store a new connection. Return False if the account has one to this provider, or its subject is connected."""
        return await insert_if_absent(self._docs, "connections", connection)

    async def get_connection(self, connection_id: str) -> Connection | None:
        """Return a connection, or None."""
        return await self._get(Connection, "connections", connection_id)

    async def find_connection_by_subject(self, provider: str, subject: str) -> Connection | None:
        """Return the connection to an account of a provider, or None."""
        found = await self._docs.find("connections", {"provider": provider, "subject": subject}, limit=1)
        return from_doc(Connection, found[0]) if found else None

    async def list_connections(self, account_id: str) -> list[Connection]:
        """Return the connections of an account."""
        docs = await self._docs.find("connections", {"account_id": account_id}, limit=_BATCH)
        return [from_doc(Connection, doc) for doc in docs]

    async def replace_connection(self, connection: Connection) -> bool:
        """Replace a connection. Return False if it was changed or deleted, or if its subject is connected elsewhere."""
        try:
            return await self._docs.replace("connections", dataclasses.asdict(connection), connection.revision)
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            return False

    async def delete_connection(self, connection_id: str) -> bool:
        """Delete a connection. Return False if it was already deleted."""
        return await self._docs.delete("connections", connection_id)

    # throttle records

    async def get_throttle_record(self, key: str) -> ThrottleRecord | None:
        """Return a throttle record, or None."""
        return await self._get(ThrottleRecord, _THROTTLE_RECORDS.name, key)

    async def put_throttle_record(self, record: ThrottleRecord) -> bool:
        """Insert or replace a throttle record. Return False if another process changed it."""
        if not record.revision:
            return await insert_if_absent(self._docs, _THROTTLE_RECORDS.name, record)
        return await self._docs.replace(_THROTTLE_RECORDS.name, dataclasses.asdict(record), record.revision)

    async def delete_throttle_record(self, key: str) -> None:
        """Delete a throttle record."""
        await self._docs.delete(_THROTTLE_RECORDS.name, key)

    # consents

    async def insert_consent(self, consent: Consent) -> bool:
        """Store a consent. Return False if there is one for the model."""
        return await insert_if_absent(self._docs, "consents", consent)

    async def list_consents(self) -> list[Consent]:
        """Return all consents. There are at most as many as models."""
        return [from_doc(Consent, doc) for doc in await self._docs.find("consents", {}, limit=_CONSENT_LIMIT)]

    # audit log

    async def insert_audit(self, entry: AuditEntry) -> None:
        """Store an entry of the audit log."""
        await self._docs.insert("audit", dataclasses.asdict(entry))

    async def delete_audit(self, entry_id: str) -> None:
        """Delete an entry whose change did not happen."""
        await self._docs.delete("audit", entry_id)

    async def list_audit(
        self, offset: int, limit: int, action: str = "", actor_id: str = ""
    ) -> tuple[list[AuditEntry], int]:
        """Return a page of the audit log, newest first, and the total count. Filters that are empty match all entries."""
        where = {name: value for name, value in (("action", action), ("actor_id", actor_id)) if value}
        return await self._page(AuditEntry, "audit", where, offset, limit)

    # expiry

    async def delete_expired(self, now: float) -> int:
        """Delete a batch of expired sessions, links and throttle records, and return its size."""
        count = 0
        for collection, field in (
            ("sessions", "expire_time"),
            ("links", "expire_time"),
            (_THROTTLE_RECORDS.name, "forget_time"),
        ):
            for doc in await self._docs.find(collection, {field: LessThan(now)}, sort=field, limit=_BATCH):
                count += await self._docs.delete(collection, doc["id"])
        return count

    async def _page(
        self, kind: type[T], collection: str, where: dict[str, Any], offset: int, limit: int
    ) -> tuple[list[T], int]:
        docs = await self._docs.find(collection, where, sort="create_time", descending=True, offset=offset, limit=limit)
        return [from_doc(kind, doc) for doc in docs], await self._docs.count(collection, where)
