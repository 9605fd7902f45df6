"""What accounts use elsewhere: an account at Spotify, which may also log them in, and a key for lalal.ai."""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import dataclass
from typing import Protocol

from kit.errors import AppError, Code
from kit.ports import Clock
from kit.sealing import Sealer
from services.library.accounts import Accounts
from services.library.credentials import checked_email, require_active
from services.library.service import Account, not_found
from services.library.sessions import Sessions

__all__ = ["PROVIDERS", "Connection", "ConnectionStore", "Connections", "SignedIn", "connection_id"]

PROVIDERS = {"spotify": "Spotify", "lalalai": "lalal.ai"}
_SUBJECT_LIMIT_CHARS = 200
_LABEL_LIMIT_CHARS = 200
_SECRET_LIMIT_CHARS = 16_384


@dataclass(frozen=True)
class Connection:
    """One account's with one provider. Times are seconds since 1970.

    Attributes:
        subject: the id of the account there; None where a key is all that there is.
        label: by which its owner knows it.
        epoch: the account's ``connection_epoch`` when it was made.
    """

    id: str
    account_id: str
    provider: str
    subject: str | None
    label: str
    secret_sealed: str
    epoch: int
    create_time: float
    update_time: float
    revision: int = 0


@dataclass(frozen=True)
class SignedIn:
    """``created``: the account is new."""

    session_secret: str
    account: Account
    created: bool


