"""Who calls an RPC: a component with a signed principal, or an account with an API token.

Components send a principal that they signed (:mod:`kit.security.identity`) and may call the RPCs for which ``proto/`` names
them. Other gRPC clients send ``authorization: Bearer <API token>`` and may call the RPCs that ``proto/`` marks with
``accepts_api_token``.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping

import grpc
from google.protobuf import descriptor_pool
from soundwright.access.v1 import access_pb2
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc

from kit.errors import AppError, Code
from kit.rpc.options import PRINCIPAL_METADATA
from kit.rpc.transport import peer_names
from kit.security.identity import Principal, Signer, bearer_token, principal_scope

__all__ = ["TOKEN_CACHE_SECONDS", "AuthenticateToken", "CallerAuthenticator", "accepts_api_token", "token_lookup"]

TOKEN_CACHE_SECONDS = 5.0
_TOKEN_CACHE_LIMIT = 1000
_AUTHORIZATION_METADATA = "authorization"
_PLAIN: Mapping[str, Iterable[bytes]] = {}

AuthenticateToken = Callable[[str], Awaitable[Principal]]
"""Returns the principal of an API token.

Raises:
    AppError: ``UNAUTHORIZED`` for an unknown token, ``ACCOUNT_SUSPENDED`` for one of an account that is not active.
"""


class CallerAuthenticator:
    """Identifies callers. Principals of API tokens are cached.

    A token that was revoked, or whose account was suspended, is accepted for at most ``TOKEN_CACHE_SECONDS`` more. Refused
    tokens are not cached.
    """

    def __init__(
        self, signer: Signer, authenticate_token: AuthenticateToken | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._signer = signer
        self._authenticate_token = authenticate_token
        self._now = now
        self._cache: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def identify(
        self, method: str, metadata: Mapping[str, str | bytes], connection: Mapping[str, Iterable[bytes]] = _PLAIN
    ) -> Principal:
        """Return the principal that calls ``method``, ``/package.Service/Method``.

        Args:
            connection: the ``auth_context()`` of the call.

        Raises:
            AppError: ``PRINCIPAL_INVALID``; ``CERTIFICATE_MISMATCH`` if the certificate of the connection is not that of
                the component; ``CALLER_NOT_ACCEPTED`` if the RPC is not for this component; ``UNAUTHORIZED`` for
                missing credentials or an unknown token, ``ACCOUNT_SUSPENDED``, ``API_TOKEN_NOT_ACCEPTED`` if the RPC is for
                components only.
        """
        if PRINCIPAL_METADATA in metadata or self._authenticate_token is None:
            caller = self._signer.verify(str(metadata.get(PRINCIPAL_METADATA, "")))
            names = peer_names(connection)
            if names is not None and caller.component not in names:
                raise AppError(
                    Code.PERMISSION_DENIED,
                    "CERTIFICATE_MISMATCH",
                    "The certificate of the connection does not name the component that signed the call.",
                )
            if not accepts_component(method, caller):
                raise AppError(
                    Code.PERMISSION_DENIED,
                    "CALLER_NOT_ACCEPTED",
                    "This component may not call this method in this role.",
                )
            return caller
        principal = await self._principal_of(bearer_token(str(metadata.get(_AUTHORIZATION_METADATA, ""))))
        if not accepts_api_token(method):
            raise AppError(
                Code.PERMISSION_DENIED, "API_TOKEN_NOT_ACCEPTED", "Only services of the platform may call this method."
            )
        return principal

    async def _principal_of(self, token: str) -> Principal:
        assert self._authenticate_token is not None
        key = hashlib.sha256(token.encode()).digest()
        cached = self._cache.pop(key, None)
        if cached is None or cached[0] <= self._now():
            expires = self._now() + TOKEN_CACHE_SECONDS  # before the lookup, which may see the token as it is revoked
            cached = (expires, await self._authenticate_token(token))
        self._cache[key] = cached
        while len(self._cache) > _TOKEN_CACHE_LIMIT:
            self._cache.popitem(last=False)
        return cached[1]


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
    descriptor = descriptor_pool.Default().FindMethodByName(method.removeprefix("/").replace("/", "."))
    options = descriptor.GetOptions().Extensions
    return (
        options[access_pb2.accepts_api_token],
        frozenset(options[access_pb2.services]),
        frozenset(options[access_pb2.services_for_accounts]),
    )


def token_lookup(library: grpc.aio.Channel) -> AuthenticateToken:
    """Return a function that asks the library for the principal of an API token."""
    accounts = library_service_pb2_grpc.AccountServiceStub(library)

    async def authenticate(token: str) -> Principal:
        with principal_scope(None):  # the component asks on its own behalf
            answer = await accounts.AuthenticateToken(library_service_pb2.AuthenticateTokenRequest(token=token))
        return Principal(answer.account.id, answer.account.role, proof=answer.proof)

    return authenticate
