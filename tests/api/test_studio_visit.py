"""A visitor without an account in a real browser: links, bad connections, two tabs, registration."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from browser import PASSWORD
from stories import encoded, song

from tests.simulators.media_site import MediaSite
from tests.stacks import Stack
from tests.studio.running import needs_browser, run_script

pytestmark = [needs_browser, pytest.mark.topology("embedded")]
_EMAIL = f"{uuid.uuid4()}@example.org"
# Chromium itself notes requests that fail: while it is offline, and those without a session.
_EXPECTED = ("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED", "ERR_CONNECTION_RESET", "status of 401")


@pytest.fixture(scope="module")
def seen(stack: Stack, site: MediaSite, tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("songs") / "Slow tune.wav"
    file.write_bytes(encoded(song(8.0)))
    link = site.file("/visit/Blue%20Hour.wav", encoded(song(2.0)), "audio/wav")
    return run_script("visit.mjs", stack.base_url, str(file), link, _EMAIL, PASSWORD)


def test_a_visit_creates_one_guest(seen: Any) -> None:
    assert (seen["start"], seen["guests"]) == ("/studio", 1)


def test_a_link_shows_what_it_contains(seen: Any) -> None:
    assert seen["link"] == "1 recording"


def test_a_cancelled_upload_leaves_nothing_and_an_interrupted_one_is_repeated(seen: Any) -> None:
    assert sorted(seen["tracks"]) == ["Blue Hour", "Slow tune"]


def test_an_upload_whose_answer_is_lost_creates_one_track(seen: Any) -> None:
    assert seen["uploads"] == [201, 200]


def test_a_second_tab_shows_the_same_jobs(seen: Any) -> None:
    assert "Slow tune" in seen["second_tab"]
    assert "Blue Hour" in seen["second_tab"]


def test_registration_keeps_the_tracks_and_a_log_out_ends_all_tabs(seen: Any) -> None:
    assert seen["account"] == _EMAIL
    assert seen["logged_out"] == "You have been logged out."


def test_the_pages_are_accessible_and_their_consoles_quiet(seen: Any) -> None:
    assert seen["violations"] == {}
    assert [text for text in seen["complaints"] if not any(word in text for word in _EXPECTED)] == []
