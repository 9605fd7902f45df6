"""What a mailbox proves: whoever reads its mails may log in, confirm the address, or change to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

from kit.errors import AppError, Code
from kit.ports import Clock
from services.library.accounts import Accounts
from services.library.attempts import Attempts, Budget
from services.library.credentials import NO_PASSWORD, Link, checked_email, digest, require_active
from services.library.letters import Letters
from services.library.service import Account
from services.library.sessions import Sessions

__all__ = ["MailboxStore", "Mailboxes"]


class MailboxStore(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    async def change_account(self, account_id: str, change: Callable[[Account], Account]) -> Account: ...
    async def link(self, link_hash: str) -> Link | None: ...
    async def delete_link(self, link_hash: str) -> bool: ...


class Mailboxes:
    """Links in mails. Each serves once, for a while, and only as long as the account has not changed meanwhile."""

    def __init__(
        self,
        store: MailboxStore,
        accounts: Accounts,
        sessions: Sessions,
        attempts: Attempts,
        letters: Letters,
        clock: Clock,
        attempts_per_address: int,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._attempts = attempts
        self._letters = letters
        self._clock = clock
        self._request_budget = Budget(attempts_per_address, wait_seconds=2.0, limit_seconds=900.0)

    async def request_login(self, email: str, address: str) -> None:
        """Mail a link that logs in, if there is such an account; nobody is told whether there is.

        Raises:
            AppError: ``VALIDATION_ERROR`` for what is no address; ``RATE_LIMITED``.
        """
        checked = checked_email(email)
        await self._attempts.take("request", address, self._request_budget)
        await self._letters.login_link(checked)

    async def log_in(self, secret: str, remembered: bool) -> tuple[str, Account]:
        """The secret of a new session.

        An account that was registered with this address by whoever, and never confirmed, is the mailbox's owner's from
        now on: the password that came with the registration, sessions, API tokens and connections count no more.

        Raises:
            AppError: ``LINK_INVALID``, ``ACCOUNT_SUSPENDED``.
        """
        link, _ = await self._take(secret, ("login",))

        def change(account: Account) -> Account:
            _require_unchanged(link, account)
            require_active(account)
            if account.confirm_time is not None:
                return account
            return dataclasses.replace(
                account,
                confirm_time=self._clock.now(),
                password_hash=NO_PASSWORD,
                session_epoch=account.session_epoch + 1,
                token_epoch=account.token_epoch + 1,
                connection_epoch=account.connection_epoch + 1,
            )

        account = await self._store.change_account(link.account_id, change)
        return await self._sessions.open(account, remembered), account

    async def request_change(self, session_secret: str, current_password: str, email: str, address: str) -> None:
        """Mail a link to a new address, with which the account changes to it.

        Raises:
            AppError: ``VALIDATION_ERROR``, ``PASSWORD_NEEDED``, ``RATE_LIMITED``; what a session raises.
        """
        checked = checked_email(email)
        opened = await self._accounts.recognise(session_secret, current_password, address)
        if checked == opened.account.email:
            details = {"details": {"email": ["did not change"]}}
            raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", details)
        await self._attempts.take("request", address, self._request_budget)
        await self._letters.email_change(opened.account, checked)

    async def confirm(self, secret: str) -> Account:
        """Follow a link that confirms an address, or changes to it.

        Raises:
            AppError: ``LINK_INVALID``; ``EMAIL_TAKEN`` when somebody else has the new address by now.
        """
        link, before = await self._take(secret, ("confirm", "email"))

        def change(account: Account) -> Account:
            _require_unchanged(link, account)
            now = self._clock.now()
            if link.purpose == "email":
                return dataclasses.replace(account, email=link.sent_to, confirm_time=now)
            return dataclasses.replace(account, confirm_time=account.confirm_time or now)

        try:
            account = await self._store.change_account(link.account_id, change)
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            raise AppError(Code.CONFLICT, "EMAIL_TAKEN", "There is an account with this address already.") from None
        if account.email != before.email:
            await self._letters.email_changed(before.email, account)
        return account

    async def _take(self, secret: str, purposes: tuple[str, ...]) -> tuple[Link, Account]:
        link = await self._store.link(digest(secret))
        if link is None or link.purpose not in purposes or link.expire_time <= self._clock.now():
            raise _invalid()
        account = await self._store.account(link.account_id)
        if account is None:
            raise _invalid()
        _require_unchanged(link, account)
        if not await self._store.delete_link(link.id):  # somebody else has just used it
            raise _invalid()
        return link, account


def _require_unchanged(link: Link, account: Account) -> None:
    # Who changes the password because of a stranger must not fall to a link that the stranger had asked for.
    if (link.account_email, link.epoch) != (account.email, account.session_epoch):
        raise _invalid()


def _invalid() -> AppError:
    return AppError(
        Code.NOT_FOUND, "LINK_INVALID", "This link was used already, is too old, or was overtaken by a change."
    )
