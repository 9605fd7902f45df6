"""A first visit to the studio in a real browser, and what its page and files are served with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import Browser, registered
from stories import encoded, song

from tests.stacks import Stack
from tests.studio.running import BUILD, needs_browser, run_script
from tools.licences import ALLOWED

pytestmark = [needs_browser, pytest.mark.topology("embedded")]
_SONG_SECONDS = 12.0  # three segments, the last one shorter


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


@pytest.fixture(scope="module")
def seen(stack: Stack, visitor: Browser, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a visitor sees who uploads a song, separates, mixes and exports it."""
    file = tmp_path_factory.mktemp("songs") / "Test tune.wav"
    file.write_bytes(encoded(song(_SONG_SECONDS)))
    cookie = f"soundwright_session={visitor.cookies['soundwright_session']}"
    return run_script("story.mjs", stack.base_url, cookie, str(file))


def test_the_console_stays_empty(seen: Any) -> None:
    # Chromium itself notes the upload that the server refuses.
    assert [text for text in seen["complaints"] if "422" not in text] == []


def test_axe_finds_no_violation(seen: Any) -> None:
    assert seen["violations"] == {}


def test_a_refused_file_gets_the_sentence_of_the_server(seen: Any) -> None:
    assert seen["refusal"].startswith("This is not a supported audio file.")


def test_a_separation_and_an_analysis_appear_when_they_are_done(seen: Any) -> None:
    assert [text.split()[0] for text in seen["lanes"]] == ["Chroma", "Drums", "Bass", "Other", "Vocals"]
    assert re.search(
        r"Tempo\n1(19|20|21)\.\d bpm\nKey\n\w+ (minor|major)\nCamelot\n\d+[AB]\nLoudness\n-1\d", seen["facts"]
    )
    assert seen["jobs"].split() == ["completed", "completed"]


def test_faders_say_their_values(seen: Any) -> None:
    assert (seen["volume"], seen["pan"]) == ("-0.5 dB", "50% left")


def test_the_mixer_survives_a_reload(seen: Any) -> None:
    assert seen["after_reload"] == {"solo": "true", "speed": "1.5", "pan": "-0.5"}


def test_what_is_heard_equals_the_export(seen: Any) -> None:
    assert seen["export_difference_db"] < -80
    assert -30 < seen["export_peak_db"] < 0
    assert seen["export_frames"] == 0
    assert seen["export_name"] == "Test tune - mix.wav"
    assert seen["archive_name"] == "Test tune_stems.zip"


def test_a_phone_needs_no_horizontal_scrolling(seen: Any) -> None:
    assert seen["phone_width"] == 360


def test_the_page_allows_only_its_own_scripts_and_is_not_cached(stack: Stack, visitor: Browser) -> None:
    page = visitor.get("/studio/tracks/anything")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    rules = page.headers["content-security-policy"].split("; ")
    assert rules[0] == "default-src 'none'"
    assert "script-src 'self' 'wasm-unsafe-eval'" in rules
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=", page.text)


def test_built_files_are_cached_for_long_and_small(stack: Stack, visitor: Browser) -> None:
    paths = re.findall(r'(?:src|href)="(/studio/assets/[^"]+)"', visitor.get("/studio").text)
    assert {Path(path).suffix for path in paths} == {".css", ".js"}
    for path in paths:
        answer = httpx.get(stack.base_url + path)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        plain = httpx.get(stack.base_url + path, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == answer.content
    assert httpx.get(f"{stack.base_url}/studio/assets/main-lost.js").status_code == 404


def test_the_build_lists_the_packages_that_it_contains() -> None:
    bill = json.loads((BUILD / "sbom.cdx.json").read_text())
    found = {part["name"]: part for part in bill["components"]}
    wanted = json.loads((BUILD.parents[3] / "studio" / "package.json").read_text())["dependencies"]
    assert bill["bomFormat"] == "CycloneDX"
    assert {name: found[name]["version"] for name in wanted} == wanted
    licences = {part["licenses"][0]["license"]["id"] for part in found.values()}
    assert licences <= ALLOWED
