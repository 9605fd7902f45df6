"""Bad input gets a status, a code and a sentence; it leaves nothing behind and does not disturb anybody."""

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest
from stories import decoded, encoded, finished, song, upload

from tests.stacks import Stack
from tests.waiting import eventually

BOUNDARY = "limit"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
GOOD = encoded(song(0.5))


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_behind(stack: Stack, admin: httpx.Client) -> Iterator[None]:
    """After all of this: no leftovers, no stack trace in any log, and the stack serves."""
    yield
    eventually(lambda: not leftovers(stack), f"the stack tidies up {leftovers(stack)}")
    assert "Traceback" not in stack.log()
    assert admin.get("/health").status_code == 200
    assert upload(admin, GOOD)["warnings"] == []


def leftovers(stack: Stack) -> list[Any]:
    return [*stack.stored("uploads/"), *stack.unfinished(), *stack.scratch()]


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    """The forge dialect's refusal: status, code, and a sentence for people."""
    body = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), answer.text
    assert_sentence(body["message"])
    assert body["error"]
    assert_discreet(answer)


def assert_refused_by_pipeline(answer: httpx.Response, status: int, words: str) -> None:
    """The pipeline dialect's: ``{"detail"}``."""
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["detail"]
    assert words in str(answer.json()["detail"])
    assert_discreet(answer)


def assert_sentence(text: str) -> None:
    assert re.fullmatch(r"[A-Z0-9'{].{8,}", text), text


def assert_discreet(answer: httpx.Response) -> None:
    """No stack trace, no path of the server."""
    for secret in ("Traceback", 'File "', "/site-packages/", "/blobs/", "Errno"):
        assert secret not in answer.text


def part(content: bytes, disposition: bytes = b'name="file"; filename="song.wav"', closed: bool = True) -> bytes:
    """One part of a form, byte for byte as given: client libraries refuse to send what attackers do."""
    boundary = BOUNDARY.encode()
    end = b"\r\n--%b--\r\n" % boundary if closed else b""
    return b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b%b" % (boundary, disposition, content, end)


# files ------------------------------------------------------------------------------------------------------------


def wav(data: bytes = bytes(4000), *, rate_hz: int = 44_100, channel_count: int = 1, data_bytes: int = 0) -> bytes:
    """A 16-bit WAV file whose header says whatever we like."""
    size = data_bytes or len(data)
    block = 2 * channel_count
    form = struct.pack("<HHIIHH", 1, channel_count, rate_hz, rate_hz * block & 0xFFFFFFFF, block & 0xFFFF, 16)
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", (len(head) + size) & 0xFFFFFFFF) + head + data


def long_flac() -> bytes:
    """A FLAC file whose header promises ten hours."""
    content = bytearray(encoded(song(0.5), "FLAC"))
    known = int.from_bytes(content[18:26])  # ends with the number of frames, in 36 bits
    content[18:26] = (known >> 36 << 36 | 36_000 * 44_100).to_bytes(8)
    return bytes(content)


# One file of each code. Which files are refused with it: tests/unit/kit/test_audio_refusals.py.
REFUSED_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (lambda: b"", "AUDIO_EMPTY"),
    "text": (lambda: b"Dear Sir or Madam, " * 100, "AUDIO_UNREADABLE"),
    "10 hours": (long_flac, "AUDIO_TOO_LONG"),
}


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_a_file_that_is_no_good_recording_is_refused(stack: Stack, admin: httpx.Client, name: str) -> None:
    make, code = REFUSED_FILES[name]
    content = make()
    before = track_count(admin), stack.stored()
    answer = admin.post("/api/tracks", files={"file": ("song.wav", content)})
    assert_refused(answer, 422, code)
    # The same sentence, in the shape of the other dialect, which knows no 422 with a sentence.
    again = admin.post("/process", files={"file": ("song.wav", content)})
    assert_refused_by_pipeline(again, 400, answer.json()["message"])
    assert (track_count(admin), stack.stored()) == before


def test_the_pipeline_takes_only_its_documented_containers(admin: httpx.Client) -> None:
    answer = admin.post("/process", files={"file": ("song.wav", encoded(song(0.2), "AIFF"))})
    assert_refused_by_pipeline(answer, 400, "")


def track_count(client: httpx.Client) -> int:
    return int(client.get("/api/tracks").json()["meta"]["total_count"])


def test_a_truncated_file_is_taken_as_far_as_it_goes(admin: httpx.Client) -> None:
    content = wav(bytes(88_200), data_bytes=8_820_000)
    track = upload(admin, content, "cut.wav")
    assert (track["warnings"], track["duration_seconds"]) == (["TRUNCATED"], 1.0)
    assert admin.get(track["file_path"]).content == content
    started = admin.post("/process", files={"file": ("cut.wav", content)})
    assert started.status_code == 200, started.text
    assert finished(admin, f"/job/{started.json()['job_id']}")["status"] == "completed"


# names ------------------------------------------------------------------------------------------------------------

# forms ------------------------------------------------------------------------------------------------------------


@contextmanager
def connected(stack: Stack) -> Iterator[socket.socket]:
    host, port = stack.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        yield connection


def head(stack: Stack, path: str, length: object) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stack.token}\r\n"
        f"Content-Type: {FORM['content-type']}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def answered(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of an answer that ends with the connection or its length."""
    reader = connection.makefile("rb")
    status = int(reader.readline().split()[1])
    length = 0
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, reader.read(length)


