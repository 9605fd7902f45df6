"""From the headers of a request to a principal."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import library_service_pb2_grpc
from starlette.datastructures import Headers
from starlette.types import Scope

from kit.errors import AppError, Code
from kit.identity import ANONYMOUS_PREFIX, Principal, principal_scope
from services.gateway.auth.browsers import BrowserSession
from services.gateway.dialect import Access, Rule

__all__ = ["Authenticator", "Caller", "peer_address"]

_TOKEN_LIMIT_CHARS = 512


@dataclass(frozen=True)
class Caller:
    """Who makes a call, if anybody asks, and the session of their browser, if that is how they are known."""

    principal: Principal | None = None
    session: BrowserSession | None = None


class Authenticator:
    """Asks the library, at every call, whom a token or a session belongs to: what is revoked or suspended is refused at
    once. Under open access, gives callers without one a name of their own."""

    def __init__(self, accounts: library_service_pb2_grpc.AccountServiceStub, open_access: bool) -> None:
        self._accounts = accounts
        self._open_access = open_access

    async def identify(self, headers: Headers, peer: str, rule: Rule, session_secret: str = "") -> Caller:
        """Who makes a call to which ``rule`` applies. A token in the header goes before a session.

        Raises:
            AppError: ``UNAUTHORIZED`` for a missing or unknown token or session, ``ACCOUNT_SUSPENDED``.
        """
        if rule.access is Access.PUBLIC:
            return Caller()
        if rule.access is Access.VISITOR:
            return await self._by_session_of_visitor(session_secret) or self._nameless(peer)
        authorization = headers.get("authorization", "")
        if not authorization and rule.sessions and session_secret:
            return await self._by_session(session_secret)
        if not authorization and rule.access is Access.ANYONE and self._open_access:
            return self._nameless(peer)
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= _TOKEN_LIMIT_CHARS or not token.isascii():
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
        with principal_scope(None):  # on the gateway's own behalf
            answer = await self._accounts.AuthenticateToken(pb.AuthenticateTokenRequest(token=token))
        return Caller(Principal(answer.account.id, answer.account.role))

    def _nameless(self, peer: str) -> Caller:
        if not self._open_access:
            return Caller()
        digest = hashlib.sha256(peer.encode()).hexdigest()[:16]
        return Caller(Principal(f"{ANONYMOUS_PREFIX}{digest}", "anonymous"))

    async def _by_session_of_visitor(self, secret: str) -> Caller | None:
        """None for a session that there is not any more, too: its visitor may log in again."""
        if not secret:
            return None
        try:
            return await self._by_session(secret)
        except AppError as error:
            if error.reason != "UNAUTHORIZED":
                raise
            return None

    async def _by_session(self, secret: str) -> Caller:
        with principal_scope(None):
            answer = await self._accounts.AuthenticateSession(pb.AuthenticateSessionRequest(session_token=secret))
        session = BrowserSession(
            secret=secret,
            account=answer.account,
            remembered=answer.remembered,
            fresh=answer.fresh,
            renewed_secret=answer.renewed_session_token,
        )
        return Caller(Principal(answer.account.id, answer.account.role), session)


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
