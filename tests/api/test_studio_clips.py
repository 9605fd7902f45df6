"""Generation, the library of clips, the player and playlists of the studio in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from browser import Browser, registered
from stories import listener

from tests.stacks import Stack
from tests.studio.running import needs_browser, run_script

pytestmark = [needs_browser, pytest.mark.topology("embedded")]


@pytest.fixture(scope="module")
def word() -> str:
    return listener("quizzical").replace("_", "")


@pytest.fixture(scope="module")
def seen(stack: Stack, word: str) -> Any:
    """What a user sees who makes clips, listens to them, and orders a playlist."""
    with Browser(stack.base_url) as browser:
        registered(browser)
        cookie = f"soundwright_session={browser.cookies['soundwright_session']}"
        return run_script("clips.mjs", stack.base_url, cookie, word)


def test_the_console_stays_empty(seen: Any) -> None:
    # Chromium itself notes the clip that does not exist, and jobs that are gone after their cancellation.
    assert [text for text in seen["complaints"] if "404" not in text] == []


def test_axe_finds_no_violation(seen: Any) -> None:
    assert seen["violations"] == {}


def test_a_clip_that_cannot_be_continued_is_named(seen: Any) -> None:
    assert seen["refusal"] == "The clip that you want to continue does not exist. Start a new one."


def test_jobs_are_cancelled_whether_they_wait_or_run(seen: Any) -> None:
    assert seen["cancelled"] == ["cancelled", "cancelled"]


def test_a_clip_says_which_model_made_it_and_shows_its_waveform(seen: Any) -> None:
    assert seen["made_by"] == "0:04 · composer in place of music"
    assert 0.05 < seen["ink"] < 0.95


def test_the_player_goes_on_while_pages_change(seen: Any, word: str) -> None:
    assert seen["media"] == [f"slow {word} cello", "playing"]
    assert seen["stayed"] is True


def test_the_library_finds_clips_and_keeps_votes_and_favorites(seen: Any, word: str) -> None:
    assert seen["found"] == [f"slow {word} cello"] * 2
    assert seen["lengths"] == ["No minimum", "5 seconds"]  # the maximum is 5 seconds
    assert sorted(seen["votes"]) == ["0 false", "1 true"]


def test_a_playlist_is_ordered_by_keyboard_and_by_dragging(seen: Any, word: str) -> None:
    assert seen["moved_by_keyboard"] is True
    assert seen["focus"] == f"Move slow {word} cello up"  # at the end of the list, the other button has the focus
    assert seen["moved_by_dragging"] is True
    assert seen["next_at_the_end"] is False


def test_one_thing_sounds_at_a_time(seen: Any) -> None:
    assert seen["exclusive"] is True


def test_a_phone_needs_no_horizontal_scrolling(seen: Any) -> None:
    assert seen["phone_width"] == 360
