"""Bad input gets a status, a code and a sentence; it leaves nothing behind and does not disturb anybody."""

from __future__ import annotations

import io
import re
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from stories import decoded, encoded, finished, song, upload

from tests.stacks import Stack

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


def eventually(condition: Callable[[], Any], what: str) -> None:
    """For what the stack does after it answered."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


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


def wav(
    data: bytes = bytes(4000), *, rate_hz: int = 44_100, channel_count: int = 1, data_bytes: int | None = None
) -> bytes:
    """A 16-bit WAV file whose header says whatever we like."""
    size = len(data) if data_bytes is None else data_bytes
    block = 2 * channel_count
    form = struct.pack("<HHIIHH", 1, channel_count, rate_hz, rate_hz * block & 0xFFFFFFFF, block & 0xFFFF, 16)
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", (len(head) + size) & 0xFFFFFFFF) + head + data


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("song.wav", GOOD)
    return buffer.getvalue()


def not_finite() -> bytes:
    samples = song(0.5)
    samples[1000, 1] = np.nan
    return encoded(samples, subtype="FLOAT")


def silent_flac(seconds: int, *, promised_seconds: int, rate_hz: int = 8000) -> bytes:
    """Silence in FLAC: one constant frame again and again, with its number and checksums. 14 bytes for 8 seconds."""
    block = 65_535
    frame_count = -(-seconds * rate_hz // block)
    info = struct.pack(">HH", block, block) + bytes(6)
    info += (rate_hz << 44 | 0 << 41 | 15 << 36 | promised_seconds * rate_hz).to_bytes(8, "big") + bytes(16)
    stream = bytearray(b"fLaC" + (0x80000000 | len(info)).to_bytes(4, "big") + info)
    for number in range(frame_count):
        head = bytes([0xFF, 0xF8, 0x74, 0x08]) + _utf8(number) + struct.pack(">H", block - 1)
        head += bytes([_crc(head, 8, 0x07)])
        frame = head + bytes([0, 0, 0])  # a constant sub-frame of value 0
        stream += frame + struct.pack(">H", _crc(frame, 16, 0x8005))
    return bytes(stream)


def _utf8(number: int) -> bytes:
    return chr(number).encode() if number < 0xD800 else b""


def _crc(data: bytes, width: int, polynomial: int) -> int:
    value, top, mask = 0, 1 << (width - 1), (1 << width) - 1
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
    return value


REFUSED_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (lambda: b"", "AUDIO_EMPTY"),
    "text": (lambda: b"Dear Sir or Madam, " * 100, "AUDIO_UNREADABLE"),
    "ZIP archive": (zipped, "AUDIO_UNREADABLE"),
    "playlist": (lambda: b"#EXTM3U\nfile:///etc/passwd\n", "AUDIO_UNREADABLE"),
    "WAV header alone": (lambda: wav()[:20], "AUDIO_UNREADABLE"),
    "no audio": (lambda: wav(b""), "AUDIO_EMPTY"),
    "not a number": (not_finite, "AUDIO_NOT_FINITE"),
    "1 Hz": (lambda: wav(rate_hz=1), "AUDIO_RATE_UNSUPPORTED"),
    "0 Hz": (lambda: wav(rate_hz=0), "AUDIO_UNREADABLE"),
    "768 kHz": (lambda: wav(rate_hz=768_000), "AUDIO_RATE_UNSUPPORTED"),
    "64 channels": (lambda: wav(bytes(64 * 200), channel_count=64), "AUDIO_CHANNELS_UNSUPPORTED"),
    "10 hours, as the header says": (lambda: silent_flac(36_000, promised_seconds=36_000), "AUDIO_TOO_LONG"),
    "10 hours, which the header hides": (lambda: silent_flac(36_000, promised_seconds=0), "AUDIO_TOO_LONG"),
    "10 hours, about which the header lies": (lambda: silent_flac(36_000, promised_seconds=10), "AUDIO_TOO_LONG"),
}


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_a_file_that_is_no_good_recording_is_refused(admin: httpx.Client, name: str) -> None:
    make, code = REFUSED_FILES[name]
    content = make()
    before = track_count(admin)
    answer = admin.post("/api/tracks", files={"file": ("song.wav", content)})
    assert_refused(answer, 422, code)
    # The same sentence, in the shape of the other dialect, which knows no 422 with a sentence.
    again = admin.post("/process", files={"file": ("song.wav", content)})
    assert_refused_by_pipeline(again, 400, answer.json()["message"])
    assert track_count(admin) == before


def track_count(client: httpx.Client) -> int:
    return int(client.get("/api/tracks").json()["meta"]["total_count"])


def truncated_mp3() -> bytes:
    content = encoded(song(4.0), "MP3", "MPEG_LAYER_III")
    return content[: len(content) // 2]


TRUNCATED_FILES: dict[str, tuple[Callable[[], bytes], float, float]] = {
    "MP3": (truncated_mp3, 1.8, 2.2),
    "WAV": (lambda: wav(bytes(88_200), data_bytes=8_820_000), 1.0, 1.0),
    "WAV, 4 GB promised": (lambda: wav(bytes(88_200), data_bytes=0xFFFFFF00), 1.0, 1.0),
}


@pytest.mark.parametrize("name", TRUNCATED_FILES)
def test_a_truncated_file_is_taken_as_far_as_it_goes(admin: httpx.Client, name: str) -> None:
    make, least_seconds, most_seconds = TRUNCATED_FILES[name]
    content = make()
    track = upload(admin, content, "cut.wav")
    assert track["warnings"] == ["TRUNCATED"]
    assert least_seconds <= track["duration_seconds"] <= most_seconds
    assert admin.get(track["file_path"]).content == content
    started = admin.post("/process", files={"file": ("cut.wav", content)})
    assert started.status_code == 200, started.text
    assert finished(admin, f"/job/{started.json()['job_id']}")["status"] == "completed"


def test_a_header_that_promises_too_little_is_believed(admin: httpx.Client) -> None:
    track = upload(admin, wav(bytes(88_200), data_bytes=8820))
    assert (track["frame_count"], track["warnings"]) == (4410, [])


# names ------------------------------------------------------------------------------------------------------------

NAMES = {
    b"../../../etc/passwd.wav": "passwd.wav",
    b"..": "untitled",
    b"/etc/shadow": "shadow",
    rb"C:\\Windows\\System32\\song.wav": "song.wav",
    b"so\0ng\x07.wav": "song.wav",
    b"a" * 300 + b".wav": "a" * 196 + ".wav",
    "🎸🔥 Ω.wav".encode(): "🎸🔥 Ω.wav",
    b"\xff\xfe.wav": "\ufffd\ufffd.wav",
    "\u202egpj.wav".encode(): "gpj.wav",
    b"<script>alert(1)</script>.wav": "script>.wav",
    b"; rm -rf ~ #.wav": "; rm -rf ~ #.wav",
}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:30]))
def test_a_hostile_name_becomes_a_harmless_one(stack: Stack, admin: httpx.Client, name: bytes) -> None:
    answer = admin.post("/api/tracks", content=part(GOOD, b'name="file"; filename="%b"' % name), headers=FORM)
    assert answer.status_code == 201, answer.text
    track = answer.json()["data"]
    assert track["filename"] == NAMES[name]
    download = admin.get(track["file_path"])
    assert download.content == GOOD
    disposition = download.headers["content-disposition"]
    assert disposition.isprintable()
    assert ".." not in disposition
    [key] = stack.stored(f"tracks/{track['id']}/")
    assert key.endswith("/original.wav")


def test_a_file_needs_a_name(admin: httpx.Client) -> None:
    for name in (b"", b"   "):
        form = part(GOOD, b'name="file"; filename="%b"' % name)
        assert_refused(admin.post("/api/tracks", content=form, headers=FORM), 422, "VALIDATION_ERROR")
    nameless = part(GOOD, b'name="file"; filename=""')
    assert_refused_by_pipeline(admin.post("/process", content=nameless, headers=FORM), 400, "No filename provided")
    for name, suffix in (("song.txt", ".txt"), ("song.m4a", ".m4a"), ("song", "")):
        answer = admin.post("/process", files={"file": (name, GOOD)})
        assert_refused_by_pipeline(answer, 500, f"Unsupported audio format:{suffix}")  # as the contract has it


def test_two_uploads_of_one_name_at_the_same_time_are_two_tracks(stack: Stack) -> None:
    songs = [encoded(song(1.0, seed=seed)) for seed in (1, 2)]
    barrier = threading.Barrier(2)
    tracks: dict[int, dict[str, Any]] = {}

    def send(index: int) -> None:
        with stack.client() as client:
            barrier.wait()
            tracks[index] = upload(client, songs[index], "twin.wav")

    threads = [threading.Thread(target=send, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with stack.client() as client:
        assert tracks[0]["id"] != tracks[1]["id"]
        for index, track in tracks.items():
            assert track["filename"] == "twin.wav"
            assert client.get(track["file_path"]).content == songs[index]


# forms ------------------------------------------------------------------------------------------------------------

FORMS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "noise": (bytes(range(256)) * 40, FORM, 400, "BAD_REQUEST"),
    "nothing": (b"", FORM, 400, "BAD_REQUEST"),
    "never closed": (part(GOOD, closed=False), FORM, 400, "BAD_REQUEST"),
    "another boundary": (part(GOOD).replace(BOUNDARY.encode(), b"other"), FORM, 400, "BAD_REQUEST"),
    "no disposition": (part(GOOD).replace(b"Content-Disposition", b"X-Nothing"), FORM, 400, "BAD_REQUEST"),
    "two files": (part(GOOD, closed=False) + b"\r\n" + part(GOOD), FORM, 400, "BAD_REQUEST"),
    "huge header": (
        part(GOOD, b'name="file"; filename="a.wav"; x="' + b"x" * 100_000 + b'"'),
        FORM,
        400,
        "BAD_REQUEST",
    ),
    "huge field": (part(b"x" * 100_000, b'name="title"'), FORM, 400, "BAD_REQUEST"),
    "too many fields": (
        b"\r\n".join([part(b"x", b'name="f%d"' % index, closed=False) for index in range(40)] + [part(GOOD)]),
        FORM,
        400,
        "BAD_REQUEST",
    ),
    "no file": (part(b"a title", b'name="title"'), FORM, 422, "VALIDATION_ERROR"),
    "file as a field": (part(GOOD[:1000], b'name="file"'), FORM, 422, "VALIDATION_ERROR"),
    "another field": (part(GOOD[:1000], b'name="song"; filename="song.wav"'), FORM, 422, "VALIDATION_ERROR"),
    "no boundary": (part(GOOD), {"content-type": "multipart/form-data"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    "JSON": (b'{"file": "song.wav"}', {"content-type": "application/json"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    "no type": (GOOD, {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_none_is_refused(admin: httpx.Client, name: str) -> None:
    body, headers, status, code = FORMS[name]
    answer = admin.post("/api/tracks", content=body, headers=headers)
    assert_refused(answer, status, code)
    again = admin.post("/process", content=body, headers=headers)
    if status == 400:
        assert_refused_by_pipeline(again, 400, answer.json()["message"])
    else:  # whatever is no form with a file in it lacks the file, says the contract
        assert (again.status_code, again.json()["detail"][0]["loc"]) == (422, ["body", "file"])
        assert_discreet(again)


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
    for length in ("-1", "ten", "1e3", ""):
        with connected(stack) as connection:
            connection.sendall(head(stack, path, length) + body)
            assert answered(connection)[0] == 400
    assert track_count(admin) == before


# ids --------------------------------------------------------------------------------------------------------------

UNKNOWN = "01234567-89ab-4cde-8f01-23456789abcd"
ODD_IDS = [
    UNKNOWN,
    UNKNOWN.upper(),
    "00000000-0000-0000-0000-000000000000",
    "0",
    "-1",
    "null",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%ff%fe",
    "%F0%9F%8E%B8",
    "' OR 1=1 --",
    '{"$gt":""}',
    "*",
    "a" * 4000,
]
ROUTES_BY_ID = {
    "GET /api/tracks/{}": "TRACK_NOT_FOUND",
    "GET /api/jobs/{}": "JOB_NOT_FOUND",
    "DELETE /api/jobs/{}": "JOB_NOT_FOUND",
    "GET /api/processing/job/{}": "JOB_NOT_FOUND",
    "GET /api/analysis/job/{}": "JOB_NOT_FOUND",
    "GET /api/analysis/{}": "TRACK_NOT_FOUND",
    "GET /api/tracks/{}/stems": "TRACK_NOT_FOUND",
    "GET /api/stems/{}/segments/0": "STEM_NOT_FOUND",
    "GET /api/stems/{}/waveform": "STEM_NOT_FOUND",
    "GET /export/stem/{}": "STEM_NOT_FOUND",
    "GET /export/stems/{}": "TRACK_NOT_FOUND",
    "GET /export/analysis/{}": "TRACK_NOT_FOUND",
    "GET /files/downloads/{}/song.wav": "TRACK_NOT_FOUND",
    "GET /files/stems/{}/vocals.flac": "JOB_NOT_FOUND",
}
PIPELINE_ROUTES_BY_ID = {
    "GET /job/{}": "Job not found",
    "GET /job/{}/outputs": "Job not found",
    "GET /download/{}/all": "Job not found",
    "GET /download/{}/vocals": "Track not found",
}


@pytest.mark.parametrize("route", [*ROUTES_BY_ID, *PIPELINE_ROUTES_BY_ID])
def test_an_id_that_names_nothing_is_not_found(admin: httpx.Client, route: str) -> None:
    method, path = route.split(" ")
    for value in ODD_IDS:
        answer = admin.request(method, path.format(value))
        assert answer.status_code == 404, (value, answer.text)
        assert_discreet(answer)
        if "%2f" in value or (value == "%2e%2e" and answer.json().get("code") in ("NOT_FOUND", "FILE_NOT_FOUND")):
            continue  # more than one segment: another route, or none
        if route in ROUTES_BY_ID:
            assert answer.json()["code"] == ROUTES_BY_ID[route], value
        else:
            assert answer.json() == {"detail": PIPELINE_ROUTES_BY_ID[route]}, value


@pytest.mark.parametrize("path", ["/api/processing/separate", "/api/analysis/analyze"])
def test_a_job_for_a_track_that_is_not_there_is_not_found(admin: httpx.Client, path: str) -> None:
    for value in (UNKNOWN, "0", "../../etc/passwd", "\0", "🎸", "a" * 4000, '{"$gt":""}'):
        answer = admin.post(path, json={"track_id": value})
        assert_refused(answer, 404, "TRACK_NOT_FOUND")


def test_somebody_elses_things_stay_theirs(admin: httpx.Client, other: httpx.Client) -> None:
    track = upload(admin, GOOD)
    for path in ("/api/processing/separate", "/api/analysis/analyze"):
        assert_refused(other.post(path, json={"track_id": track["id"]}), 404, "TRACK_NOT_FOUND")
    assert_refused(other.get(track["file_path"]), 404, "TRACK_NOT_FOUND")
    assert other.get("/api/jobs", params={"track_id": track["id"]}).json()["data"] == []
    assert admin.get("/api/jobs", params={"track_id": track["id"]}).json()["data"] == []


# parameters -------------------------------------------------------------------------------------------------------

BODIES: dict[str, tuple[bytes, str, int, str]] = {
    "no JSON": (b"{", "application/json", 400, "BAD_REQUEST"),
    "not UTF-8": (b'{"track_id": "\xff"}', "application/json", 400, "BAD_REQUEST"),
    "NaN": (b'{"track_id": NaN}', "application/json", 400, "BAD_REQUEST"),
    "list": (b"[]", "application/json", 400, "BAD_REQUEST"),
    "string": (b'"track"', "application/json", 400, "BAD_REQUEST"),
    "null": (b"null", "application/json", 400, "BAD_REQUEST"),
    "deep": (b"[" * 100_000, "application/json", 400, "BAD_REQUEST"),
    "huge": (b'{"track_id": "' + b"a" * 2**21 + b'"}', "application/json", 413, "TOO_LARGE"),
    "huge number": (b'{"track_id": ' + b"9" * 10_000 + b"}", "application/json", 400, "BAD_REQUEST"),
    "XML": (b"<track/>", "application/xml", 415, "UNSUPPORTED_MEDIA_TYPE"),
    "empty": (b"{}", "application/json", 422, "VALIDATION_ERROR"),
    "nothing": (b"", "application/json", 422, "VALIDATION_ERROR"),
    "null track": (b'{"track_id": null}', "application/json", 422, "VALIDATION_ERROR"),
    "number": (b'{"track_id": 7}', "application/json", 422, "VALIDATION_ERROR"),
    "object": (b'{"track_id": {"$ne": 1}}', "application/json", 422, "VALIDATION_ERROR"),
    "too many fields": (b"a=1&" * 1000, "application/x-www-form-urlencoded", 400, "BAD_REQUEST"),
}


@pytest.mark.parametrize("path", ["/api/processing/separate", "/api/analysis/analyze"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_does_not_fit_is_refused(admin: httpx.Client, path: str, name: str) -> None:
    body, kind, status, code = BODIES[name]
    answer = admin.post(path, content=body, headers={"content-type": kind})
    assert_refused(answer, status, code)
    if status == 422:
        assert list(answer.json()["details"]) == ["track_id"]


def test_a_value_of_the_wrong_type_is_named(admin: httpx.Client) -> None:
    track_id = upload(admin, GOOD)["id"]
    for field, values in {
        "model": [7, None, ["dsp"], {"a": 1}, "nope", "x" * 1000],
        "engine": [7, "abacus"],
        "format": [[], "mp3", "wav64"],
    }.items():
        for value in values:
            answer = admin.post("/api/processing/separate", json={"track_id": track_id, field: value})
            assert_refused(answer, 422, "VALIDATION_ERROR")
            assert list(answer.json()["details"]) == [field], value
    for value in (7, {"a": 1}, ["nope"], [["tempo"]], [7], ["tempo"] * 51, "tempo,nope"):
        answer = admin.post("/api/analysis/analyze", json={"track_id": track_id, "features": value})
        assert_refused(answer, 422, "VALIDATION_ERROR")
        assert list(answer.json()["details"]) == ["features"], value
    for key in ("x" * 256, "tab\there"):
        answer = admin.post("/api/processing/separate", json={"track_id": track_id}, headers={"Idempotency-Key": key})
        assert_refused(answer, 400, "IDEMPOTENCY_KEY_INVALID")
    assert admin.get("/api/jobs", params={"track_id": track_id}).json()["data"] == []


@pytest.mark.parametrize("path", ["/api/tracks", "/api/jobs"])
def test_a_page_that_cannot_be_is_refused(admin: httpx.Client, path: str) -> None:
    for field, value in (("page", "0"), ("page", "x"), ("page", "9" * 30), ("page_size", "0"), ("page_size", "101")):
        answer = admin.get(path, params={field: value})
        assert_refused(answer, 422, "VALIDATION_ERROR")
        assert list(answer.json()["details"]) == [field]
    assert admin.get(path, params={"page": "1000000"}).json()["data"] == []


def test_a_filter_that_means_nothing_is_refused(admin: httpx.Client) -> None:
    for field in ("status", "type"):
        assert_refused(admin.get("/api/jobs", params={field: "nope"}), 422, "VALIDATION_ERROR")


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
