"""From the headers of a request to a principal."""

from __future__ import annotations

import hashlib
import ipaddress

from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import library_service_pb2_grpc
from starlette.datastructures import Headers
from starlette.types import Scope

from kit.errors import AppError, Code
from kit.identity import ANONYMOUS_PREFIX, Principal, principal_scope
from services.gateway.dialect import Access

__all__ = ["Authenticator", "peer_address"]

_TOKEN_LIMIT_CHARS = 512


class Authenticator:
    """Asks the library whom a token belongs to; under open access, gives callers without one a name of their own."""

    def __init__(self, accounts: library_service_pb2_grpc.AccountServiceStub, open_access: bool) -> None:
        self._accounts = accounts
        self._open_access = open_access

    async def identify(self, headers: Headers, peer: str, access: Access) -> Principal | None:
        """Who makes a call that ``access`` describes; None where nobody asks.

        Raises:
            AppError: ``UNAUTHORIZED`` for a missing or unknown token, ``ACCOUNT_SUSPENDED``.
        """
        if access is Access.PUBLIC:
            return None
        authorization = headers.get("authorization", "")
        if not authorization and access is Access.ANYONE and self._open_access:
            digest = hashlib.sha256(peer.encode()).hexdigest()[:16]
            return Principal(f"{ANONYMOUS_PREFIX}{digest}", "anonymous")
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= _TOKEN_LIMIT_CHARS or not token.isascii():
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
        with principal_scope(None):  # on the gateway's own behalf
            answer = await self._accounts.AuthenticateToken(pb.AuthenticateTokenRequest(token=token))
        return Principal(answer.account.id, answer.account.role)


def peer_address(scope: Scope, trusted_proxy: bool) -> str:
    """The caller's address. One IPv6 customer has a whole /64, so that is what counts as one address."""
    host = (scope.get("client") or ("unknown", 0))[0]
    if trusted_proxy:
        # Each proxy appends the address that it saw, so only the last entry is not the client's to write.
        forwarded = Headers(scope=scope).get("x-forwarded-for", "").split(",")[-1].strip()
        host = forwarded or host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)[:100]
    if address.version == 6 and not address.is_loopback:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
