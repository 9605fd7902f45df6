"""The track page and the jobs page of the studio in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from browser import Browser, registered
from stories import encoded, finished, song

from tests.stacks import Stack
from tests.studio.running import needs_browser, run_script

pytestmark = [needs_browser, pytest.mark.topology("embedded")]
_SONG_SECONDS = 12.0


@pytest.fixture(scope="module")
def seen(stack: Stack) -> Any:
    """What a visitor sees who compares two separations, and cancels and retries a third one."""
    with Browser(stack.base_url) as visitor:
        registered(visitor)
        headers = {"X-CSRF-Token": visitor.token(), "Origin": stack.base_url}
        file = {"file": ("Test tune.wav", encoded(song(_SONG_SECONDS)))}
        track_id = visitor.post("/api/tracks", files=file, headers=headers).json()["data"]["id"]
        for path in ("/api/processing/separate", "/api/processing/separate", "/api/analysis/analyze"):
            body = {"track_id": track_id} | ({"model": "dsp"} if "separate" in path else {})
            job_id = visitor.post(path, json=body, headers=headers).json()["data"]["job_id"]
            assert finished(visitor, f"/api/jobs/{job_id}")["status"] == "completed"
        cookie = f"soundwright_session={visitor.cookies['soundwright_session']}"
        return run_script("track.mjs", stack.base_url, cookie, track_id)


def test_the_console_stays_empty_and_axe_finds_nothing(seen: Any) -> None:
    assert seen["complaints"] == []
    assert seen["violations"] == {}


def test_separations_are_compared_while_they_play(seen: Any) -> None:
    assert seen["plays_on"]
    assert seen["sides"] == "ABBB"
    assert seen["sides_after"] == "AAAA"


def test_playback_begins_where_a_slider_that_moved_rests(seen: Any) -> None:
    assert seen["sought_seconds"] >= 8


def test_the_bars_begin_where_the_user_says(seen: Any) -> None:
    assert seen["first_bar"] == "1"
    assert seen["bar_stays"]
    assert 4.6 < seen["bar_seconds"] < 5.4, "the beat that is nearest to 5 seconds"
    assert seen["key"].split()[1] in ("major", "minor")


def test_lanes_show_spectrograms_under_chroma_and_energy(seen: Any) -> None:
    lanes = (f"Spectrogram of {stem}" for stem in ("drums", "bass", "other", "vocals"))
    names, middles = seen["pitches"]
    assert [name[0] for name in names] == list("CCDDEFFGGAAB") or [name[0] for name in names] == list("CDDEEFGGAABB")
    # Each name is beside its row, C at the bottom.
    assert middles == pytest.approx([(11.5 - row) / 12 for row in range(12)], abs=0.01)
    chroma = f"Chroma and energy over time. Rows from the bottom: {', '.join(names)}"
    assert seen["lanes"] == ", ".join([chroma, *lanes])


def test_the_mix_is_exported_as_flac(seen: Any) -> None:
    assert seen["export"] == ["Test tune - mix.flac", "fLaC"]


def test_a_cancelled_job_starts_again_once(seen: Any) -> None:
    """A separation that was too fast to be cancelled leaves nothing to retry."""
    assert seen["state"] in ("cancelled", "completed")
    rest = "completed completed completed"
    assert seen["statuses"] == (f"completed cancelled {rest}" if seen["state"] == "cancelled" else f"completed {rest}")
    assert "Analysis" in seen["filtered"]


def test_a_phone_needs_no_horizontal_scrolling(seen: Any) -> None:
    assert seen["phone_width"] == 360
