"""Stories of bringing songs in."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import io
import json
import uuid
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from stories import encoded, eventually, song, upload

from demo.stack import Stack


def stored_files(stack: Stack) -> set[str]:
    """Every file in the store, also half-written ones."""
    root = stack.data_dir / "blobs"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_song_comes_in_is_listed_and_comes_back_unchanged(admin: httpx.Client) -> None:
    content = encoded(song())
    track = upload(admin, content, "My Song.wav", artist="The Band", album="First")
    assert (track["title"], track["artist"], track["album"]) == ("My Song", "The Band", "First")
    assert (track["duration_seconds"], track["duration"]) == (3.0, 3)
    assert (track["sample_rate_hz"], track["channel_count"], track["frame_count"]) == (44100, 2, 132300)
    assert (track["container"], track["codec"], track["file_size"]) == ("wav", "pcm_s16le", len(content))
    assert admin.get(f"/api/tracks/{track['id']}").json() == {"data": track}
    listed = admin.get("/api/tracks", params={"page_size": 1}).json()
    assert listed["data"] == [track]
    assert (listed["meta"]["page"], listed["meta"]["page_size"]) == (1, 1)
    assert listed["meta"]["total_count"] == listed["meta"]["total_pages"] >= 1
    whole = admin.get(track["file_path"])
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "audio/wav")
    part = admin.get(track["file_path"], headers={"Range": "bytes=44-143"})
    assert (part.status_code, part.content) == (206, content[44:144])
    assert part.headers["content-range"] == f"bytes 44-143/{len(content)}"
    assert admin.head(track["file_path"]).headers["content-length"] == str(len(content))


@pytest.mark.parametrize(
    ("kind", "subtype", "container"),
    [
        ("WAV", "PCM_U8", "wav"),
        ("WAV", "PCM_24", "wav"),
        ("WAV", "PCM_32", "wav"),
        ("WAV", "FLOAT", "wav"),
        ("FLAC", "PCM_16", "flac"),
        ("OGG", "VORBIS", "ogg"),
        ("MP3", "MPEG_LAYER_III", "mp3"),
        ("AIFF", "PCM_16", "aiff"),
    ],
)
def test_formats_are_told_by_their_content(admin: httpx.Client, kind: str, subtype: str, container: str) -> None:
    track = upload(admin, encoded(song(1.0), kind, subtype), "misnamed.bin")
    assert track["container"] == container
    assert track["duration_seconds"] == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("channel_count", [1, 2, 6, 8])
def test_from_one_to_eight_channels(admin: httpx.Client, channel_count: int) -> None:
    assert upload(admin, encoded(song(0.5, channel_count)))["channel_count"] == channel_count


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("song.txt", "la la la" * 1000)
    return buffer.getvalue()


NANS = np.full((4410, 2), np.nan, dtype=np.float32)
HOSTILE = {
    "empty": b"",
    "text": b"This is a letter, not a song.\n" * 100,
    "zip": archive(),
    "random": bytes(np.random.default_rng(1).integers(0, 256, 50_000, dtype=np.uint8)),
    "header alone": encoded(song(0.1))[:44],
    "no frames": encoded(np.zeros((0, 2), dtype=np.float32)),
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "64 channels": encoded(np.zeros((100, 64), dtype=np.float32)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_song_is_refused_and_leaves_nothing(stack: Stack, admin: httpx.Client, name: str) -> None:
    before = stored_files(stack)
    answer = admin.post("/api/tracks", files={"file": ("song.wav", HOSTILE[name])})
    assert answer.status_code in (400, 413, 422), answer.text
    body = answer.json()
    assert {"error", "code", "message"} <= set(body)
    assert "Traceback" not in answer.text
    assert str(stack.data_dir) not in answer.text
    assert stored_files(stack) == before


def test_a_truncated_song_is_taken_with_a_warning_or_refused(admin: httpx.Client) -> None:
    content = encoded(song(), "MP3", "MPEG_LAYER_III")
    answer = admin.post("/api/tracks", files={"file": ("song.mp3", content[: len(content) // 2])})
    assert answer.status_code in (201, 422)
    if answer.status_code == 201:
        assert 0.5 < answer.json()["data"]["duration_seconds"] < 2.9


def test_a_header_that_lies_about_its_length(admin: httpx.Client) -> None:
    content = bytearray(encoded(song(1.0)))
    content[40:44] = (0x7FFFFFF0).to_bytes(4, "little")
    track = upload(admin, bytes(content))
    assert track["duration_seconds"] == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("../../../etc/passwd.wav", "passwd"),
        ("..\\..\\boot.wav", "boot"),
        ("a\x00b.wav", "ab"),
        ("🎸 guitar 🎶.wav", "🎸 guitar 🎶"),
        ("x" * 300 + ".wav", "x" * 196),
        (".wav", None),
        ("'; DROP TABLE tracks; --.wav", "'; DROP TABLE tracks; --"),
    ],
)
def test_hostile_names_are_only_names(stack: Stack, admin: httpx.Client, name: str, title: str | None) -> None:
    content = encoded(song(0.2))
    boundary = "b0und4ry"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    answer = admin.post(
        "/api/tracks", content=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )
    if "\x00" in name and answer.status_code == 400:
        return  # no header may hold a NUL
    assert answer.status_code == 201, answer.text
    track = answer.json()["data"]
    assert title is None or track["title"] == title
    assert len(track["filename"]) <= 200
    assert admin.get(track["file_path"]).content == content
    assert any(key.startswith(f"tracks/{track['id']}/original.") for key in stored_files(stack))


def test_two_uploads_of_one_name_at_the_same_time(admin: httpx.Client) -> None:
    contents = [encoded(song(0.5, seed=seed)) for seed in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        tracks = list(pool.map(lambda content: upload(admin, content, "same.wav"), contents))
    assert len({track["id"] for track in tracks}) == 6
    assert [admin.get(track["file_path"]).content for track in tracks] == contents


def test_an_upload_that_is_cut_off_leaves_nothing(stack: Stack, admin: httpx.Client) -> None:
    before = stored_files(stack)
    count = admin.get("/api/tracks").json()["meta"]["total_count"]
    address = urlsplit(stack.base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.putrequest("POST", "/api/tracks")
    connection.putheader("Authorization", f"Bearer {stack.token}")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", "50000000")
    connection.endheaders()
    connection.send(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n')
    connection.send(encoded(song(10.0)))
    partial = Path(stack.data_dir, "blobs", ".partial")
    eventually(lambda: any(partial.iterdir()))
    connection.close()
    eventually(lambda: stored_files(stack) == before)
    assert admin.get("/api/tracks").json()["meta"]["total_count"] == count


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"json": {"file": "x"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"files": {"song": ("a.wav", b"x")}}, 422, "VALIDATION_ERROR"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400, "BAD_REQUEST"),
    ],
)
def test_forms_that_do_not_fit(admin: httpx.Client, options: dict, status: int, code: str) -> None:
    answer = admin.post("/api/tracks", **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_size_that_is_too_large_is_refused_before_it_is_sent(stack: Stack) -> None:
    address = urlsplit(stack.base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.putrequest("POST", "/api/tracks")
    connection.putheader("Authorization", f"Bearer {stack.token}")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", "9000000000")
    connection.endheaders()
    with contextlib.closing(connection):
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (413, "TOO_LARGE")


def test_unknown_malformed_and_foreign_tracks_look_the_same(admin: httpx.Client, other: httpx.Client) -> None:
    mine = upload(admin, encoded(song(0.2)))
    for path in (f"/api/tracks/{mine['id']}", mine["file_path"], f"/api/analysis/{mine['id']}"):
        assert other.get(path).status_code == 404
    for track_id in (str(uuid.uuid4()), "1", "%2e%2e%2f", "x" * 3000):
        answer = other.get(f"/api/tracks/{track_id}")
        assert answer.status_code == 404
        assert answer.json()["code"] in ("TRACK_NOT_FOUND", "NOT_FOUND")
    for path in ("/api/processing/separate", "/api/analysis/analyze"):
        answer = other.post(path, json={"track_id": mine["id"]})
        assert (answer.status_code, answer.json()["code"]) == (404, "TRACK_NOT_FOUND")
    assert mine["id"] not in [track["id"] for track in other.get("/api/tracks").json()["data"]]


def test_everybody_needs_a_token(stack: Stack) -> None:
    for path in (
        "/api/tracks",
        f"/api/jobs/{uuid.uuid4()}",
        f"/export/stem/{uuid.uuid4()}",
        "/files/x",
        "/api/nothing",
    ):
        answer = httpx.get(stack.base_url + path)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
        assert "www-authenticate" in answer.headers
    refused = httpx.post(f"{stack.base_url}/api/tracks", files={"file": ("a.wav", encoded(song(0.1)))})
    assert refused.status_code == 401
