"""The email queue: stores emails and sends them in the background, so that requests do not wait for the mail server."""

import asyncio
import dataclasses
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Protocol, TypeAlias

from soundwright.kit.errors import AppError, Code
from soundwright.kit.log import correlation_id, correlation_scope, get_logger
from soundwright.kit.periodic import every, failures_logged
from soundwright.kit.ports import Clock, LessThan
from soundwright.services.library.table import Table

_BATCH_SIZE = 100
# After this time another process sends the email. The recipient may then receive it twice, but it is never lost.
_CLAIM_SECONDS = 120.0
_POLL_SECONDS = 60.0
_KEEP_SECONDS = 86400.0  # then an email that cannot be composed is given up
_PARALLEL_COUNT = 8
log = get_logger()


@dataclass(frozen=True)
class QueuedEmail:
    """An email that waits to be composed and sent.

    Attributes:
        kind: a kind that was registered with :meth:`EmailQueue.register`.
        due_time: the time from which a process may claim the email; 0 means at once.
        account_id, account_email, epoch: values for the composer, as they were when the email was queued.
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


@dataclass(frozen=True)
class EmailContent:
    """The subject and the plain text of an email."""

    subject: str
    text: str


Composer: TypeAlias = Callable[[QueuedEmail], Awaitable[EmailContent | None]]
"""Returns the content of an email, or None to drop it. ``RATE_LIMITED`` drops it, too. Other errors delay it."""


class MailTransport(Protocol):
    """Delivers messages."""

    async def send(self, kind: str, message: EmailMessage) -> None:
        """Deliver ``message``. Do not raise for failures of the mail server. ``kind`` is for the log and file names."""
        ...


class EmailQueue:
    """Queues emails, and sends them through a transport.

    An email is stored before :meth:`enqueue` returns and deleted after it was sent, so that no email is lost when the
    process stops.
    """

    def __init__(self, emails: Table[QueuedEmail], transport: MailTransport, clock: Clock, sender: str) -> None:
        """
        Args:
            sender: the address in the From header.
        """
        self._emails = emails
        self._transport = transport
        self._clock = clock
        self._sender = sender
        self._composers = dict[str, Composer]()
        self._wake = asyncio.Event()

    def register(self, kind: str, compose: Composer) -> None:
        self._composers[kind] = compose

    async def enqueue(
        self, kind: str, recipient: str, *, account_id: str = "", account_email: str = "", epoch: int = 0
    ) -> None:
        """Store an email of a registered kind for sending."""
        await self._emails.add(
            QueuedEmail(
                id=f"{time.time_ns():020d}-{uuid.uuid4()}",  # IDs sort by time
                kind=kind,
                recipient=recipient,
                create_time=self._clock.now(),
                correlation_id=correlation_id(),
                account_id=account_id,
                account_email=account_email,
                epoch=epoch,
            )
        )
        self._wake.set()

    async def run(self) -> None:
        """Send due emails until cancelled, including emails that an earlier process left behind."""
        await every(_POLL_SECONDS, "mail.queue_failed", self.send_due, wake=self._wake)

    async def send_due(self) -> None:
        """Send all due emails, a few at a time, so that a slow mail server delays none until its link has expired."""
        slots = asyncio.Semaphore(_PARALLEL_COUNT)

        async def one(email: QueuedEmail) -> None:
            async with slots:
                await self._process(email)

        # Unclaimed emails come first, the oldest before the others, then those whose claim has expired.
        while emails := await self._due():
            await asyncio.gather(*map(one, emails))

    async def _due(self) -> list[QueuedEmail]:
        return await self._emails.find({"due_time": LessThan(self._clock.now())}, sort="due_time", limit=_BATCH_SIZE)

    async def _process(self, email: QueuedEmail) -> None:
        now = self._clock.now()
        if not await self._emails.replace(dataclasses.replace(email, due_time=now + _CLAIM_SECONDS)):
            return  # another process claimed it
        # After a failure, for example of the store, the email is due again when the claim expires.
        with correlation_scope(email.correlation_id), failures_logged("mail.failed", kind=email.kind):
            if now - email.create_time < _KEEP_SECONDS:
                content = await self._composed(email)
                if content is not None:
                    await self._transport.send(email.kind, self._message(email.recipient, content))
            else:
                log.error("mail.expired", kind=email.kind)
            await self._emails.delete(email.id)

    async def _composed(self, email: QueuedEmail) -> EmailContent | None:
        try:
            return await self._composers[email.kind](email)
        except AppError as error:
            if error.code is not Code.RATE_LIMITED:
                raise
            log.warning("mail.dropped", kind=email.kind, reason=error.reason)
            return None

    def _message(self, recipient: str, content: EmailContent) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = recipient
        message["Subject"] = content.subject
        message["Date"] = formatdate(self._clock.now())
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or "localhost")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies
        message.set_content(content.text, cte="7bit")  # other encodings may break a line inside a link
        return message
