"""DAW export: stems in, one mix out."""

import contextlib
import json
import socket
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from browser import Browser, registered
from stories import RATE_HZ, decoded, encoded, separated, song, upload

from tests.stacks import Stack
from tests.waiting import eventually

LSB = 2**-15
SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "daw-manifest.schema.json"


@pytest.fixture(scope="module")
def track(admin: httpx.Client) -> dict[str, Any]:
    track = upload(admin, encoded(song(2.0)), "tune.wav", title="Ein Lied")
    return track | {"stems": separated(admin, track["id"])["stems"]}


@pytest.fixture(scope="module")
def bare(admin: httpx.Client) -> dict[str, Any]:
    """A track without stems."""
    return upload(admin, encoded(song(0.5, seed=9)))


@pytest.fixture(autouse=True)
def nothing_left(stack: Stack) -> Any:
    """Whatever happens, uploads, mixes and scratch files are gone afterwards."""
    yield
    eventually(lambda: not leftovers(stack))


def leftovers(stack: Stack) -> list[Any]:
    return [*stack.stored("uploads/mixes/"), *stack.unfinished(), *stack.scratch()]


def mixed_bytes(stack: Stack) -> int:
    """How much of a mix is written."""
    with contextlib.suppress(FileNotFoundError):
        return sum(path.stat().st_size for path in stack.scratch() if path.name == "mix.wav")
    return 0


def exported(
    client: httpx.Client, track_id: str, manifest: Any = None, files: list[tuple[str, tuple[str, bytes]]] | None = None
) -> httpx.Response:
    data = {"track_id": track_id} | ({} if manifest is None else {"manifest": json.dumps(manifest)})
    # A multipart body even without files.
    return client.post("/api/daw/export", data=data, files=files or [("none", (None, b""))])


def mix(*arguments: Any, **options: Any) -> np.ndarray:
    answer = exported(*arguments, **options)
    assert answer.status_code == 200, answer.text
    return decoded(answer.content)


def noise(seed: int, frames: int = 3000) -> np.ndarray:
    """16-bit values, so that sums are exact."""
    return (np.random.default_rng(seed).integers(-8000, 8000, (frames, 2)) * LSB).astype(np.float32)


def stem_files(*stems: np.ndarray, field: str = "stems[]") -> list[tuple[str, tuple[str, bytes]]]:
    return [(field, (f"stem {i}.wav", encoded(stem))) for i, stem in enumerate(stems)]


