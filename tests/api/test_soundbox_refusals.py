"""What cannot be done is refused in the dialect's shape, and is nobody's crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from browser import Browser, registered, token_of
from stories import ended, listener, made

from tests.stacks import Stack

UNKNOWN = "0123456789abcdef0123456789abcdef"
JSON = "application/json"


@pytest.fixture(scope="module")
def box(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.soundbox_url, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def clip(box: httpx.Client) -> str:
    return made(box, "calm cello", user_id=listener())


@pytest.fixture(scope="module", autouse=True)
def nothing_crashed(stack: Stack) -> Iterator[None]:
    yield
    assert "Traceback" not in stack.log()


def assert_refused(answer: httpx.Response, status: int, error: str | None = None, *, success: bool = False) -> None:
    """``{"error"}``, and where the contract shows it ``success: false``."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == ({"success", "error"} if success else {"error"}), body
    assert body.get("success", False) is False
    assert error is None or body["error"] == error
    for secret in ("Traceback", 'File "', "/site-packages/", "Errno"):
        assert secret not in answer.text


def sent(body: dict[str, Any]) -> dict[str, Any]:
    """A body, also with what client libraries refuse to send."""
    return {"content": json.dumps(body), "headers": {"content-type": JSON}}


GENERATE: dict[str, tuple[dict[str, Any], str | None]] = {
    "no prompt": ({}, "Prompt is required"),
    "null prompt": ({"prompt": None}, "Prompt is required"),
    "blank prompt": ({"prompt": "  \n "}, "Prompt is required"),
    "controls alone": ({"prompt": "\0\1\2"}, "Prompt is required"),
    "half a pair": ({"prompt": "\ud800"}, "Prompt is required"),
    "short prompt": ({"prompt": "ab"}, "prompt must have 3 to 500 characters"),
    "long prompt": ({"prompt": "a" * 10_000}, "prompt must have 3 to 500 characters"),
    "number as prompt": ({"prompt": 7}, "prompt must be a string"),
    "list as prompt": ({"prompt": ["rain"]}, "prompt must be a string"),
    "object as prompt": ({"prompt": {"$ne": 1}}, "prompt must be a string"),
    "no time": ({"prompt": "rain", "duration": 0}, "duration must be at least 1"),
    "time before now": ({"prompt": "rain", "duration": -8}, "duration must be at least 1"),
    "half a second": ({"prompt": "rain", "duration": "0.5"}, "duration must be at least 1"),
    "eternity": ({"prompt": "rain", "duration": 1e300}, None),
    "more than a float holds": ({"prompt": "rain", "duration": 10**400}, "duration must be a number"),
    "truth as duration": ({"prompt": "rain", "duration": True}, "duration must be a number"),
    "word as duration": ({"prompt": "rain", "duration": "long"}, "duration must be a number"),
    "NaN as text": ({"prompt": "rain", "duration": "nan"}, "duration must be a number"),
    "list as duration": ({"prompt": "rain", "duration": [8]}, "duration must be a number"),
    "another model": ({"prompt": "rain", "model": "tts"}, "Invalid model type"),
    "number as model": ({"prompt": "rain", "model": 1}, "Invalid model type"),
    "list as model": ({"prompt": "rain", "model": ["music"]}, "Invalid model type"),
    "no variation": ({"prompt": "rain", "variations": 0}, "variations must be from 1 to 8"),
    "nine variations": ({"prompt": "rain", "variations": 9}, "variations must be from 1 to 8"),
    "truth as variations": ({"prompt": "rain", "variations": True}, "variations must be an integer"),
    "half a seed": ({"prompt": "rain", "seed": 1.5}, "seed must be an integer"),
    "huge seed": ({"prompt": "rain", "seed": 2**63}, None),
    "word as seed": ({"prompt": "rain", "seed": "abc"}, "seed must be an integer"),
    "no id to go on from": ({"prompt": "rain", "continue_from": "abc"}, "continue_from is not a valid generation ID"),
    "number as user": ({"prompt": "rain", "user_id": 7}, "user_id must be a string"),
    "object as user": ({"prompt": "rain", "user_id": {"a": 1}}, "user_id must be a string"),
}


@pytest.mark.parametrize("name", GENERATE)
def test_a_wish_that_cannot_be_granted(box: httpx.Client, name: str) -> None:
    body, error = GENERATE[name]
    assert_refused(box.post("/generate", **sent(body)), 400, error, success=True)


