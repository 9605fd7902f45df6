"""Protection against cross-site request forgery (CSRF): every state-changing route of browsers needs the token."""

from collections.abc import Iterator

import httpx
import pytest
from browser import PASSWORD, Browser, registered
from stories import encoded, song

from tests.stacks import Stack


@pytest.fixture(scope="module")
def ann(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


def forged(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and "The CSRF token is missing, invalid or expired" in answer.text


def test_a_write_of_a_session_wants_the_token_of_the_session(stack: Stack, ann: Browser) -> None:
    """That every route wants one: tests/api/test_identity_matrix.py."""
    with Browser(stack.base_url) as other:
        registered(other)
        foreign = other.token()
    for token in ("x", foreign, ""):
        answer = ann.delete("/api/lalalai/key", headers={"x-csrf-token": token})
        assert forged(answer), token
        assert answer.json()["code"] == "CSRF_INVALID"
    assert ann.delete("/api/lalalai/key", headers={"x-csrf-token": ann.token()}).status_code == 204


def test_a_form_wants_the_token_of_the_visit(stack: Stack) -> None:
    with Browser(stack.base_url) as browser, Browser(stack.base_url) as other:
        browser.token()  # sets its cookie
        for fields in ({}, {"_csrf_token": ""}, {"_csrf_token": "x"}, {"_csrf_token": other.token()}):
            answer = browser.post("/users/register", data={"user[email]": browser.email, **fields})
            assert forged(answer), fields
            assert answer.headers["content-type"].startswith("text/html")


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
