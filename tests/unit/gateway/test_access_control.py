"""Access control in front of a router: CSRF tokens, origins, and methods that forms name."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Message

from soundwright.kit.errors import AppError, Code
from soundwright.library.v1 import account_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, RouteAccess, access
from soundwright.services.gateway.callers.authenticator import Authenticator
from soundwright.services.gateway.callers.browsers import SESSION_COOKIE, VISIT_COOKIE, Browsers
from soundwright.services.gateway.callers.dialect import Dialect
from soundwright.services.gateway.callers.host_policy import HostPolicy
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from soundwright.services.gateway.edge.access_control import AccessControl
from soundwright.services.gateway.edge.route_table import RouteTable
from soundwright.services.gateway.settings import GatewaySettings
from soundwright.services.gateway.wire.problems import Problem
from tests.clocks import HandClock

SECRET = "s" * 43
PUBLIC_URL = "https://music.example"
SESSION, VISIT = f"__Host-{SESSION_COOKIE}", f"__Host-{VISIT_COOKIE}"  # the public URL is HTTPS
FORM = "application/x-www-form-urlencoded"


class Accounts:
    """The library's account service. It knows one session and one token."""

    token_count = 0
    session_count = 0

    async def AuthenticateSession(self, request: Any) -> Any:
        self.session_count += 1
        if request.session_token != SECRET:
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Your session has ended. Log in again.")
        return pb.AuthenticateSessionResponse(account=account_pb2.Account(id="ann", role="user"))

    async def AuthenticateToken(self, request: Any) -> Any:
        self.token_count += 1
        if request.token != "token":
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
        return pb.AuthenticateTokenResponse(account=account_pb2.Account(id="ann", role="user"))


