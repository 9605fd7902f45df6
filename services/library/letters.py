"""The mails that accounts get. What goes into them is looked up and sent behind the back of the request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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

__all__ = ["LOGIN_LINK_SECONDS", "Carrier", "LetterStore", "Letters"]

LOGIN_LINK_SECONDS = 15 * 60.0
_CONFIRMATION_SECONDS = 7 * 86400.0
_WAITING_LIMIT = 1000
# A mailbox is flooded with these few at most.
_MAILBOX_BUDGET = Budget(free=5, wait_seconds=300.0, limit_seconds=3600.0, memory_seconds=6 * 3600.0)
log = get_logger()


class LetterStore(Protocol):
    async def account_by_email(self, email: str) -> Account | None: ...
    async def insert_link(self, link: Link) -> None: ...


class Carrier(Protocol):
    """Takes mails to where they go."""

    async def carry(self, kind: str, message: EmailMessage) -> None:
        """Deliver ``message``; ``kind`` says in a word what it is about. Does not raise for what lies outside."""
        ...


@dataclass(frozen=True)
class _Waiting:
    work: Callable[[], Awaitable[None]]
    correlation_id: str


class Letters:
    """Every method returns at once and does the same whether or not there is an account: nobody can tell from outside.

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
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(_WAITING_LIMIT)

    async def run(self) -> None:
        """Send what waits, one after the other, until cancelled."""
        while True:
            waiting = await self._waiting.get()
            with correlation_scope(waiting.correlation_id):
                try:
                    await waiting.work()
                except AppError as error:
                    log.warning("mail.dropped", reason=error.reason)
                except Exception:
                    log.exception("mail.crashed")
                finally:
                    self._waiting.task_done()

    async def sent(self) -> None:
        """Wait until nothing waits."""
        await self._waiting.join()

    def welcome(self, account: Account) -> None:
        async def work() -> None:
            url = await self._link(account, "confirm", account.email, "/users/confirm", _CONFIRMATION_SECONDS)
            await self._send(
                "confirmation",
                account.email,
                "Confirm your Soundwright account",
                f"Welcome to Soundwright. Your account is ready.\n\nPlease confirm that this address is yours:\n\n{url}\n\n"
                "The link is valid for 7 days. If you did not register, ignore this mail.\n",
            )

        self._later(work)

    def registered_already(self, email: str) -> None:
        async def work() -> None:
            await self._attempts.take("mailbox", email, _MAILBOX_BUDGET)
            await self._send(
                "registered-already",
                email,
                "You have a Soundwright account already",
                "Somebody, perhaps you, registered at Soundwright with this address, which has an account already. "
                f"Nothing has changed.\n\nLog in, with a link by mail if you forgot the password:\n\n"
                f"{self._public_address}/users/log-in\n",
            )

        self._later(work)

    def login_link(self, email: str) -> None:
        """Mail a link that logs in, if there is an active account with this address."""

        async def work() -> None:
            account = await self._store.account_by_email(email)
            if account is None or account.status != "active":
                return
            await self._attempts.take("mailbox", account.email, _MAILBOX_BUDGET)
            url = await self._link(account, "login", account.email, "/users/log-in", LOGIN_LINK_SECONDS)
            await self._send(
                "login-link",
                account.email,
                "Log in to Soundwright",
                f"This link logs you in. It is valid for 15 minutes and works once:\n\n{url}\n\n"
                "If you did not ask for it, ignore this mail.\n",
            )

        self._later(work)

    def email_change(self, account: Account, email: str) -> None:
        """Mail a link to the address that the account is to have."""

        async def work() -> None:
            await self._attempts.take("mailbox", email, _MAILBOX_BUDGET)
            if await self._store.account_by_email(email) is not None:
                self.registered_already(email)
                return
            url = await self._link(account, "email", email, "/users/settings/confirm-email", _CONFIRMATION_SECONDS)
            await self._send(
                "email-change",
                email,
                "Confirm your new address for Soundwright",
                f"A Soundwright account is to use this address from now on. If that is what you want:\n\n{url}\n\n"
                "The link is valid for 7 days. If you did not ask for it, ignore this mail.\n",
            )

        self._later(work)

    def email_changed(self, before: str, after: Account) -> None:
        async def work() -> None:
            await self._send(
                "email-changed",
                before,
                "The address of your Soundwright account was changed",
                f"Your Soundwright account uses {after.email} from now on, and not this address any more. "
                "If that was not you, tell the operator.\n",
            )

        self._later(work)

    def password_changed(self, account: Account) -> None:
        async def work() -> None:
            await self._send(
                "password-changed",
                account.email,
                "Your Soundwright password was changed",
                "The password of your Soundwright account was changed, and all browsers were logged out. If that was not "
                f"you, log in with a link by mail and change it again:\n\n{self._public_address}/users/log-in\n",
            )

        self._later(work)

    def _later(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            self._waiting.put_nowait(_Waiting(work, correlation_id()))
        except asyncio.QueueFull:
            log.error("mail.dropped", reason="QUEUE_FULL")

    async def _link(self, account: Account, purpose: str, sent_to: str, path: str, seconds: float) -> str:
        secret = new_secret()
        await self._store.insert_link(
            Link(
                id=digest(secret),
                purpose=purpose,
                account_id=account.id,
                account_email=account.email,
                epoch=account.session_epoch,
                sent_to=sent_to,
                expire_time=self._clock.now() + seconds,
            )
        )
        return f"{self._public_address}{path}/{secret}"

    async def _send(self, kind: str, recipient: str, subject: str, text: str) -> None:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = formatdate(self._clock.now())
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or "localhost")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(text, cte="7bit")  # no line of a link may be broken
        await self._carrier.carry(kind, message)
