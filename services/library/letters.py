"""The mails that accounts get. What is to be told is stored, then looked up and sent behind the back of the request."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Protocol

from kit.errors import AppError
from kit.log import correlation_id, correlation_scope, get_logger
from kit.ports import Clock
from services.library.attempts import Attempts, Budget
from services.library.credentials import Link, digest, new_secret
from services.library.service import Account

__all__ = ["LOGIN_LINK_SECONDS", "Carrier", "Letter", "LetterStore", "Letters"]

LOGIN_LINK_SECONDS = 15 * 60.0
_CONFIRMATION_SECONDS = 7 * 86400.0
_BATCH = 100
# How long one sender may take for a letter before another one tries; a mail may then come twice, but it comes.
_SENDING_SECONDS = 120.0
_LOOK_SECONDS = 60.0
# A mailbox is flooded with these few at most.
_MAILBOX_BUDGET = Budget(free=5, wait_seconds=300.0, limit_seconds=3600.0, memory_seconds=6 * 3600.0)
log = get_logger()


@dataclass(frozen=True)
class Letter:
    """What somebody is to be told.

    Attributes:
        due_time: when a sender may take it: at once (0), or when the one that has it must have been lost.
        account_email, epoch: the account's when the letter came up.
    """

    id: str
    kind: str
    recipient: str
    create_time: float
    correlation_id: str
    due_time: float = 0.0
    account_id: str = ""
    account_email: str = ""
    epoch: int = 0
    revision: int = 0


class LetterStore(Protocol):
    async def account_by_email(self, email: str) -> Account | None: ...
    async def insert_link(self, link: Link) -> None: ...
    async def insert_letter(self, letter: Letter) -> None: ...
    async def due_letters(self, now: float, limit: int) -> list[Letter]: ...
    async def replace_letter(self, letter: Letter) -> bool: ...
    async def delete_letter(self, letter_id: str) -> None: ...


class Carrier(Protocol):
    """Takes mails to where they go."""

    async def carry(self, kind: str, message: EmailMessage) -> None:
        """Deliver ``message``; ``kind`` says in a word what it is about. Does not raise for what lies outside."""
        ...


class Letters:
    """Every call takes as long, and does the same, whether or not there is an account: nobody can tell from outside.

    A letter is stored before the call returns and forgotten when it has left, so that none is lost with the process.

    Args:
        public_address: what links in mails begin with.
        sender: the address that mails come from.
    """

    def __init__(
        self, store: LetterStore, attempts: Attempts, carrier: Carrier, clock: Clock, public_address: str, sender: str
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._carrier = carrier
        self._clock = clock
        self._public_address = public_address
        self._sender = sender
        self._posted = asyncio.Event()
        self._idle = asyncio.Condition()
        self._posted_count = 0
        self._done_count = -1  # what an earlier process left counts, too
        self._writers: Mapping[str, Callable[[Letter], Awaitable[None]]] = {
            "confirmation": self._write_welcome,
            "registered-already": self._write_registered_already,
            "login-link": self._write_login_link,
            "email-change": self._write_email_change,
            "email-changed": self._write_email_changed,
            "password-changed": self._write_password_changed,
        }

    async def run(self) -> None:
        """Send what waits, one after the other, until cancelled; what an earlier process left, too."""
        while True:
            self._posted.clear()
            try:
                await self._send_due()
            except Exception:  # the store's trouble, which passes; the letters stay
                log.exception("mail.stalled")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._posted.wait()

    async def sent(self) -> None:
        """Wait until nothing waits here any more."""
        async with self._idle:
            await self._idle.wait_for(lambda: self._done_count >= self._posted_count)

    async def welcome(self, account: Account) -> None:
        await self._post("confirmation", account.email, account)

    async def registered_already(self, email: str) -> None:
        await self._post("registered-already", email)

    async def login_link(self, email: str) -> None:
        """Mail a link that logs in, if there is an active account with this address."""
        await self._post("login-link", email)

    async def email_change(self, account: Account, email: str) -> None:
        """Mail a link to the address that the account is to have."""
        await self._post("email-change", email, account)

    async def email_changed(self, before: str, after: Account) -> None:
        await self._post("email-changed", before, after)

    async def password_changed(self, account: Account) -> None:
        await self._post("password-changed", account.email, account)

    async def _post(self, kind: str, recipient: str, account: Account | None = None) -> None:
        letter = Letter(
            id=f"{time.time_ns():020d}-{uuid.uuid4()}",  # sorts in the order of posting
            kind=kind,
            recipient=recipient,
            create_time=self._clock.now(),
            correlation_id=correlation_id(),
        )
        if account is not None:
            letter = dataclasses.replace(
                letter, account_id=account.id, account_email=account.email, epoch=account.session_epoch
            )
        await self._store.insert_letter(letter)
        self._posted_count += 1
        self._posted.set()

    async def _send_due(self) -> None:
        posted = self._posted_count
        while letters := await self._store.due_letters(self._clock.now(), _BATCH):
            for letter in letters:
                await self._send_one(letter)
        async with self._idle:
            self._done_count = posted
            self._idle.notify_all()

    async def _send_one(self, letter: Letter) -> None:
        claimed = dataclasses.replace(letter, due_time=self._clock.now() + _SENDING_SECONDS)
        if not await self._store.replace_letter(claimed):
            return  # somebody else sends it
        with correlation_scope(letter.correlation_id):
            try:
                await self._writers[letter.kind](letter)
            except AppError as error:
                log.warning("mail.dropped", kind=letter.kind, reason=error.reason)
            except Exception:
                log.exception("mail.crashed", kind=letter.kind)
        await self._store.delete_letter(letter.id)

    async def _write_welcome(self, letter: Letter) -> None:
        url = await self._link(letter, "confirm", "/users/confirm", _CONFIRMATION_SECONDS)
        await self._send(
            letter,
            "Confirm your Soundwright account",
            f"Welcome to Soundwright. Your account is ready.\n\nPlease confirm that this address is yours:\n\n{url}\n\n"
            "The link is valid for 7 days. If you did not register, ignore this mail.\n",
        )

    async def _write_registered_already(self, letter: Letter) -> None:
        await self._attempts.take("mailbox", letter.recipient, _MAILBOX_BUDGET)
        await self._send(
            letter,
            "You have a Soundwright account already",
            "Somebody, perhaps you, registered at Soundwright with this address, which has an account already. "
            f"Nothing has changed.\n\nLog in, with a link by mail if you forgot the password:\n\n"
            f"{self._public_address}/users/log-in\n",
        )

    async def _write_login_link(self, letter: Letter) -> None:
        account = await self._store.account_by_email(letter.recipient)
        if account is None or account.status != "active":
            return
        if self._clock.now() - letter.create_time >= LOGIN_LINK_SECONDS:  # whoever asked has given up
            return
        await self._attempts.take("mailbox", account.email, _MAILBOX_BUDGET)
        of_account = dataclasses.replace(
            letter, account_id=account.id, account_email=account.email, epoch=account.session_epoch
        )
        url = await self._link(of_account, "login", "/users/log-in", LOGIN_LINK_SECONDS)
        await self._send(
            letter,
            "Log in to Soundwright",
            f"This link logs you in. It is valid for 15 minutes and works once:\n\n{url}\n\n"
            "If you did not ask for it, ignore this mail.\n",
        )

    async def _write_email_change(self, letter: Letter) -> None:
        await self._attempts.take("mailbox", letter.recipient, _MAILBOX_BUDGET)
        if await self._store.account_by_email(letter.recipient) is not None:
            await self.registered_already(letter.recipient)
            return
        url = await self._link(letter, "email", "/users/settings/confirm-email", _CONFIRMATION_SECONDS)
        await self._send(
            letter,
            "Confirm your new address for Soundwright",
            f"A Soundwright account is to use this address from now on. If that is what you want:\n\n{url}\n\n"
            "The link is valid for 7 days. If you did not ask for it, ignore this mail.\n",
        )

    async def _write_email_changed(self, letter: Letter) -> None:
        await self._send(
            letter,
            "The address of your Soundwright account was changed",
            f"Your Soundwright account uses {letter.account_email} from now on, and not this address any more. "
            "If that was not you, tell the operator.\n",
        )

    async def _write_password_changed(self, letter: Letter) -> None:
        await self._send(
            letter,
            "Your Soundwright password was changed",
            "The password of your Soundwright account was changed, and all browsers were logged out. If that was not "
            f"you, log in with a link by mail and change it again:\n\n{self._public_address}/users/log-in\n",
        )

    async def _link(self, letter: Letter, purpose: str, path: str, seconds: float) -> str:
        secret = new_secret()
        await self._store.insert_link(
            Link(
                id=digest(secret),
                purpose=purpose,
                account_id=letter.account_id,
                account_email=letter.account_email,
                epoch=letter.epoch,
                sent_to=letter.recipient,
                expire_time=self._clock.now() + seconds,
            )
        )
        return f"{self._public_address}{path}/{secret}"

    async def _send(self, letter: Letter, subject: str, text: str) -> None:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = letter.recipient
        message["Subject"] = subject
        message["Date"] = formatdate(self._clock.now())
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or "localhost")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(text, cte="7bit")  # no line of a link may be broken
        await self._carrier.carry(letter.kind, message)
