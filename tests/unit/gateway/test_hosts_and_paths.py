"""Host names, origins, paths and cookies, attacked over raw sockets."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from raw_http import Raw, serving
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Scope

from soundwright.services.gateway.callers.access import Access, RouteAccess, access
from soundwright.services.gateway.callers.dialect import Dialect
from soundwright.services.gateway.callers.host_policy import HostPolicy
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.edge.route_table import Dispatch, RouteTable
from soundwright.services.gateway.settings import GatewaySettings
from soundwright.services.gateway.wire.problems import Problem

FOREIGN = "https://evil.example"


async def call(port: int, method: str, target: str, *headers: str, host: str = "localhost") -> tuple[int, str, str]:
    """Return status, head and body."""
    raw = await Raw.open(port)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    await raw.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
    received = (await raw.receive()).decode("latin-1")
    raw.close()
    head, _, body = received.partition("\r\n\r\n")
    return int(head.split()[1]), head, body


@contextlib.asynccontextmanager
async def open_site(tmp_path: Path, **settings: str) -> AsyncIterator[int]:
    async with serving(tmp_path, open_access=True, **settings) as port:
        yield port


# ------------------------------------------------------------------------------------------------------------------- hosts


def sites(tmp_path: Path, **settings: str) -> HostPolicy:
    return HostPolicy(GatewaySettings(data_dir=tmp_path, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    ["", "localhost", "LOCALHOST:4000", "app.localhost:1", "127.0.0.1:4000", "127.8.8.8", "[::1]:4000", "10.2.3.4:4000",
     "[2001:db8::1]", "music.example", "music.example.:443", "box.lan"],
)  # fmt: skip
def test_the_server_has_these_names(tmp_path: Path, host: str) -> None:
    own = sites(tmp_path, public_url="https://music.example/", allowed_hosts=" Box.lan , other.lan")
    assert own.serves(Headers({"host": host}))
    assert own.serves(Headers({}))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4000", "localhost.evil.example", "notlocalhost", "music.example.evil.example", "1",
     "127.0.0.1.evil.example", "0x7f000001", "localhost:4000:4000", "localhost, evil.example", "[::1", "user@localhost",
     "localhost/", "gateway", "locälhost", "a" * 8000],
)  # fmt: skip
def test_the_server_does_not_have_these_names(tmp_path: Path, host: str) -> None:
    own = sites(tmp_path, public_url="https://music.example/")
    assert not own.serves(Headers(raw=[(b"host", host.encode("latin-1"))]))
    assert not own.serves(Headers(raw=[(b"host", b"localhost"), (b"host", host.encode("latin-1"))]))
    assert sites(tmp_path, allowed_hosts="*").serves(Headers(raw=[(b"host", host.encode("latin-1"))]))


@pytest.mark.parametrize(
    "setting",
    [{"allowed_hosts": "https://a.example"}, {"allowed_hosts": "a:80"}, {"allowed_origins": "a.example"},
     {"allowed_origins": "https://a.example/"}],
)  # fmt: skip
def test_other_settings_are_refused(tmp_path: Path, setting: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        GatewaySettings(data_dir=tmp_path, **setting)  # type: ignore[arg-type]


async def test_a_page_cannot_read_through_another_host_name(tmp_path: Path) -> None:
    async with open_site(tmp_path) as port:
        for method, path in (
            ("GET", "/api/library"),
            ("GET", "/health"),
            ("GET", "/"),
            ("GET", "/api/tracks"),
            ("POST", "/generate"),
            ("OPTIONS", "/generate"),
            ("GET", "/nothing"),
        ):
            status, _, body = await call(port, method, path, host=f"evil.example:{port}")
            assert (path, status, "SOUNDWRIGHT_ALLOWED_HOSTS" in body) == (path, 421, True)
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", "10.1.2.3"):  # Kubernetes probes the address of a pod
            assert (await call(port, "GET", "/health", host=host))[0] == 200


# ----------------------------------------------------------------------------------------------------------------- origins


ORIGINS: list[tuple[list[str], tuple[int, int]]] = [
    ([], (503, 503)),  # no browser. The services behind this gateway do not answer
    (["Origin: http://localhost:3000"], (503, 503)),
    (["Origin: http://127.0.0.1:1", "Sec-Fetch-Site: cross-site"], (503, 503)),
    (["Origin: http://[::1]:1"], (503, 503)),
    (["Origin: http://localhost"], (503, 503)),
    (["Origin: https://friend.example"], (503, 503)),
    (["Sec-Fetch-Site: cross-site"], (503, 403)),  # a page shows an image of ours
    ([f"Origin: {FOREIGN}"], (403, 403)),
    ([f"Origin: {FOREIGN}", "Sec-Fetch-Site: same-origin"], (403, 403)),
    (["Origin: null"], (403, 403)),
    (["Origin: http://localhost.evil.example"], (403, 403)),
    (["Origin: http://10.0.0.1"], (403, 403)),
    (["Origin: https://friend.example.evil.example"], (403, 403)),
    (["Origin: file://localhost"], (403, 403)),
]


async def test_pages_of_other_sites_cannot_use_open_access(tmp_path: Path) -> None:
    async with open_site(tmp_path, allowed_origins="https://friend.example") as port:
        for headers, statuses in ORIGINS:
            for (method, path), status in zip(
                (("GET", "/api/queue"), ("POST", "/random-prompt")), statuses, strict=True
            ):
                found, head, body = await call(port, method, path, *headers)
                assert (headers, path, found) == (headers, path, status)
                if status == 403:
                    assert "SOUNDWRIGHT_ALLOWED_ORIGINS" in json.loads(body)["error"]
                    assert "access-control-allow-origin: *" in head.lower() or "Origin" not in str(headers)
            # A page has no token of its visitor, so a request with one may come from anywhere.
            assert (await call(port, "GET", "/api/queue", *headers, "Authorization: Bearer x"))[0] == 503


async def test_pages_of_allowed_origins_may_call_with_a_token(tmp_path: Path) -> None:
    async with open_site(tmp_path, allowed_origins="https://friend.example") as port:
        for origin in (
            "https://friend.example",
            "https://friend.example:444",
            "http://friend.example",
            FOREIGN,
            "null",
        ):
            asked = (
                f"Origin: {origin}",
                "Access-Control-Request-Method: GET",
                "Access-Control-Request-Headers: authorization",
            )
            status, head, _ = await call(port, "OPTIONS", "/api/tracks", *asked)
            _, read_head, _ = await call(port, "GET", "/api/tracks", f"Origin: {origin}", "Authorization: Bearer x")
            is_allowed = origin == "https://friend.example"
            assert (origin, status == 200) == (origin, is_allowed)
            for lines in (head.lower(), read_head.lower()):
                assert (f"access-control-allow-origin: {origin}" in lines) == is_allowed
                assert "access-control-allow-credentials" not in lines
                assert "vary: origin" in lines


# ------------------------------------------------------------------------------------------------------------------- paths


CONTROL = ("%0A", "%0D%0A", "%00", "%1b[2J", "%7F", "%C2%9B31m", "%E2%80%A8", "%09", "%0A/")


async def test_control_characters_in_a_path_are_refused(tmp_path: Path) -> None:
    async with open_site(tmp_path) as port:
        for method, path in (
            ("POST", "/api/processing/separate"),
            ("POST", "/generate"),
            ("GET", "/health"),
            ("GET", "/api/tracks/x"),
            ("GET", "/audio/a.wav"),
            ("GET", "/nothing"),
        ):
            for text in CONTROL:
                status, _, body = await call(port, method, path + text)
                assert (path + text, status, "control characters" in body) == (path + text, 400, True)


async def test_a_route_runs_only_under_its_own_access() -> None:
    @access(Access.OPEN, RateClass.HEAVY)
    async def heavy(_request: Request) -> Response:
        return Response()

    def render(problem: Problem) -> Response:
        return Response(status_code=problem.status)

    own = RouteAccess(Access.OPEN, RateClass.HEAVY)
    dialect = Dialect("own", re.compile("/"), render, own)
    table = RouteTable([Route("/heavy", heavy)], [dialect])
    found = table.find("GET", "/heavy")
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    def scope(applied: RouteAccess) -> Scope:
        made = {"type": "http", "method": "GET", "path": "/heavy", "headers": [], "dialect": dialect}
        made["soundwright.access"] = applied
        found.select(made)
        return made

    await Dispatch(table)(scope(own), receive, send)
    assert sent[0]["status"] == 200
    for other in (RouteAccess(Access.OPEN, RateClass.POLLING), RouteAccess(Access.PUBLIC, RateClass.HEAVY)):
        sent.clear()
        with pytest.raises(RuntimeError, match="/heavy"):
            await Dispatch(table)(scope(other), receive, send)
        assert sent[0]["status"] == 500


# ----------------------------------------------------------------------------------------------------------------- cookies


async def test_cookies_over_https_belong_to_this_host_alone(tmp_path: Path) -> None:
    secret = "v" * 43
    async with open_site(tmp_path, trusted_proxy="true") as port:
        secure = "X-Forwarded-Proto: https"
        _, head, _ = await call(port, "GET", "/users/log-in", secure)
        (cookie,) = [line for line in head.splitlines() if line.lower().startswith("set-cookie")]
        assert "__Host-soundwright_visit=" in cookie
        assert {"Path=/", "Secure", "HttpOnly"} <= set(cookie.split("; "))
        assert "domain" not in cookie.lower()
        # A sibling domain can set the plain name, and it is ignored.
        for planted, is_new in ((f"soundwright_visit={secret}", True), (f"__Host-soundwright_visit={secret}", False)):
            _, head, _ = await call(port, "GET", "/users/log-in", secure, f"Cookie: {planted}")
            assert ("set-cookie" in head.lower()) == is_new
        _, head, _ = await call(port, "GET", "/users/log-in", f"Cookie: soundwright_visit={secret}")
        assert "set-cookie" not in head.lower()  # without TLS, browsers refuse the prefix
