"""The Spotify token of the caller. The library stores it, and this module renews it on use."""

import asyncio
import dataclasses

from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import principal_scope, require_principal
from soundwright.library.v1 import connection_service_pb2 as pb
from soundwright.library.v1 import connection_service_pb2_grpc
from soundwright.services.ingest.spotify_accounts import AuthorizationRevoked, SpotifyAccounts, UserToken

_PROVIDER = "spotify"
_RENEWAL_MARGIN_SECONDS = 60.0
_RENEWAL_SECONDS = 30.0  # after this time without a result, another call renews the token
_WAIT_SECONDS = 0.1
_STORE_ATTEMPTS = 4
_STORE_PAUSE_SECONDS = 1.0
_NO_TOKEN_REASONS = frozenset({"CONNECTION_NOT_FOUND", "ACCOUNT_NOT_FOUND", "SECRET_UNREADABLE"})
log = get_logger()


class SpotifyTokens:
    """Returns and renews the tokens of callers.

    A refresh token may be valid only once, so one call renews the token of an account at a time. It marks the stored token
    first; other calls, also those of other processes, wait for the renewed one.
    """

    def __init__(
        self, accounts: SpotifyAccounts, connections: connection_service_pb2_grpc.ConnectionServiceStub, clock: Clock
    ) -> None:
        self._accounts = accounts
        self._connections = connections
        self._clock = clock

    async def current(self, refused: str = "") -> str:
        """Return an access token of the caller that is valid for at least a minute; empty if there is none.

        Args:
            refused: an access token that Spotify refused before its expiry.

        Raises ``SPOTIFY_ERROR`` or ``SPOTIFY_UNAUTHORIZED`` if the token cannot be renewed now.
        """
        account_id = require_principal().id
        while (stored := await self._get_stored(account_id)) and (token := UserToken.from_json(stored.secret)):
            now = self._clock.now()
            if token.access_token != refused and token.expire_time - now > _RENEWAL_MARGIN_SECONDS:
                return token.access_token
            if token.renewing_until > now:
                await asyncio.sleep(_WAIT_SECONDS)
            elif renewed := await self._renew(account_id, token, stored.revision):
                return renewed
        return ""

    async def _renew(self, account_id: str, token: UserToken, revision: int) -> str:
        """Renew the token, and return the access token. Return an empty text if the stored token was changed meanwhile."""
        marked = dataclasses.replace(token, renewing_until=self._clock.now() + _RENEWAL_SECONDS)
        if not await self._replace(account_id, marked.to_json(), revision):
            return ""
        try:
            renewed = await asyncio.to_thread(self._accounts.refresh, token)
        except AuthorizationRevoked:
            if await self._replace(account_id, "", revision + 1):
                log.info("spotify.authorization_revoked", account_id=account_id)
            return ""
        except AppError:
            await self._replace(account_id, token.to_json(), revision + 1)  # the next call may try again
            raise
        return renewed.access_token if await self._kept(account_id, renewed.to_json(), revision + 1) else ""

    async def _kept(self, account_id: str, secret: str, revision: int) -> bool:
        """Store a renewed token, as :meth:`_replace` does. It may be the only valid one, so try again if the library fails."""
        for _ in range(_STORE_ATTEMPTS - 1):
            try:
                return await self._replace(account_id, secret, revision)
            except AppError as error:
                log.warning("spotify.token_not_stored", account_id=account_id, reason=error.reason)
                await asyncio.sleep(_STORE_PAUSE_SECONDS)
        return await self._replace(account_id, secret, revision)

    async def _get_stored(self, account_id: str) -> pb.GetConnectionSecretResponse | None:
        request = pb.GetConnectionSecretRequest(account_id=account_id, provider=_PROVIDER)
        try:
            with principal_scope(None):
                return await self._connections.GetConnectionSecret(request)
        except AppError as error:
            if error.reason not in _NO_TOKEN_REASONS:
                raise
            return None

    async def _replace(self, account_id: str, secret: str, revision: int) -> bool:
        request = pb.ReplaceConnectionSecretRequest(
            account_id=account_id, provider=_PROVIDER, secret=secret, revision=revision
        )
        with principal_scope(None):
            return (await self._connections.ReplaceConnectionSecret(request)).replaced
