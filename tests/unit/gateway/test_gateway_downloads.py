"""Ranges, conditions, names and archives of downloads."""

import io
import zipfile
from email.utils import formatdate
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import unquote

import httpx
import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.errors import AppError
from soundwright.kit.file_names import safe_title
from soundwright.services.gateway.files.archives import Member, archive_response, stream_zip
from soundwright.services.gateway.files.files import Span, Unsatisfiable, attachment, blob_response, parse_range
from soundwright.services.gateway.wire.problems import problem_of

CONTENT = bytes(range(256)) * 10


@pytest.mark.parametrize(
    ("value", "size", "span"),
    [
        ("bytes=0-99", 1000, Span(0, 100)), ("bytes=900-", 1000, Span(900, 100)), ("bytes=-1", 1000, Span(999, 1)),
        ("bytes=-5000", 1000, Span(0, 1000)), ("bytes=990-5000", 1000, Span(990, 10)),
        ("BYTES = 3 - 3", 1000, Span(3, 1)), ("bytes=5-4", 1000, None), ("bytes=-", 1000, None),
        ("bytes=0-1,5-6", 1000, None), ("items=0-1", 1000, None), ("bytes=0x1-2", 1000, None),
        ("bytes=" + "9" * 5000 + "-", 1000, None), ("", 1000, None),
    ],
)  # fmt: skip
def test_ranges_are_parsed(value: str, size: int, span: Span | None) -> None:
    assert parse_range(value, size) == span


@pytest.mark.parametrize(("value", "size"), [("bytes=1000-", 1000), ("bytes=0-", 0), ("bytes=-0", 10), ("bytes=-5", 0)])
def test_ranges_behind_the_end_are_refused(value: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(value, size)


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d{0,6}-\d{0,6}", fullmatch=True), st.integers(0, 10_000))
def test_a_range_lies_within_the_file_whatever_is_asked(value: str, size: int) -> None:
    try:
        span = parse_range(value, size)
    except Unsatisfiable:
        return
    if span is not None:
        assert 0 <= span.start < span.start + span.length <= size


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vocals.wav", 'attachment; filename="vocals.wav"'),
        ("Ümläut.wav", "attachment; filename=\"Umlaut.wav\"; filename*=UTF-8''%C3%9Cml%C3%A4ut.wav"),
        ("東京.wav", "attachment; filename=\"download.wav\"; filename*=UTF-8''%E6%9D%B1%E4%BA%AC.wav"),
        ('a"b\r\nSet-Cookie: x\\/.wav', 'attachment; filename="abSet-Cookie: x.wav"'),
        ("\x00\x1f", 'attachment; filename="download"'),
    ],
)
def test_names_of_attachments_are_encoded(name: str, expected: str) -> None:
    assert attachment(name) == expected


@given(st.text(max_size=300))
def test_any_name_gives_a_header_that_is_one_line_of_ascii(name: str) -> None:
    value = attachment(name)
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    if "filename*" in value:
        kept = unquote(value.rpartition("''")[2])
        assert "/" not in kept
        assert kept == kept.strip()


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Blinding Lights", "Blinding Lights"), ("../../etc/passwd", "etcpasswd"), ("", "track"), ("***", "track"),
        ("x" * 500, "x" * 100), ("曲" * 500, "曲" * 50), ("a" + "é" * 100, "a" + "é" * 74),  # whole characters in 150 bytes
        ("Aux", "_Aux"), ("con .1", "_con .1"), ("COM¹", "_COM¹"), ("Auxiliary", "Auxiliary"), ("Con te partirò", "Con te partirò"),
    ],
)  # fmt: skip
def test_titles_become_file_names(title: str, expected: str) -> None:
    assert safe_title(title) == expected


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


