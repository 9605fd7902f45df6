"""The layer inside the edge: knows the caller, counts the call, and lends the caller's name to what follows."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.errors import AppError, Code
from kit.identity import principal_scope
from services.gateway.auth import Authenticator, peer_address
from services.gateway.dialect import Dialect
from services.gateway.limits import Allowance, RateLimiter
from services.gateway.problem import Problem, problem_of

__all__ = ["Guard"]


class Guard:
    """ASGI middleware; expects the dialect in the scope."""

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, limiter: RateLimiter, trusted_proxy: bool = False
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._limiter = limiter
        self._trusted_proxy = trusted_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dialect: Dialect = scope["dialect"]
        rule = dialect.rule(scope["method"], scope["path"])
        peer = peer_address(scope, self._trusted_proxy)
        principal, refusal = None, None
        try:
            principal = await self._authenticator.identify(Headers(scope=scope), peer, rule.access)
        except AppError as error:
            refusal = problem_of(error)
            if error.code is Code.UNAUTHENTICATED:
                refusal = _challenged(refusal)
        allowance = None
        if rule.rate_class is not None:
            identity = principal.id if principal is not None else f"address:{peer}"
            allowance = self._limiter.take(identity, rule.rate_class)
            if allowance.retry_after_seconds:
                refusal = _exhausted(allowance)

        async def sending(message: Message) -> None:
            if allowance is not None and message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in allowance.headers.items():
                    headers[name] = value
            await send(message)

        if refusal is not None:
            await dialect.render(refusal)(scope, receive, sending)
            return
        scope["principal_id"] = principal.id if principal is not None else ""
        with principal_scope(principal):
            await self._app(scope, receive, sending)


def _challenged(problem: Problem) -> Problem:
    return Problem(
        problem.status, problem.reason, problem.message, headers={"WWW-Authenticate": 'Bearer realm="soundwright"'}
    )


def _exhausted(allowance: Allowance) -> Problem:
    return Problem(
        429,
        "RATE_LIMITED",
        f"Too many requests. Try again in {allowance.retry_after_seconds} seconds.",
        details={"retry_after": allowance.retry_after_seconds},
    )
