"""Credentials: passwords, sessions, API tokens and email links. Secrets are shown once and stored as hashes."""

import asyncio
import re
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from soundwright.kit import errors
from soundwright.kit.security.identity import GUEST_ROLE
from soundwright.services.library.identity.account import Account

NO_PASSWORD = ""
"""The password hash of an account without a password. No password matches it."""

_PASSWORD_CHARS = (12, 72)
_PASSWORD_LIMIT_BYTES = 72
# Longer input cannot be a valid password, so it is not hashed.
_GUESS_LIMIT_BYTES = 1024
_EMAIL_LIMIT_CHARS = 160
# ASCII only: some other characters look like ASCII letters, or become ASCII letters in lower case.
_EMAIL = re.compile(r"[!#-'*+\-/-9=?A-Z^-~.]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_PARALLEL_HASHES = 2  # each needs 64 MiB and one CPU core


@dataclass(frozen=True)
class Session:
    """A logged-in browser. ``id`` is the hash of the secret in its cookie. Times are seconds since 1970.

    Attributes:
        renewed: another session has replaced it.
        login_id: the ID of the first of the sessions that replaced each other; empty: it is the first.
        use_time: when the browser last sent a request; accurate to one minute.
        ip_address, user_agent: those of that request.
    """

    id: str
    account_id: str
    epoch: int
    remembered: bool
    create_time: float
    authenticate_time: float
    expire_time: float
    renewed: bool = False
    login_id: str = ""
    use_time: float | None = None
    ip_address: str = ""
    user_agent: str = ""
    revision: int = 0

    @property
    def public_id(self) -> str:
        """The ID in the API. It stays the same when the session is renewed, and does not reveal the hash."""
        return self.login_id or str(uuid.UUID(self.id[:32]))


@dataclass(frozen=True)
class ApiToken:
    """An API token. ``id`` is the hash of its secret.

    Attributes:
        slot: its place among the tokens of the account and epoch, which limits their number; None: an earlier version
            stored it.
    """

    id: str
    account_id: str
    name: str
    create_time: float
    prefix: str = ""
    epoch: int = 0
    use_time: float | None = None
    expire_time: float | None = None
    slot: int | None = None
    revision: int = 0

    @property
    def public_id(self) -> str:
        """The ID in the API. It does not reveal the hash."""
        return str(uuid.UUID(self.id[:32]))


@dataclass(frozen=True)
class Link:
    """A link in an email, which proves control of the mailbox. ``id`` is the hash of the secret in its URL.

    Attributes:
        purpose: ``login``, ``confirm`` (confirms the address) or ``email`` (changes the address to ``sent_to``).
        account_email, epoch: those of the account when the link was created. The link is void after they change.
        sent_to: the address that received the link.
    """

    id: str
    purpose: str
    account_id: str
    account_email: str
    epoch: int
    sent_to: str
    expire_time: float
    revision: int = 0


def require_active(account: Account) -> Account:
    """Return the account if it is active. Raises ``ACCOUNT_SUSPENDED`` if the account is suspended or banned."""
    if account.status != "active":
        raise errors.ACCOUNT_SUSPENDED(status=account.status)
    return account


def require_registered(account: Account) -> Account:
    """Return the account.

    Raises ``REGISTRATION_NEEDED`` if it is a guest account. A guest whose session has ended could not revoke a
    credential.
    """
    if account.role == GUEST_ROLE:
        raise errors.REGISTRATION_NEEDED()
    return account


def checked_email(email: str) -> str:
    """Validate an email address, and return it in its stored form: trimmed, in lower case.

    Raises ``VALIDATION_ERROR``.
    """
    stripped = email.strip()
    if not stripped:
        raise errors.invalid("email", "can't be blank")
    if len(stripped) > _EMAIL_LIMIT_CHARS:
        raise errors.invalid("email", f"should be at most {_EMAIL_LIMIT_CHARS} character(s)")
    if not _EMAIL.fullmatch(stripped):
        raise errors.invalid("email", "must have the @ sign and no spaces or special characters")
    return stripped.lower()


def password_problems(password: str, confirmation: str | None = None) -> dict[str, list[str]]:
    """Return the problems of a new password and of its confirmation, by field.

    A password has 12 to 72 characters and at most 72 bytes, the limit of other systems' hash functions.

    Args:
        confirmation: the password again; None: it is not checked.
    """
    min_chars, max_chars = _PASSWORD_CHARS
    problems: dict[str, list[str]] = {}
    if not password:
        problems["password"] = ["can't be blank"]
    elif len(password) < min_chars:
        problems["password"] = [f"should be at least {min_chars} character(s)"]
    elif len(password) > max_chars:
        problems["password"] = [f"should be at most {max_chars} character(s)"]
    elif len(password.encode("utf-8", "surrogatepass")) > _PASSWORD_LIMIT_BYTES:
        problems["password"] = [
            f"should be at most {_PASSWORD_LIMIT_BYTES} bytes; characters with accents take two or more"
        ]
    if confirmation is not None and confirmation != password:
        problems["password_confirmation"] = ["does not match password"]
    return problems


class Passwords:
    """Hashes and verifies passwords with Argon2id (RFC 9106), in threads, with limited parallelism."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._slots = asyncio.Semaphore(_PARALLEL_HASHES)
        self._dummy_hash: str | None = None

    async def hash(self, password: str) -> str:
        return await self._run(self._hasher.hash, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Return whether the password has this hash.

        The call takes as long without a hash, so that its duration does not reveal whether an account exists.
        """
        if self._dummy_hash is None:
            self._dummy_hash = await self.hash(secrets.token_urlsafe(16))
        if len(password.encode("utf-8", "surrogatepass")) > _GUESS_LIMIT_BYTES:
            return False
        matches = await self._run(self._verify, password_hash or self._dummy_hash, password)
        return matches and bool(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, function: Any, *arguments: Any) -> Any:
        async with self._slots:
            return await asyncio.to_thread(function, *arguments)
