"""Middleware that authenticates requests, applies rate limits and checks CSRF tokens, as the matched route declares."""

import dataclasses
import re
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.rpc import KnownCredentials
from soundwright.kit.security.identity import address_scope, principal_scope
from soundwright.services.gateway.callers.access import Access
from soundwright.services.gateway.callers.authenticator import Authenticator, Caller, peer_address
from soundwright.services.gateway.callers.browsers import (
    CREATOR_COOKIE,
    CREATOR_HEADER,
    CREATOR_SECONDS,
    SESSION_COOKIE,
    Browsers,
    BrowserSession,
    new_secret,
)
from soundwright.services.gateway.callers.csrf import SAFE_METHODS, form_method, request_csrf_token
from soundwright.services.gateway.callers.host_policy import HostPolicy
from soundwright.services.gateway.callers.rate_limits import CHARGE_MORE, Allowance, RateClass, RateLimiter
from soundwright.services.gateway.edge.route_table import FoundRoute, RouteTable
from soundwright.services.gateway.wire.problems import Problem, problem_of


@dataclass
class _Request:
    """A request, and what the checks find out about it.

    Attributes:
        creator_secret: shows who created something without an account.
        new_creator: whether the caller has no such secret yet. The response has a new one, if something was created.
        token: the header with the API token; empty if there is none, and for routes that read no tokens.
        session_secret: the session that the route reads; empty if there is none, or a token, which has priority.
        allowance: what is left of the caller's limit; None: the route has no limit.
    """

    scope: Scope
    receive: Receive
    headers: Headers
    found: FoundRoute
    peer: str
    creator_secret: str
    new_creator: bool
    token: str
    session_secret: str
    caller: Caller = field(default_factory=Caller)
    allowance: Allowance | None = None

    @property
    def access(self) -> Access:
        return self.found.access.access

    @property
    def credential(self) -> str:
        """The token or the session that a look-up must check; empty if there is none."""
        return self.token or self.session_secret

    @property
    def changes_nothing(self) -> bool:
        return self.scope["method"] in SAFE_METHODS

    @property
    def refused_key(self) -> str:
        return f"{'refused' if self.credential else 'missing'}:{self.peer}"

    @property
    def is_anonymous(self) -> bool:
        return self.caller.principal is not None and self.caller.principal.is_anonymous