class ConnectionStore(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    async def insert_connection(self, connection: Connection) -> bool: ...
    async def connection(self, connection_id: str) -> Connection | None: ...
    async def connection_by_subject(self, provider: str, subject: str) -> Connection | None: ...
    async def connections_of(self, account_id: str) -> list[Connection]: ...
    async def replace_connection(self, connection: Connection) -> bool: ...
    async def delete_connection(self, connection_id: str) -> bool: ...


def connection_id(account_id: str, provider: str) -> str:
    """An account has one connection with each provider. Secrets are sealed for this id."""
    return f"{account_id}:{provider}"


class Connections:
    """Connections count as long as their account is there and has not fallen to the owner of its mailbox since.

    One that counts no more is removed where it stands in somebody's way.
    """

    def __init__(
        self, store: ConnectionStore, accounts: Accounts, sessions: Sessions, sealer: Sealer, clock: Clock
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._sealer = sealer
        self._clock = clock

    async def list_own(self, account_id: str) -> list[Connection]:
        """By provider."""
        account = await self._account(account_id)
        found = [
            each for each in await self._store.connections_of(account_id) if each.epoch == account.connection_epoch
        ]
        return sorted(found, key=lambda connection: connection.provider)

    async def put(self, account_id: str, provider: str, subject: str, label: str, secret: str) -> Connection:
        """The account's connection with ``provider`` from now on, in place of the one before.

        Raises:
            AppError: ``CONNECTION_TAKEN`` when somebody else is connected with ``subject``; ``VALIDATION_ERROR``.
        """
        account = await self._account(account_id)
        wanted = self._made(account.id, account.connection_epoch, provider, subject, label, secret)
        while True:
            if (holder := await self._holder(provider, subject)) and holder.account_id != account_id:
                owner = await self._store.account(holder.account_id)
                if owner is not None and owner.connection_epoch == holder.epoch:
                    raise _taken(provider)
                await self._store.delete_connection(holder.id)
            if stored := await self._store_in_place(wanted):
                return stored

    async def delete(self, account_id: str, provider: str) -> None:
        """One that there is not is fine. Whoever has no other way in still has the mailbox."""
        await self._store.delete_connection(connection_id(account_id, _checked_provider(provider)))

    async def sign_in(self, provider: str, subject: str, label: str, secret: str, email: str, address: str) -> SignedIn:
        """Log in whoever ``provider`` vouches for, to the account that is connected with ``subject``, else to a new one.

        Args:
            email: as the provider tells it, which nobody has verified: never a reason to log in to an account that
                there is.

        Raises:
            AppError: ``ACCOUNT_SUSPENDED``; for a new account ``REGISTRATION_CLOSED``, ``EMAIL_MISSING``,
                ``EMAIL_TAKEN``, ``RATE_LIMITED``.
        """
        if not subject:
            raise _unfit("subject", "is needed")
        while True:
            holder = await self._holder(provider, subject)
            account = await self._store.account(holder.account_id) if holder else None
            if holder and account and account.connection_epoch != holder.epoch:
                await self._store.delete_connection(holder.id)
                continue
            if account is None:
                _require_email(provider, email)
            if holder is None:
                # The connection comes first: if all stops before the account, whoever has this subject goes on from here.
                holder = self._made(str(uuid.uuid4()), 0, provider, subject, label, secret)
                if not await self._store.insert_connection(holder):
                    continue
                holder = dataclasses.replace(holder, revision=1)
            created = account is None
            account = account or await self._join(holder, email, address)
            require_active(account)
            renewed = self._made(account.id, holder.epoch, provider, subject, label, secret)
            # Only in place of what was found: a connection that is being removed must not come back.
            if await self._store.replace_connection(_succeeding(renewed, holder)):
                return SignedIn(await self._sessions.open(account, remembered=False), account, created)

    async def secret(self, account_id: str, provider: str) -> tuple[Connection, str]:
        """
        Raises:
            AppError: ``CONNECTION_NOT_FOUND``, ``SECRET_UNREADABLE``.
        """
        account = await self._account(account_id)
        connection = await self._store.connection(connection_id(account_id, _checked_provider(provider)))
        if connection is None or connection.epoch != account.connection_epoch:
            raise not_found("connection")
        return connection, self._sealer.open(connection.secret_sealed, connection.id)

    async def replace_secret(self, account_id: str, provider: str, secret: str, revision: int) -> bool:
        """Whether the secret is stored: not if the connection has changed since ``revision``, or is gone."""
        connection = await self._store.connection(connection_id(account_id, _checked_provider(provider)))
        if connection is None or connection.revision != revision:
            return False
        return await self._store.replace_connection(
            dataclasses.replace(
                connection,
                secret_sealed=self._sealer.seal(_checked_secret(secret), connection.id),
                update_time=self._clock.now(),
            )
        )

    async def _account(self, account_id: str) -> Account:
        account = await self._store.account(account_id)
        if account is None:
            raise not_found("account")
        return account

    async def _holder(self, provider: str, subject: str) -> Connection | None:
        """Who is connected with ``subject``, whether or not that still counts."""
        return await self._store.connection_by_subject(_checked_provider(provider), subject) if subject else None

    async def _join(self, connection: Connection, email: str, address: str) -> Account:
        """The new account that a connection is waiting for."""
        try:
            return await self._accounts.join(connection.account_id, email, address)
        except AppError as error:
            if account := await self._store.account(connection.account_id):  # made for the same subject just now
                return account
            await self._store.delete_connection(connection.id)
            raise _email_taken(connection.provider) if error.reason == "EMAIL_TAKEN" else error from None

    async def _store_in_place(self, wanted: Connection) -> Connection | None:
        """What is stored now; None when somebody else was faster."""
        known = await self._store.connection(wanted.id)
        if known is None:
            stored = await self._store.insert_connection(wanted)
            return dataclasses.replace(wanted, revision=1) if stored else None
        changed = _succeeding(wanted, known)
        stored = await self._store.replace_connection(changed)
        return dataclasses.replace(changed, revision=known.revision + 1) if stored else None

    def _made(self, account_id: str, epoch: int, provider: str, subject: str, label: str, secret: str) -> Connection:
        made_id, now = connection_id(account_id, _checked_provider(provider)), self._clock.now()
        if len(subject) > _SUBJECT_LIMIT_CHARS or not subject.isprintable():
            raise _unfit("subject", f"must be at most {_SUBJECT_LIMIT_CHARS} characters that can be seen")
        visible = " ".join("".join(c if c.isprintable() else " " for c in label).split())[:_LABEL_LIMIT_CHARS]
        sealed = self._sealer.seal(_checked_secret(secret), made_id)
        return Connection(made_id, account_id, provider, subject or None, visible, sealed, epoch, now, now)


def _succeeding(connection: Connection, known: Connection) -> Connection:
    """Ready to take the place of the one that is stored."""
    begun = known.create_time if known.subject == connection.subject else connection.create_time
    return dataclasses.replace(connection, create_time=begun, revision=known.revision)


def _checked_provider(provider: str) -> str:
    if provider not in PROVIDERS:
        raise _unfit("provider", f"must be one of: {', '.join(PROVIDERS)}")
    return provider


def _checked_secret(secret: str) -> str:
    if len(secret) > _SECRET_LIMIT_CHARS:
        raise _unfit("secret", f"must be at most {_SECRET_LIMIT_CHARS} characters")
    return secret


def _unfit(field: str, complaint: str) -> AppError:
    details = {"details": {field: [complaint]}}
    return AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", details)


def _taken(provider: str) -> AppError:
    return AppError(
        Code.CONFLICT,
        "CONNECTION_TAKEN",
        f"This {PROVIDERS[provider]} account is connected with another account here. Disconnect it there first.",
    )


def _require_email(provider: str, email: str) -> None:
    try:
        checked_email(email)
    except AppError:
        raise AppError(
            Code.UNPROCESSABLE,
            "EMAIL_MISSING",
            f"{PROVIDERS[provider]} told no mail address that can be used, and a new account needs one. Make an account "
            f"with your address first, then connect {PROVIDERS[provider]} in its settings.",
        ) from None


def _email_taken(provider: str) -> AppError:
    return AppError(
        Code.CONFLICT,
        "EMAIL_TAKEN",
        f"There is an account with your {PROVIDERS[provider]} mail address already. Log in to it first, then connect "
        f"{PROVIDERS[provider]} in its settings.",
    )
