"""Who calls an RPC: a component with a signed principal, or an account with an API token.

Components send a principal that they signed (:mod:`soundwright.kit.security.identity`) and may call the RPCs for which ``proto/`` names
them. Other gRPC clients send ``authorization: Bearer <API token>`` and may call the RPCs that ``proto/`` marks with
``accepts_api_token``.
"""

import functools
import time
from collections.abc import Callable, Iterable, Mapping

from soundwright.access.v1 import access_pb2
from soundwright.kit import errors
from soundwright.kit.rpc.descriptors import descriptor_of
from soundwright.kit.rpc.options import PRINCIPAL_METADATA
from soundwright.kit.rpc.tokens import AuthenticateToken, RecentTokens
from soundwright.kit.rpc.transport import peer_names
from soundwright.kit.security.identity import Principal, Signer, bearer_token

AUTHORIZATION_METADATA = "authorization"
_PLAIN: Mapping[str, Iterable[bytes]] = {}


class CallerAuthenticator:
    """Identifies callers. Principals of API tokens are remembered (:class:`soundwright.kit.rpc.tokens.RecentTokens`)."""

    def __init__(
        self, signer: Signer, authenticate_token: AuthenticateToken | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._signer = signer
        self._tokens = RecentTokens(authenticate_token, now) if authenticate_token is not None else None

    async def identify(
        self, method: str, metadata: Mapping[str, str | bytes], connection: Mapping[str, Iterable[bytes]] = _PLAIN
    ) -> Principal:
        """Return the principal that calls ``method``, ``/package.Service/Method``.

        Args:
            connection: the ``auth_context()`` of the call.

        Raises ``PRINCIPAL_INVALID``; ``CERTIFICATE_MISMATCH`` if the certificate of the connection is not that of the
        component; ``CALLER_NOT_ACCEPTED`` if the RPC is not for this component; ``UNAUTHORIZED`` for missing
        credentials or an unknown token, ``ACCOUNT_SUSPENDED``, ``API_TOKEN_NOT_ACCEPTED`` if the RPC is for components
        only.
        """
        if PRINCIPAL_METADATA in metadata or self._tokens is None:
            caller = self._signer.verify(str(metadata.get(PRINCIPAL_METADATA, "")))
            names = peer_names(connection)
            if names is not None and caller.component not in names:
                raise errors.CERTIFICATE_MISMATCH()
            if not accepts_component(method, caller):
                raise errors.CALLER_NOT_ACCEPTED()
            return caller
        principal = await self._tokens.principal_of(bearer_token(str(metadata.get(AUTHORIZATION_METADATA, ""))))
        if not accepts_api_token(method):
            raise errors.API_TOKEN_NOT_ACCEPTED()
        return principal


def accepts_api_token(method: str) -> bool:
    """Return whether ``proto/`` opens ``method``, ``/package.Service/Method``, to callers with an API token."""
    return _options(method)[0]


def accepts_component(method: str, caller: Principal) -> bool:
    """Return whether ``proto/`` opens ``method`` to the component of ``caller``, for itself or for an account.

    What an account can call with its token, every component can call for the account.
    """
    accepts_token, services, account_services = _options(method)
    if caller.is_service:
        return caller.component in services
    return accepts_token or caller.component in account_services


@functools.cache
def _options(method: str) -> tuple[bool, frozenset[str], frozenset[str]]:
    options = descriptor_of(method).GetOptions().Extensions
    return (
        options[access_pb2.accepts_api_token],
        frozenset(options[access_pb2.services]),
        frozenset(options[access_pb2.services_for_accounts]),
    )