class AccessControl:
    """ASGI middleware between the edge and the router.

    It reads ``dialect`` from the scope and adds ``peer``, ``session``, ``principal_id`` and ``network``. The application runs in the
    :func:`principal_scope` of the caller.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: RouteTable,
        authenticator: Authenticator,
        limiter: RateLimiter,
        browsers: Browsers,
        hosts: HostPolicy,
        trusted_proxy: bool = False,
    ) -> None:
        self._app = app
        self._routes = routes
        self._authenticator = authenticator
        self._limiter = limiter
        self._browsers = browsers
        self._hosts = hosts
        self._trusted_proxy = trusted_proxy
        self._known = KnownCredentials()
        self._checks = (self._check_path, self._check_refusals, self._identify, self._check_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = self._read(scope, receive)
        problem: Problem | None = None
        for check in self._checks:
            problem = problem or await check(request)
        problem = await self._count(request, problem) or problem or await self._check_csrf(request)
        scope["peer"], scope["session"] = request.peer, request.caller.session
        principal = request.caller.principal
        scope["principal_id"], scope["network"] = (principal.id, principal.network) if principal else ("", "")
        request.found.select(scope)
        send = self._with_headers(request, send)
        if problem is not None:
            await scope["dialect"].render(problem)(scope, request.receive, send)
            return
        await self._select_method(request)
        with principal_scope(request.caller.principal), address_scope(request.peer):
            await self._app(scope, request.receive, send)

    def _read(self, scope: Scope, receive: Receive) -> _Request:
        headers, found = Headers(scope=scope), self._routes.find(scope["method"], scope["path"])
        declared = found.access.access
        creator_secret = self._browsers.creator_secret(scope) if declared.anonymous else ""
        # An anonymous caller that creates something gets a secret, which proves later that it is the creator.
        new_creator = not creator_secret and declared is Access.OPEN and scope["method"] not in SAFE_METHODS
        token = headers.get("authorization", "") if declared.tokens else ""
        return _Request(
            scope=scope,
            receive=receive,
            headers=headers,
            found=found,
            peer=peer_address(scope, self._trusted_proxy),
            creator_secret=creator_secret or (new_secret() if new_creator else ""),
            new_creator=new_creator,
            token=token,
            session_secret="" if token or not declared.sessions else self._browsers.session_secret(scope),
        )

    async def _check_path(self, request: _Request) -> Problem | None:
        return problem_of(errors.PATH_INVALID()) if _CONTROL.search(request.scope["path"]) else None

    async def _check_refusals(self, request: _Request) -> Problem | None:
        """Refuse an address with too many refused requests, so that they cost the library no further look-up.

        Credentials that were valid lately do not suffer from the guesses of others behind their address.
        """
        rate_class = request.found.access.rate_class
        if rate_class is None or not request.credential:
            return None
        if not self._limiter.is_exhausted(request.refused_key, rate_class) or request.credential in self._known:
            return None
        return problem_of(errors.RATE_LIMITED(retry_after=1))  # counting it finds the time to wait

    async def _identify(self, request: _Request) -> Problem | None:
        """Find the caller. Refuse missing and invalid credentials."""
        scope = request.scope
        try:
            request.caller = await self._authenticator.identify(
                request.headers,
                request.peer,
                request.access,
                request.session_secret,
                request.creator_secret,
                request.changes_nothing,
            )
        except AppError as error:
            self._known.discard(request.credential)
            problem = problem_of(error)
            if error.code is Code.UNAUTHENTICATED:
                return _with_header(problem, "WWW-Authenticate", 'Bearer realm="soundwright"')
            if error.reason == "ACCOUNT_SUSPENDED" and "authorization" not in request.headers:
                # The browser forgets the session, so that another account can log in.
                return _with_header(problem, "Set-Cookie", self._browsers.set_cookie(scope, SESSION_COOKIE, "", 0))
            return problem
        if request.credential and request.caller.principal is not None and not request.is_anonymous:
            self._known.add(request.credential)
        request.new_creator = request.new_creator and request.is_anonymous
        return None

    async def _check_origin(self, request: _Request) -> Problem | None:
        """Refuse pages of other sites that use the open access of the visitor's network."""
        if not request.is_anonymous or not request.access.tokens:
            return None
        if self._hosts.accepts_anonymous(request.scope["method"], request.headers):
            return None
        return problem_of(errors.ORIGIN_NOT_ALLOWED())

    async def _count(self, request: _Request, problem: Problem | None) -> Problem | None:
        """Count the request, and refuse callers over their limit. Refused requests without a caller count by address."""
        rate_class, principal = request.found.access.rate_class, request.caller.principal
        if rate_class is None:
            return None
        if rate_class is RateClass.NORMAL and request.caller.session is not None and request.changes_nothing:
            rate_class = RateClass.POLLING  # each page of the studio reads several things
        if principal is None:
            identity = request.refused_key if problem is not None else f"address:{request.peer}"
        else:  # the guests of one address share its limit, as anonymous callers do
            identity = f"guest:{request.peer}" if principal.is_guest else principal.id
        request.allowance = allowance = await self._limiter.take(identity, rate_class)

        async def charge_more(count: int) -> Allowance:
            request.allowance = await self._limiter.take_cost(identity, rate_class, count)
            return request.allowance

        request.scope[CHARGE_MORE] = charge_more
        if not allowance.retry_after_seconds:
            return None
        return problem_of(errors.RATE_LIMITED(retry_after=allowance.retry_after_seconds))

    async def _check_csrf(self, request: _Request) -> Problem | None:
        """Refuse a request that another site may have made the browser send: by its origin, before its body is read, or for
        want of a CSRF token."""
        by_browser = request.caller.session is not None or request.access is Access.BROWSER
        if not by_browser or request.changes_nothing:
            return None
        if not self._hosts.is_own_page(request.headers):
            return problem_of(errors.PAGE_NOT_OURS(public_address=self._hosts.public_address))
        session = request.caller.session
        secret = session.secret if session else self._browsers.visit_secret(request.scope)
        if not secret:
            return problem_of(errors.COOKIE_MISSING(public_address=self._hosts.public_address))
        token, request.receive = await request_csrf_token(request.scope, request.receive)
        return None if self._browsers.is_valid_csrf_token(secret, token) else problem_of(errors.CSRF_INVALID())

    async def _select_method(self, request: _Request) -> None:
        """Apply the method that a form names. The checks applied to that of the request, so it must have the same access."""
        scope, declared = request.scope, request.found.access
        scope["soundwright.access"] = declared
        if scope["method"] != "POST" or request.access not in (Access.BROWSER, Access.ACCOUNT):
            return
        multipart = request.found.route is None
        method, request.receive = await form_method(scope, request.receive, multipart=multipart)
        chosen = self._routes.find(method, scope["path"])
        if chosen.access == declared:
            scope["method"] = method
            chosen.select(scope)

    def _with_headers(self, request: _Request, send: Send) -> Send:
        """Return a ``send`` that adds the headers of the limit, of a renewed session and of a new creator."""
        session = request.caller.session
        renewed = session if session is not None and session.renewed_secret else None
        if request.allowance is None and renewed is None and not request.new_creator:
            return send

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if request.allowance is not None:  # it changes if the request counts as several
                    headers.raw.extend(request.allowance.headers)
                    if request.allowance.retry_after_seconds:
                        headers["retry-after"] = str(request.allowance.retry_after_seconds)
                if renewed is not None:
                    self._set_renewed_session(request.scope, renewed, headers)
                if request.new_creator and request.is_anonymous and message["status"] < 400:
                    headers[CREATOR_HEADER] = request.creator_secret
                    cookie = self._browsers.set_cookie(
                        request.scope, CREATOR_COOKIE, request.creator_secret, CREATOR_SECONDS
                    )
                    headers.append("set-cookie", cookie)
            await send(message)

        return send_with_headers

    def _set_renewed_session(self, scope: Scope, session: BrowserSession, headers: MutableHeaders) -> None:
        """Store a renewed session secret in its cookie, unless the response sets that cookie itself."""
        name = self._browsers.cookie_name(scope, SESSION_COOKIE)
        if not any(value.startswith(f"{name}=") for value in headers.getlist("set-cookie")):
            headers.append(
                "set-cookie", self._browsers.session_cookie(scope, session.renewed_secret, session.remembered)
            )


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _with_header(problem: Problem, name: str, value: str) -> Problem:
    return dataclasses.replace(problem, headers={**problem.headers, name: value})
