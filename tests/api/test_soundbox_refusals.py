"""What cannot be done is refused in the dialect's shape, and is nobody's crash."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from stories import ended, listener, made

from tests.stacks import Stack

UNKNOWN = "0123456789abcdef0123456789abcdef"
JSON = "application/json"


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


@pytest.mark.parametrize(("fields", "status", "error"), [
    ({"prompt": "ab"}, 400, "prompt must have 3 to 500 characters"),
    ({"duration": 1e300}, 400, None),
    ({"continue_from": "abc"}, 400, "continue_from is not a valid generation ID"),
    ({"continue_from": UNKNOWN}, 404, None),
])  # fmt: skip
def test_a_refusal_of_the_generation_service_has_the_shape_of_the_dialect(
    box: httpx.Client, fields: dict[str, Any], status: int, error: str | None
) -> None:
    assert_refused(box.post("/generate", json={"prompt": "rain", **fields}), status, error, success=True)


def test_a_file_of_an_unknown_clip_is_not_found(box: httpx.Client) -> None:
    for path in (f"/audio/{UNKNOWN}.wav", f"/download/{UNKNOWN}.wav", f"/spectrogram/{UNKNOWN}.png"):
        assert_refused(box.get(path), 404, "Not found")
    assert_refused(box.get(f"/generate-spectrogram/{UNKNOWN}.wav"), 404, "Audio file not found")
    assert_refused(
        box.post("/rate", json={"filename": f"{UNKNOWN}.wav", "rating": 4}), 404, "File not found", success=True
    )
    suggestion = box.post(f"/api/library/{UNKNOWN}/suggest-tag", json={"category": "jazz"})
    words = dict.fromkeys(("message", "error"), "Generation not found")
    assert (suggestion.status_code, suggestion.json()) == (400, {"success": False, **words})


@pytest.mark.parametrize("fields", [
    {"user_id": None, "source": "ui", "nonsense": {"a": [1]}, "duration": "1", "loop": "false", "priority": "whatever"},
    {"duration": None, "model": None, "loop": None, "priority": None, "seed": None, "variations": None,
     "continue_from": None},
    {"prompt": "rain\u0007\u202e and wind", "duration": 1.0, "loop": 1, "priority": ["admin"], "seed": -1},
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
