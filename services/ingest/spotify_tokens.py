"""The caller's own token for Spotify, if they are connected: kept by the library, renewed when it is used."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from soundwright.library.v1 import connection_service_pb2 as pb
from soundwright.library.v1 import connection_service_pb2_grpc

from kit.errors import AppError
from kit.identity import principal_scope, require_principal
from kit.log import get_logger
from kit.ports import Clock
from services.ingest.spotify_accounts import LeaveEnded, SpotifyAccounts, UserToken

__all__ = ["SpotifyTokens"]

_PROVIDER = "spotify"
_EARLY_SECONDS = 60.0
_TRY_COUNT = 4
_NONE = frozenset({"CONNECTION_NOT_FOUND", "ACCOUNT_NOT_FOUND", "SECRET_UNREADABLE"})
log = get_logger()


class SpotifyTokens:
    def __init__(
        self, accounts: SpotifyAccounts, connections: connection_service_pb2_grpc.ConnectionServiceStub, clock: Clock
    ) -> None:
        self._accounts = accounts
        self._connections = connections
        self._clock = clock
        # A refresh token may serve once, so the requests of one account here wait for each other.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def current(self, refused: str = "") -> str:
        """An access token of the caller's that is good for another minute; empty: there is none.

        Args:
            refused: one that Spotify did not take although it should.

        Raises:
            AppError: ``SPOTIFY_ERROR``, ``SPOTIFY_UNAUTHORIZED`` when it cannot be renewed.
        """
        account_id = require_principal().id
        async with self._turns.setdefault(account_id, asyncio.Lock()):
            return await self._current(account_id, refused)

    async def _current(self, account_id: str, refused: str) -> str:
        renewed: UserToken | None = None
        for _ in range(_TRY_COUNT):
            known = await self._known(account_id)
            token = UserToken.from_json(known.secret) if known else None
            if known is None or (token is None and renewed is None):
                return ""
            if token and token.access_token != refused and token.expire_time - self._clock.now() > _EARLY_SECONDS:
                return token.access_token  # which somebody else may just have renewed
            if token and renewed is None:
                try:
                    renewed = await asyncio.to_thread(self._accounts.refresh, token)
                except LeaveEnded:
                    if await self._replaced(account_id, "", known.revision):
                        log.info("spotify.leave_ended", account_id=account_id)
                    continue
            if renewed and await self._replaced(account_id, renewed.to_json(), known.revision):
                return renewed.access_token
        return ""

    async def _known(self, account_id: str) -> pb.GetConnectionSecretResponse | None:
        request = pb.GetConnectionSecretRequest(account_id=account_id, provider=_PROVIDER)
        try:
            with principal_scope(None):
                return await self._connections.GetConnectionSecret(request)
        except AppError as error:
            if error.reason not in _NONE:
                raise
            return None

    async def _replaced(self, account_id: str, secret: str, revision: int) -> bool:
        request = pb.ReplaceConnectionSecretRequest(
            account_id=account_id, provider=_PROVIDER, secret=secret, revision=revision
        )
        with principal_scope(None):
            return (await self._connections.ReplaceConnectionSecret(request)).replaced
