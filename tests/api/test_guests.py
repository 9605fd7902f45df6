"""Guests: access to the studio without an account, what guests may do, and how they keep it."""

import contextlib
from collections.abc import Iterator

import httpx
import pytest
from browser import GUEST, PASSWORD, Browser, become_guest, registered
from gateway_process import GatewayProcess
from matrix import HANDSHAKE
from stories import UNHURRIED, encoded, song, upload

from tests.stacks import Stack

SESSION = "soundwright_session"


@pytest.fixture
def visitor(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        yield browser


def guest_count(admin: httpx.Client) -> int:
    return int(admin.get("/api/admin/users", params={"role": "guest"}).json()["meta"]["total_count"])


def test_only_a_script_with_the_token_of_a_page_creates_a_guest(visitor: Browser, admin: httpx.Client) -> None:
    before = guest_count(admin)
    page = visitor.get("/studio")
    assert '<meta name="guests" content="allowed">' in page.text
    assert SESSION not in visitor.cookies
    forged = visitor.post(GUEST)
    assert (forged.status_code, forged.json()["code"]) == (403, "CSRF_INVALID")
    assert visitor.get(GUEST).status_code == 401
    assert guest_count(admin) == before
    account_id = become_guest(visitor)
    assert guest_count(admin) == before + 1
    assert '<meta name="account" content="">' in visitor.get("/studio").text
    again = visitor.post(GUEST)
    assert again.status_code == 200
    assert again.json()["data"] == {"id": account_id, "email": "", "csrf_token": visitor.headers["X-CSRF-Token"]}
    assert guest_count(admin) == before + 1
    with Browser(str(visitor.base_url)) as ann:
        registered(ann)
        kept = ann.post(GUEST, headers={"X-CSRF-Token": ann.token()})
        assert kept.json()["data"]["email"] == ann.email
        assert "set-cookie" not in kept.headers


def test_a_taken_address_is_not_revealed_and_costs_nothing(visitor: Browser) -> None:
    become_guest(visitor)
    with Browser(str(visitor.base_url)) as ann, Browser(str(visitor.base_url)) as other:
        registered(ann)
        become_guest(other)
        free = other.register()
        track = upload(visitor, encoded(song(0.5)))
        visitor.email = ann.email
        taken = visitor.register("another long password")
    assert (free.status_code, free.headers["location"], free.text) == (
        taken.status_code,
        taken.headers["location"],
        taken.text,
    )
    names = [[value.partition("=")[0] for value in each.headers.get_list("set-cookie")] for each in (free, taken)]
    assert names[0] == names[1]
    assert [found["id"] for found in visitor.get("/api/tracks").json()["data"]] == [track["id"]]
    assert "You are a guest." in visitor.get("/users/log-in").text


def test_a_guest_who_logs_in_gets_the_other_account(visitor: Browser) -> None:
    with Browser(str(visitor.base_url)) as ann:
        registered(ann)
    become_guest(visitor)
    guest = visitor.cookies[SESSION]
    visitor.email = ann.email
    assert visitor.log_in(PASSWORD).status_code == 302
    assert ann.email in visitor.get("/studio").text
    old = httpx.get(f"{visitor.base_url}/api/tracks", headers={"Cookie": f"{SESSION}={guest}"})
    assert old.status_code == 401


def test_guests_create_no_credentials(visitor: Browser) -> None:
    become_guest(visitor)
    assert visitor.get("/users/settings").headers["location"].startswith("/users/log-in")
    for method, path, body in (
        ("POST", "/api/webhooks", {"url": "https://example.org/hook"}),
        ("POST", "/api/users/me/tokens", {"name": "program"}),
        ("PUT", "/api/lalalai/key", {"api_key": "0123456789abcdef"}),
    ):
        refused = visitor.request(method, path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "REGISTRATION_NEEDED"), path
    assert visitor.get("/api/webhooks").json()["data"] == []
    assert visitor.get("/api/tokens").json()["data"] == []
    assert visitor.get("/api/admin/users").status_code == 403


def test_without_open_access_there_are_no_guests(stack: Stack, visitor: Browser) -> None:
    become_guest(visitor)
    cookie = {"Cookie": f"{SESSION}={visitor.cookies[SESSION]}"}
    assert httpx.get(f"{stack.base_url}/api/tracks", headers=cookie).status_code == 200
    with GatewayProcess(stack, open_access="false") as closed:
        answer = httpx.get(f"{closed.base_url}/api/tracks", headers=cookie)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
        assert "no longer has guest accounts" in answer.json()["message"]
        page = httpx.get(f"{closed.base_url}/studio", headers=cookie)
        assert page.headers["location"] == "/users/log-in?return_to=%2Fstudio"
        shake = {**HANDSHAKE, **cookie, "Origin": closed.base_url}
        with httpx.stream("GET", f"{closed.base_url}/socket/websocket", headers=shake) as shaken:
            assert shaken.status_code == 403
        with Browser(closed.base_url) as stranger:
            assert "Continue without an account" not in stranger.get("/users/log-in").text
            refused = stranger.post(GUEST, headers={"X-CSRF-Token": stranger.token()})
            assert (refused.status_code, refused.json()["code"]) == (403, "GUESTS_CLOSED")
            assert SESSION not in stranger.cookies


def test_guests_of_one_address_share_its_limits(stack: Stack) -> None:
    settings = {name.removeprefix("SOUNDWRIGHT_").lower(): value for name, value in UNHURRIED.items()}
    limits = {"rate_heavy_per_minute": "2", "rate_polling_per_minute": "3"}
    with contextlib.ExitStack() as opened:
        strict = opened.enter_context(GatewayProcess(stack, **(settings | limits)))
        first, second, third = (opened.enter_context(Browser(strict.base_url)) for _ in range(3))
        become_guest(first)
        become_guest(second)
        refused = third.post(GUEST, headers={"X-CSRF-Token": third.token()})
        assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
        assert [first.get("/api/tracks").status_code for _ in range(2)] == [200, 200]
        assert [second.get("/api/tracks").status_code for _ in range(2)] == [200, 429]
