"""API tokens: named and revocable keys for programs. A token is shown once and stored as a hash."""

import dataclasses
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.services.library.bearer_secrets import digest, new_secret
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.credentials import ApiToken, require_active, require_registered

if TYPE_CHECKING:
    from soundwright.services.library.identity.store import IdentityStore

_PREFIX_CHARS = 6
_COUNT_LIMIT = 50
_NAME_LIMIT_CHARS = 80
_USE_TIME_PRECISION_SECONDS = 60.0
_LIFETIME_LIMIT_DAYS = 3650
_DAY_SECONDS = 86400.0


class ApiTokens:
    """Manages API tokens. A token has the rights of its account."""

    def __init__(self, store: "IdentityStore", clock: Clock, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    async def authenticate(self, secret: str) -> Account:
        """Return the account of an API token, and record when the token was used.

        Raises ``UNAUTHORIZED`` for an unknown, revoked or expired token; ``ACCOUNT_SUSPENDED``.
        """
        token = await self._store.tokens.get(digest(secret))
        account = await self._store.accounts.get(token.account_id) if token else None
        if token is None or account is None or token.epoch != account.token_epoch:
            raise errors.UNAUTHORIZED()
        now = self._clock.now()
        if token.expire_time is not None and token.expire_time <= now:
            raise errors.TOKEN_EXPIRED()
        require_active(account)
        if token.use_time is None or now - token.use_time >= _USE_TIME_PRECISION_SECONDS:
            # A conflict is fine: a parallel request has just recorded the same use.
            await self._store.tokens.replace(dataclasses.replace(token, use_time=now))
        return account

    async def create(self, account: Account, name: str, lifetime_days: int = 0) -> tuple[str, ApiToken]:
        """Create a token, and return its secret and its record.

        Args:
            lifetime_days: 1 to 3650; 0: it does not expire.

        Raises ``VALIDATION_ERROR`` for the name or the lifetime; ``TOO_MANY_TOKENS``; ``REGISTRATION_NEEDED``.
        """
        require_registered(account)
        chosen = _checked_name(name)
        if not 0 <= lifetime_days <= _LIFETIME_LIMIT_DAYS:
            problem = f"must be 0 to {_LIFETIME_LIMIT_DAYS}"
            raise errors.invalid("expires_in_days", problem, "The lifetime of the API token is invalid.")
        secret, now = new_secret(), self._clock.now()
        token = ApiToken(
            id=digest(secret),
            account_id=account.id,
            name=chosen,
            create_time=now,
            expire_time=now + lifetime_days * _DAY_SECONDS if lifetime_days else None,
            prefix=secret[:_PREFIX_CHARS],
            epoch=account.token_epoch,
        )
        group = {"account_id": token.account_id, "epoch": token.epoch}
        if not await self._store.tokens.add_in_slot(token, group, _COUNT_LIMIT):
            raise errors.TOO_MANY_TOKENS(limit=_COUNT_LIMIT)
        await self._audit.record(account, "token_create", "token", token.public_id, {"name": chosen})
        return secret, token

    async def create_for(self, account_id: str, name: str, lifetime_days: int = 0) -> tuple[str, ApiToken]:
        """Create a token for the account with this ID. See :meth:`create`."""
        return await self.create(await self._get_account(account_id), name, lifetime_days)

    async def list_own(self, account_id: str) -> list[ApiToken]:
        """Return the tokens of an account, newest first."""
        return await self._list_valid(await self._get_account(account_id))

    async def revoke(self, account_id: str, public_id: str) -> None:
        """Delete a token of the account. Raises ``TOKEN_NOT_FOUND`` if the account has no such token."""
        account = await self._get_account(account_id)
        for token in await self._list_valid(account):
            if token.public_id == public_id and await self._store.tokens.delete(token.id):
                await self._audit.record(account, "token_revoke", "token", public_id, {"name": token.name})
                return
        raise errors.TOKEN_NOT_FOUND()

    async def _get_account(self, account_id: str) -> Account:
        account = await self._store.accounts.get(account_id)
        if account is None:
            raise errors.ACCOUNT_NEEDED()
        return account

    async def _list_valid(self, account: Account) -> list[ApiToken]:
        own = {"account_id": account.id}
        tokens = await self._store.tokens.find(own, sort="create_time", descending=True, limit=2 * _COUNT_LIMIT)
        return [token for token in tokens if token.epoch == account.token_epoch]


def _checked_name(name: str) -> str:
    stripped = name.strip()
    problem = ""
    if not stripped:
        problem = "can't be blank"
    elif len(stripped) > _NAME_LIMIT_CHARS:
        problem = f"should be at most {_NAME_LIMIT_CHARS} character(s)"
    elif not stripped.isprintable():
        problem = "must be printable"
    if problem:
        raise errors.invalid("name", problem, "The name of the API token is invalid.")
    return stripped
