"""Connections of accounts to external services: a Spotify account, which can also log in its user, or a lalal.ai key."""

import dataclasses
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Clock
from soundwright.kit.security.sealing import Sealer
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.credentials import checked_email, require_active, require_registered
from soundwright.services.library.identity.records import Connection
from soundwright.services.library.identity.service import Accounts
from soundwright.services.library.identity.sessions import Sessions

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore

PROVIDERS = {"spotify": "Spotify", "lalalai": "lalal.ai"}
_SUBJECT_LIMIT_CHARS = 200
_LABEL_LIMIT_CHARS = 200
_SECRET_LIMIT_CHARS = 16_384


@dataclass(frozen=True)
class SignInResult:
    """The session and the account of a user who logged in through a provider. ``created``: the account is new."""

    session_secret: str
    account: Account
    created: bool


def connection_id(account_id: str, provider: str) -> str:
    """Return the ID of a connection. An account has at most one per provider. Secrets are sealed for this ID."""
    return f"{account_id}:{provider}"


@dataclass(eq=False)
class Connections:
    """Manages connections.

    A connection is valid while its account exists and has the same ``connection_epoch``. An invalid connection is
    deleted when a valid one needs its place.
    """

    store: "IdentityStore"
    accounts: Accounts
    sessions: Sessions
    sealer: Sealer
    audit: AuditLog
    clock: Clock

    async def list_own(self, account_id: str) -> list[Connection]:
        """Return the valid connections of an account, sorted by provider."""
        account = await self._get_account(account_id)
        connections = await self.store.connections.find({"account_id": account_id})
        valid = [connection for connection in connections if connection.epoch == account.connection_epoch]
        return sorted(valid, key=lambda connection: connection.provider)

    async def put(self, account_id: str, provider: str, subject: str, label: str, secret: str) -> Connection:
        """Connect the account to ``provider``, in place of an earlier connection.

        Raises ``CONNECTION_TAKEN`` if another account is connected with ``subject``; ``VALIDATION_ERROR``;
        ``REGISTRATION_NEEDED``.
        """
        account = require_registered(await self._get_account(account_id))
        connection = self._build(account.id, account.connection_epoch, provider, subject, label, secret)
        while True:
            if (existing := await self._find_by_subject(provider, subject)) and existing.account_id != account_id:
                owner = await self.store.accounts.get(existing.account_id)
                if owner is not None and owner.connection_epoch == existing.epoch:
                    raise _connection_taken(provider)
                await self.store.connections.delete(existing.id)
            if stored := await self._upsert(connection):
                await self.audit.record(account, "connection_create", "connection", provider)
                return stored

    async def delete(self, account_id: str, provider: str) -> None:
        """Delete the connection if it exists. A user without a password can still log in with a link by email."""
        if await self.store.connections.delete(connection_id(account_id, _checked_provider(provider))):
            await self.audit.record_by(account_id, "connection_delete", "connection", provider)

    async def sign_in(
        self, provider: str, subject: str, label: str, secret: str, email: str, address: str
    ) -> SignInResult:
        """Log in the user of ``subject`` at ``provider``: to the connected account, or to a new account.

        Args:
            email: the address according to the provider. It is unverified, so it never selects an existing account.
            address: the IP address of the client.

        Raises ``ACCOUNT_SUSPENDED``; for a new account ``REGISTRATION_CLOSED``, ``EMAIL_MISSING``, ``EMAIL_TAKEN``,
        ``RATE_LIMITED``.
        """
        if not subject:
            raise errors.invalid("subject", "is required")
        while True:
            connection = await self._find_by_subject(provider, subject)
            account = await self.store.accounts.get(connection.account_id) if connection else None
            if connection and account and account.connection_epoch != connection.epoch:
                await self.store.connections.delete(connection.id)
                continue
            if account is None:
                _require_email(provider, email)
            if connection is None:
                # Store the connection before the account: after a crash between the two, the next login of this subject
                # finds the connection and creates the account.
                connection = self._build(str(uuid.uuid4()), 0, provider, subject, label, secret)
                if not await self.store.connections.add(connection):
                    continue
                connection = dataclasses.replace(connection, revision=1)
            created = account is None
            account = account or await self._register(connection, email, address)
            require_active(account)
            updated = self._build(account.id, connection.epoch, provider, subject, label, secret)
            # Replace, never insert: a login must not restore a connection that the user has just deleted.
            if await self.store.replace_connection(_as_successor(updated, connection)):
                return SignInResult(await self.sessions.open(account, remembered=False), account, created)

    async def get_secret(self, account_id: str, provider: str) -> tuple[Connection, str]:
        """Return a connection and its decrypted secret. Raises ``CONNECTION_NOT_FOUND``, ``SECRET_UNREADABLE``."""
        account = await self._get_account(account_id)
        connection = await self.store.connections.get(connection_id(account_id, _checked_provider(provider)))
        if connection is None or connection.epoch != account.connection_epoch:
            raise errors.CONNECTION_NOT_FOUND()
        return connection, self.sealer.open(connection.secret_sealed, connection.id)

    async def replace_secret(self, account_id: str, provider: str, secret: str, revision: int) -> bool:
        """Replace the secret. Return False if the connection was deleted or changed since ``revision``."""
        connection = await self.store.connections.get(connection_id(account_id, _checked_provider(provider)))
        if connection is None or connection.revision != revision:
            return False
        return await self.store.replace_connection(
            dataclasses.replace(
                connection,
                secret_sealed=self.sealer.seal(_checked_secret(secret), connection.id),
                update_time=self.clock.now(),
            )
        )

    async def _get_account(self, account_id: str) -> Account:
        account = await self.store.accounts.get(account_id)
        if account is None:
            raise errors.ACCOUNT_NOT_FOUND()
        return account

    async def _find_by_subject(self, provider: str, subject: str) -> Connection | None:
        """Return the connection with ``subject``, valid or not."""
        return await self.store.find_connection_by_subject(_checked_provider(provider), subject) if subject else None

    async def _register(self, connection: Connection, email: str, address: str) -> Account:
        try:
            return await self.accounts.register_external(connection.account_id, email, address)
        except AppError as error:
            if account := await self.store.accounts.get(connection.account_id):  # a parallel login created it
                return account
            await self.store.connections.delete(connection.id)
            raise _email_taken(connection.provider) if error.reason == "EMAIL_TAKEN" else error from None

    async def _upsert(self, connection: Connection) -> Connection | None:
        """Insert or replace a connection. Return None if another process changed it at the same time."""
        existing = await self.store.connections.get(connection.id)
        if existing is None:
            stored = await self.store.connections.add(connection)
            return dataclasses.replace(connection, revision=1) if stored else None
        updated = _as_successor(connection, existing)
        stored = await self.store.replace_connection(updated)
        return dataclasses.replace(updated, revision=existing.revision + 1) if stored else None

    def _build(self, account_id: str, epoch: int, provider: str, subject: str, label: str, secret: str) -> Connection:
        new_id, now = connection_id(account_id, _checked_provider(provider)), self.clock.now()
        if len(subject) > _SUBJECT_LIMIT_CHARS or not subject.isprintable():
            raise errors.invalid("subject", f"must be at most {_SUBJECT_LIMIT_CHARS} printable characters")
        clean_label = " ".join("".join(c if c.isprintable() else " " for c in label).split())[:_LABEL_LIMIT_CHARS]
        sealed = self.sealer.seal(_checked_secret(secret), new_id)
        return Connection(new_id, account_id, provider, subject or None, clean_label, sealed, epoch, now, now)


