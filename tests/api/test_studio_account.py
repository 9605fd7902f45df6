"""The account page of the studio in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browser import Browser, registered, token_of
from stories import encoded, song

from tests.simulators.webhook_receiver import WebhookReceiver
from tests.stacks import Stack
from tests.studio.running import needs_browser, run_script

pytestmark = [needs_browser, pytest.mark.topology("embedded")]
_PATH = "/studio-account"


@pytest.fixture(scope="module")
def seen(stack: Stack, receiver: WebhookReceiver) -> Any:
    """What a user sees who creates and removes a key, a webhook and a connection, and logs another browser out."""
    with Browser(stack.base_url) as browser, Browser(stack.base_url) as other:
        registered(browser)
        other.email = browser.email
        assert other.log_in().status_code == 302
        upload = {"file": ("Test tune.wav", encoded(song(0.5)))}
        bearer = {"Authorization": f"Bearer {token_of(browser)}"}
        assert browser.post("/api/tracks", files=upload, headers=bearer).status_code == 201
        for token in browser.get("/api/tokens", headers=bearer).json()["data"]:
            assert browser.delete(f"/api/tokens/{token['id']}", headers=bearer).status_code == 204
        cookies = [f"soundwright_session={each.cookies['soundwright_session']}" for each in (browser, other)]
        return run_script("account.mjs", stack.base_url, *cookies, receiver.url + _PATH)


def test_the_console_stays_empty(seen: Any) -> None:
    # Chromium itself notes the webhook that the server refuses.
    assert [text for text in seen["complaints"] if "422" not in text] == []


def test_axe_finds_no_violation(seen: Any) -> None:
    assert seen["violations"] == {}


def test_the_command_of_a_key_works_until_the_key_is_revoked(seen: Any) -> None:
    assert seen["command"] == ["Test tune"]
    assert seen["revoked"] == "UNAUTHORIZED"


def test_a_key_is_shown_once_and_its_name_is_text(seen: Any) -> None:
    assert seen["secret_after_reload"] == 0
    assert seen["names"].startswith("a laptop with a <b>long</b> name")


def test_a_webhook_receives_a_test_and_its_repetition(seen: Any, receiver: WebhookReceiver) -> None:
    assert seen["refusal"].startswith("The field url must begin with https://")
    assert re.fullmatch(r"ping delivered 204 Send again .*, 1 attempt, \d+ ms", seen["delivery"])
    first, second = receiver.to(_PATH)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert all(received.verified(seen["webhook_secret"]) for received in (first, second))


def test_a_key_for_another_service_does_not_come_back(seen: Any) -> None:
    assert seen["key_on_page"] is False


def test_another_browser_is_logged_out(seen: Any) -> None:
    assert sorted("this browser" in row for row in seen["sessions"]) == [False, True]
    assert all(row.startswith("Chrome on Linux") and "127.0.0.1" in row for row in seen["sessions"])
    assert seen["other_went_to"] == "/users/log-in"


def test_a_phone_needs_no_horizontal_scrolling(seen: Any) -> None:
    assert seen["phone_width"] == 360