@pytest.fixture
async def site(blobs: FileBlobs) -> httpx.AsyncClient:
    async with blobs.write("a/file.wav") as writer:
        await writer.write(CONTENT)

    async def get(request: Request) -> Response:
        request.scope["soundwright.head"] = request.method == "HEAD"  # as the edge does
        return await blob_response(request, blobs, "a/file.wav", content_type="audio/wav", filename="file.wav")

    def refuse(_: Request, error: Exception) -> Response:
        return Response(status_code=problem_of(error).status)

    app = Starlette(routes=[Route("/f", get)], exception_handlers={AppError: refuse})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_a_file_comes_from_the_store_except_for_scripts_of_the_studio(
    site: httpx.AsyncClient, blobs: FileBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "public", Mock(download_url=lambda *_: "http://store/file"))
    player = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "audio"}
    for headers in ({}, player, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "empty"}):
        answer = await site.get("/f", headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (307, "http://store/file")
    answer = await site.get("/f", headers={"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_head_of_an_archive_reads_no_file(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)  # without the file

    async def get(request: Request) -> Response:
        request.scope["soundwright.head"] = request.method == "HEAD"  # as the edge does
        return archive_response(request, blobs, [Member("a.wav", "a/gone.wav", 1)], "a.zip")

    app = Starlette(routes=[Route("/f", get)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.head("/f")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
        assert answer.headers["content-disposition"] == 'attachment; filename="a.zip"'
        with pytest.raises(AppError):
            await client.get("/f")


async def test_serves_whole_parts_and_nothing(site: httpx.AsyncClient) -> None:
    whole = await site.get("/f")
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["content-length"] == str(len(CONTENT))
    assert whole.headers["accept-ranges"] == "bytes"
    part = await site.get("/f", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, CONTENT[100:200])
    assert part.headers["content-range"] == "bytes 100-199/2560"
    assert part.headers["content-length"] == "100"
    tail = await site.get("/f", headers={"Range": "bytes=-60"})
    assert tail.content == CONTENT[-60:]
    beyond = await site.get("/f", headers={"Range": "bytes=2560-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */2560")
    several = await site.get("/f", headers={"Range": "bytes=0-1,4-5"})
    assert (several.status_code, several.content) == (200, CONTENT)
    for value in ("bytes=0-1", "bytes=2560-"):  # only GET has ranges
        head = await site.head("/f", headers={"Range": value})
        assert (head.status_code, head.headers["content-length"]) == (200, "2560")


async def test_conditional_requests_are_answered(site: httpx.AsyncClient) -> None:
    first = await site.get("/f")
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    unchanged = await site.get("/f", headers={"If-None-Match": f'"other", W/{etag}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (await site.get("/f", headers={"If-None-Match": '"other"'})).status_code == 200
    lines = [("If-None-Match", '"other"'), ("If-None-Match", etag)]
    assert (await site.get("/f", headers=lines)).status_code == 304
    for condition, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200), (modified, 206), ("nonsense", 200)):
        answer = await site.get("/f", headers={"Range": "bytes=0-9", "If-Range": condition})
        assert (condition, answer.status_code) == (condition, status)
    old, later = formatdate(0, usegmt=True), formatdate(4e9, usegmt=True)
    for conditions, status in (
        ({"If-Modified-Since": modified}, 304), ({"If-Modified-Since": later}, 304), ({"If-Modified-Since": old}, 200),
        ({"If-Modified-Since": "yesterday"}, 200), ({"If-Modified-Since": modified, "If-None-Match": '"other"'}, 200),
        ({"If-Match": etag}, 200), ({"If-Match": "*"}, 200), ({"If-Match": f'"other", {etag}'}, 200),
        ({"If-Match": '"other"'}, 412), ({"If-Match": f"W/{etag}"}, 412),
        ({"If-Unmodified-Since": modified}, 200), ({"If-Unmodified-Since": old}, 412),
        ({"If-Unmodified-Since": old, "If-Match": etag}, 200), ({"If-Match": '"other"', "If-None-Match": etag}, 412),
    ):  # fmt: skip
        answer = await site.get("/f", headers=conditions)
        assert (conditions, answer.status_code) == (conditions, status)
    assert (await site.get("/f", headers={"Range": "bytes=0-9", "If-Range": old})).status_code == 200


async def test_archive_holds_every_member_unchanged(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    contents = {"a": b"", "b": CONTENT * 2000, "ü - c": b"x"}
    members = []
    for number, (name, content) in enumerate(contents.items()):
        key = f"stems/{number}"
        async with blobs.write(key) as writer:
            await writer.write(content)
        members.append(Member(f"{name}.flac", key, len(content), 1_700_000_000.0))
    # The third pretends to be huge: then the 64-bit records must fit as well.
    members[2] = Member(members[2].name, members[2].key, 2**33)
    pieces = [piece async for piece in stream_zip(blobs, members)]
    assert max(map(len, pieces)) < 2 * 1024**2  # never a member at once
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    assert [info.extract_version for info in archive.infolist()] == [20, 20, 45]
    assert {info.filename: archive.read(info) for info in archive.infolist()} == {
        f"{name}.flac": content for name, content in contents.items()
    }


async def test_archive_with_a_lost_member_ends_in_an_error_not_in_a_smaller_archive(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    async with blobs.write("a") as writer:
        await writer.write(b"x")
    received = bytearray()

    async def read() -> None:
        async for piece in stream_zip(blobs, [Member("a", "a", 1), Member("b", "b", 1)]):
            received.extend(piece)

    with pytest.raises(AppError, match="BLOB_NOT_FOUND"):
        await read()
    assert received
    assert not zipfile.is_zipfile(io.BytesIO(received))
