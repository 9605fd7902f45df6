"""Forms of pages, which can only be posted, reach what they mean; and nothing else does so by saying it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from browser import Browser, registered
from stories import encoded, song

from tests.stacks import Stack


@pytest.fixture(scope="module")
def ann(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


def answered(browser: Browser, path: str, method: str) -> int:
    return browser.submit("POST", path, {"_method": method, "action": "none"}).status_code


def test_a_form_means_what_it_says(ann: Browser) -> None:
    there_is = answered(ann, "/users/settings", "put")
    assert there_is == ann.submit("PUT", "/users/settings", {"action": "none"}).status_code == 400
    refused = ann.submit("POST", "/users/settings", {"_method": "delete"})
    assert (refused.status_code, refused.headers["content-type"]) == (405, "text/html; charset=utf-8")
    assert answered(ann, "/users/settings", "PATCH") == 405
    assert answered(ann, "/users/log-in", "put") == 405  # and nobody is logged in anew


def test_other_words_mean_nothing(ann: Browser) -> None:
    for word in ("get", "head", "options", "trace", "x", "", "put\0", "PUT /users/log-out"):
        assert answered(ann, "/users/settings", word) == 400, word


def test_no_word_makes_up_for_the_token(ann: Browser) -> None:
    for word in ("delete", "get", "options"):
        answer = ann.post("/users/log-out", data={"_method": word})
        assert answer.status_code == 403
    assert ann.get("/users/log-out?_method=delete").status_code == 405
    assert ann.get("/users/settings").status_code == 200  # logged in still


def test_by_script_the_token_may_be_in_the_header(ann: Browser) -> None:
    headers = {"x-csrf-token": ann.token()}
    assert ann.post("/users/settings", data={"_method": "delete"}, headers=headers).status_code == 405


def test_forms_with_files_and_other_dialects_mean_what_they_are(ann: Browser, admin: httpx.Client) -> None:
    fields = {"_csrf_token": (None, ann.token()), "_method": (None, "delete"), "file": ("a.wav", encoded(song(0.1)))}
    assert ann.post("/tracks", files=fields).status_code == 302
    (track,) = ann.get("/api/tracks").json()["data"]
    answer = ann.post(f"/api/tracks/{track['id']}", data={"_csrf_token": ann.token(), "_method": "delete"})
    assert answer.status_code == 405
    assert ann.get(f"/api/tracks/{track['id']}").status_code == 200


def messages(answer: httpx.Response) -> set[str]:
    """Return which of the messages below a page shows."""
    known = ("can&#39;t be blank", "should be at least 12 character(s)", "does not match password", "must have the @ sign",
             "is not valid")  # fmt: skip
    assert answer.status_code == 200
    return {text for text in known if text in answer.text}


MISMATCH = {"user[password]": "too short", "user[password_confirmation]": "another"}


def test_the_registration_page_shows_all_problems_at_once(stack: Stack) -> None:
    with Browser(stack.base_url) as browser:
        answer = browser.submit("POST", "/users/register", {"user[email]": "nobody", **MISMATCH})
        assert messages(answer) == {
            "must have the @ sign", "should be at least 12 character(s)", "does not match password",
        }  # fmt: skip
        assert messages(browser.submit("POST", "/users/register", {})) == {"can&#39;t be blank"}
        assert messages(browser.register(again="another good one")) == {"does not match password"}
        assert browser.log_in().status_code == 200  # so there is no account


def test_the_settings_page_shows_all_problems_at_once(ann: Browser) -> None:
    change = {"action": "update_password", **MISMATCH}
    assert messages(ann.submit("PUT", "/users/settings", change)) == {
        "should be at least 12 character(s)", "does not match password",
    }  # fmt: skip
    wrong = ann.submit("PUT", "/users/settings", {**change, "user[current_password]": "a wrong password"})
    assert messages(wrong) == {"should be at least 12 character(s)", "does not match password", "is not valid"}
    move = {"action": "update_email", "user[email]": "nobody", "user[current_password]": "a wrong password"}
    assert messages(ann.submit("PUT", "/users/settings", move)) == {"must have the @ sign", "is not valid"}


def test_the_site_has_an_icon(stack: Stack, ann: Browser) -> None:
    (path,) = re.findall('<link rel="icon" type="image/svg[+]xml" href="([^"]+)">', ann.get("/tracks").text)
    linked, favicon = ann.get(path), httpx.get(f"{stack.base_url}/favicon.ico")
    assert (linked.status_code, linked.headers["content-type"]) == (200, "image/svg+xml")
    assert linked.content.startswith(b"<svg ")
    assert (favicon.status_code, favicon.headers["content-type"]) == (200, "image/svg+xml")
    assert favicon.content == linked.content


def test_logging_out_by_form(ann: Browser) -> None:
    answer = ann.submit("POST", "/users/log-out", {"_method": "delete"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/users/log-in")
    assert ann.get("/users/settings").status_code == 302
