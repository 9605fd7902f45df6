"""Which paths are the soundbox dialect's, what they cost, and how it words what is wrong."""

import json

import pytest

from soundwright.services.gateway.callers.dialect import dialect_for
from soundwright.services.gateway.dialects.forge import FORGE
from soundwright.services.gateway.dialects.pipeline import PIPELINE
from soundwright.services.gateway.dialects.soundbox import SOUNDBOX
from soundwright.services.gateway.dialects.soundbox.params import clean, normalize_user_id
from soundwright.services.gateway.dialects.soundbox.serializers import preview, slug
from soundwright.services.gateway.wire.problems import Problem

ALL = (FORGE, PIPELINE, SOUNDBOX)


@pytest.mark.parametrize("path", [
    "/generate", "/status", "/queue-status", "/history", "/rate", "/random-prompt", "/audio/a.wav", "/spectrogram/a.png",
    "/download/a.wav", "/generate-spectrogram/a.wav", "/api/library", "/api/library/a/vote", "/api/queue/a/cancel",
    "/api/radio/next", "/api/favorites/check", "/api/categories/music", "/api/playlists/pl_1/tracks/a",
    "/api/track/a/play", "/api/trending", "/api/most-played", "/api/history/votes", "/api/stats", "/api/log-error",
])  # fmt: skip
def test_paths_of_its_own(path: str) -> None:
    assert dialect_for(path, ALL) is SOUNDBOX


@pytest.mark.parametrize("path", [
    "/api/tracks", "/api/tracks/a", "/api/jobs/a", "/api/processing/models", "/api/analysis/a", "/api/spotify/fetch",
    "/api/download/track", "/api/daw/export", "/api/lalalai/x", "/api/agents", "/api/admin/stats", "/api/tokens",
    "/api/webhooks", "/api", "/api/libraryx", "/export/stem/a", "/files/x", "/", "/health", "/generated", "/statuses",
])  # fmt: skip
def test_paths_of_forge(path: str) -> None:
    assert dialect_for(path, ALL) is FORGE


@pytest.mark.parametrize("path", ["/job/a", "/job/a/outputs", "/download/a/all", "/download/a/vocals", "/process"])
def test_paths_of_the_pipeline(path: str) -> None:
    assert dialect_for(path, ALL) is PIPELINE


@pytest.mark.parametrize(("problem", "status", "body"), [
    (Problem(404, "GENERATION_NOT_FOUND", "There is no such generation."), 404, {"error": "Not found"}),
    (Problem(401, "UNAUTHORIZED", "Valid Bearer token required"), 401, {"error": "Authentication required"}),
    (Problem(422, "VALIDATION_ERROR", "Some fields are invalid.", {"prompt": ["is odd"], "seed": ["is even"]}), 400,
     {"error": "prompt is odd; seed is even"}),
    (Problem(429, "RATE_LIMITED", "Too many requests.", {"retry_after": 7}), 429,
     {"error": "Too many requests.", "retry_after": 7}),
    (Problem(503, "MODEL_UNAVAILABLE", "The model cannot be had."), 503, {"error": "The model cannot be had."}),
])  # fmt: skip
def test_problems_have_one_shape(problem: Problem, status: int, body: dict[str, object]) -> None:
    answer = SOUNDBOX.render(problem)
    assert (answer.status_code, json.loads(bytes(answer.body))) == (status, body)


@pytest.mark.parametrize(("prompt", "name"), [
    ("upbeat electronic dance music with heavy bass", "upbeat-electronic-dance-music"),
    ("a" * 40, "a" * 30),
    ("-- Lo-Fi   beats!! --", "lo-fi-beats"),
    ("thirty letters are just enough", "thirty-letters-are-just-enough"),
    ("thirty letters are just enough for it", "thirty-letters-are-just-enough"),
    ("../../etc/passwd\r\n", "etcpasswd"),
    ("Ünïcödé", "ncd"),
    ("静かな雨", "soundbox"),
    ("", "soundbox"),
])  # fmt: skip
def test_a_prompt_as_part_of_a_file_name(prompt: str, name: str) -> None:
    assert slug(prompt) == name


def test_a_preview_is_cut_when_it_is_longer() -> None:
    assert (preview("a" * 50, 50), preview("a" * 51, 50)) == ("a" * 50, "a" * 50 + "...")


def test_long_text_is_cut_before_each_character_is_looked_at() -> None:
    assert clean("\0" + "x" * 10**6) == "x" * 19_999
    assert clean("x" * 10**6, 3) == normalize_user_id(" xxx" + " " * 10**6) == "xxx"
