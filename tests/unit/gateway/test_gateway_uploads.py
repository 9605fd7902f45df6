"""Uploads: multipart in any slicing, and nothing left behind when they fail."""

import asyncio
import contextlib
import functools
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.errors import AppError, Code
from soundwright.kit.ports import BlobWriter
from soundwright.library.v1 import storage_service_pb2 as storage_pb
from soundwright.library.v1 import track_pb2
from soundwright.services.gateway.files.uploads import UploadPolicy, Uploads
from soundwright.services.gateway.wire import limits
from soundwright.services.gateway.wire.multipart import PartBegin, PartData, multipart_events

BOUNDARY = "XbounX"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """A multipart body of (name, filename, content)."""
    body = b""
    for name, filename, content in parts:
        named = f'; filename="{filename}"' if filename is not None else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


async def sliced(body: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    for start, end in itertools.pairwise(edges):
        yield body[start:end]


async def parts_of(pieces: AsyncIterator[bytes], kind: str = KIND) -> list[tuple[str, str | None, bytes]]:
    parts: list[tuple[str, str | None, bytes]] = []
    async for event in multipart_events(kind, pieces):
        if isinstance(event, PartBegin):
            parts.append((event.name, event.filename, b""))
        elif isinstance(event, PartData):
            name, filename, content = parts[-1]
            parts[-1] = (name, filename, content + event.data)
    return parts


NASTY = st.binary(max_size=300) | st.sampled_from([b"\r\n--Xboun", b"\r\n--XbounX!", b"\r", b"--XbounX--", b"\r\n\r\n"])


@given(st.lists(st.tuples(st.sampled_from(["file", "title"]), NASTY), max_size=4), st.lists(st.integers(0, 2000)))
@settings(deadline=None, max_examples=200)
def test_any_content_survives_any_slicing(contents: list[tuple[str, bytes]], cuts: list[int]) -> None:
    parts = [(name, "ü.wav" if name == "file" else None, content) for name, content in contents]
    parts = [part for part in parts if b"\r\n--XbounX" not in b"\r\n" + part[2]]
    if parts:
        assert asyncio.run(parts_of(sliced(form(*parts), cuts))) == parts


@pytest.mark.parametrize(
    "preamble", ["", "\r\n", "\n\n", "For old readers.\r\n", f"--{BOUNDARY[:-1]}\r\n", f"x--{BOUNDARY}\r\n"]
)
@pytest.mark.parametrize("cuts", [range(0), range(100)])
async def test_what_surrounds_the_boundaries_is_ignored(preamble: str, cuts: Sequence[int]) -> None:
    body = preamble.encode() + form(("title", None, b"x")) + b"The end."
    assert await parts_of(sliced(body, cuts)) == [("title", None, b"x")]


async def test_a_form_is_read_to_its_last_boundary_only() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield form(("title", None, b"x"))
        while True:
            yield b"more"

    assert await parts_of(endless()) == [("title", None, b"x")]


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        ("filename*=UTF-8''na%C3%AFve%20song.wav", "naïve song.wav"),
        ("filename*=iso-8859-1'en'na%EFve.wav", "naïve.wav"),
        ("filename=\"naive.wav\"; filename*=utf-8''na%C3%AFve.wav", "naïve.wav"),
        ("filename=\"naive.wav\"; filename*=klingon''na%C3%AFve.wav", "naive.wav"),
        ("filename=\"a; filename*=utf-8''b.wav\"", "a; filename*=utf-8''b.wav"),
        ("filename*=\"UTF-8''na%C3%AFve.wav\"", "naïve.wav"),
        ("filename*=klingon''na%C3%AFve.wav", "naïve.wav"),
        ("filename*=song.wav", "song.wav"),
    ],
)
async def test_extended_filenames_name_files(parameters: str, filename: str) -> None:
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; {parameters}\r\n\r\nx\r\n--{BOUNDARY}--\r\n'
    assert await parts_of(sliced(body.encode(), [])) == [("file", filename, b"x")]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (KIND, b"no boundary at all"),
        (KIND, b"\r\n" * limits.PREAMBLE_BYTES + form(("file", "a.wav", b"x"))),
        (KIND, form(("file", "a.wav", b"x"))[:-6]),
        (KIND, b""),
        (KIND, f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode()),
        (KIND, f"--{BOUNDARY}\r\n{'x: y' * 5000}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode()),
        ("multipart/form-data; boundary=" + "x" * 5000, b"x"),
    ],
)
async def test_refuses_what_is_no_form(kind: str, body: bytes) -> None:
    with pytest.raises(AppError, match="BAD_REQUEST"):
        await parts_of(sliced(body, [5]), kind)


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data", "audio/wav"])
async def test_refuses_other_kinds_of_bodies(kind: str) -> None:
    with pytest.raises(AppError) as refused:
        await parts_of(sliced(b"{}", []), kind)
    assert refused.value.http_status == 415