@pytest.mark.parametrize("fields", [
    {"user_id": None, "source": "ui", "nonsense": {"a": [1]}}, {"duration": "1"}, {"duration": 1.0},
    {"duration": None, "model": None, "loop": None, "priority": None, "seed": None, "variations": None,
     "continue_from": None}, {"loop": "false"}, {"loop": 1}, {"priority": "whatever"}, {"priority": ["admin"]},
    {"seed": -1}, {"prompt": "rain\u0007\u202e and \ud800 wind"},
])  # fmt: skip
def test_a_wish_that_is_odd_but_clear(box: httpx.Client, fields: dict[str, Any]) -> None:
    body = {"prompt": "rain", "duration": 1, "user_id": listener(), **fields}
    answer = box.post("/generate", **sent(body))
    assert answer.status_code == 200, answer.text
    job = ended(box, answer.json()["job_id"])
    assert job["status"] == "completed"
    clip = box.get(f"/api/library/{job['id']}").json()
    assert clip["is_loop"] == int(fields.get("loop") == 1)
    assert clip["prompt"].isprintable()


BODIES: dict[str, tuple[bytes, str, int]] = {
    "no JSON": (b"{", JSON, 400),
    "not UTF-8": (b'{"prompt": "\xff\xfe"}', JSON, 400),
    "NaN": (b'{"prompt": "rain", "duration": NaN}', JSON, 400),
    "infinity": (b'{"prompt": "rain", "duration": 1e999}', JSON, 400),
    "list": (b"[]", JSON, 400),
    "string": (b'"rain"', JSON, 400),
    "null": (b"null", JSON, 400),
    "deep": (b"[" * 100_000, JSON, 400),
    "deep inside": (b'{"prompt": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}", JSON, 400),
    "a number without end": (b'{"prompt": "rain", "seed": ' + b"9" * 10_000 + b"}", JSON, 400),
    "huge": (b'{"prompt": "' + b"a" * 2**21 + b'"}', JSON, 413),
    "form": (b"prompt=rain", "application/x-www-form-urlencoded", 415),
    "text": (b'{"prompt": "rain"}', "text/plain", 415),
    "nothing said": (b'{"prompt": "rain"}', "", 415),
    "XML": (b"<prompt/>", "application/xml", 415),
}
WRITING = {
    "POST /generate": True,
    "POST /rate": True,
    "POST /random-prompt": True,
    "POST /api/library/{clip}/vote": False,
    "POST /api/library/votes": False,
    "POST /api/favorites/{clip}": False,
    "DELETE /api/favorites/{clip}": False,
    "POST /api/favorites/check": False,
    "POST /api/library/{clip}/suggest-tag": False,
    "POST /api/library/{clip}/cancel-tag": False,
    "POST /api/queue/{clip}/cancel": False,
    "POST /api/track/{clip}/play": False,
    "POST /api/playlists": False,
    "PUT /api/playlists/pl_0123456789ab": False,
    "DELETE /api/library/{clip}": False,
}


@pytest.mark.parametrize("route", WRITING)
def test_a_body_that_is_none(box: httpx.Client, clip: str, route: str) -> None:
    method, path = route.split(" ")
    for name, (body, kind, status) in BODIES.items():
        if name in ("deep inside", "infinity") and route != "POST /generate":
            continue  # fields that are not looked at are not looked into
        answer = box.request(
            method, path.format(clip=clip), content=body, headers={"content-type": kind}, params={"user_id": "u"}
        )
        assert_refused(answer, status, success=WRITING[route])
    assert box.get(f"/api/library/{clip}").status_code == 200


VALUES: dict[str, tuple[str, dict[str, Any], int, str | None]] = {
    "vote: nobody": ("{clip}/vote", {"vote": 1}, 400, "user_id required"),
    "vote: null": ("{clip}/vote", {"vote": 1, "user_id": None}, 400, "user_id required"),
    "vote: controls": ("{clip}/vote", {"vote": 1, "user_id": "\0\n"}, 400, "user_id required"),
    "vote: first of all nobody": ("{clip}/vote", {"vote": 5}, 400, "user_id required"),
    "vote: two": ("{clip}/vote", {"vote": 2, "user_id": "u"}, 400, "vote must be -1, 0, or 1"),
    "vote: text": ("{clip}/vote", {"vote": "1", "user_id": "u"}, 400, "vote must be -1, 0, or 1"),
    "vote: truth": ("{clip}/vote", {"vote": True, "user_id": "u"}, 400, "vote must be -1, 0, or 1"),
    "vote: null vote": ("{clip}/vote", {"vote": None, "user_id": "u"}, 400, "vote must be -1, 0, or 1"),
    "vote: half": ("{clip}/vote", {"vote": 0.5, "user_id": "u"}, 400, "vote must be -1, 0, or 1"),
    "vote: model": (
        "{clip}/vote", {"vote": 1, "user_id": "u", "suggested_model": "tts"}, 400,
        'suggested_model must be "music" or "audio"',
    ),
    "vote: reasons": ("{clip}/vote", {"vote": 1, "user_id": "u", "feedback_reasons": "catchy"}, 400, None),
    "vote: numbers": ("{clip}/vote", {"vote": 1, "user_id": "u", "feedback_reasons": [1]}, 400, None),
    "vote: eleven": ("{clip}/vote", {"vote": 1, "user_id": "u", "feedback_reasons": ["a"] * 11}, 400, None),
    "vote: a book": ("{clip}/vote", {"vote": 1, "user_id": "u", "notes": "a" * 1001}, 400, None),
    "vote: unknown": (UNKNOWN + "/vote", {"vote": 1, "user_id": "u"}, 404, "Not found"),
    "votes: nobody": ("votes", {"generation_ids": []}, 400, "user_id required"),
    "votes: text": (
        "votes", {"user_id": "u", "generation_ids": "abc"}, 400, "generation_ids must be a list with max 100 items",
    ),
    "votes: too many": (
        "votes", {"user_id": "u", "generation_ids": ["a"] * 101}, 400,
        "generation_ids must be a list with max 100 items",
    ),
    "votes: numbers": ("votes", {"user_id": "u", "generation_ids": [1]}, 400, None),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_does_not_fit(box: httpx.Client, clip: str, name: str) -> None:
    path, body, status, error = VALUES[name]
    assert_refused(box.post(f"/api/library/{path.format(clip=clip)}", json=body), status, error)


def test_favorites_need_a_name(box: httpx.Client, clip: str) -> None:
    calls = [
        box.post(f"/api/favorites/{clip}", json={}),
        box.delete(f"/api/favorites/{clip}"),
        box.get("/api/favorites"),
        box.post("/api/favorites/check", json={"generation_ids": [clip]}),
        box.get("/api/radio/favorites"),
    ]
    for answer in calls:
        assert_refused(answer, 400, "user_id required")
    assert_refused(box.post(f"/api/favorites/{UNKNOWN}", json={"user_id": "u"}), 404, "Not found")


@pytest.mark.parametrize(("body", "status", "error"), [
    ({}, 400, "No filename"), ({"rating": 4}, 400, "No filename"), ({"filename": None, "rating": 4}, 400, "No filename"),
    ({"filename": "{clip}.wav"}, 400, "Rating must be 1-5 or null"),
    ({"filename": "{clip}.wav", "rating": 6}, 400, "Rating must be 1-5 or null"),
    ({"filename": "{clip}.wav", "rating": "4"}, 400, "Rating must be 1-5 or null"),
    ({"filename": "{clip}.wav", "rating": True}, 400, "Rating must be 1-5 or null"),
    ({"filename": "{clip}.wav", "rating": 2.5}, 400, "Rating must be 1-5 or null"),
    ({"filename": UNKNOWN + ".wav", "rating": 4}, 404, "File not found"),
    ({"filename": "../{clip}.wav", "rating": 4}, 400, "Invalid filename"),
])  # fmt: skip
def test_a_rating_that_cannot_be(box: httpx.Client, clip: str, body: dict[str, Any], status: int, error: str) -> None:
    if isinstance(body.get("filename"), str):
        body = {**body, "filename": body["filename"].format(clip=clip)}
    assert_refused(box.post("/rate", json=body), status, error, success=True)


NAMES = {
    UNKNOWN + "{suffix}": (404, "Not found"),
    "abc123{suffix}": (404, "Not found"),
    "{clip}.mp3": (400, "Invalid filename"),
    "{clip}": (400, "Invalid filename"),
    "..{suffix}": (400, "Invalid filename"),
    ".hidden{suffix}": (400, "Invalid filename"),
    "{clip}%00{suffix}": (400, "The path contains control characters. Remove them."),
    "{clip}{suffix}%0a": (400, "The path contains control characters. Remove them."),
    "a%20b{suffix}": (400, "Invalid filename"),
    "%2e%2e%5c{clip}{suffix}": (400, "Invalid filename"),
    "ü{suffix}": (400, "Invalid filename"),
    "a" * 3000 + "{suffix}": (400, "Invalid filename"),
    "..%2f..%2fetc%2fpasswd{suffix}": (404, "Not found"),  # more than one name: no such route
}


@pytest.mark.parametrize(("folder", "suffix"), [("audio", ".wav"), ("download", ".wav"), ("spectrogram", ".png")])
def test_a_file_that_is_not_there(box: httpx.Client, clip: str, folder: str, suffix: str) -> None:
    for name, (status, error) in NAMES.items():
        assert_refused(box.get(f"/{folder}/{name.format(clip=clip, suffix=suffix)}"), status, error)
    assert box.get(f"/{folder}/{clip}{suffix}").status_code == 200


def test_a_spectrogram_of_nothing(box: httpx.Client) -> None:
    assert_refused(box.get(f"/generate-spectrogram/{UNKNOWN}.wav"), 404, "Audio file not found")
    assert_refused(box.get("/generate-spectrogram/a.png"), 400, "Invalid filename")


ODD_IDS = [
    UNKNOWN, UNKNOWN.upper(), "0", "-1", "null", "%ff%fe", "%F0%9F%8E%B8", "' OR 1=1 --", '{"$gt":""}', "*",
    "a" * 3000, "%2e%2e",
]  # fmt: skip
BY_ID = {
    "GET /job/{}": "Job not found",
    "POST /api/queue/{}/cancel": "Job not found",
    "GET /api/library/{}": "Not found",
    "DELETE /api/library/{}": "Not found",
    "POST /api/library/{}/vote": "Not found",
    "GET /api/library/{}/feedback": "Not found",
    "GET /api/library/{}/tag-suggestions": "Generation not found",
    "POST /api/favorites/{}": "Not found",
    "POST /api/track/{}/play": "Not found",
    "GET /api/track/{}/stats": "Not found",
    "GET /api/playlists/{}": "Playlist not found",
    "PUT /api/playlists/{}": "Playlist not found",
    "DELETE /api/playlists/{}": "Playlist not found",
    "GET /api/radio/playlist/{}": "Playlist not found",
}


@pytest.mark.parametrize("route", BY_ID)
def test_an_id_that_names_nothing(box: httpx.Client, route: str) -> None:
    method, path = route.split(" ")
    for value in ODD_IDS:
        if value == "%2e%2e" and path.endswith("{}"):
            continue  # clients and servers may take it for the folder above
        body = {"user_id": "u"} if method in ("POST", "PUT") else None
        answer = box.request(method, path.format(value), json=body)
        assert_refused(answer, 404, BY_ID[route])


def test_what_is_not_a_route_or_not_its_method(stack: Stack, box: httpx.Client) -> None:
    for path in ("/nothing", "/api", "/api/tracks", "/process", "/config", "/audio", "/job", "/api/radio/nothing"):
        assert_refused(box.get(path), 404, "Not found")
    for method, path in (("GET", "/generate"), ("PUT", "/status"), ("POST", "/api/library"), ("DELETE", "/history"),
                         ("PATCH", "/api/favorites"), ("POST", "/audio/a.wav")):  # fmt: skip
        answer = box.request(method, path)
        assert_refused(answer, 405, "Method Not Allowed")
    # On the shared port, too, what is near this dialect's paths is answered in its shape.
    with httpx.Client(base_url=stack.base_url) as client:
        assert_refused(client.get("/api/library/abc123"), 404, "Not found")
        assert_refused(client.get("/api/radio/nothing"), 404, "Not found")
        assert_refused(client.get("/audio"), 404, "Not found")
        assert_refused(client.put("/status"), 405, "Method Not Allowed")
        assert client.get("/api/nothing").json()["code"] == "UNAUTHORIZED"


def test_a_key_that_is_none(box: httpx.Client) -> None:
    for key in ("x" * 256, "tab\there"):
        answer = box.post("/generate", json={"prompt": "rain"}, headers={"Idempotency-Key": key})
        assert_refused(answer, 400, success=True)


def test_a_playlist_that_cannot_be(box: httpx.Client, clip: str) -> None:
    user = listener()
    for body in ({}, {"name": None}, {"name": " "}, {"name": "a" * 101}, {"name": 7}, {"name": "a", "is_public": "x"},
                 {"name": "a", "description": "a" * 501}, {"name": "a", "description": []}):  # fmt: skip
        assert_refused(box.post("/api/playlists", json={**body, "user_id": user}), 400)
    path = f"/api/playlists/{box.post('/api/playlists', json={'name': 'a', 'user_id': user}).json()['id']}"
    assert_refused(box.post(f"{path}/tracks", json={"user_id": user}), 400, "generation_id is required")
    assert_refused(box.post(f"{path}/tracks", json={"user_id": user, "generation_id": UNKNOWN}), 404, "Not found")
    for order in (None, "abc", [1], [clip], ["x"], ["a"] * 501):
        answer = box.put(f"{path}/reorder", json={"user_id": user, "track_order": order})
        assert_refused(answer, 404 if order == ["x"] else 400)


def test_pages_of_any_origin_read_the_answers_to_their_calls(box: httpx.Client) -> None:
    for origin, statuses in (("https://elsewhere.example", (403, 403)), ("http://localhost:3000", (200, 404))):
        for path, status in zip(("/status", "/api/library/abc123"), statuses, strict=True):
            answer = box.get(path, headers={"Origin": origin})
            assert answer.status_code == status  # pages of other sites need a token
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["x-content-type-options"] == "nosniff"
    asking = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert "POST" in box.options("/generate", headers=asking).headers["access-control-allow-methods"]


def test_a_report_is_one_short_clean_line(stack: Stack, box: httpx.Client) -> None:
    mark = listener("report")
    body = {
        "message": f'{mark} \x1b[31m\r\n{{"event": "forged"}}' + "a" * 5000,
        "stack": "Error at line 123 " + mark * 100,
        "url": "https://box.example/radio?token=" + mark + "secret",
        "userAgent": "Browser\x00" * 100,
        "timestamp": 1234567890,
    }
    assert box.post("/api/log-error", json=body).json() == {"logged": True}
    odd = {"message": {"a": 1}, "url": ["x"], "userAgent": None, "timestamp": True}
    assert box.post("/api/log-error", json=odd).json() == {"logged": True}
    [line] = [line for line in stack.log().splitlines() if mark in line]
    assert len(line) < 1500
    assert "\x1b" not in line
    assert mark + "secret" not in line
    assert "Error at line" not in line


def test_reports_are_rate_limited(stack: Stack, box: httpx.Client) -> None:
    with Browser(stack.base_url) as browser:  # an account of its own: other tests report errors, too
        registered(browser)
        headers = {"Authorization": f"Bearer {token_of(browser)}"}
    answers = [box.post("/api/log-error", json={}, headers=headers) for _ in range(15)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["error"].startswith("Too many requests")
    assert int(refused[0].headers["retry-after"]) > 0
    assert box.get("/status").status_code == 200


@pytest.mark.parametrize("value", [
    "", "x", "-1", "0", "9" * 400, "1e9", "NaN", "true", "null", "%00", "%ff%fe", "%ed%a0%80", "%E2%80%AE", "' OR 1=1 --",
    "[]", "a" * 400, "*", '"', "NEAR(", "١٢",
])  # fmt: skip
def test_a_query_of_nonsense_is_taken_for_nothing(box: httpx.Client, value: str) -> None:
    names = ("page", "per_page", "limit", "offset", "count", "hours", "min_duration", "model", "search", "sort",
             "category", "exclude", "shuffle", "user_id")  # fmt: skip
    query = "&".join(f"{name}={value}" for name in names)
    for path in (
        "/api/library", "/api/library/category-counts", "/history", "/api/favorites", "/api/radio", "/api/radio/shuffle",
        "/api/radio/next", "/api/radio/favorites", "/api/radio/top-rated", "/api/radio/new", "/api/trending",
        "/api/most-played", "/api/history/plays", "/api/history/votes", "/api/playlists", "/status", "/api/queue",
    ):  # fmt: skip
        answer = box.get(f"{path}?{query}")
        if path in ("/api/favorites", "/api/radio/favorites") and answer.status_code == 400:
            assert_refused(answer, 400, "user_id required")
        else:
            assert answer.status_code == 200, (path, answer.text)