def test_all_stored_stems_as_they_are_give_the_song(admin: httpx.Client, track: dict[str, Any]) -> None:
    answer = exported(admin, track["id"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-disposition"] == 'attachment; filename="Ein Lied - mix.wav"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["x-soundwright-limited"] == "false"
    original = decoded(encoded(song(2.0)))
    mixed = decoded(answer.content)
    assert mixed.shape == original.shape
    assert np.abs(mixed - original).max() <= LSB * 1.001


@pytest.mark.parametrize("field", ["stems[]", "stems"])
def test_uploaded_stems_are_summed(admin: httpx.Client, bare: dict[str, Any], field: str) -> None:
    a, b = noise(1), noise(2, 2000)
    expected = a.copy()
    expected[:2000] += b
    assert np.array_equal(mix(admin, bare["id"], files=stem_files(a, b, field=field)), expected)


def test_the_manifest_may_come_as_a_file(admin: httpx.Client, bare: dict[str, Any]) -> None:
    a = noise(1)
    manifest = json.dumps({"stems": [{"index": 0, "volume": 2}]}).encode()
    files = [("manifest", ("manifest.json", manifest)), *stem_files(a)]
    assert np.array_equal(mix(admin, bare["id"], files=files), a * 2)


@pytest.mark.parametrize(("format", "subtype"), [("wav16", 16), ("wav24", 24), ("wav32f", 32)])
def test_what_is_too_loud_is_limited_unless_it_is_in_floats(
    admin: httpx.Client, bare: dict[str, Any], format: str, subtype: int
) -> None:
    loud = np.full((2000, 2), 0.75, np.float32)
    answer = exported(admin, bare["id"], {"format": format}, stem_files(loud, loud))
    assert int.from_bytes(answer.content[answer.content.index(b"fmt ") + 22 :][:2], "little") == subtype
    peak = float(np.abs(decoded(answer.content)).max())
    assert answer.headers["x-soundwright-limited"] == ("false" if format == "wav32f" else "true")
    assert peak == pytest.approx(1.5 if format == "wav32f" else 10 ** (-0.1 / 20), abs=LSB)


def test_bodies_that_do_not_fit_are_refused(admin: httpx.Client, bare: dict[str, Any], stack: Stack) -> None:
    """What manifests may say: tests/unit/separation/test_mixing_manifest.py."""
    stem = stem_files(noise(1, 100))

    def refusal(answer: httpx.Response) -> tuple[int, list[str]]:
        return answer.status_code, list(answer.json().get("details", []))

    assert refusal(admin.post("/api/daw/export", files=stem)) == (422, ["track_id"])
    assert refusal(exported(admin, "nonsense", files=stem))[0] == 404
    assert refusal(exported(admin, str(uuid.uuid4()), files=stem))[0] == 404
    assert refusal(exported(admin, bare["id"], files=[("stems[]", ("a.wav", b"no audio"))])) == (422, ["stems[]"])
    assert refusal(exported(admin, bare["id"], files=[("stems[]", (None, b"x"))])) == (422, ["stems[]"])
    assert refusal(exported(admin, bare["id"], files=[("cover", ("a.png", b"x"))])) == (422, ["cover"])
    assert refusal(exported(admin, bare["id"], files=stem_files(*[noise(1, 10)] * 33))) == (422, ["stems[]"])
    assert admin.post("/api/daw/export", json={"track_id": bare["id"]}).status_code == 415
    assert refusal(exported(admin, bare["id"], {"version": 2}, stem)) == (422, ["version"])
    form = {"track_id": bare["id"], "manifest": "{"}
    assert refusal(admin.post("/api/daw/export", data=form, files=stem)) == (422, ["manifest"])
    form["manifest"] = " " * (1 << 20) + "{}"
    assert refusal(admin.post("/api/daw/export", data=form, files=stem))[0] == 400


def test_a_browser_exports_with_its_session_and_token(stack: Stack) -> None:
    a = noise(5, 100)
    with Browser(stack.base_url) as browser:
        registered(browser)
        token = browser.token()
        content = encoded(song(0.5))
        track = browser.post("/api/tracks", files={"file": ("a.wav", content)}, headers={"x-csrf-token": token})
        form = {"track_id": track.json()["data"]["id"]}
        forged = browser.post("/api/daw/export", data=form, files=stem_files(a))
        assert (forged.status_code, forged.json()["code"]) == (403, "CSRF_INVALID")
        for answer in (
            browser.post("/api/daw/export", data=form, files=stem_files(a), headers={"x-csrf-token": token}),
            browser.post("/api/daw/export", data={"_csrf_token": token, **form}, files=stem_files(a)),
        ):
            assert answer.status_code == 200, answer.text
            assert np.array_equal(decoded(answer.content), a)


def test_a_file_input_without_a_file_is_none(admin: httpx.Client, track: dict[str, Any]) -> None:
    boundary = "x" * 20
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="track_id"\r\n\r\n{track["id"]}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="stems[]"; filename=""\r\n\r\n\r\n--{boundary}--\r\n'
    )
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    answer = admin.post("/api/daw/export", content=body.encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert len(decoded(answer.content)) == 2 * RATE_HZ


@pytest.mark.topology("embedded", "cluster")
@pytest.mark.parametrize("sent", ["half of the body", "all of the body"])
def test_a_client_that_goes_away_leaves_nothing(
    stack: Stack, admin: httpx.Client, bare: dict[str, Any], sent: str
) -> None:
    seconds = 240 if sent == "all of the body" else 5
    request = admin.build_request(
        "POST",
        "/api/daw/export",
        data={"track_id": bare["id"], "manifest": json.dumps({"sample_rate": 192_000})},
        files=stem_files(np.zeros((seconds * RATE_HZ, 2), np.float32)),
    )
    body = request.read()
    address = urlsplit(stack.base_url)
    head = f"POST /api/daw/export HTTP/1.1\r\nHost: {address.netloc}\r\n"
    head += "".join(
        f"{name}: {request.headers[name]}\r\n" for name in ("authorization", "content-type", "content-length")
    )
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(head.encode() + b"\r\n" + (body if sent == "all of the body" else body[: len(body) // 2]))
        if sent == "all of the body":  # until it is being mixed
            eventually(lambda: mixed_bytes(stack) > 1 << 20)
        elif stack.shows_unfinished:
            eventually(lambda: bool(leftovers(stack)))
    eventually(lambda: not leftovers(stack))
    assert exported(admin, bare["id"], files=stem_files(noise(1, 10))).status_code == 200


def test_too_much_is_refused_before_it_is_sent(stack: Stack) -> None:
    address = urlsplit(stack.base_url)
    head = f"POST /api/daw/export HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {stack.token}\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000000000\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_the_schema_is_published(stack: Stack) -> None:
    answer = httpx.get(f"{stack.base_url}/schemas/daw-manifest.json")
    assert answer.status_code == 200
    assert answer.json() == json.loads(SCHEMA_FILE.read_text())
    described = httpx.get(f"{stack.base_url}/openapi.json").json()["paths"]["/api/daw/export"]["post"]
    assert set(described["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]) == {
        "track_id", "separation_id", "stems[]", "manifest",
    }  # fmt: skip
    assert "audio/*" in described["responses"]["200"]["content"]