class Gate:
    """Access control in front of four routes that answer with their names."""

    def __init__(self, folder: Path) -> None:
        def render(problem: Problem) -> Response:
            self.message = problem.message
            return PlainTextResponse(problem.reason, problem.status)

        def answer(name: str, accepted: Access) -> Any:
            @access(accepted, RateClass.NORMAL)
            async def endpoint(request: Request) -> Response:
                await request.body()
                return PlainTextResponse(name)

            return endpoint

        routes = [
            Route("/page", answer("post", Access.BROWSER), methods=["POST"]),
            Route("/page", answer("put", Access.BROWSER), methods=["PUT"]),
            Route("/page", answer("delete", Access.ACCOUNT), methods=["DELETE"]),
            Route("/api", answer("api", Access.ACCOUNT), methods=["GET", "POST"]),
        ]
        self.dialect = Dialect("own", re.compile("/"), render, RouteAccess(Access.BROWSER, RateClass.NORMAL))
        settings = GatewaySettings(data_dir=folder, public_url=PUBLIC_URL)
        self.browsers = Browsers(settings)
        self.accounts = Accounts()
        authenticator = Authenticator(self.accounts, False, settings.secrets())  # type: ignore[arg-type]
        limiter = RateLimiter({RateClass.NORMAL: 100, RateClass.POLLING: 1000}, HandClock())
        self.app = AccessControl(
            Router(routes),
            RouteTable(routes, [self.dialect]),
            authenticator,
            limiter,
            self.browsers,
            HostPolicy(settings),
        )
        self.received = 0
        self.scope: dict[str, Any] = {}
        self.headers: dict[bytes, bytes] = {}

    async def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Return status and text of the response. ``received`` counts how often the body was read."""
        self.received, sent = 0, []

        async def receive() -> Message:
            self.received += 1
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        given = {"host": "gate.example", **{name.replace("_", "-"): value for name, value in headers.items()}}
        raw = [(name.encode(), value.encode()) for name, value in given.items()]
        scope = {
            "type": "http", "method": method, "path": path, "headers": raw, "query_string": b"",
            "dialect": self.dialect,
        }  # fmt: skip
        self.scope = scope
        await self.app(scope, receive, send)
        self.headers = dict(sent[0]["headers"])
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


OWN: list[dict[str, str]] = [
    {}, {"origin": "https://gate.example"}, {"origin": "http://GATE.example"}, {"origin": PUBLIC_URL},
    {"origin": PUBLIC_URL, "sec_fetch_site": "same-origin"}, {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "none"}, {"sec_fetch_site": "same-origin", "origin": "https://in-front-of-a-proxy.example"},
]  # fmt: skip
FOREIGN: list[dict[str, str]] = [
    {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "Cross-Site", "origin": "https://gate.example"},
    {"origin": "https://elsewhere.example"}, {"origin": "https://gate.example.elsewhere.example"},
    {"origin": "https://gate.example:8443"}, {"origin": "null"}, {"origin": ""}, {"origin": "http://["},
]  # fmt: skip


@pytest.mark.parametrize("headers", OWN)
async def test_our_own_pages_and_programs_write_with_the_token(gate: Gate, headers: dict[str, str]) -> None:
    token = gate.browsers.csrf_token(SECRET)
    session = {"cookie": f"{SESSION}={SECRET}", "x_csrf_token": token}
    assert await gate.call("POST", "/api", **session, **headers) == (200, "api")
    visit = {"cookie": f"{VISIT}={SECRET}", "x_csrf_token": token}
    assert await gate.call("POST", "/page", **visit, **headers) == (200, "post")


@pytest.mark.parametrize("headers", FOREIGN)
async def test_pages_of_other_origins_write_nothing_even_with_the_token(gate: Gate, headers: dict[str, str]) -> None:
    body = f"_csrf_token={gate.browsers.csrf_token(SECRET)}".encode()
    for path, cookie in (("/api", SESSION), ("/page", SESSION), ("/page", VISIT)):
        by_form = {"cookie": f"{cookie}={SECRET}", "content_type": FORM}
        assert await gate.call("POST", path, body, **by_form, **headers) == (403, "CSRF_INVALID")
        assert gate.received == 0  # refused before the body is read
        assert (await gate.call("POST", path, body, **by_form))[0] == 200


async def test_who_opened_another_address_is_told_the_right_one(gate: Gate) -> None:
    visit = {"cookie": f"{VISIT}={SECRET}"}
    for headers, sentence in (
        ({"origin": "https://elsewhere.example", **visit}, "does not come from a page of this server"),
        ({}, "sent no cookie"),
        ({"cookie": f"{VISIT_COOKIE}={SECRET}"}, "sent no cookie"),  # without the prefix of HTTPS
    ):
        assert await gate.call("POST", "/page", **headers) == (403, "CSRF_INVALID")
        assert sentence in gate.message
        assert PUBLIC_URL in gate.message
    assert await gate.call("POST", "/page", **visit) == (403, "CSRF_INVALID")
    assert "Reload the page" in gate.message


@pytest.mark.parametrize("headers", FOREIGN)
async def test_reading_and_tokens_have_no_origin(gate: Gate, headers: dict[str, str]) -> None:
    assert await gate.call("GET", "/api", cookie=f"{SESSION}={SECRET}", **headers) == (200, "api")
    assert await gate.call("POST", "/api", authorization="Bearer token", **headers) == (200, "api")


@pytest.mark.parametrize(("named", "served"), [("put", "put"), ("delete", "post"), ("x", "post")])
async def test_a_form_selects_a_method_with_the_same_access_only(gate: Gate, named: str, served: str) -> None:
    body = f"_csrf_token={gate.browsers.csrf_token(SECRET)}&_method={named}".encode()
    visit = {"cookie": f"{VISIT}={SECRET}", "content_type": FORM}
    assert await gate.call("POST", "/page", body, **visit) == (200, served)


async def test_the_rate_limit_is_that_of_the_matched_route(gate: Gate) -> None:
    for _ in range(100):
        assert (await gate.call("GET", "/api", authorization="Bearer token"))[0] == 200
    assert await gate.call("GET", "/api", authorization="Bearer token") == (429, "RATE_LIMITED")
    assert (await gate.call("GET", "/api"))[0] == 401


async def test_wrong_tokens_beyond_the_limit_cost_no_look_up(gate: Gate) -> None:
    for _ in range(100):
        assert await gate.call("GET", "/api", authorization="Bearer wrong") == (401, "UNAUTHORIZED")
    for _ in range(10):
        assert await gate.call("GET", "/api", authorization="Bearer wrong") == (429, "RATE_LIMITED")
    assert gate.accounts.token_count == 100


@pytest.mark.parametrize("guess", [{}, {"authorization": "Bearer wrong"}, {"cookie": f"{SESSION}={'x' * 43}"}])
async def test_refusals_do_not_lock_out_valid_callers_of_the_address(gate: Gate, guess: dict[str, str]) -> None:
    own = ({"authorization": "Bearer token"}, {"cookie": f"{SESSION}={SECRET}"})
    for valid in own:
        assert (await gate.call("GET", "/api", **valid))[0] == 200
    for _ in range(110):
        await gate.call("GET", "/api", **guess)
    assert await gate.call("GET", "/api", **guess) == (429, "RATE_LIMITED")
    for valid in own:
        assert await gate.call("GET", "/api", **valid) == (200, "api")
    assert (await gate.call("GET", "/page"))[0] == 405  # without a credential there is nothing to guess


async def test_an_invalid_path_is_refused_before_the_library_is_asked(gate: Gate) -> None:
    assert await gate.call("GET", "/page\x00", cookie=f"{SESSION}={SECRET}") == (400, "PATH_INVALID")
    assert gate.accounts.session_count == 0
    assert await gate.call("GET", "/page", cookie=f"{SESSION}={SECRET}") == (405, "Method Not Allowed")
    assert gate.accounts.session_count == 1


async def test_the_log_names_the_route_and_the_caller_of_refused_requests(gate: Gate) -> None:
    assert await gate.call("GET", "/api") == (401, "UNAUTHORIZED")
    assert (gate.scope["route"].path, gate.scope["principal_id"]) == ("/api", "")
    assert await gate.call("POST", "/api", cookie=f"{SESSION}={SECRET}") == (403, "CSRF_INVALID")
    assert (gate.scope["route"].path, gate.scope["principal_id"]) == ("/api", "ann")


@pytest.mark.parametrize(
    ("seen", "secure"), [("https, http", True), ("http,HTTPS", True), ("http", False), ("", False)]
)
def test_cookies_are_secure_if_a_proxy_was_asked_by_https(tmp_path: Path, seen: str, secure: bool) -> None:
    browsers = Browsers(GatewaySettings(data_dir=tmp_path, trusted_proxy=True))
    scope = {"type": "http", "scheme": "http", "headers": [(b"x-forwarded-proto", seen.encode())]}
    assert browsers.set_cookie(scope, "name", SECRET).startswith("__Host-") is secure


async def test_what_a_browser_reads_counts_as_polling(gate: Gate) -> None:
    session = {"cookie": f"{SESSION}={SECRET}"}
    token = {"authorization": "Bearer token"}
    change = {**session, "x_csrf_token": gate.browsers.csrf_token(SECRET)}
    limits = []
    for method, headers in (("GET", session), ("GET", token), ("POST", change)):
        assert await gate.call(method, "/api", **headers) == (200, "api")
        limits.append(gate.headers[b"x-ratelimit-limit"])
    assert limits == [b"1000", b"100", b"100"]
