"""The services of accounts over a real document store, an outbox folder, and a clock that tests set."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from kit.adapters.sqlite.docs import SqliteDocs
from kit.errors import AppError, Code
from services.library.identity.account import Account
from services.library.identity.app import Identity, build_identity
from services.library.settings import LibrarySettings

PASSWORD = "correct horse battery"
BROWSER = "the browser of the fixture"
CLIENT_IP = "192.0.2.1"


class ManualClock:
    """A clock that stands still until a test sets ``time``."""

    time = 1_000_000.0

    def now(self) -> float:
        return self.time


class IdentityFixture:
    """The services of accounts of an empty platform."""

    def __init__(self, identity: Identity, docs: SqliteDocs, clock: ManualClock, folder: Path) -> None:
        self.identity, self.docs, self.clock, self.outbox = identity, docs, clock, folder / "outbox"
        self.start_sending()

    def start_sending(self) -> None:
        """Start the task that sends emails."""
        self.sending = asyncio.create_task(self.identity.email_queue.run())

    async def stop_sending(self) -> None:
        """Stop the task that sends emails."""
        self.sending.cancel()
        await asyncio.gather(self.sending, return_exceptions=True)

    async def account(self, email: str = "ann@example.org", role: str = "user") -> Account:
        """Register an account with :data:`PASSWORD`."""
        await self.identity.accounts.register(email, PASSWORD, CLIENT_IP, browser_key=BROWSER)
        account = await self.identity.store.find_account_by_email(email)
        assert account is not None
        if role != "user":
            account = await self.identity.store.change_account(account.id, lambda a: dataclasses.replace(a, role=role))
        return account

    async def log_in(self, email: str = "ann@example.org", password: str = PASSWORD) -> str:
        """Log in, and return the secret of the session."""
        account = await self.identity.accounts.verify_password(email, password, CLIENT_IP)
        return await self.identity.sessions.open(account, remembered=False)

    async def mails(self, kind: str = "") -> list[EmailMessage]:
        """Return the emails in the outbox, oldest first, after all queued emails were sent."""
        await self.identity.email_queue.wait_until_empty()
        paths = sorted(self.outbox.glob(f"*{kind}.eml")) if self.outbox.exists() else []
        return [_parse(path) for path in paths]

    async def secret(self, kind: str) -> str:
        """Return the secret in the link of the latest email of this kind."""
        return secret_in((await self.mails(kind))[-1])


def secret_in(mail: EmailMessage) -> str:
    """Return the secret in the only link of an email."""
    found = re.findall(r"http://127\.0\.0\.1:4000/users/[a-z/-]+/([A-Za-z0-9_-]{43})\s", mail.get_content())
    assert len(found) == 1
    return str(found[0])


def _parse(path: Path) -> EmailMessage:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


@contextlib.asynccontextmanager
async def identity_fixture(folder: Path, **settings: object) -> AsyncIterator[IdentityFixture]:
    """Build the services of accounts with their data in ``folder``."""
    docs, clock = SqliteDocs(folder / "library.db"), ManualClock()
    identity = build_identity(docs, LibrarySettings(data_dir=folder, **settings), clock)  # type: ignore[arg-type]
    # Fast hashes: with the default cost, each test would spend most of its time on them.
    identity.accounts._passwords._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    await identity.prepare()
    fixture = IdentityFixture(identity, docs, clock, folder)
    try:
        yield fixture
    finally:
        await fixture.stop_sending()
        await docs.close()


@contextlib.contextmanager
def raises_error(reason: str, code: Code | None = None):  # type: ignore[no-untyped-def]
    """Assert that the block raises an ``AppError`` with this reason, and yield the exception."""
    with pytest.raises(AppError) as error:
        yield error
    assert error.value.reason == reason
    assert code is None or error.value.code is code