class Ingest:
    """The ingest service, as far as an upload needs it."""

    def __init__(self, blobs: FileBlobs, size_limit_bytes: int = 10_000_000) -> None:
        self.blobs = blobs
        self.size_limit_bytes = size_limit_bytes
        self.finished: list[pb.FinishUploadRequest] = []
        self.aborted: list[str] = []
        self.refusal: AppError | None = None

    async def CreateUpload(self, _request: pb.CreateUploadRequest) -> pb.CreateUploadResponse:
        upload_id = str(uuid.uuid4())
        return pb.CreateUploadResponse(
            upload_id=upload_id,
            blob_key=f"uploads/{upload_id}",
            size_limit_bytes=self.size_limit_bytes,
            track_id=upload_id,
        )

    async def FinishUpload(self, request: pb.FinishUploadRequest, timeout: float) -> pb.FinishUploadResponse:
        assert timeout == 600
        if self.refusal is not None:
            raise self.refusal
        self.finished.append(request)
        return pb.FinishUploadResponse(track=track_pb2.Track(id=request.upload_id))

    async def AbortUpload(self, request: pb.AbortUploadRequest) -> pb.AbortUploadResponse:
        self.aborted.append(request.upload_id)
        await self.blobs.delete(f"uploads/{request.upload_id}")
        return pb.AbortUploadResponse()


class AnyName(UploadPolicy):
    def check_filename(self, filename: str) -> None:
        return None


POLICY = AnyName("forge")