@pytest.mark.topology("embedded", "cluster")
@pytest.mark.parametrize("path", ["/api/tracks", "/process"])
def test_an_upload_that_is_cut_off_leaves_nothing(stack: Stack, admin: httpx.Client, path: str) -> None:
    before = track_count(admin)
    body = part(encoded(song(10.0)))
    with connected(stack) as connection:
        connection.sendall(head(stack, path, len(body)) + body[: len(body) // 2])
        if stack.shows_unfinished:
            eventually(lambda: leftovers(stack), "the upload begins")
    eventually(lambda: not leftovers(stack), "the half upload goes")
    assert track_count(admin) == before


@pytest.mark.parametrize("path", ["/api/tracks", "/process"])
def test_a_content_length_that_lies_is_found_out(stack: Stack, admin: httpx.Client, path: str) -> None:
    before = track_count(admin)
    body = part(GOOD)
    with connected(stack) as connection:  # shorter than the form: it ends before its last boundary
        connection.sendall(head(stack, path, len(body) - 1000) + body[:-1000])
        status, answer = answered(connection)
        assert (status, b"boundary" in answer) == (400, True)
    with connected(stack) as connection:  # more than can be taken: refused before a byte of it is sent
        connection.sendall(head(stack, path, 10**15))
        status, answer = answered(connection)
        assert (status, b"MB" in answer) == (413, True)
    assert track_count(admin) == before


def test_a_file_needs_a_name(admin: httpx.Client) -> None:
    for name in (b"", b"   "):
        form = part(GOOD, b'name="file"; filename="%b"' % name)
        assert_refused(admin.post("/api/tracks", content=form, headers=FORM), 422, "VALIDATION_ERROR")


# parameters -------------------------------------------------------------------------------------------------------


def test_an_unknown_choice_is_named(admin: httpx.Client) -> None:
    track_id = upload(admin, GOOD)["id"]
    for path, field, value in (
        ("/api/processing/separate", "model", "../x"),
        ("/api/processing/separate", "engine", "abacus"),
        ("/api/processing/separate", "format", "mp3"),
        ("/api/processing/separate", "stems", ["tuba"]),
        ("/api/analysis/analyze", "features", ["nope"]),
        ("/api/analysis/analyze", "features", "tempo,nope"),
    ):
        answer = admin.post(path, json={"track_id": track_id, field: value})
        assert_refused(answer, 422, "VALIDATION_ERROR")
        assert list(answer.json()["details"]) == [field], value
    assert admin.get("/api/jobs", params={"track_id": track_id}).json()["data"] == []


# a full disk ------------------------------------------------------------------------------------------------------


@contextmanager
def no_room(stack: Stack, component: str, spare_bytes: int) -> Iterator[None]:
    """Let no file of a component and its engines grow any further than the stack's log has, and a little more.

    A limit on the size of files fails a write as a full disk does, and needs neither a disk nor root.
    """
    limit = stack.log_bytes() + spare_bytes
    affected = [process for main in stack.component(component) for process in (main, *main.children())]
    limited = {process: process.rlimit(psutil.RLIMIT_FSIZE) for process in affected}
    for process, (_, ceiling) in limited.items():
        process.rlimit(psutil.RLIMIT_FSIZE, (limit, ceiling))
    try:
        yield
    finally:
        for process, before in limited.items():
            process.rlimit(psutil.RLIMIT_FSIZE, before)


def test_an_upload_that_finds_no_room_is_refused_and_leaves_nothing(stack: Stack, admin: httpx.Client) -> None:
    spare = 4 * 2**20
    big = wav(bytes(stack.log_bytes() + 2 * spare))
    before = track_count(admin)
    with no_room(stack, "gateway", spare):
        assert_refused(admin.post("/api/tracks", files={"file": ("big.wav", big)}), 507, "STORAGE_FULL")
        answer = admin.post("/process", files={"file": ("big.wav", big)})
        assert_refused_by_pipeline(answer, 507, "Free some space")
        assert not leftovers(stack)
        assert upload(admin, GOOD)["warnings"] == []  # what fits is taken
    assert track_count(admin) == before + 1
    assert upload(admin, big)["file_size"] == len(big)


def test_a_job_that_finds_no_room_says_so_and_leaves_nothing(stack: Stack, admin: httpx.Client) -> None:
    spare = 128 * 1024
    seconds = (stack.log_bytes() + 2 * spare) / (4 * 44_100)
    track = upload(admin, encoded(song(seconds, 1)))
    body = {"track_id": track["id"], "model": "dsp", "format": "wav32f"}
    with no_room(stack, "separation", spare):
        job_id = admin.post("/api/processing/separate", json=body).json()["data"]["job_id"]
        job = finished(admin, f"/api/processing/job/{job_id}")
    assert job["status"] == "failed"
    assert_sentence(job["error"])
    record = admin.get(f"/api/jobs/{job_id}").json()["data"]
    assert (record["error_code"], record["error"]) == ("AUDIO_NOT_WRITTEN", job["error"])
    assert record["attempt"] == record["max_attempts"] > 1, "a disk may be emptied: it was worth trying again"
    assert [key for key in stack.stored("stems/") if job_id in key] == []
    job_id = admin.post("/api/processing/separate", json=body).json()["data"]["job_id"]
    stems = finished(admin, f"/api/processing/job/{job_id}")["stems"]
    total = sum(decoded(admin.get(stem["download_url"]).content) for stem in stems)
    assert total.shape == (track["frame_count"], 1)
