"""Forms of pages, which can only be posted, reach what they mean; and nothing else does so by saying it."""

import re
from collections.abc import Iterator

import httpx
import pytest
from browser import Browser, registered

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


def messages(answer: httpx.Response) -> set[str]:
    known = ("can&#39;t be blank", "should be at least 12 character(s)", "does not match password", "must have the @ sign",
             "is not valid")  # fmt: skip
    assert answer.status_code == 200
    return {text for text in known if text in answer.text}


MISMATCH = {"user[password]": "too short", "user[password_confirmation]": "another"}


def test_the_registration_page_shows_all_problems_at_once(stack: Stack) -> None:
    with Browser(stack.base_url) as browser:
        answer = browser.submit("POST", "/users/register", {"user[email]": "<script>nobody", **MISMATCH})
        assert "<script>" not in answer.text
        assert "too short" not in answer.text
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
    (path,) = re.findall('<link rel="icon" type="image/svg[+]xml" href="([^"]+)">', ann.get("/users/settings").text)
    linked, favicon = ann.get(path), httpx.get(f"{stack.base_url}/favicon.ico")
    assert (linked.status_code, linked.headers["content-type"]) == (200, "image/svg+xml")
    assert linked.content.startswith(b"<svg ")
    assert (favicon.status_code, favicon.headers["content-type"]) == (200, "image/svg+xml")
    assert favicon.content == linked.content
