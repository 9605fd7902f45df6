"""Accounts: registration, verification of passwords, and the first administrator."""

import contextlib
import dataclasses
import secrets
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError, suppressed
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import GUEST_ROLE
from soundwright.kit.security.private_files import write_private
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.api_tokens import ApiTokens
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.credentials import (
    NO_PASSWORD,
    Passwords,
    checked_email,
    password_problems,
    require_active,
    require_registered,
)
from soundwright.services.library.identity.emails import AccountEmails
from soundwright.services.library.identity.login_throttle import Budget, LoginThrottle
from soundwright.services.library.identity.sessions import ActiveSession, Sessions

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore

STATUSES = ("active", "suspended", "banned")
_BOOTSTRAP_TOKEN_NAME = "admin-token"  # noqa: S105 (a name)
_BOOTSTRAP_TOKEN_LIMIT = 10
_BOOTSTRAP_ROLE = "super_admin"
log = get_logger()

# Anybody who knows an email address could lock out its owner, so the wait per account is short. One guess per minute
# is harmless for passwords of 12 characters.
_LOGIN_BUDGET = Budget(free=5, wait_seconds=1.0, limit_seconds=60.0)


class Accounts:
    """Creates accounts and verifies their passwords. ``address`` is the IP address of the client."""

    def __init__(
        self,
        store: "IdentityStore",
        tokens: ApiTokens,
        sessions: Sessions,
        throttle: LoginThrottle,
        passwords: Passwords,
        emails: AccountEmails,
        audit: AuditLog,
        clock: Clock,
        attempts_per_address: int,
        registration: bool,
    ) -> None:
        """
        Args:
            attempts_per_address: failed logins, and registrations, that one IP address may make without a wait.
            registration: whether users may create accounts.
        """
        self._store = store
        self._tokens = tokens
        self._sessions = sessions
        self._throttle = throttle
        self._passwords = passwords
        self._emails = emails
        self._audit = audit
        self._clock = clock
        self._address_budget = Budget(attempts_per_address, wait_seconds=2.0, limit_seconds=900.0)
        self._registration = registration

    async def register(
        self,
        email: str,
        password: str,
        address: str,
        confirmation: str | None = None,
        browser_key: str = "",
        guest_secret: str = "",
    ) -> str:
        """Create an account, or give a guest account the email address and the password.

        If the address already has an account, only an email to the address says so.

        Args:
            confirmation: the password again; None: the caller does not ask for it.
            guest_secret: the secret of a session of a guest; empty: a new account.

        Returns the secret of the session that replaces the one of the guest, registered or not; empty if there was
        none.

        Raises ``REGISTRATION_CLOSED``, ``VALIDATION_ERROR``, ``RATE_LIMITED``; for a guest ``ALREADY_REGISTERED``, and
        errors of the session.
        """
        self._require_registration()
        details = password_problems(password, confirmation)
        try:
            checked = checked_email(email)
        except AppError as error:
            raise errors.VALIDATION_ERROR(details=error.meta["details"] | details) from None
        if details:
            raise errors.VALIDATION_ERROR(details=details)
        await self._throttle.acquire("register", address, self._address_budget)
        guest = (await self._sessions.authenticate(guest_secret, passive=True)).account if guest_secret else None
        account = self._new(str(uuid.uuid4()), checked, "user", await self._passwords.hash(password))
        account = dataclasses.replace(account, browser_key=browser_key)
        registered = await self._register_guest(guest, account) if guest else await self._insert_new(account)
        if registered:
            await self._audit.record(registered, "register", "user", registered.id, address=address)
            await self._emails.send_confirmation_link(registered)
        else:
            await self._emails.send_already_registered(checked)
        if guest is None:
            return ""
        # The secret changes in both cases: with the rights of the session, and so that the response does not reveal which.
        await self._sessions.close(guest_secret)
        return await self._sessions.open(registered or guest, remembered=True, address=address)

    async def _insert_new(self, account: Account) -> Account | None:
        return account if await self._store.accounts.add(account) else None

    async def _register_guest(self, guest: Account, registered: Account) -> Account | None:
        """Turn a guest into an account, and end its sessions. Return None if another account has the email address."""

        def change(account: Account) -> Account:
            if account.role != GUEST_ROLE:
                raise errors.ALREADY_REGISTERED()
            return dataclasses.replace(
                account,
                email=registered.email,
                role=registered.role,
                password_hash=registered.password_hash,
                browser_key=registered.browser_key,
                session_epoch=account.session_epoch + 1,
            )

        with suppressed("DOC_EXISTS"):
            return await self._store.change_account(guest.id, change)
        return None

    async def register_external(self, account_id: str, email: str, address: str) -> Account:
        """Create an account for a user who logged in at another platform. It has no password and is unconfirmed.

        Raises ``REGISTRATION_CLOSED``, ``VALIDATION_ERROR``, ``RATE_LIMITED``; ``EMAIL_TAKEN`` if an account with this
        email address or ID exists.
        """
        self._require_registration()
        account = self._new(account_id, checked_email(email), "user", NO_PASSWORD)
        await self._throttle.acquire("register", address, self._address_budget)
        await self._insert(account)
        await self._audit.record(account, "register", "user", account.id, address=address)
        await self._emails.send_confirmation_link(account)
        return account

    async def verify_password(self, email: str, password: str, address: str) -> Account:
        """Return the account with this email address and password. An unknown address takes as long as a wrong password.

        Raises ``CREDENTIALS_INVALID``, ``RATE_LIMITED``, ``ACCOUNT_SUSPENDED``.
        """
        given = email.strip().lower()
        await self._throttle.acquire("address", address, self._address_budget)
        await self._throttle.acquire("login", given, _LOGIN_BUDGET)
        account = await self._store.find_account_by_email(given)
        if not await self._passwords.matches(account.password_hash if account else None, password) or account is None:
            await self._audit.record(account, "login_failed", "user", account.id if account else "", address=address)
            raise errors.CREDENTIALS_INVALID()
        await self._throttle.reset("login", given)
        await self._throttle.refund("address", address)
        return require_active(account)

    async def reauthenticate(
        self, session_secret: str, current_password: str, address: str, details: Mapping[str, list[str]]
    ) -> ActiveSession:
        """Return the session for a sensitive operation, which requires a recent login or the current password.

        Args:
            details: problems of other fields of the form, by field. The error names them together with those found here.

        Raises ``VALIDATION_ERROR`` for a wrong password or if there are ``details``; ``PASSWORD_NEEDED`` if the login
        is too old and no password was sent; ``REGISTRATION_NEEDED``; errors of :meth:`Sessions.authenticate`.
        """
        opened = await self._sessions.authenticate(session_secret)
        require_registered(opened.account)
        if current_password:
            try:
                await self.verify_password(opened.account.email, current_password, address)
            except AppError as error:
                if error.reason != "CREDENTIALS_INVALID":
                    raise
                raise errors.VALIDATION_ERROR(details={"current_password": ["is not valid"], **details}) from None
        elif not opened.fresh:
            raise errors.PASSWORD_NEEDED(
                details={"current_password": ["is required, because your login is not recent"], **details}
            )
        if details:
            raise errors.VALIDATION_ERROR(details=details)
        return opened

    async def change_password(
        self,
        session_secret: str,
        current_password: str,
        new_password: str,
        revoke_tokens: bool,
        address: str,
        confirmation: str | None = None,
    ) -> str:
        """Change the password, revoke all sessions, and return the secret of a new session.

        Args:
            revoke_tokens: also revoke all API tokens and connections, and end all webhooks and links to tracks.
            confirmation: the new password again; None: the caller does not ask for it.

        Raises ``AppError``: errors of :meth:`reauthenticate`; ``VALIDATION_ERROR`` for the new password.
        """
        details = password_problems(new_password, confirmation)
        opened = await self.reauthenticate(session_secret, current_password, address, details)
        password_hash = await self._passwords.hash(new_password)
        known = opened.account
        revoked = {"tokens_revoked": revoke_tokens}
        await self._audit.record(known, "password_change", "user", known.id, revoked, address)

        def change(account: Account) -> Account:
            if (account.session_epoch, account.password_hash) != (known.session_epoch, known.password_hash):
                raise errors.SESSION_ENDED()
            return dataclasses.replace(
                account,
                password_hash=password_hash,
                session_epoch=account.session_epoch + 1,
                token_epoch=account.token_epoch + revoke_tokens,
                connection_epoch=account.connection_epoch + revoke_tokens,
            )

        account = await self._store.change_account(known.id, change)
        await self._emails.send_password_changed(account)
        return await self._sessions.open(account, opened.session.remembered)

    async def create_with_token(self, email: str, role: str) -> str:
        """Create an account with a random password, and return a new API token of it.

        Raises ``EMAIL_TAKEN`` if an account with this email address exists.
        """
        account = await self._create(email, role, secrets.token_urlsafe(32))
        return (await self._tokens.create(account, "operator"))[0]

    async def bootstrap(self, email: str, password: str, token_path: Path) -> None:
        """Create the first administrator if there is none, and write an API token for one to ``token_path`` (mode 0600).

        Several processes may start at once. One of them creates the account. Each data directory has a token of its own;
        the newest ten stay valid, so that hosts that come and go leave no more behind.
        """
        account = await self._administrator(email) or await self._create_administrator(email, password)
        if token_path.exists() and await self._is_valid_token(token_path.read_text().strip()):
            return
        earlier = [token for token in await self._tokens.list_own(account.id) if token.name == _BOOTSTRAP_TOKEN_NAME]
        for token in earlier[_BOOTSTRAP_TOKEN_LIMIT - 1 :]:
            with contextlib.suppress(AppError):  # another process revoked it
                await self._tokens.revoke(account.id, token.public_id)
        try:
            secret, _ = await self._tokens.create(account, _BOOTSTRAP_TOKEN_NAME)
        except AppError as error:
            if error.reason != "TOO_MANY_TOKENS":
                raise
            log.warning("admin_token.not_written", reason=error.reason, path=str(token_path))
            return
        write_private(token_path, secret + "\n")

    async def _administrator(self, email: str) -> Account | None:
        """Return the administrator with this address or, if they have changed it, another one; None if there is none."""
        known = await self._store.find_account_by_email(email)
        if known is not None and known.role == _BOOTSTRAP_ROLE:
            return known
        others, _ = await self._store.list_accounts("", _BOOTSTRAP_ROLE, "", 0, 1)
        return others[0] if others else None

    async def _create_administrator(self, email: str, password: str) -> Account:
        chosen = password or secrets.token_urlsafe(12)
        try:
            account = await self._create(email, _BOOTSTRAP_ROLE, chosen)
        except AppError as error:
            existing = await self._store.find_account_by_email(email)
            if error.reason != "EMAIL_TAKEN" or existing is None:
                raise
            return existing  # another process created it first
        if not password:
            # Standard output, because logs are stored and the password must not be.
            sys.stdout.write(f"First start: the administrator is {email}, the password is {chosen}\n")
            sys.stdout.flush()
        return account

    async def _is_valid_token(self, token: str) -> bool:
        try:
            await self._tokens.authenticate(token)
        except AppError as error:
            return error.reason == "ACCOUNT_SUSPENDED"
        return True

    async def _create(self, email: str, role: str, password: str) -> Account:
        """Create an account for the operator. Its email address counts as confirmed."""
        hashed = await self._passwords.hash(password)
        account = self._new(str(uuid.uuid4()), email.strip().lower(), role, hashed)
        account = dataclasses.replace(account, confirm_time=self._clock.now())
        await self._insert(account)
        return account

    async def _insert(self, account: Account) -> None:
        if not await self._store.accounts.add(account):
            raise errors.EMAIL_TAKEN()

    def _require_registration(self) -> None:
        if not self._registration:
            raise errors.REGISTRATION_CLOSED()

    def _new(self, account_id: str, email: str, role: str, password_hash: str) -> Account:
        return Account(
            id=account_id,
            email=email,
            role=role,
            status="active",
            password_hash=password_hash,
            create_time=self._clock.now(),
        )
