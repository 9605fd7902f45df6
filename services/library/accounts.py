"""Accounts and API tokens: the first administrator, and who a token belongs to."""

from __future__ import annotations

import hashlib
import secrets
import sys
import uuid
from pathlib import Path
from typing import Protocol

from argon2 import PasswordHasher

from kit.errors import AppError, Code
from kit.ports import Clock
from kit.private import write_private
from services.library.service import Account

__all__ = ["ROLES", "AccountStore", "Accounts"]

ROLES = ("user", "pro", "enterprise", "admin", "platform_admin", "super_admin")


class AccountStore(Protocol):
    async def insert_account(self, account: Account) -> None: ...
    async def account_by_email(self, email: str) -> Account | None: ...
    async def insert_token(self, token_hash: str, account_id: str, name: str, create_time: float) -> None: ...
    async def account_by_token(self, token_hash: str) -> Account | None: ...


class Accounts:
    """Who may use the platform."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def authenticate(self, token: str) -> Account:
        """The account of an API token.

        Raises:
            AppError: ``UNAUTHORIZED`` for an unknown token, ``ACCOUNT_SUSPENDED`` for one of an account that is not
                active.
        """
        account = await self._store.account_by_token(_hash(token))
        if account is None:
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
        if account.status != "active":
            raise AppError(Code.PERMISSION_DENIED, "ACCOUNT_SUSPENDED", f"This account is {account.status}.")
        return account

    async def create_with_token(self, email: str, role: str) -> str:
        """A new account with a password that nobody knows, and an API token for it.

        Raises:
            AppError: ``EMAIL_TAKEN`` when there is an account with this address.
        """
        account = await self._create(email, role, secrets.token_urlsafe(32))
        return await self._issue_token(account, "operator")

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
        if token_path.exists() and await self._store.account_by_token(_hash(token_path.read_text().strip())):
            return
        token = await self._issue_token(account, "admin-token")
        write_private(token_path, token + "\n")

    async def _create(self, email: str, role: str, password: str) -> Account:
        account = Account(
            id=str(uuid.uuid4()),
            email=email.strip().lower(),
            role=role,
            status="active",
            password_hash=PasswordHasher().hash(password),
            create_time=self._clock.now(),
        )
        try:
            await self._store.insert_account(account)
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            raise AppError(Code.CONFLICT, "EMAIL_TAKEN", "There is an account with this address already.") from None
        return account

    async def _issue_token(self, account: Account, name: str) -> str:
        token = secrets.token_urlsafe(32)
        await self._store.insert_token(_hash(token), account.id, name, self._clock.now())
        return token


def _hash(token: str) -> str:
    # 32 random bytes need no slow hash: they cannot be guessed.
    return hashlib.sha256(token.encode()).hexdigest()
