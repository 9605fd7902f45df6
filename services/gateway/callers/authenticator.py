"""Authenticates requests: API tokens, browser sessions, and anonymous callers."""

import hashlib
import hmac
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from soundwright.kit import errors
from soundwright.kit.errors import suppressed
from soundwright.kit.rpc import RecentTokens
from soundwright.kit.security.identity import (
    ADDRESS_PREFIX,
    ANONYMOUS_ROLE,
    GUEST_ROLE,
    Principal,
    api_token_id,
    bearer_token,
    principal_scope,
    usual_address,
)
from soundwright.kit.security.secrets import Secrets
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import library_service_pb2_grpc
from soundwright.services.gateway.callers.access import Access
from soundwright.services.gateway.callers.browsers import BrowserSession

_DIGEST_CHARS = 32
_USER_AGENT_LIMIT_CHARS = 400


@dataclass(frozen=True)
class Caller:
    """The caller of a request.

    Attributes:
        principal: None for public routes, and for pages without a session.
        session: the browser session that authenticated the caller; None: another credential did.
    """

    principal: Principal | None = None
    session: BrowserSession | None = None


class Authenticator:
    """Looks up tokens and sessions in the library.

    For requests that change nothing, it remembers the account of a token for less than a second (ADR 0029). All others look
    up their credentials, so that revocations and suspensions apply to them at once.

    Args:
        open_access: whether callers without credentials get an anonymous identity, and guests may use their accounts.
        secrets: the current one keys the identities that come from addresses.
    """

    def __init__(
        self, accounts: library_service_pb2_grpc.AccountServiceStub, open_access: bool, secrets: Secrets
    ) -> None:
        self._accounts = accounts
        self._recent_tokens = RecentTokens(self._principal_of)
        self._open_access = open_access
        self._secrets = secrets

    async def identify(
        self,
        headers: Headers,
        peer: str,
        access: Access,
        session_secret: str = "",
        creator_secret: str = "",
        changes_nothing: bool = False,
    ) -> Caller:
        """Return the caller of a request to a route with this ``access``. A token has priority over a session.

        Args:
            creator_secret: what an anonymous caller sent to prove that it created something; may be empty.
            changes_nothing: whether the request only reads, so that it may use what is remembered of its token.

        Raises ``UNAUTHORIZED`` for a missing or unknown token or session, and for guests without open access;
        ``ACCOUNT_SUSPENDED``.
        """
        if access is Access.PUBLIC:
            return Caller()
        authorization = headers.get("authorization", "")
        if access is Access.BROWSER:
            by_session = await self._by_page_session(session_secret, headers, peer)
            return by_session or self._anonymous(peer, creator_secret)
        if not authorization and access.sessions and session_secret:
            return await self._by_session(session_secret, headers, peer)
        if not authorization and access is Access.OPEN and self._open_access:
            return self._anonymous(peer, creator_secret)
        token = bearer_token(authorization)
        look_up = self._recent_tokens.principal_of if changes_nothing else self._principal_of
        return Caller(await look_up(token))

    async def _principal_of(self, token: str) -> Principal:
        with principal_scope(None):  # the gateway itself makes this call, not the caller
            answer = await self._accounts.AuthenticateToken(pb.AuthenticateTokenRequest(token=token))
        return Principal(answer.account.id, answer.account.role, api_token_id=api_token_id(token))

    def _anonymous(self, peer: str, creator_secret: str) -> Caller:
        if not self._open_access:
            return Caller()
        network = self._network(peer)
        creator_key = hashlib.sha256(creator_secret.encode()).hexdigest()[:_DIGEST_CHARS] if creator_secret else ""
        return Caller(Principal(network, ANONYMOUS_ROLE, network, creator_key))

    def _network(self, peer: str) -> str:
        # Everybody sees the identity. Without the key, nobody can compute the address from it.
        key = hmac.digest(self._secrets.current, b"soundwright address", "sha256")
        return f"{ADDRESS_PREFIX}{hmac.digest(key, peer.encode(), 'sha256').hex()[:_DIGEST_CHARS]}"

    async def _by_page_session(self, secret: str, headers: Headers, peer: str) -> Caller | None:
        """Return the caller of a page; None without a valid session, since the visitor can log in again."""
        if not secret:
            return None
        with suppressed("UNAUTHORIZED"):
            return await self._by_session(secret, headers, peer)
        return None

    async def _by_session(self, secret: str, headers: Headers, peer: str) -> Caller:
        visit = pb.AuthenticateSessionRequest(session_token=secret, ip_address=peer, user_agent=_user_agent(headers))
        with principal_scope(None):
            answer = await self._accounts.AuthenticateSession(visit)
        if answer.account.role == GUEST_ROLE and not self._open_access:
            raise errors.UNAUTHORIZED("This server no longer has guest accounts. Log in, or create an account.")
        session = BrowserSession(
            secret=secret,
            account=answer.account,
            remembered=answer.remembered,
            fresh=answer.fresh,
            renewed_secret=answer.renewed_session_token,
            session_id=answer.session_id,
        )
        network = self._network(peer) if answer.account.role == GUEST_ROLE else ""
        return Caller(Principal(answer.account.id, answer.account.role, network), session)


def _user_agent(headers: Headers) -> str:
    """Return what the browser says of itself, as printable text."""
    text = headers.get("user-agent", "")[:_USER_AGENT_LIMIT_CHARS]
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def peer_address(scope: Scope, trusted_proxy: bool) -> str:
    """Return the caller's address. An IPv6 address is returned as its /64 network, which one customer usually has."""
    host = (scope.get("client") or ("unknown", 0))[0]
    if trusted_proxy:
        # Each proxy appends the address that it saw, to the last of these headers or as another one. Clients can forge all
        # entries but the last one.
        forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")[-1].strip()
        host = _without_port(forwarded) or host
    return usual_address(str(host))


def _without_port(host: str) -> str:
    """Return the address of ``192.0.2.1:443`` or ``[2001:db8::1]:443``. Some proxies send the port, too."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host
