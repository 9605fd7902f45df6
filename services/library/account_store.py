"""Queries about accounts, and about what proves who somebody is, over the document store."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import TypeAdapter

from kit.errors import AppError
from kit.ports import Collection, Docs, Index, LessThan
from services.library.admin import AuditEntry
from services.library.attempts import Tries
from services.library.connections import Connection
from services.library.credentials import ApiToken, Link, Session
from services.library.letters import Letter
from services.library.service import Account, not_found

__all__ = ["AccountStore"]

_ACCOUNTS = Collection(
    "accounts",
    (Index(("email",), unique=True), Index(("create_time",)), Index(("role", "status", "create_time"))),
)
_TOKENS = Collection("tokens", (Index(("account_id", "create_time")),))
_SESSIONS = Collection("sessions", (Index(("account_id",)), Index(("expire_time",))))
_LINKS = Collection("links", (Index(("expire_time",)),))
_TRIES = Collection("tries", (Index(("forget_time",)),))
_CONNECTIONS = Collection(
    "connections",
    (Index(("account_id",)), Index(("provider", "subject"), unique=True, present="subject")),
)
_LETTERS = Collection("letters", (Index(("due_time",)),))
_AUDIT = Collection("audit", (Index(("create_time",)),))
_BATCH = 200

T = TypeVar("T")
_adapters: dict[type[Any], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Account, ApiToken, AuditEntry, Connection, Letter, Link, Session, Tries)
}


def _from_doc(kind: type[T], doc: dict[str, Any]) -> T:
    value: T = _adapters[kind].validate_python(doc)
    return value


class AccountStore:
    """Accounts, API tokens, sessions, links in mails, connections, tries, and the audit log."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def prepare(self) -> None:
        for collection in (_ACCOUNTS, _TOKENS, _SESSIONS, _LINKS, _LETTERS, _TRIES, _CONNECTIONS, _AUDIT):
            await self._docs.ensure(collection)

    async def _get(self, kind: type[T], collection: str, doc_id: str) -> T | None:
        doc = await self._docs.get(collection, doc_id)
        return _from_doc(kind, doc) if doc else None

    # accounts

    async def insert_account(self, account: Account) -> bool:
        """False if the address has an account."""
        return await self._insert("accounts", account)

    async def account(self, account_id: str) -> Account | None:
        return await self._get(Account, "accounts", account_id)

    async def account_by_email(self, email: str) -> Account | None:
        found = await self._docs.find("accounts", {"email": email.strip().lower()}, limit=1)
        return _from_doc(Account, found[0]) if found else None

    async def change_account(self, account_id: str, change: Callable[[Account], Account]) -> Account:
        """Put what ``change`` makes of the account in its place; ``change`` may be called again with a newer one.

        Raises:
            AppError: ``ACCOUNT_NOT_FOUND``; ``DOC_EXISTS`` for the address of another account; what ``change`` raises.
        """
        while True:
            account = await self.account(account_id)
            if account is None:
                raise not_found("account")
            changed = change(account)
            if await self._docs.replace("accounts", dataclasses.asdict(changed), account.revision):
                return dataclasses.replace(changed, revision=account.revision + 1)

    async def list_accounts(
        self, search: str, role: str, status: str, offset: int, limit: int
    ) -> tuple[list[Account], int]:
        """Newest first, and how many there are in all. ``search`` is a part of the address."""
        where = {name: value for name, value in (("role", role), ("status", status)) if value}
        if not search:
            return await self._page(Account, "accounts", where, offset, limit)
        wanted, after, matching = search.lower(), None, list[Account]()
        while docs := await self._docs.find(
            "accounts", where, sort="create_time", descending=True, limit=_BATCH, after=after
        ):
            matching += [_from_doc(Account, doc) for doc in docs if wanted in doc["email"]]
            after = (docs[-1]["create_time"], docs[-1]["id"])
        return matching[offset : offset + limit], len(matching)

    async def count_active(self, role: str) -> int:
        return await self._docs.count("accounts", {"role": role, "status": "active"})

    async def count_tracks(self, account_id: str) -> int:
        return await self._docs.count("tracks", {"owner_id": account_id})

    # API tokens

    async def insert_token(self, token: ApiToken) -> None:
        await self._docs.insert("tokens", dataclasses.asdict(token))

    async def token(self, token_hash: str) -> ApiToken | None:
        return await self._get(ApiToken, "tokens", token_hash)

    async def tokens_of(self, account_id: str, limit: int) -> list[ApiToken]:
        """Newest first."""
        where = {"account_id": account_id}
        docs = await self._docs.find("tokens", where, sort="create_time", descending=True, limit=limit)
        return [_from_doc(ApiToken, doc) for doc in docs]

    async def replace_token(self, token: ApiToken) -> bool:
        return await self._docs.replace("tokens", dataclasses.asdict(token), token.revision)

    async def delete_token(self, token_hash: str) -> bool:
        return await self._docs.delete("tokens", token_hash)

    # sessions

    async def insert_session(self, session: Session) -> None:
        await self._docs.insert("sessions", dataclasses.asdict(session))

    async def session(self, session_hash: str) -> Session | None:
        return await self._get(Session, "sessions", session_hash)

    async def replace_session(self, session: Session) -> bool:
        return await self._docs.replace("sessions", dataclasses.asdict(session), session.revision)

    async def delete_session(self, session_hash: str) -> bool:
        return await self._docs.delete("sessions", session_hash)

    # links

    async def insert_link(self, link: Link) -> None:
        await self._docs.insert("links", dataclasses.asdict(link))

    async def link(self, link_hash: str) -> Link | None:
        return await self._get(Link, "links", link_hash)

    async def delete_link(self, link_hash: str) -> bool:
        """True for one caller alone."""
        return await self._docs.delete("links", link_hash)

    # connections

    async def insert_connection(self, connection: Connection) -> bool:
        """False if the account has one with this provider, or somebody has one with this subject."""
        return await self._insert("connections", connection)

    async def connection(self, connection_id: str) -> Connection | None:
        return await self._get(Connection, "connections", connection_id)

    async def connection_by_subject(self, provider: str, subject: str) -> Connection | None:
        found = await self._docs.find("connections", {"provider": provider, "subject": subject}, limit=1)
        return _from_doc(Connection, found[0]) if found else None

    async def connections_of(self, account_id: str) -> list[Connection]:
        docs = await self._docs.find("connections", {"account_id": account_id}, limit=_BATCH)
        return [_from_doc(Connection, doc) for doc in docs]

    async def replace_connection(self, connection: Connection) -> bool:
        """False when somebody else was faster, here or with this subject."""
        try:
            return await self._docs.replace("connections", dataclasses.asdict(connection), connection.revision)
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            return False

    async def delete_connection(self, connection_id: str) -> bool:
        return await self._docs.delete("connections", connection_id)

    # letters

    async def insert_letter(self, letter: Letter) -> None:
        await self._docs.insert("letters", dataclasses.asdict(letter))

    async def due_letters(self, now: float, limit: int) -> list[Letter]:
        """In the order in which they came up, those before others that somebody else failed to send."""
        docs = await self._docs.find("letters", {"due_time": LessThan(now)}, sort="due_time", limit=limit)
        return [_from_doc(Letter, doc) for doc in docs]

    async def replace_letter(self, letter: Letter) -> bool:
        return await self._docs.replace("letters", dataclasses.asdict(letter), letter.revision)

    async def delete_letter(self, letter_id: str) -> None:
        await self._docs.delete("letters", letter_id)

    # tries

    async def tries(self, key: str) -> Tries | None:
        return await self._get(Tries, "tries", key)

    async def put_tries(self, tries: Tries) -> bool:
        """False when somebody else was faster."""
        if not tries.revision:
            return await self._insert("tries", tries)
        return await self._docs.replace("tries", dataclasses.asdict(tries), tries.revision)

    async def delete_tries(self, key: str) -> None:
        await self._docs.delete("tries", key)

    # audit log

    async def insert_audit(self, entry: AuditEntry) -> None:
        await self._docs.insert("audit", dataclasses.asdict(entry))

    async def delete_audit(self, entry_id: str) -> None:
        await self._docs.delete("audit", entry_id)

    async def list_audit(self, offset: int, limit: int) -> tuple[list[AuditEntry], int]:
        """Newest first, and how many there are in all."""
        return await self._page(AuditEntry, "audit", {}, offset, limit)

    # what has had its time

    async def purge(self, now: float) -> int:
        """Remove some of the sessions, links and tries that count no more, and say how many."""
        count = 0
        for collection, field in (("sessions", "expire_time"), ("links", "expire_time"), ("tries", "forget_time")):
            for doc in await self._docs.find(collection, {field: LessThan(now)}, sort=field, limit=_BATCH):
                count += await self._docs.delete(collection, doc["id"])
        return count

    async def _insert(self, collection: str, value: Any) -> bool:
        try:
            await self._docs.insert(collection, dataclasses.asdict(value))
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            return False
        return True

    async def _page(
        self, kind: type[T], collection: str, where: dict[str, Any], offset: int, limit: int
    ) -> tuple[list[T], int]:
        docs = await self._docs.find(collection, where, sort="create_time", descending=True, offset=offset, limit=limit)
        return [_from_doc(kind, doc) for doc in docs], await self._docs.count(collection, where)
