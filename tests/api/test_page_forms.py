"""Forms of pages, which can only be posted, reach what they mean; and nothing else does so by saying it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from browser import Browser, registered
from stories import encoded, song

from demo.stack import Stack


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


def test_logging_out_by_form(ann: Browser) -> None:
    answer = ann.submit("POST", "/users/log-out", {"_method": "delete"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    assert ann.get("/users/settings").status_code == 302
