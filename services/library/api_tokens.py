"""Keys for programs: shown once, kept as hashes, named, revocable."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from kit.errors import AppError, Code
from kit.ports import Clock
from services.library.credentials import ApiToken, digest, new_secret, require_active
from services.library.service import Account, not_found

__all__ = ["ApiTokens", "TokenStore"]

_PREFIX_CHARS = 6
_COUNT_LIMIT = 50
_NAME_LIMIT_CHARS = 80
_USE_SECONDS = 60.0


class TokenStore(Protocol):
    async def account(self, account_id: str) -> Account | None: ...
    async def insert_token(self, token: ApiToken) -> None: ...
    async def token(self, token_hash: str) -> ApiToken | None: ...
    async def tokens_of(self, account_id: str, limit: int) -> list[ApiToken]: ...
    async def replace_token(self, token: ApiToken) -> bool: ...
    async def delete_token(self, token_hash: str) -> bool: ...


class ApiTokens:
    """API tokens have the rights of their account."""

    def __init__(self, store: TokenStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def authenticate(self, secret: str) -> Account:
        """The account of an API token.

        Raises:
            AppError: ``UNAUTHORIZED`` for an unknown token, ``ACCOUNT_SUSPENDED`` for one of an account that is not
                active.
        """
        token = await self._store.token(digest(secret))
        account = await self._store.account(token.account_id) if token else None
        if token is None or account is None or token.epoch != account.token_epoch:
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
        require_active(account)
        now = self._clock.now()
        if token.use_time is None or now - token.use_time >= _USE_SECONDS:
            await self._store.replace_token(dataclasses.replace(token, use_time=now))  # or somebody else just did
        return account

    async def create(self, account: Account, name: str) -> tuple[str, ApiToken]:
        """A new token's secret, and what is kept of it.

        Raises:
            AppError: ``VALIDATION_ERROR`` for the name; ``TOO_MANY_TOKENS``.
        """
        chosen = _checked_name(name)
        if len(await self._current(account)) >= _COUNT_LIMIT:
            raise AppError(
                Code.CONFLICT, "TOO_MANY_TOKENS", f"An account has at most {_COUNT_LIMIT} API keys. Revoke one first."
            )
        secret = new_secret()
        token = ApiToken(
            id=digest(secret),
            account_id=account.id,
            name=chosen,
            create_time=self._clock.now(),
            prefix=secret[:_PREFIX_CHARS],
            epoch=account.token_epoch,
        )
        await self._store.insert_token(token)
        return secret, token

    async def create_for(self, account_id: str, name: str) -> tuple[str, ApiToken]:
        """:meth:`create` for who is known already."""
        return await self.create(await self._account(account_id), name)

    async def list_own(self, account_id: str) -> list[ApiToken]:
        """Newest first."""
        return await self._current(await self._account(account_id))

    async def revoke(self, account_id: str, public_id: str) -> None:
        """
        Raises:
            AppError: ``TOKEN_NOT_FOUND`` for one that is not the account's.
        """
        for token in await self._current(await self._account(account_id)):
            if token.public_id == public_id and await self._store.delete_token(token.id):
                return
        raise not_found("token")

    async def _account(self, account_id: str) -> Account:
        account = await self._store.account(account_id)
        if account is None:
            raise AppError(Code.PERMISSION_DENIED, "ACCOUNT_NEEDED", "Only an account has API keys. Log in first.")
        return account

    async def _current(self, account: Account) -> list[ApiToken]:
        tokens = await self._store.tokens_of(account.id, 2 * _COUNT_LIMIT)
        return [token for token in tokens if token.epoch == account.token_epoch]


def _checked_name(name: str) -> str:
    stripped = name.strip()
    complaint = ""
    if not stripped:
        complaint = "can't be blank"
    elif len(stripped) > _NAME_LIMIT_CHARS:
        complaint = f"should be at most {_NAME_LIMIT_CHARS} character(s)"
    elif not stripped.isprintable():
        complaint = "must be printable"
    if complaint:
        details = {"details": {"name": [complaint]}}
        raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "The key needs a name.", details)
    return stripped
