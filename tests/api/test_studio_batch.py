"""Tracks are selected in the studio and separated as a batch, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser import Browser, registered
from stories import encoded, song

from tests.stacks import Stack
from tests.studio.running import needs_browser, run_script

pytestmark = [needs_browser, pytest.mark.topology("embedded")]
TITLES = ("First tune", "Second tune")


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


@pytest.fixture(scope="module")
def seen(stack: Stack, visitor: Browser) -> Any:
    for title in (*TITLES, "Left alone"):
        files = {"file": (f"{title}.wav", encoded(song(0.5)))}
        answer = visitor.post("/api/tracks", files=files, headers={"x-csrf-token": visitor.token()})
        assert answer.status_code == 201, answer.text
    cookie = f"soundwright_session={visitor.cookies['soundwright_session']}"
    return run_script("batch.mjs", stack.base_url, cookie, *TITLES)


def test_the_console_stays_empty_and_axe_finds_no_violation(seen: Any) -> None:
    assert (seen["complaints"], seen["violations"]) == ([], {})


def test_the_selection_is_counted_and_cleared(seen: Any) -> None:
    assert (seen["selected"], seen["cleared"]) == ("2 tracks selected", 0)


def test_the_selected_tracks_are_separated(seen: Any, visitor: Browser) -> None:
    assert seen["notice"] == "2 tracks will be separated. Jobs shows the progress."
    assert "completed" in seen["batch"]
    assert "Batch · dsp" in seen["batch"]
    listed = {track["title"]: track["stem_count"] for track in visitor.get("/api/tracks").json()["data"]}
    assert listed == {"First tune": 4, "Second tune": 4, "Left alone": 0}