def request_of(pieces: Sequence[bytes], headers: dict[str, str] | None = None, complete: bool = True) -> Request:
    """A request whose body arrives in ``pieces``; incomplete: the client then goes away."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b""} if complete else {"type": "http.disconnect"})

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()  # the client waits for the response
        return messages.pop(0)

    given_headers = {"content-type": KIND, **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in given_headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}, receive)


class Quota:
    """The storage service. ``room_bytes``: what is left; None: there is no quota."""

    def __init__(self, room_bytes: int | None = None) -> None:
        self.room_bytes = room_bytes
        self.reserved: dict[str, int] = {}

    async def Reserve(self, request: storage_pb.ReserveRequest) -> storage_pb.ReserveResponse:
        if self.room_bytes is not None and request.size_bytes > self.room_bytes:
            raise AppError(Code.TOO_LARGE, "QUOTA_EXCEEDED", "no room")
        self.reserved[request.reservation_id] = request.size_bytes
        left = None if self.room_bytes is None else self.room_bytes - request.size_bytes
        return storage_pb.ReserveResponse(usage=storage_pb.Usage(available_bytes=left))

    async def Release(self, request: storage_pb.ReleaseRequest) -> storage_pb.ReleaseResponse:
        self.reserved.pop(request.reservation_id, None)
        return storage_pb.ReleaseResponse()


def uploads(
    ingest: Ingest, blobs: FileBlobs, max_bytes: int = 10_000_000, idle_seconds: float = 5.0, quota: Quota | None = None
) -> Uploads:
    return Uploads(ingest, quota or Quota(), blobs, max_bytes, idle_seconds, 600)  # type: ignore[arg-type]


def left_behind(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.is_file()]


async def test_an_upload_arrives_whole_with_its_fields(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    ingest = Ingest(blobs)
    content = bytes(range(256)) * 4000
    body = form(("title", None, b"Ein Lied"), ("file", "../ü.wav", content), ("artist", None, b"Me\0"))
    track, existed = await uploads(ingest, blobs).receive_track(request_of([body[:77], body[77:]]), POLICY)
    assert not existed
    [finished] = ingest.finished
    assert (finished.title, finished.artist, finished.album) == ("Ein Lied", "Me", "")
    assert finished.filename == "../ü.wav"  # cleaning is for ingest, which knows the rules
    assert track.id == finished.upload_id
    assert b"".join([piece async for piece in blobs.read(f"uploads/{track.id}")]) == content


def writing(root: Path, write: Callable[[BlobWriter, bytes], Awaitable[None]]) -> FileBlobs:
    """Return a store whose writers call ``write``."""

    class Blobs(FileBlobs):
        @contextlib.asynccontextmanager
        async def write(self, key: str) -> AsyncIterator[BlobWriter]:
            async with super().write(key) as writer:
                yield SimpleNamespace(write=functools.partial(write, writer))

    return Blobs(root)


async def test_small_pieces_are_written_in_large_ones(tmp_path: Path) -> None:
    sizes: list[int] = []

    async def count(writer: BlobWriter, data: bytes) -> None:
        sizes.append(len(data))
        await writer.write(data)

    blobs = writing(tmp_path, count)
    body = form(("file", "a.wav", b"x" * 1_000_000))
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    await uploads(Ingest(blobs), blobs).receive_track(request_of(pieces), POLICY)
    assert sum(sizes) == 1_000_000
    assert all(size >= 256 * 1024 for size in sizes[:-1])
    assert max(sizes) < 300_000


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([("file", "a.wav", b"x" * 200_001)], "TOO_LARGE"),
        ([("file", "a.wav", b"x"), ("file", "b.wav", b"y")], "BAD_REQUEST"),
        ([("file", "a.wav", b"x"), ("title", None, b"x" * 70_000)], "BAD_REQUEST"),
        ([("file", "a.wav", b"x")] + [("f", None, b"")] * 32, "BAD_REQUEST"),
        ([("file", None, b"not a file")], "VALIDATION_ERROR"),
        ([("song", "a.wav", b"x")], "VALIDATION_ERROR"),
    ],
)
async def test_refused_uploads_leave_nothing(
    tmp_path: Path, parts: list[tuple[str, str | None, bytes]], reason: str
) -> None:
    blobs = FileBlobs(tmp_path)
    ingest = Ingest(blobs, size_limit_bytes=200_000)
    with pytest.raises(AppError, match=reason):
        await uploads(ingest, blobs).receive_track(request_of([form(*parts)]), POLICY)
    assert left_behind(tmp_path) == []
    assert ingest.finished == []


async def test_an_announced_size_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    request = request_of([], {"content-length": "900000000"}, complete=False)
    with pytest.raises(AppError, match="TOO_LARGE: The file exceeds"):
        await uploads(Ingest(blobs), blobs, max_bytes=100).receive_track(request, POLICY)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
async def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path, share: float) -> None:
    blobs = FileBlobs(tmp_path)
    ingest = Ingest(blobs)
    body = form(("file", "a.wav", b"x" * 900_000))
    with pytest.raises(ClientDisconnect):
        await uploads(ingest, blobs).receive_track(request_of([body[: int(len(body) * share)]], complete=False), POLICY)
    assert left_behind(tmp_path) == []
    assert len(ingest.aborted) == 1


async def test_a_client_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    request = request_of([form(("file", "a.wav", b"x" * 1000))[:500]])
    arriving = request.receive
    started = False

    async def receive() -> Any:
        nonlocal started
        if started:
            await asyncio.Event().wait()
        started = True
        return await arriving()

    request._receive = receive
    with pytest.raises(AppError) as refused:
        await uploads(Ingest(blobs), blobs, idle_seconds=0.01).receive_track(request, POLICY)
    assert refused.value.http_status == 408
    assert left_behind(tmp_path) == []


async def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    async def fail(writer: BlobWriter, data: bytes) -> None:
        await writer.write(data[:100])
        raise AppError(Code.STORAGE_FULL, "STORAGE_FULL", "full")

    blobs = writing(tmp_path, fail)
    with pytest.raises(AppError, match="STORAGE_FULL"):
        await uploads(Ingest(blobs), blobs).receive_track(request_of([form(("file", "a.wav", b"x" * 900_000))]), POLICY)
    assert left_behind(tmp_path) == []


async def test_an_upload_over_quota_is_refused_before_it_is_stored(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    ingest, quota = Ingest(blobs), Quota(room_bytes=400_000)
    body = form(("file", "a.wav", b"x" * 500_000))
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    request = request_of(pieces, {"content-length": str(len(body))})
    with pytest.raises(AppError) as refusal:
        await uploads(ingest, blobs, quota=quota).receive_track(request, POLICY)
    assert (refusal.value.reason, refusal.value.http_status) == ("QUOTA_EXCEEDED", 413)
    assert (left_behind(tmp_path), quota.reserved) == ([], {})


async def test_an_upload_of_unknown_length_stops_at_the_quota(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    ingest, quota = Ingest(blobs), Quota(room_bytes=400_000)
    content = b"x" * 400_000
    await uploads(ingest, blobs, quota=quota).receive_track(request_of([form(("file", "a.wav", content))]), POLICY)
    assert len(ingest.finished) == 1
    body = form(("file", "a.wav", content + b"x"))
    with pytest.raises(AppError) as refusal:
        await uploads(ingest, blobs, quota=quota).receive_track(request_of([body[:9], body[9:]]), POLICY)
    assert refusal.value.reason == "QUOTA_EXCEEDED"
    assert len(left_behind(tmp_path)) == 1  # the file of the first upload
    assert list(quota.reserved) == [ingest.finished[0].upload_id]  # the library releases it with the track


async def test_the_inspection_ends_when_the_client_leaves(tmp_path: Path) -> None:
    """A client that has sent everything leaves while ingest reads the file."""
    blobs = FileBlobs(tmp_path)
    ingest, inspecting = Ingest(blobs), asyncio.Event()
    ended: list[str] = []

    async def inspect(request: pb.FinishUploadRequest, timeout: float) -> pb.FinishUploadResponse:
        inspecting.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(request.upload_id)
        raise AssertionError

    ingest.FinishUpload = inspect  # type: ignore[method-assign]
    body = [form(("file", "a.wav", b"RIFF"))]
    complete = request_of(body)

    async def receive() -> Any:
        if body:
            return {"type": "http.request", "body": body.pop()}
        await inspecting.wait()
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await uploads(ingest, blobs).receive_track(Request(complete.scope, receive), POLICY)
    assert len(ended) == 1
    assert left_behind(tmp_path) == []
