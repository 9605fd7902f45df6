"""The audio engine of the studio, rendered in a real browser without a stack."""

from __future__ import annotations

from typing import Any

import pytest

from tests.studio.running import needs_browser, run_script

pytestmark = needs_browser


@pytest.fixture(scope="module")
def measured() -> Any:
    return run_script("engine.mjs")


def test_the_policy_of_the_page_allows_the_engine_and_nothing_complains(measured: Any) -> None:
    assert measured["complaints"] == []


def test_playback_is_the_file(measured: Any) -> None:
    assert measured["plain_difference_db"] < -140  # rounding of 32-bit floats
    assert measured["plain_states"] == ["buffering", "playing", "stopped"]


def test_a_loop_has_no_gap(measured: Any) -> None:
    assert measured["loop_difference_db"] < -140


def test_inverted_lanes_cancel_through_seeks_pauses_and_loops(measured: Any) -> None:
    assert measured["cancellation_db"] < -60
    assert measured["stretched_cancellation_db"] < -60
    assert measured["not_cancelled_db"] > -10


def test_speed_keeps_the_pitch_and_transposition_keeps_the_speed(measured: Any) -> None:
    assert measured["stretched_hz"] == pytest.approx(440, abs=2)
    assert measured["stretched_seconds_per_second"] == pytest.approx(1.5, rel=0.01)
    assert measured["transposed_hz"] == pytest.approx(880, abs=4)


def test_the_original_replaces_the_lanes(measured: Any) -> None:
    assert measured["original_difference_db"] < -140
    assert measured["after_original_db"] < -140


def test_separations_switch_without_a_gap(measured: Any) -> None:
    assert measured["switched_difference_db"] < -100
    assert measured["before_switch_db"] > -10
    assert measured["after_switch_db"] < -100


@pytest.mark.campaign
def test_inverted_lanes_cancel_for_ten_minutes() -> None:
    measured = run_script("engine.mjs", "600", timeout_seconds=3000)
    assert measured["cancellation_db"] < -60
    assert measured["cache_megabytes"] < 200
