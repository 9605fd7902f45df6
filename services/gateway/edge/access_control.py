"""Middleware that authenticates requests, applies rate limits and checks CSRF tokens, as the matched route declares."""

from __future__ import annotations

import dataclasses
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit import errors
from kit.errors import AppError, Code
from kit.rpc import KnownCredentials
from kit.security.identity import address_scope, principal_scope
from services.gateway.callers.access import Access
from services.gateway.callers.authenticator import Authenticator, Caller, peer_address
from services.gateway.callers.browsers import CREATOR_HEADER, SESSION_COOKIE, Browsers, BrowserSession, new_secret
from services.gateway.callers.csrf import SAFE_METHODS, form_method, request_csrf_token
from services.gateway.callers.dialect import Dialect
from services.gateway.callers.rate_limits import COUNT_MORE, Allowance, RateLimiter
from services.gateway.callers.sites import Sites
from services.gateway.edge.route_table import RouteTable
from services.gateway.wire.problems import Problem, problem_of


class AccessControl:
    """ASGI middleware between the edge and the router.

    It reads ``dialect`` from the scope and adds ``peer``, ``session`` and ``principal_id``. The application runs in the
    :func:`principal_scope` of the caller.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: RouteTable,
        authenticator: Authenticator,
        limiter: RateLimiter,
        browsers: Browsers,
        sites: Sites,
        trusted_proxy: bool = False,
    ) -> None:
        self._app = app
        self._routes = routes
        self._authenticator = authenticator
        self._limiter = limiter
        self._browsers = browsers
        self._sites = sites
        self._trusted_proxy = trusted_proxy
        self._known = KnownCredentials()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dialect: Dialect = scope["dialect"]
        found = self._routes.find(scope["method"], scope["path"])
        declared = found.access
        peer = peer_address(scope, self._trusted_proxy)
        creator_secret = self._browsers.creator_secret(scope)
        # Whoever creates something without a secret gets one.
        new_creator = not creator_secret and declared.access is Access.OPEN and scope["method"] not in SAFE_METHODS
        creator_secret = creator_secret or (new_secret() if new_creator else "")
        # Requests with unknown credentials count by address. Over the limit, they cost the library no further call. Credentials
        # that were valid lately do not suffer from the guesses of others behind their address.
        credential = self._credential(scope, declared.access)
        stranger, rate_class = f"{'refused' if credential else 'missing'}:{peer}", declared.rate_class
        flooding = (
            rate_class is not None
            and bool(credential)
            and credential not in self._known
            and self._limiter.is_exhausted(stranger, rate_class)
        )
        caller, refusal = Caller(), problem_of(errors.PATH_INVALID()) if _CONTROL.search(scope["path"]) else None
        if refusal is None and not flooding:
            caller, refusal = await self._authenticate(scope, peer, declared.access, creator_secret)
        anonymous = caller.principal is not None and caller.principal.is_anonymous
        if credential and caller.principal is not None and not anonymous:
            self._known.add(credential)
        elif credential and refusal is not None:
            self._known.discard(credential)
        new_creator = new_creator and anonymous
        # A page of another site may not use the open access that the visitor's network has.
        if (
            anonymous
            and declared.access.tokens
            and not self._sites.accepts_anonymous(scope["method"], Headers(scope=scope))
        ):
            refusal = refusal or problem_of(errors.ORIGIN_NOT_ALLOWED())
        allowance = None
        if rate_class is not None:
            identity = stranger if flooding or refusal is not None else f"address:{peer}"
            if caller.principal is not None and caller.principal.is_guest:
                identity = f"guest:{peer}"  # the guests of one address share its limit, as anonymous callers do
            elif caller.principal is not None:
                identity = caller.principal.id
            allowance = await self._limiter.take(identity, rate_class)
            if flooding or allowance.retry_after_seconds:
                refusal = problem_of(errors.RATE_LIMITED(retry_after=max(1, allowance.retry_after_seconds)))

            async def count_more(count: int) -> Allowance:
                nonlocal allowance
                allowance = await self._limiter.take_more(identity, rate_class, count)
                return allowance

            scope[COUNT_MORE] = count_more
        by_browser = caller.session is not None or declared.access is Access.PAGE
        if refusal is None and by_browser and scope["method"] not in SAFE_METHODS:
            refusal, receive = await self._check_csrf(scope, receive, caller)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if allowance is not None:
                    headers.update(allowance.headers)
                self._set_renewed_session(scope, caller.session, headers)
                if new_creator and message["status"] < 400:
                    headers[CREATOR_HEADER] = creator_secret
                    headers.append("set-cookie", self._browsers.creator_cookie(scope, creator_secret))
            await send(message)

        if refusal is not None:
            await dialect.render(refusal)(scope, receive, send_with_headers)
            return
        if declared.access in (Access.PAGE, Access.ACCOUNT):
            method, receive = await form_method(scope, receive, multipart=found.route is None)
            # The checks above applied to the method of the request. The form may only select a route with the same access.
            chosen = self._routes.find(method, scope["path"])
            if chosen.access == declared:
                scope["method"], found = method, chosen
        scope["peer"], scope["session"] = peer, caller.session
        scope["soundwright.access"] = declared
        found.select(scope)
        scope["principal_id"] = caller.principal.id if caller.principal is not None else ""
        with principal_scope(caller.principal), address_scope(peer):
            await self._app(scope, receive, send_with_headers)

    def _credential(self, scope: Scope, access: Access) -> str:
        """Return the token or the session of a request that a look-up must check; empty if there is none."""
        token = Headers(scope=scope).get("authorization", "") if access.tokens else ""
        return token or (self._browsers.session_secret(scope) if access.sessions else "")

    async def _authenticate(
        self, scope: Scope, peer: str, access: Access, creator_secret: str
    ) -> tuple[Caller, Problem | None]:
        """Return the caller, and the problem if credentials are missing or invalid."""
        headers = Headers(scope=scope)
        secret = self._browsers.session_secret(scope) if access.sessions else ""
        try:
            caller = await self._authenticator.identify(
                headers, peer, access, secret, creator_secret, changes_nothing=scope["method"] in SAFE_METHODS
            )
            return caller, None
        except AppError as error:
            refusal = problem_of(error)
            if error.code is Code.UNAUTHENTICATED:
                refusal = _with_header(refusal, "WWW-Authenticate", 'Bearer realm="soundwright"')
            elif error.reason == "ACCOUNT_SUSPENDED" and "authorization" not in headers:
                # The browser forgets the session, so that another account can log in.
                refusal = _with_header(refusal, "Set-Cookie", self._browsers.ended_session_cookie(scope))
            return Caller(), refusal

    async def _check_csrf(self, scope: Scope, receive: Receive, caller: Caller) -> tuple[Problem | None, Receive]:
        """Return the problem if another site may have made the browser send this request, and the ``receive`` to read the body
        from. A request from another origin is refused before its body is read."""
        headers = Headers(scope=scope)
        if not self._sites.is_own_origin(headers):
            return problem_of(errors.CSRF_INVALID()), receive
        token, receive = await request_csrf_token(scope, receive)
        secret = caller.session.secret if caller.session else self._browsers.visit_secret(scope)
        return (
            None if self._browsers.is_valid_csrf_token(secret, token) else problem_of(errors.CSRF_INVALID())
        ), receive

    def _set_renewed_session(self, scope: Scope, session: BrowserSession | None, headers: MutableHeaders) -> None:
        """Store a renewed session secret in its cookie, unless the response sets that cookie itself."""
        name = self._browsers.cookie_name(scope, SESSION_COOKIE)
        is_set = any(value.startswith(f"{name}=") for value in headers.getlist("set-cookie"))
        if session is not None and session.renewed_secret and not is_set:
            cookie = self._browsers.session_cookie(scope, session.renewed_secret, session.remembered)
            headers.append("set-cookie", cookie)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _with_header(problem: Problem, name: str, value: str) -> Problem:
    return dataclasses.replace(problem, headers={**problem.headers, name: value})
