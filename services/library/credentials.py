"""What proves who somebody is: passwords, and secrets that are handed out once and kept as hashes."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from kit.errors import AppError, Code
from services.library.service import Account

__all__ = [
    "NO_PASSWORD",
    "ApiToken",
    "Link",
    "Passwords",
    "Session",
    "checked_email",
    "checked_password",
    "digest",
    "new_secret",
    "require_active",
    "unknown_credentials",
]

NO_PASSWORD = ""
"""The hash of an account that has no password: none fits."""

_PASSWORD_CHARS = (12, 72)
_PASSWORD_LIMIT_BYTES = 72
# No password of ours is as long; what somebody sends beyond that is not worth hashing.
_GUESS_LIMIT_BYTES = 1024
_EMAIL_LIMIT_CHARS = 160
# ASCII alone: among other letters there are some that look the same, or become the same in lower case.
_EMAIL = re.compile(r"[!#-'*+\-/-9=?A-Z^-~.]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_HASHING_COUNT = 2  # each takes 64 MiB and a core


@dataclass(frozen=True)
class Session:
    """A browser that is logged in. ``id`` is the hash of the secret in its cookie. Times are seconds since 1970."""

    id: str
    account_id: str
    epoch: int
    remembered: bool
    create_time: float
    authenticate_time: float
    expire_time: float
    renewed: bool = False
    revision: int = 0


@dataclass(frozen=True)
class ApiToken:
    """A key for programs. ``id`` is the hash of its secret."""

    id: str
    account_id: str
    name: str
    create_time: float
    prefix: str = ""
    epoch: int = 0
    use_time: float | None = None
    revision: int = 0

    @property
    def public_id(self) -> str:
        """What it is called where the hash has no business to be."""
        return str(uuid.UUID(self.id[:32]))


@dataclass(frozen=True)
class Link:
    """An address in a mail that proves that its reader has the mailbox. ``id`` is the hash of the secret in it."""

    id: str
    purpose: str  # login, confirm, email
    account_id: str
    account_email: str  # that of the account when the link was made; later it says nothing any more
    epoch: int
    sent_to: str
    expire_time: float
    revision: int = 0


def new_secret() -> str:
    """32 random bytes as 43 characters."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of a secret. 32 random bytes need no slow hash: they cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def unknown_credentials() -> AppError:
    """One refusal for an unknown address and a wrong password."""
    return AppError(Code.UNAUTHENTICATED, "CREDENTIALS_INVALID", "Invalid email or password")


def require_active(account: Account) -> Account:
    """
    Raises:
        AppError: ``ACCOUNT_SUSPENDED`` for an account that is suspended or banned.
    """
    if account.status != "active":
        raise AppError(Code.PERMISSION_DENIED, "ACCOUNT_SUSPENDED", f"This account is {account.status}.")
    return account


def _refusal(field: str, *complaints: str) -> AppError:
    details = {"details": {field: list(complaints)}}
    return AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", details)


def checked_email(email: str) -> str:
    """A mail address as it is stored: without blanks around it, in lower case.

    Raises:
        AppError: ``VALIDATION_ERROR``.
    """
    stripped = email.strip()
    if not stripped:
        raise _refusal("email", "can't be blank")
    if len(stripped) > _EMAIL_LIMIT_CHARS:
        raise _refusal("email", f"should be at most {_EMAIL_LIMIT_CHARS} character(s)")
    if not _EMAIL.fullmatch(stripped):
        raise _refusal("email", "must have the @ sign and no spaces or special letters")
    return stripped.lower()


def checked_password(password: str, field: str = "password") -> str:
    """A password that is long enough, and not longer than other systems' hashes take in: 12 to 72 characters, 72 bytes.

    Raises:
        AppError: ``VALIDATION_ERROR``.
    """
    least, most = _PASSWORD_CHARS
    if not password:
        raise _refusal(field, "can't be blank")
    if len(password) < least:
        raise _refusal(field, f"should be at least {least} character(s)")
    if len(password) > most:
        raise _refusal(field, f"should be at most {most} character(s)")
    if len(password.encode("utf-8", "surrogatepass")) > _PASSWORD_LIMIT_BYTES:
        raise _refusal(field, f"should be at most {_PASSWORD_LIMIT_BYTES} bytes; letters with accents take two or more")
    return password


class Passwords:
    """Slow hashes (Argon2id, RFC 9106), off the event loop and few at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._room = asyncio.Semaphore(_HASHING_COUNT)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        return await self._run(self._hasher.hash, password)

    async def fits(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one. Takes as long for a hash that does not exist."""
        if self._nobodys is None:
            self._nobodys = await self.hash(secrets.token_urlsafe(16))
        if len(password.encode("utf-8", "surrogatepass")) > _GUESS_LIMIT_BYTES:
            return False
        fits = await self._run(self._verify, password_hash or self._nobodys, password)
        return fits and bool(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Any, *arguments: Any) -> Any:
        async with self._room:
            return await asyncio.to_thread(work, *arguments)
