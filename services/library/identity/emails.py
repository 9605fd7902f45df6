"""The emails of accounts: what they say, the links in them, and when they are sent."""

import dataclasses
from typing import TYPE_CHECKING

from soundwright.kit.log import get_logger
from soundwright.kit.ports import Clock
from soundwright.services.library.bearer_secrets import digest, new_secret
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.credentials import Link
from soundwright.services.library.identity.login_throttle import Budget, LoginThrottle
from soundwright.services.library.mail.service import EmailContent, EmailQueue, QueuedEmail

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore

log = get_logger()

LOGIN_LINK_SECONDS = 15 * 60.0
"""The lifetime of a login link."""

_CONFIRMATION_SECONDS = 7 * 86400.0
# Limits the emails to one mailbox, which anybody can trigger.
_MAILBOX_BUDGET = Budget(free=5, wait_seconds=300.0, limit_seconds=3600.0, memory_seconds=6 * 3600.0)


class AccountEmails:
    """Sends emails about accounts.

    Every method only queues an email, so its duration does not reveal whether an account exists. Accounts are looked
    up later, when the queue composes the email.
    """

    def __init__(
        self, queue: EmailQueue, store: "IdentityStore", throttle: LoginThrottle, clock: Clock, public_address: str
    ) -> None:
        """
        Args:
            public_address: the base URL of links.
        """
        self._queue = queue
        self._store = store
        self._throttle = throttle
        self._clock = clock
        self._public_address = public_address
        queue.register("confirmation", self._compose_confirmation)
        queue.register("registered-already", self._compose_already_registered)
        queue.register("login-link", self._compose_login_link)
        queue.register("email-change", self._compose_email_change_link)
        queue.register("email-changed", self._compose_email_changed)
        queue.register("password-changed", self._compose_password_changed)

    async def send_confirmation_link(self, account: Account) -> None:
        await self._enqueue("confirmation", account.email, account)

    async def send_already_registered(self, email: str) -> None:
        """Notify the owner of ``email`` of an attempt to register it again, although it has an account."""
        await self._queue.enqueue("registered-already", email)

    async def send_login_link(self, email: str) -> None:
        await self._queue.enqueue("login-link", email)

    async def send_email_change_link(self, account: Account, new_email: str) -> None:
        """Send a link to ``new_email`` that changes the address of the account to it."""
        await self._enqueue("email-change", new_email, account)

    async def send_email_changed(self, previous_email: str, account: Account) -> None:
        """Notify the previous address of an account that the address was changed."""
        await self._enqueue("email-changed", previous_email, account)

    async def send_password_changed(self, account: Account) -> None:
        """Notify the owner of an account that its password was changed."""
        await self._enqueue("password-changed", account.email, account)

    async def _enqueue(self, kind: str, recipient: str, account: Account) -> None:
        await self._queue.enqueue(
            kind, recipient, account_id=account.id, account_email=account.email, epoch=account.session_epoch
        )

    async def _compose_confirmation(self, email: QueuedEmail) -> EmailContent:
        url = await self._create_link("confirm", "/users/confirm", email, _CONFIRMATION_SECONDS)
        return EmailContent(
            "Confirm your Soundwright account",
            "Welcome to Soundwright. Your account is ready.\n\nTo confirm your email address, open this link:\n\n"
            f"{url}\n\nThe link is valid for 7 days. If you did not create an account, ignore this email.\n",
        )

    async def _compose_already_registered(self, email: QueuedEmail) -> EmailContent:
        await self._throttle.acquire("mailbox", email.recipient, _MAILBOX_BUDGET)
        return EmailContent(
            "You already have a Soundwright account",
            "Someone tried to create a Soundwright account with this email address, but you already have an account. "
            "Your account did not change.\n\nTo log in, open this page. If you forgot your password, request a login "
            f"link there:\n\n{self._public_address}/users/log-in\n",
        )

    async def _compose_login_link(self, email: QueuedEmail) -> EmailContent | None:
        account = await self._store.find_account_by_email(email.recipient)
        if account is None or account.status != "active":
            return None
        if self._clock.now() - email.create_time >= LOGIN_LINK_SECONDS:
            log.warning("mail.too_late", kind=email.kind)  # the user no longer waits for the link
            return None
        await self._throttle.acquire("mailbox", account.email, _MAILBOX_BUDGET)
        email = dataclasses.replace(
            email, account_id=account.id, account_email=account.email, epoch=account.session_epoch
        )
        url = await self._create_link("login", "/users/log-in", email, LOGIN_LINK_SECONDS)
        return EmailContent(
            "Log in to Soundwright",
            f"To log in to Soundwright, open this link:\n\n{url}\n\nThe link is valid for 15 minutes and works once. "
            "If you did not request it, ignore this email.\n",
        )

    async def _compose_email_change_link(self, email: QueuedEmail) -> EmailContent | None:
        await self._throttle.acquire("mailbox", email.recipient, _MAILBOX_BUDGET)
        if await self._store.find_account_by_email(email.recipient) is not None:
            await self.send_already_registered(email.recipient)
            return None
        url = await self._create_link("email", "/users/settings/confirm-email", email, _CONFIRMATION_SECONDS)
        return EmailContent(
            "Confirm your new email address for Soundwright",
            "You requested to change the email address of your Soundwright account to this address. To confirm the "
            f"change, open this link:\n\n{url}\n\nThe link is valid for 7 days. If you did not request the change, "
            "ignore this email.\n",
        )

    async def _compose_email_changed(self, email: QueuedEmail) -> EmailContent:
        return EmailContent(
            "Your Soundwright email address was changed",
            f"The email address of your Soundwright account was changed from this address to {email.account_email}. "
            "If you did not change it, contact the operator of this server.\n",
        )

    async def _compose_password_changed(self, email: QueuedEmail) -> EmailContent:
        return EmailContent(
            "Your Soundwright password was changed",
            "The password of your Soundwright account was changed, and all browsers were logged out. If you did not "
            "change it, log in with a login link and set a new password:\n\n"
            f"{self._public_address}/users/log-in\n",
        )

    async def _create_link(self, purpose: str, path: str, email: QueuedEmail, lifetime_seconds: float) -> str:
        """Store a link for the account and the recipient of ``email``, and return its URL."""
        secret = new_secret()
        await self._store.links.add(
            Link(
                id=digest(secret),
                purpose=purpose,
                account_id=email.account_id,
                account_email=email.account_email,
                epoch=email.epoch,
                sent_to=email.recipient,
                expire_time=self._clock.now() + lifetime_seconds,
            )
        )
        return f"{self._public_address}{path}/{secret}"
