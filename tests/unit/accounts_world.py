"""Accounts over a real store and a real outbox, with a clock that is set by hand."""

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

from kit.adapters.docs_sqlite import SqliteDocs
from kit.errors import AppError, Code
from services.library.people import People, gather
from services.library.service import Account
from services.library.settings import LibrarySettings

PASSWORD = "correct horse battery"
HERE = "192.0.2.1"


class HandClock:
    time = 1_000_000.0

    def now(self) -> float:
        return self.time


class World:
    """The accounts of an empty platform."""

    def __init__(self, people: People, clock: HandClock, folder: Path) -> None:
        self.people, self.clock, self.outbox = people, clock, folder / "outbox"
        self.send()

    def send(self) -> None:
        """Start what sends mails."""
        self.sending = asyncio.create_task(self.people.letters.run())

    async def account(self, email: str = "ann@example.org", role: str = "user") -> Account:
        """A new account that somebody registered, with :data:`PASSWORD`."""
        await self.people.accounts.register(email, PASSWORD, HERE)
        account = await self.people.store.account_by_email(email)
        assert account is not None
        if role != "user":
            account = await self.people.store.change_account(account.id, lambda a: _with_role(a, role))
        return account

    async def log_in(self, email: str = "ann@example.org", password: str = PASSWORD) -> str:
        account = await self.people.accounts.verify(email, password, HERE)
        return await self.people.sessions.open(account, remembered=False)

    async def mails(self, kind: str = "") -> list[EmailMessage]:
        """What the outbox holds, oldest first."""
        await self.people.letters.sent()
        paths = sorted(self.outbox.glob(f"*{kind}.eml")) if self.outbox.exists() else []
        return [_parsed(path) for path in paths]

    async def secret(self, kind: str) -> str:
        """The secret in the link of the latest mail of this kind."""
        return secret_in((await self.mails(kind))[-1])


def secret_in(mail: EmailMessage) -> str:
    found = re.findall(r"http://127\.0\.0\.1:4000/users/[a-z/-]+/([A-Za-z0-9_-]{43})\s", mail.get_content())
    assert len(found) == 1
    return str(found[0])


def _parsed(path: Path) -> EmailMessage:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _with_role(account: Account, role: str) -> Account:
    return dataclasses.replace(account, role=role)


@contextlib.asynccontextmanager
async def world_in(folder: Path, **settings: object) -> AsyncIterator[World]:
    docs, clock = SqliteDocs(folder / "library.db"), HandClock()
    people = gather(docs, LibrarySettings(data_dir=folder, **settings), clock)  # type: ignore[arg-type]
    # Hashes that cost little: what they cost for real is the library's default, and each test makes some.
    people.accounts._passwords._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    await people.store.prepare()
    world = World(people, clock, folder)
    try:
        yield world
    finally:
        world.sending.cancel()
        await asyncio.gather(world.sending, return_exceptions=True)
        await docs.close()


@contextlib.contextmanager
def refused(reason: str, code: Code | None = None):  # type: ignore[no-untyped-def]
    """What is done inside is refused for this reason; yields the refusal."""
    with pytest.raises(AppError) as refusal:
        yield refusal
    assert refusal.value.reason == reason
    assert code is None or refusal.value.code is code
