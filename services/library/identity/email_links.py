"""Links in emails, which prove that the user controls a mailbox: login, confirmation and change of the address."""

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Clock
from soundwright.services.library.bearer_secrets import digest
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.credentials import NO_PASSWORD, Link, checked_email, require_active
from soundwright.services.library.identity.emails import AccountEmails
from soundwright.services.library.identity.login_throttle import Budget, LoginThrottle
from soundwright.services.library.identity.service import Accounts
from soundwright.services.library.identity.sessions import Sessions

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore


class EmailLinks:
    """Sends and redeems links. A link works once, until it expires or its account changes."""

    def __init__(
        self,
        store: "IdentityStore",
        accounts: Accounts,
        sessions: Sessions,
        throttle: LoginThrottle,
        emails: AccountEmails,
        audit: AuditLog,
        clock: Clock,
        attempts_per_address: int,
    ) -> None:
        """
        Args:
            attempts_per_address: requests that one IP address may make without a wait.
        """
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._throttle = throttle
        self._emails = emails
        self._audit = audit
        self._clock = clock
        self._request_budget = Budget(attempts_per_address, wait_seconds=2.0, limit_seconds=900.0)

    async def request_login(self, email: str, address: str) -> None:
        """Send a login link if an account has this address. The caller does not learn whether one has.

        Args:
            address: the IP address of the client.

        Raises ``VALIDATION_ERROR`` for an invalid email address; ``RATE_LIMITED``.
        """
        checked = checked_email(email)
        await self._throttle.acquire("request", address, self._request_budget)
        await self._emails.send_login_link(checked)

    async def log_in(self, secret: str, remembered: bool) -> tuple[str, Account]:
        """Redeem a login link, and return the secret of a new session with its account.

        An unconfirmed account may have been registered by somebody who does not control the mailbox. So the first
        login by link confirms the address, removes the password, and revokes all sessions, API tokens and connections.

        Raises ``LINK_INVALID``, ``ACCOUNT_SUSPENDED``.
        """
        link, before = await self._find(secret, ("login",))
        require_active(before)
        if before.confirm_time is None:
            await self._audit.record(before, "take_over", "user", before.id)

        def change(account: Account) -> Account:
            _require_unchanged(link, account)
            require_active(account)
            return account if account.confirm_time is not None else _taken_over(account, self._clock.now())

        # The session comes first and the link last: if the store fails in between, the link works again.
        expected = change(before)
        session = await self._sessions.open(expected, remembered)
        try:
            account = await self._store.change_account(link.account_id, change)
            if account.session_epoch != expected.session_epoch:  # it was confirmed meanwhile
                raise errors.LINK_INVALID()
            await self._void(link, account)
        except AppError:
            with contextlib.suppress(AppError):
                await self._sessions.close(session)
            raise
        return session, account

    async def request_change(self, session_secret: str, current_password: str, email: str, address: str) -> None:
        """Send a link to a new email address. The account changes to the address when the link is opened.

        Raises ``VALIDATION_ERROR``, ``PASSWORD_NEEDED``, ``RATE_LIMITED``, and errors of the session.
        """
        checked, details = "", {}
        try:
            checked = checked_email(email)
        except AppError as error:
            details = error.meta["details"]
        opened = await self._accounts.reauthenticate(session_secret, current_password, address, details)
        if checked == opened.account.email:
            raise errors.invalid("email", "did not change")
        await self._throttle.acquire("request", address, self._request_budget)
        await self._emails.send_email_change_link(opened.account, checked)

    async def confirm(self, secret: str, browser_key: str, session_secret: str) -> tuple[Account, Account]:
        """Redeem a link that confirms the address of an account or changes it. Return the account before and after.

        Somebody else may have registered the address. So the first confirmation removes the password, and revokes all sessions,
        API tokens and connections, unless it comes from the browser that registered or from a session of the account.

        Args:
            session_secret: the secret of its session; empty if there is none.

        Raises ``LINK_INVALID``; ``EMAIL_TAKEN`` if another account has the new address; ``SESSION_NEEDED`` for a change
        outside a session of the account. Otherwise, anybody could move their account to the mailbox of another person,
        who would use it with them.
        """
        link, before = await self._find(secret, ("confirm", "email"))
        in_session = await self._is_session(session_secret, before.id)
        if link.purpose == "email" and not in_session:
            raise errors.SESSION_NEEDED("Log in to the account that gets this email address. Then open the link again.")
        known = in_session or (before.browser_key and before.browser_key == browser_key)
        action, changes = "email_change", {"email": {"from": before.email, "to": link.sent_to}}
        if link.purpose == "confirm":
            action = "email_confirm" if known or before.confirm_time is not None else "take_over"
        entry = await self._audit.record(before, action, "user", before.id, changes)

        def change(account: Account) -> Account:
            _require_unchanged(link, account)
            now = self._clock.now()
            if link.purpose == "email":
                return dataclasses.replace(account, email=link.sent_to, confirm_time=now)
            if account.confirm_time is None and not known:
                return _taken_over(account, now)
            return dataclasses.replace(account, confirm_time=account.confirm_time or now)

        try:
            account = await self._store.change_account(link.account_id, change)
        except AppError as error:
            await self._audit.withdraw(entry)
            if error.reason != "DOC_EXISTS":
                raise
            raise errors.EMAIL_TAKEN(
                "Another account already uses this email address. Use another address, or log in to that account."
            ) from None
        await self._void(link, account)
        if account.email != before.email:
            await self._emails.send_email_changed(before.email, account)
        return before, account

    async def _is_session(self, session_secret: str, account_id: str) -> bool:
        try:
            return bool(session_secret) and (await self._sessions.authenticate(session_secret)).account.id == account_id
        except AppError:
            return False

    async def _find(self, secret: str, purposes: tuple[str, ...]) -> tuple[Link, Account]:
        link = await self._store.links.get(digest(secret))
        if link is None or link.purpose not in purposes or link.expire_time <= self._clock.now():
            raise errors.LINK_INVALID()
        account = await self._store.accounts.get(link.account_id)
        if account is None:
            raise errors.LINK_INVALID()
        _require_unchanged(link, account)
        return link, account

    async def _void(self, link: Link, account: Account) -> None:
        """Let a link work no longer. A change of its account may have done so.

        Raises:
            AppError: ``LINK_INVALID`` if a parallel request redeemed it.
        """
        if not _is_current(link, account):
            with contextlib.suppress(AppError):
                await self._store.redeem_link(link)
        elif not await self._store.redeem_link(link):
            raise errors.LINK_INVALID()


def _taken_over(account: Account, now: float) -> Account:
    """Return the account as the owner of its address takes it over: confirmed, without what came before."""
    return dataclasses.replace(
        account,
        confirm_time=now,
        password_hash=NO_PASSWORD,
        session_epoch=account.session_epoch + 1,
        token_epoch=account.token_epoch + 1,
        connection_epoch=account.connection_epoch + 1,
    )


def _is_current(link: Link, account: Account) -> bool:
    # A user who changes the password to lock out an intruder must not lose to a link that the intruder requested before.
    return (link.account_email, link.epoch) == (account.email, account.session_epoch)


def _require_unchanged(link: Link, account: Account) -> None:
    if not _is_current(link, account):
        raise errors.LINK_INVALID()
