"""Accounts: registration, the first administrator, and who knows a password."""

from __future__ import annotations

import dataclasses
import secrets
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from kit.errors import AppError, Code
from kit.ports import Clock
from kit.private import write_private
from services.library.api_tokens import ApiTokens
from services.library.attempts import Attempts, Budget
from services.library.credentials import (
    NO_PASSWORD,
    Passwords,
    checked_email,
    checked_password,
    require_active,
    unknown_credentials,
)
from services.library.letters import Letters
from services.library.service import Account
from services.library.sessions import Opened, Sessions

__all__ = ["ROLES", "STATUSES", "AccountStore", "Accounts"]

ROLES = ("user", "pro", "enterprise", "admin", "platform_admin", "super_admin")
STATUSES = ("active", "suspended", "banned")

# Whoever knows an address could keep its owner out, so the wait for one account is short; with passwords of 12
# characters a guess a minute leads nowhere.
_LOGIN_BUDGET = Budget(free=5, wait_seconds=1.0, limit_seconds=60.0)


class AccountStore(Protocol):
    async def insert_account(self, account: Account) -> bool: ...
    async def account_by_email(self, email: str) -> Account | None: ...
    async def change_account(self, account_id: str, change: Callable[[Account], Account]) -> Account: ...


class Accounts:
    """Who may use the platform."""

    def __init__(
        self,
        store: AccountStore,
        tokens: ApiTokens,
        sessions: Sessions,
        attempts: Attempts,
        passwords: Passwords,
        letters: Letters,
        clock: Clock,
        attempts_per_address: int,
        registration: bool,
    ) -> None:
        """
        Args:
            attempts_per_address: failed logins that one address has before it must wait, and as many registrations.
            registration: whether people may make accounts for themselves.
        """
        self._store = store
        self._tokens = tokens
        self._sessions = sessions
        self._attempts = attempts
        self._passwords = passwords
        self._letters = letters
        self._clock = clock
        self._address_budget = Budget(attempts_per_address, wait_seconds=2.0, limit_seconds=900.0)
        self._registration = registration

    async def register(self, email: str, password: str, address: str) -> None:
        """A new account, which may be used at once. Only a mail says whether there was one with this address.

        Raises:
            AppError: ``REGISTRATION_CLOSED``, ``VALIDATION_ERROR``, ``RATE_LIMITED``.
        """
        self._require_open()
        checked = _checked(email, password)
        await self._attempts.take("register", address, self._address_budget)
        account = self._new(str(uuid.uuid4()), checked, "user", await self._passwords.hash(password))
        if await self._store.insert_account(account):
            await self._letters.welcome(account)
        else:
            await self._letters.registered_already(checked)

    async def join(self, account_id: str, email: str, address: str) -> Account:
        """A new account for somebody whom another platform vouches for. It has no password; its address is to be confirmed.

        Raises:
            AppError: ``REGISTRATION_CLOSED``, ``VALIDATION_ERROR``, ``RATE_LIMITED``; ``EMAIL_TAKEN`` when there is an
                account with this address, or with this id.
        """
        self._require_open()
        account = self._new(account_id, checked_email(email), "user", NO_PASSWORD)
        await self._attempts.take("register", address, self._address_budget)
        await self._insert(account)
        await self._letters.welcome(account)
        return account

    async def verify(self, email: str, password: str, address: str) -> Account:
        """The account that has this password. An unknown address takes as long as a wrong password.

        Raises:
            AppError: ``CREDENTIALS_INVALID``, ``RATE_LIMITED``, ``ACCOUNT_SUSPENDED``.
        """
        given = email.strip().lower()
        await self._attempts.take("address", address, self._address_budget)
        await self._attempts.take("login", given, _LOGIN_BUDGET)
        account = await self._store.account_by_email(given)
        if not await self._passwords.fits(account.password_hash if account else None, password) or account is None:
            raise unknown_credentials()
        await self._attempts.forgive("login", given)
        await self._attempts.give_back("address", address)
        return require_active(account)

    async def recognise(self, session_secret: str, current_password: str, address: str) -> Opened:
        """A session for what needs more than one: it was logged in a few minutes ago, or the password comes with it.

        Raises:
            AppError: ``VALIDATION_ERROR`` for a wrong password; ``PASSWORD_NEEDED``; what a session raises.
        """
        opened = await self._sessions.authenticate(session_secret)
        if current_password:
            try:
                await self.verify(opened.account.email, current_password, address)
            except AppError as error:
                if error.reason != "CREDENTIALS_INVALID":
                    raise
                raise AppError(
                    Code.UNPROCESSABLE,
                    "VALIDATION_ERROR",
                    "Some fields do not fit.",
                    {"details": {"current_password": ["is not valid"]}},
                ) from None
        elif not opened.fresh:
            raise AppError(
                Code.UNPROCESSABLE,
                "PASSWORD_NEEDED",
                "Give your current password, or log in again first.",
                {"details": {"current_password": ["is needed, because you logged in a while ago"]}},
            )
        return opened

    async def change_password(
        self, session_secret: str, current_password: str, new_password: str, revoke_tokens: bool, address: str
    ) -> str:
        """Ends all sessions; API tokens and connections, too, if that is wished. The secret of a new session."""
        opened = await self.recognise(session_secret, current_password, address)
        password_hash = await self._passwords.hash(checked_password(new_password))
        known = opened.account

        def change(account: Account) -> Account:
            if (account.session_epoch, account.password_hash) != (known.session_epoch, known.password_hash):
                raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Your session is over. Log in again.")
            return dataclasses.replace(
                account,
                password_hash=password_hash,
                session_epoch=account.session_epoch + 1,
                token_epoch=account.token_epoch + revoke_tokens,
                connection_epoch=account.connection_epoch + revoke_tokens,
            )

        account = await self._store.change_account(known.id, change)
        await self._letters.password_changed(account)
        return await self._sessions.open(account, opened.session.remembered)

    async def create_with_token(self, email: str, role: str) -> str:
        """A new account with a password that nobody knows, and an API token for it.

        Raises:
            AppError: ``EMAIL_TAKEN`` when there is an account with this address.
        """
        account = await self._create(email, role, secrets.token_urlsafe(32))
        return (await self._tokens.create(account, "operator"))[0]

    async def bootstrap(self, email: str, password: str, token_path: Path) -> None:
        """Make sure that there is a first administrator, and an API token for it in ``token_path`` (mode 0600)."""
        account = await self._store.account_by_email(email)
        if account is None:
            chosen = password or secrets.token_urlsafe(12)
            account = await self._create(email, "super_admin", chosen)
            if not password:
                # Standard output, not the log: it is shown once and kept nowhere.
                sys.stdout.write(f"First start: the administrator is {email}, the password is {chosen}\n")
                sys.stdout.flush()
        if token_path.exists() and await self._opens(token_path.read_text().strip()):
            return
        token, _ = await self._tokens.create(account, "admin-token")
        write_private(token_path, token + "\n")

    async def _opens(self, token: str) -> bool:
        try:
            await self._tokens.authenticate(token)
        except AppError as error:
            return error.reason == "ACCOUNT_SUSPENDED"
        return True

    async def _create(self, email: str, role: str, password: str) -> Account:
        """An account that the operator makes, who answers for its address."""
        hashed = await self._passwords.hash(password)
        account = self._new(str(uuid.uuid4()), email.strip().lower(), role, hashed)
        account = dataclasses.replace(account, confirm_time=self._clock.now())
        await self._insert(account)
        return account

    async def _insert(self, account: Account) -> None:
        if not await self._store.insert_account(account):
            raise AppError(Code.CONFLICT, "EMAIL_TAKEN", "There is an account with this address already.")

    def _require_open(self) -> None:
        if not self._registration:
            raise AppError(
                Code.PERMISSION_DENIED, "REGISTRATION_CLOSED", "Registration is closed here. Ask the operator."
            )

    def _new(self, account_id: str, email: str, role: str, password_hash: str) -> Account:
        return Account(
            id=account_id,
            email=email,
            role=role,
            status="active",
            password_hash=password_hash,
            create_time=self._clock.now(),
        )


def _checked(email: str, password: str) -> str:
    """The address as it is stored, if both fit; else a refusal that names all that does not."""
    details: dict[str, list[str]] = {}
    checked = ""
    try:
        checked = checked_email(email)
    except AppError as error:
        details |= error.meta["details"]
    try:
        checked_password(password)
    except AppError as error:
        details |= error.meta["details"]
    if details:
        raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", {"details": details})
    return checked
