"""Whose key is used at lalal.ai: a person's own, else the platform's."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr
from soundwright.library.v1 import connection_service_pb2, connection_service_pb2_grpc

from kit.errors import AppError, Code
from kit.identity import principal_scope

__all__ = ["Key", "Keys"]


@dataclass(frozen=True)
class Key:
    """A license key; ``own``: it is that of the person whose job it is for."""

    secret: SecretStr
    own: bool


class Keys:
    def __init__(self, connections: connection_service_pb2_grpc.ConnectionServiceStub, platform_key: SecretStr) -> None:
        self._connections = connections
        self._platform_key = platform_key

    async def current(self, owner_id: str) -> Key:
        """The key for what is begun now.

        Raises:
            AppError: ``LALALAI_NOT_CONFIGURED``.
        """
        key = await self._own(owner_id) or self._platform()
        if key is None:
            raise AppError(
                Code.NOT_PROVISIONED,
                "LALALAI_NOT_CONFIGURED",
                "lalal.ai API key not configured. Put your own into your settings, or use the engine local.",
            )
        return key

    async def used(self, owner_id: str, own: bool) -> Key:
        """The key for what was begun before, with the person's own key or with the platform's.

        Raises:
            AppError: ``LALALAI_UNAUTHORIZED`` when there is none of that kind any more.
        """
        key = await self._own(owner_id) if own else self._platform()
        if key is None:
            raise AppError(
                Code.NOT_PROVISIONED,
                "LALALAI_UNAUTHORIZED",
                "The key with which this was begun at lalal.ai has been removed. Put it back, or begin anew.",
            )
        return key

    async def _own(self, owner_id: str) -> Key | None:
        asked = connection_service_pb2.GetConnectionSecretRequest(account_id=owner_id, provider="lalalai")
        try:
            with principal_scope(None):  # secrets are for services alone
                answer = await self._connections.GetConnectionSecret(asked)
        except AppError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return Key(SecretStr(answer.secret), own=True)

    def _platform(self) -> Key | None:
        return Key(self._platform_key, own=False) if self._platform_key.get_secret_value() else None
