"""Queries on accounts, their credentials and connections, throttle records, and the audit log."""

import dataclasses
from collections.abc import Callable

from soundwright.kit import errors
from soundwright.kit.errors import suppressed
from soundwright.kit.ports import Collection, Docs, Index, LessThan
from soundwright.kit.security.identity import GUEST_ROLE
from soundwright.services.library.documents import walk
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.credentials import ApiToken, Link, Session
from soundwright.services.library.identity.login_throttle import ThrottleRecord
from soundwright.services.library.identity.records import AccountDeletion, AuditEntry, Connection, Consent
from soundwright.services.library.table import Table

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
    (
        Index(("account_id", "create_time")),
        Index(("account_id", "epoch", "slot"), unique=True, present="slot"),
        Index(("expire_time",), present="expire_time"),
    ),
)
_SESSIONS = Collection(
    "sessions",
    (Index(("account_id", "epoch", "renewed", "create_time")), Index(("account_id",)), Index(("expire_time",))),
)
_LINKS = Collection("links", (Index(("expire_time",)), Index(("account_id",))))
_THROTTLE_RECORDS = Collection("login_throttle", (Index(("forget_time",)),))
_CONNECTIONS = Collection(
    "connections", (Index(("account_id",)), Index(("provider", "subject"), unique=True, present="subject"))
)

_AUDIT = Collection(
    "audit", (Index(("create_time",)), Index(("action", "create_time")), Index(("actor_id", "create_time")))
)
_CONSENTS = Collection("consents")
_DELETIONS = Collection("deleted_accounts")
_BATCH = 200
_OWNED = (
    ("tracks", "owner_id"),
    ("jobs", "owner_id"),
    ("playlists", "owner_id"),
    ("setlists", "owner_id"),
    ("conversations", "owner_id"),
    ("favorites", "listener_id"),
    ("votes", "listener_id"),
)


class IdentityStore:
    """Accounts, API tokens, sessions, email links, connections, throttle records and the audit log in ``Docs``."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs
        self.accounts = Table(docs, _ACCOUNTS, Account)
        self.tokens = Table(docs, _TOKENS, ApiToken)
        self.sessions = Table(docs, _SESSIONS, Session)
        self.links = Table(docs, _LINKS, Link)
        self.connections = Table(docs, _CONNECTIONS, Connection)
        self.throttle_records = Table(docs, _THROTTLE_RECORDS, ThrottleRecord)
        self.audit = Table(docs, _AUDIT, AuditEntry)
        self.consents = Table(docs, _CONSENTS, Consent)
        self.deletions = Table(docs, _DELETIONS, AccountDeletion)

    async def prepare(self) -> None:
        for table in (self.accounts, self.tokens, self.sessions, self.links, self.connections, self.consents):
            await table.prepare()
        await self.deletions.prepare()
        await self.throttle_records.prepare()
        await self.audit.prepare()

    # accounts

    async def token_epoch(self, account_id: str) -> int | None:
        """Return the epoch of an account's API tokens; 0 if there is no account, None if it is not active or was deleted."""
        account = await self.accounts.get(account_id)
        if account is None:
            return None if await self.deletions.get(account_id) else 0
        return account.token_epoch if account.status == "active" else None

    async def has_token(self, account_id: str, public_id: str) -> bool:
        """Return whether an account has a valid API token with this ID."""
        valid = {"account_id": account_id, "epoch": await self.token_epoch(account_id)}
        return any([token.public_id == public_id async for token in self.tokens.walk(valid)])

    async def find_account_by_email(self, email: str) -> Account | None:
        return await self.accounts.first({"email": email.strip().lower()})

    async def change_account(self, account_id: str, change: Callable[[Account], Account]) -> Account:
        """Replace an account by ``change(account)``, and return it. On a conflict, call ``change`` again.

        Raises ``ACCOUNT_NOT_FOUND``; ``DOC_EXISTS`` if another account has the new email address; errors of ``change``.
        """
        account = await self.accounts.change(account_id, change)
        if account is None:
            raise errors.ACCOUNT_NOT_FOUND()
        return account

    async def list_accounts(
        self, search: str, role: str, status: str, offset: int, limit: int
    ) -> tuple[list[Account], int]:
        """Return a page of accounts, newest first, and the total count. ``search`` is part of the email address."""
        where = {name: value for name, value in (("role", role), ("status", status)) if value}
        if not search:
            return await self.accounts.page(where, sort="create_time", descending=True, offset=offset, limit=limit)
        wanted = search.lower()
        newest_first = walk(self._docs, "accounts", where, ("create_time",), descending=True)
        matching = self.accounts.records([doc async for doc in newest_first if wanted in doc["email"]])
        return matching[offset : offset + limit], len(matching)

    async def list_guests(self, before: float, after: Account | None, limit: int) -> list[Account]:
        """Return guests that were created before a time, the oldest first, from the one behind ``after`` on."""
        where = {"role": GUEST_ROLE, "create_time": LessThan(before)}
        return await self.accounts.find(where, sort="create_time", limit=limit, after=after)

    async def owns_anything(self, account_id: str) -> bool:
        """Return whether there is a record of the account. Each clip has a job."""
        for collection, field in _OWNED:
            if await self._docs.find(collection, {field: account_id}, limit=1):
                return True
        return False

    async def count_active(self, role: str) -> int:
        return await self.accounts.count({"role": role, "status": "active"})

    async def count_tracks(self, account_id: str) -> int:
        return await self._docs.count("tracks", {"owner_id": account_id})

    # credentials

    async def redeem_link(self, link: Link) -> bool:
        """Make a link expire, so that it is deleted later. Return True to exactly one of parallel callers."""
        return await self.links.replace(dataclasses.replace(link, expire_time=0.0))

    async def find_connection_by_subject(self, provider: str, subject: str) -> Connection | None:
        return await self.connections.first({"provider": provider, "subject": subject})

    async def replace_connection(self, connection: Connection) -> bool:
        """Replace a connection. Return False if it was changed or deleted, or if its subject is connected elsewhere."""
        with suppressed("DOC_EXISTS"):
            return await self.connections.replace(connection)
        return False

    async def list_audit(
        self, offset: int, limit: int, action: str = "", actor_id: str = ""
    ) -> tuple[list[AuditEntry], int]:
        """Return a page of the audit log, newest first, and the total count. Filters that are empty match all entries."""
        where = {name: value for name, value in (("action", action), ("actor_id", actor_id)) if value}
        return await self.audit.page(where, sort="create_time", descending=True, offset=offset, limit=limit)

    # expiry

    async def delete_expired(self, now: float) -> int:
        """Delete a batch of expired sessions, API tokens, links and throttle records, and return its size."""
        count = 0
        for collection, field in (
            ("sessions", "expire_time"),
            ("tokens", "expire_time"),
            ("links", "expire_time"),
            ("track_links", "expire_time"),
            (_THROTTLE_RECORDS.name, "forget_time"),
        ):
            for doc in await self._docs.find(collection, {field: LessThan(now)}, sort=field, limit=_BATCH):
                count += await self._docs.delete(collection, doc["id"])
        return count
