"""Selects the license key for lalal.ai: the user's own key, or the key of the platform."""

from dataclasses import dataclass

from pydantic import SecretStr

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import principal_scope
from soundwright.library.v1 import connection_service_pb2, connection_service_pb2_grpc


@dataclass(frozen=True)
class Key:
    """A license key. ``own``: it belongs to the user, not to the platform."""

    secret: SecretStr
    own: bool


class Keys:
    """Reads keys from the connections of accounts and from the settings."""

    def __init__(self, connections: connection_service_pb2_grpc.ConnectionServiceStub, platform_key: SecretStr) -> None:
        self._connections = connections
        self._platform_key = platform_key

    async def get_current(self, owner_id: str) -> Key:
        """Return the key for a new task. Raises ``LALALAI_NOT_CONFIGURED``."""
        key = await self._own(owner_id) or self._platform()
        if key is None:
            raise errors.LALALAI_NOT_CONFIGURED()
        return key

    async def get_used(self, owner_id: str, own: bool) -> Key:
        """Return the key of an existing task.

        Args:
            own: the task uses the user's own key.

        Raises ``LALALAI_UNAUTHORIZED`` if the key was removed.
        """
        key = await self._own(owner_id) if own else self._platform()
        if key is None:
            raise errors.LALALAI_UNAUTHORIZED(
                "The lalal.ai key of this job was removed. Enter it again, or start a new job."
            )
        return key

    async def _own(self, owner_id: str) -> Key | None:
        request = connection_service_pb2.GetConnectionSecretRequest(account_id=owner_id, provider="lalalai")
        try:
            with principal_scope(None):  # only services can read secrets
                response = await self._connections.GetConnectionSecret(request)
        except AppError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise
        return Key(SecretStr(response.secret), own=True)

    def _platform(self) -> Key | None:
        return Key(self._platform_key, own=False) if self._platform_key.get_secret_value() else None
