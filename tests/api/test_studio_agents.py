"""A conversation with the agents of the studio in a real browser, without a language model."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from browser import Browser, registered, token_of
from stories import encoded, song, upload

from tests.stacks import Stack
from tests.studio.running import needs_browser, run_script

pytestmark = [needs_browser, pytest.mark.topology("embedded")]
_TITLE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def seen(stack: Stack) -> Any:
    """What a user sees who asks about a track, starts the analysis that the answer suggests, and asks again."""
    with Browser(stack.base_url) as browser:
        registered(browser)
        bearer = {"Authorization": f"Bearer {token_of(browser)}"}
        with httpx.Client(base_url=stack.base_url, headers=bearer, timeout=60) as script:
            track, other = (upload(script, encoded(song(seconds))) for seconds in (8.0, 0.5))
            for each, title in ((track, _TITLE), (other, "The other one")):
                assert script.patch(f"/api/tracks/{each['id']}", json={"title": title}).status_code == 200
        cookie = f"soundwright_session={browser.cookies['soundwright_session']}"
        return {
            **run_script("agents.mjs", stack.base_url, cookie, track["id"], "The other one"),
            "track_id": track["id"],
        }


def test_the_console_stays_empty(seen: Any) -> None:
    assert seen["complaints"] == []


def test_axe_finds_no_violation(seen: Any) -> None:
    assert seen["violations"] == {}


def test_the_answer_says_that_no_language_model_is_configured(seen: Any) -> None:
    assert "Answered by rules: No language model is configured." in seen["first"]


def test_a_suggested_action_does_what_it_says(seen: Any) -> None:
    assert seen["offer"] == f"Analyse “{_TITLE}”"
    assert re.search(r"tempo: 1(19|20|21)", seen["second"])


def test_an_answer_links_to_its_tracks(seen: Any) -> None:
    assert (seen["tracks"], seen["links"]) == ([_TITLE], f"/studio/tracks/{seen['track_id']}")


def test_a_conversation_is_kept_until_it_is_deleted(seen: Any) -> None:
    assert (seen["after_reload"], seen["path"]) == (4, "/studio/agents")


def test_a_phone_needs_no_horizontal_scrolling(seen: Any) -> None:
    assert seen["phone_width"] == 360
