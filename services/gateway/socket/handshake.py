"""Who opens a socket, and whether they are still who they were."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import library_service_pb2_grpc
from starlette.datastructures import Headers
from starlette.types import Scope

from kit.errors import AppError, Code
from kit.identity import Principal
from services.gateway.auth import Authenticator, Browsers, BrowserSession, Caller, peer_address
from services.gateway.dialect import Access, Rule
from services.gateway.settings import GatewaySettings

__all__ = ["Credential", "Doorkeeper", "Visitor", "fields_of"]

_RULE = Rule(Access.ANYONE, sessions=True)
_PAGE_RULE = Rule(Access.VISITOR, sessions=True)
_SUBPROTOCOL = "phoenix"
_BEARER_PROTOCOL = "base64url.bearer.phx."
_UNREADABLE = "?"
_FIELD_LIMIT = 50


@dataclass(frozen=True)
class Credential:
    """What a visitor is known by. Both empty: nothing, which open access allows."""

    token: str = ""
    session_secret: str = ""


@dataclass(frozen=True)
class Visitor:
    """Somebody who may open a socket.

    Attributes:
        subprotocol: to be named in the answer; None: they offered none of ours.
        session: of their browser, if that is how they are known.
    """

    principal: Principal
    credential: Credential
    subprotocol: str | None = None
    session: BrowserSession | None = None


class Doorkeeper:
    """Knows a client by the parameter ``token``, the subprotocol that stock clients hide a token in, the header
    ``Authorization``, or the session of a browser that comes from a page of ours, whichever is there first."""

    def __init__(
        self,
        authenticator: Authenticator,
        accounts: library_service_pb2_grpc.AccountServiceStub,
        browsers: Browsers,
        settings: GatewaySettings,
    ) -> None:
        self._authenticator = authenticator
        self._accounts = accounts
        self._browsers = browsers
        self._public_address = settings.public_address
        self._trusted_proxy = settings.trusted_proxy

    def peer(self, scope: Scope) -> str:
        return peer_address(scope, self._trusted_proxy)

    async def admit(self, scope: Scope, fields: Mapping[str, str]) -> Visitor:
        """Let a program or a page in.

        Raises:
            AppError: ``UNAUTHORIZED`` for a token or session that is missing or does not count; ``ACCOUNT_SUSPENDED``.
        """
        headers = Headers(scope=scope)
        offered: list[str] = scope.get("subprotocols", [])
        token = fields.get("token", "") or _hidden_token(offered)
        if token:
            # What could not stand in a header is no token, but must not pass for none.
            readable = token.isascii() and token.isprintable()
            headers = Headers({"authorization": f"Bearer {token if readable else _UNREADABLE}"})
        secret = self._browsers.session_secret(headers) if self._from_our_page(headers) else ""
        caller = await self._authenticator.identify(headers, self.peer(scope), _RULE, secret)
        assert caller.principal is not None  # a visitor without one is refused by the rule
        if caller.session is not None:
            credential = Credential(session_secret=caller.session.current_secret)
        else:
            credential = Credential(token=headers.get("authorization", "").partition(" ")[2].strip())
        return Visitor(
            principal=caller.principal,
            credential=credential,
            subprotocol=_SUBPROTOCOL if _SUBPROTOCOL in offered else None,
            session=caller.session,
        )

    async def admit_page(self, scope: Scope) -> Visitor:
        """Let a page of ours in, on behalf of whoever it was shown to.

        Raises:
            AppError: as :meth:`admit` does; ``UNAUTHORIZED`` also for what comes from elsewhere.
        """
        headers = Headers(scope=scope)
        caller = Caller()
        if self._from_our_page(headers):
            secret = self._browsers.session_secret(headers)
            caller = await self._authenticator.identify(headers, self.peer(scope), _PAGE_RULE, secret)
        if caller.principal is None:
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Log in, and open the page again.")
        secret = caller.session.current_secret if caller.session else ""
        return Visitor(caller.principal, Credential(session_secret=secret), session=caller.session)

    async def look_again(self, credential: Credential) -> Principal | None:
        """Who is known by it now; None for a credential without anything to look at.

        Raises:
            AppError: as :meth:`admit` does.
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
        """The ``Set-Cookie`` of a session that was renewed just now; empty: it was not."""
        if session is None or not session.renewed_secret:
            return ""
        return self._browsers.session_cookie(scope, session.renewed_secret, session.remembered)

    def _from_our_page(self, headers: Headers) -> bool:
        """Any page can make a browser open a socket to us, with our cookie: only ours may make use of it."""
        origin = headers.get("origin", "").lower()
        return bool(origin) and (
            origin == self._public_address.lower() or urlsplit(origin).netloc == headers.get("host", "").lower()
        )


def fields_of(query: str) -> dict[str, str]:
    """The parameters of a handshake; of those with the same name, the first. A query that is none has none that are known."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_FIELD_LIMIT)
    except ValueError:
        return {"vsn": _UNREADABLE}
    return dict(reversed(pairs))


def _hidden_token(offered: list[str]) -> str:
    hidden = next((name for name in offered if name.startswith(_BEARER_PROTOCOL)), "")
    # Named after the alphabet for addresses, but stock clients write the other one.
    encoded = hidden.removeprefix(_BEARER_PROTOCOL).replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return _UNREADABLE
