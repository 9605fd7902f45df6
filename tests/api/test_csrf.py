"""Protection against cross-site request forgery (CSRF): every state-changing route of browsers needs the token."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from browser import PASSWORD, Browser, registered
from stories import encoded, song

from tests.stacks import Stack

NOBODY = "00000000-0000-0000-0000-000000000001"
BY_PASSWORD = ("POST", "/api/tokens")
EMPTY_HANDED = {
    ("POST", "/api/lalalai/cancel-all"),
    ("DELETE", "/api/lalalai/key"),
    ("POST", "/api/users/guest"),
    ("POST", "/api/users/me/tokens"),
    ("DELETE", "/api/sessions"),
}
"""These need no further fields, and no error is returned if there is nothing to cancel, to remove or to create."""


@pytest.fixture(scope="module")
def ann(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


def writes(stack: Stack, group: str) -> list[tuple[str, str]]:
    """Every route of a group that is not only read."""
    found = [
        (method.upper(), path)
        for path, methods in httpx.get(f"{stack.base_url}/openapi.json").json()["paths"].items()
        for method, operation in methods.items()
        if method != "get" and operation["tags"][0].startswith(group)
    ]
    assert len(found) >= 10
    return [route for route in found if route != BY_PASSWORD]


def forged(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and "The CSRF token is missing, invalid or expired" in answer.text


def fill(path: str) -> str:
    return "/".join(NOBODY if part.startswith("{") else part for part in path.split("/"))


def test_every_write_of_a_session_wants_the_token(stack: Stack, ann: Browser) -> None:
    with Browser(stack.base_url) as other:
        registered(other)
        foreign = other.token()
    for method, path in writes(stack, "forge"):
        for headers in ({}, {"x-csrf-token": "x"}, {"x-csrf-token": foreign}, {"x-csrf-token": ""}):
            answer = ann.request(method, fill(path), headers=headers, json={})
            assert forged(answer), (method, path, headers)
            assert answer.json()["code"] == "CSRF_INVALID"
        answer = ann.request(method, fill(path), headers={"x-csrf-token": ann.token()}, json={})
        assert not forged(answer), (method, path)
        # Past the gate, and then nothing to do.
        nothing = (200, 201, 204) if (method, path) in EMPTY_HANDED else (400, 403, 404, 409, 415, 422)
        assert answer.status_code in nothing, (method, path)
    assert ann.get("/api/tracks").json()["data"] == []


def test_every_form_wants_the_token_logged_in_or_not(stack: Stack) -> None:
    # Those that log out come last.
    routes = sorted(writes(stack, "pages"), key=lambda route: "log-out" in route[1])
    with Browser(stack.base_url) as browser, Browser(stack.base_url) as other:
        foreign = other.token()
        for _ in ("logged out", "logged in"):
            for method, path in routes:
                for fields in ({}, {"_csrf_token": ""}, {"_csrf_token": "x"}, {"_csrf_token": foreign}):
                    answer = browser.request(method, fill(path), data={"user[email]": browser.email, **fields})
                    assert forged(answer), (method, path, fields)
                    assert answer.headers["content-type"].startswith("text/html")
            registered(browser)
        assert browser.get("/api/tracks").status_code == 200  # and is logged in still
        for method, path in routes:
            assert not forged(browser.submit(method, fill(path), {"action": "none"})), (method, path)


def test_a_token_of_before_the_login_is_worth_nothing_after_it(stack: Stack) -> None:
    with Browser(stack.base_url) as browser:
        before = browser.token()
        registered(browser)
        assert forged(browser.post("/users/log-out", data={"_csrf_token": before}))
        old = browser.token()
        browser.submit("POST", "/users/log-out")
        browser.log_in()
        assert forged(browser.post("/users/log-out", data={"_csrf_token": old}))


def test_a_form_with_files_brings_the_token_in_front_of_them(ann: Browser) -> None:
    content = encoded(song(0.5))
    assert forged(ann.post("/api/tracks", files={"file": ("song.wav", content)}))
    late = {"file": ("song.wav", content + bytes(1 << 17)), "_csrf_token": (None, ann.token())}
    assert forged(ann.post("/api/tracks", files=late))
    early = {"_csrf_token": (None, ann.token()), "title": (None, "Mine"), "file": ("song.wav", content)}
    created = ann.post("/api/tracks", files=early)
    assert (created.status_code, created.json()["data"]["title"]) == (201, "Mine")
    track = created.json()["data"]
    assert ann.get(track["file_path"]).content == content  # files are read by session, too
    by_header = ann.post("/api/tracks", files={"file": ("song.wav", content)}, headers={"x-csrf-token": ann.token()})
    assert by_header.status_code == 201
    with Browser(str(ann.base_url)) as stranger:
        assert stranger.get(track["file_path"]).status_code == 401
        registered(stranger)
        assert stranger.get(track["file_path"]).status_code == 404


def test_a_bearer_token_goes_before_a_session_and_needs_no_other(stack: Stack, ann: Browser) -> None:
    with Browser(stack.base_url) as bob:
        registered(bob)
        given = bob.post("/api/tokens", json={"email": bob.email, "password": PASSWORD}).json()["data"]
    bearer = {"Authorization": f"Bearer {given['token']}"}
    assert [key["id"] for key in ann.get("/api/tokens", headers=bearer).json()["data"]] == [given["id"]]
    assert ann.get("/api/tokens", headers={"Authorization": "Bearer x"}).status_code == 401
    assert ann.delete(f"/api/tokens/{given['id']}", headers=bearer).status_code == 204


@pytest.mark.parametrize(
    "headers", [{"origin": "https://elsewhere.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_a_page_of_another_origin_writes_nothing_even_with_the_token(ann: Browser, headers: dict[str, str]) -> None:
    with_token = {"x-csrf-token": ann.token(), **headers}
    assert forged(ann.delete("/api/lalalai/key", headers=with_token))
    assert forged(ann.post("/users/log-out", headers=with_token))
    assert ann.get("/api/tracks", headers=headers).status_code == 200
    ours = {"x-csrf-token": ann.token(), "origin": str(ann.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert ann.delete("/api/lalalai/key", headers=ours).status_code == 204


def test_a_session_is_its_account_in_the_other_dialects_too(stack: Stack, ann: Browser) -> None:
    assert forged(ann.post("/api/playlists", json={"name": "Rain"}))
    playlist = ann.post("/api/playlists", json={"name": "Rain"}, headers={"x-csrf-token": ann.token()})
    assert playlist.status_code == 201
    assert "soundwright_creator" not in playlist.headers.get("set-cookie", "")
    given = ann.post("/api/tokens", json={"email": ann.email, "password": PASSWORD}).json()["data"]
    bearer = {"Authorization": f"Bearer {given['token']}"}
    mine = httpx.get(f"{stack.base_url}/api/playlists", headers=bearer).json()["playlists"]
    assert [entry["id"] for entry in mine] == [playlist.json()["id"]]
    foreign = ann.get("/api/favorites", params={"user_id": "somebody"})
    assert (foreign.status_code, foreign.json()["error"][:7]) == (403, "user_id")
    assert ann.get("/api/favorites").json()["items"] == []


def test_a_page_is_for_browsers_alone(stack: Stack) -> None:
    bearer = {"Authorization": f"Bearer {stack.token}"}
    answer = httpx.get(f"{stack.base_url}/users/settings", headers=bearer)
    assert (answer.status_code, answer.headers["location"][:13]) == (302, "/users/log-in")
