"""Authenticates WebSocket handshakes, and checks the credentials of open connections again."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from soundwright.kit import errors
from soundwright.kit.security.identity import Principal
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import library_service_pb2_grpc
from soundwright.services.gateway.callers.access import Access
from soundwright.services.gateway.callers.authenticator import Authenticator, Caller, peer_address
from soundwright.services.gateway.callers.browsers import Browsers, BrowserSession
from soundwright.services.gateway.callers.host_policy import HostPolicy
from soundwright.services.gateway.settings import GatewaySettings
from soundwright.services.gateway.wire.decoding import form_pairs

_SUBPROTOCOL = "phoenix"
_BEARER_PROTOCOL = "base64url.bearer.phx."
_UNREADABLE = "?"


@dataclass(frozen=True)
class Credential:
    """The credential of a connection. Both fields are empty for anonymous callers, which open access allows."""

    token: str = ""
    session_secret: str = ""


@dataclass(frozen=True)
class ConnectionIdentity:
    """The authenticated caller of a WebSocket.

    Attributes:
        subprotocol: the subprotocol to select in the response. None if the client offered none that is supported.
        session: the browser session that authenticated the caller. None if another credential did.
    """

    principal: Principal
    credential: Credential
    subprotocol: str | None = None
    session: BrowserSession | None = None


class SocketAuthenticator:
    """Authenticates handshakes.

    The first of these credentials counts: the query parameter ``token``, the subprotocol in which Phoenix clients send a
    token, the header ``Authorization``, or the session of a browser on a page of this server.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        accounts: library_service_pb2_grpc.AccountServiceStub,
        browsers: Browsers,
        hosts: HostPolicy,
        settings: GatewaySettings,
    ) -> None:
        self._authenticator = authenticator
        self._accounts = accounts
        self._browsers = browsers
        self._hosts = hosts
        self._trusted_proxy = settings.trusted_proxy

    def peer(self, scope: Scope) -> str:
        """Return the client's address."""
        return peer_address(scope, self._trusted_proxy)

    async def authenticate(self, scope: Scope, fields: Mapping[str, str]) -> ConnectionIdentity:
        """Authenticate a handshake.

        Raises ``UNAUTHORIZED`` for a missing or invalid credential; ``ACCOUNT_SUSPENDED``.
        """
        headers = headers_of_client = Headers(scope=scope)
        if not self._hosts.serves(headers):
            raise errors.UNAUTHORIZED("Log in, and open the page again.")
        # Any site can make a browser open a socket with this server's cookie, so a session requires the same origin.
        own_page = "origin" in headers and self._hosts.is_own_page(headers)
        secret = self._browsers.session_secret(scope) if own_page else ""
        offered: list[str] = scope.get("subprotocols", [])
        token = fields.get("token", "") or _hidden_token(offered)
        if token:
            # A token that does not fit in a header is invalid. It must not be treated as missing.
            readable = token.isascii() and token.isprintable()
            headers = Headers({"authorization": f"Bearer {token if readable else _UNREADABLE}"})
            secret = ""
        caller = await self._authenticator.identify(headers, self.peer(scope), Access.OPEN, secret)
        if caller.principal is None:
            raise errors.UNAUTHORIZED("Log in, and open the page again.")
        if caller.principal.is_anonymous and not self._hosts.accepts_anonymous("GET", headers_of_client):
            raise errors.UNAUTHORIZED("Log in, and open the page again.")
        return ConnectionIdentity(
            principal=caller.principal,
            credential=_credential(caller, headers),
            subprotocol=_SUBPROTOCOL if _SUBPROTOCOL in offered else None,
            session=caller.session,
        )

    async def revalidate(self, credential: Credential) -> Principal | None:
        """Return the principal that the credential identifies now, or None for an anonymous connection.

        Raises the errors of :meth:`authenticate`.
        """
        if credential.token:
            account = (
                await self._accounts.AuthenticateToken(pb.AuthenticateTokenRequest(token=credential.token))
            ).account
        elif credential.session_secret:
            request = pb.AuthenticateSessionRequest(session_token=credential.session_secret, passive=True)
            account = (await self._accounts.AuthenticateSession(request)).account
        else:
            return None
        return Principal(account.id, account.role)

    def renewed_cookie(self, scope: Scope, session: BrowserSession | None) -> str:
        """Return the ``Set-Cookie`` header if the session was just renewed, else an empty string."""
        if session is None or not session.renewed_secret:
            return ""
        return self._browsers.session_cookie(scope, session.renewed_secret, session.remembered)


def _credential(caller: Caller, headers: Headers) -> Credential:
    if caller.session is not None:
        return Credential(session_secret=caller.session.current_secret)
    return Credential(token=headers.get("authorization", "").partition(" ")[2].strip())


def fields_of(query: bytes) -> dict[str, str]:
    """Return the query parameters of a handshake, the first of each name.

    A malformed query returns an unsupported protocol version, so that the handshake is refused.
    """
    try:
        pairs = form_pairs(query)
    except ValueError:
        return {"vsn": _UNREADABLE}
    return dict(reversed(pairs))


def _hidden_token(offered: list[str]) -> str:
    hidden = next((name for name in offered if name.startswith(_BEARER_PROTOCOL)), "")
    # The name says base64url, but the phoenix client encodes with the standard alphabet.
    encoded = hidden.removeprefix(_BEARER_PROTOCOL).replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return _UNREADABLE
