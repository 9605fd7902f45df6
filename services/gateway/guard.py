"""The layer inside the edge: knows the caller, counts the call, and lends the caller's name to what follows."""

from __future__ import annotations

import dataclasses

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.errors import AppError, Code
from kit.identity import principal_scope
from services.gateway.auth import (
    SAFE_METHODS,
    SESSION_COOKIE,
    Authenticator,
    Browsers,
    BrowserSession,
    Caller,
    meant_method,
    offered_token,
    peer_address,
)
from services.gateway.dialect import Access, Dialect, Rule, rule_for
from services.gateway.limits import Allowance, RateLimiter
from services.gateway.problem import Problem, problem_of

__all__ = ["Guard"]


class Guard:
    """ASGI middleware; expects the dialect in the scope, and puts ``peer``, ``session`` and ``principal_id`` there."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        limiter: RateLimiter,
        browsers: Browsers,
        trusted_proxy: bool = False,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._limiter = limiter
        self._browsers = browsers
        self._trusted_proxy = trusted_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dialect: Dialect = scope["dialect"]
        rule = rule_for(dialect, scope["method"], scope["path"])
        headers = Headers(scope=scope)
        peer = peer_address(scope, self._trusted_proxy)
        secret = self._browsers.session_secret(headers) if rule.sessions else ""
        caller, refusal = Caller(), None
        try:
            caller = await self._authenticator.identify(headers, peer, rule, secret)
        except AppError as error:
            refusal = problem_of(error)
            if error.code is Code.UNAUTHENTICATED:
                refusal = _with_header(refusal, "WWW-Authenticate", 'Bearer realm="soundwright"')
            elif error.reason == "ACCOUNT_SUSPENDED" and "authorization" not in headers:
                # Another account can log in then.
                refusal = _with_header(refusal, "Set-Cookie", self._browsers.ended_session_cookie(scope))
        allowance = None
        if rule.rate_class is not None:
            identity = caller.principal.id if caller.principal is not None else f"address:{peer}"
            allowance = self._limiter.take(identity, rule.rate_class)
            if allowance.retry_after_seconds:
                refusal = _exhausted(allowance)
        if refusal is None and _forgeable(scope, rule, caller):
            token, receive = await offered_token(scope, receive)
            proof = caller.session.secret if caller.session else self._browsers.visit_secret(headers)
            if not self._browsers.csrf_fits(proof, token):
                refusal = _FORGED

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                if allowance is not None:
                    for name, value in allowance.headers.items():
                        answer[name] = value
                self._renew(scope, caller.session, answer)
            await send(message)

        if refusal is not None:
            await dialect.render(refusal)(scope, receive, sending)
            return
        if dialect.form_methods:
            scope["method"], receive = await meant_method(scope, receive)
        scope["peer"], scope["session"] = peer, caller.session
        scope["principal_id"] = caller.principal.id if caller.principal is not None else ""
        with principal_scope(caller.principal):
            await self._app(scope, receive, sending)

    def _renew(self, scope: Scope, session: BrowserSession | None, answer: MutableHeaders) -> None:
        """Put a session's new secret into its cookie, unless the answer has just put another one there."""
        decided = any(value.startswith(f"{SESSION_COOKIE}=") for value in answer.getlist("set-cookie"))
        if session is not None and session.renewed_secret and not decided:
            cookie = self._browsers.session_cookie(scope, session.renewed_secret, session.remembered)
            answer.append("set-cookie", cookie)


_FORGED = Problem(
    403, "CSRF_INVALID", "This form is too old, or did not come from our own page. Reload the page and try again."
)


def _forgeable(scope: Scope, rule: Rule, caller: Caller) -> bool:
    """Whether another site could make a browser send this in its user's name, and it would change something."""
    by_browser = caller.session is not None or rule.access is Access.VISITOR
    return by_browser and scope["method"] not in SAFE_METHODS


def _with_header(problem: Problem, name: str, value: str) -> Problem:
    return dataclasses.replace(problem, headers={**problem.headers, name: value})


def _exhausted(allowance: Allowance) -> Problem:
    return Problem(
        429,
        "RATE_LIMITED",
        f"Too many requests. Try again in {allowance.retry_after_seconds} seconds.",
        details={"retry_after": allowance.retry_after_seconds},
    )