def _as_successor(connection: Connection, existing: Connection) -> Connection:
    """Return ``connection`` with the revision of ``existing``, and its creation time if the subject is the same."""
    create_time = existing.create_time if existing.subject == connection.subject else connection.create_time
    return dataclasses.replace(connection, create_time=create_time, revision=existing.revision)


def _checked_provider(provider: str) -> str:
    if provider not in PROVIDERS:
        raise errors.invalid("provider", f"must be one of: {', '.join(PROVIDERS)}")
    return provider


def _checked_secret(secret: str) -> str:
    if len(secret) > _SECRET_LIMIT_CHARS:
        raise errors.invalid("secret", f"must be at most {_SECRET_LIMIT_CHARS} characters")
    return secret


def _connection_taken(provider: str) -> AppError:
    return errors.CONNECTION_TAKEN(provider=PROVIDERS[provider])


def _require_email(provider: str, email: str) -> None:
    try:
        checked_email(email)
    except AppError:
        raise errors.EMAIL_MISSING(provider=PROVIDERS[provider]) from None


def _email_taken(provider: str) -> AppError:
    return errors.EMAIL_TAKEN(
        f"An account with your {PROVIDERS[provider]} email address already exists. Log in to it first, then connect "
        f"{PROVIDERS[provider]} in the settings."
    )
