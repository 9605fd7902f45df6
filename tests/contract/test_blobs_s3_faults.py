"""A broken S3 store: errors say what to do, no partial file passes for a whole one, and no restart is needed."""

import asyncio
import contextlib
import http.server
import json
import shutil
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from minio import time as minio_time
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from test_blobs_contract import get, put

from soundwright.kit.adapters.s3.blobs import Access, S3Blobs
from soundwright.kit.errors import AppError
from soundwright.kit.run import Runtime
from soundwright.kit.settings import Settings
from soundwright.services.gateway.files.files import blob_response
from tests.certificates import Authority
from tests.servers import s3
from tests.servers.fault_proxy import FaultProxy, Proxy
from tests.servers.s3 import S3Server
from tests.waiting import until

BIG = bytes(range(256)) * (20 << 12)  # 20 MB: three parts


@pytest.fixture
def proxy(faults: FaultProxy, s3_server: S3Server) -> Proxy:
    return faults.proxy(s3_server.address)


@pytest.fixture(autouse=True)
def every_failure_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log failures also if one of their kind was logged a moment ago, for example in another test."""
    monkeypatch.setattr("soundwright.kit.log._REPEAT_SECONDS", 0.0)


@pytest.fixture
def bucket_url(s3_server: S3Server) -> str:
    return s3_server.new_bucket()


@pytest_asyncio.fixture
async def direct(bucket_url: str) -> AsyncIterator[S3Blobs]:
    """A bucket without faults in between."""
    blobs = S3Blobs(Access(bucket_url, s3.ACCESS_KEY, s3.SECRET_KEY))
    yield blobs
    await blobs.close()


@pytest_asyncio.fixture
async def blobs(bucket_url: str, s3_server: S3Server, proxy: Proxy) -> AsyncIterator[S3Blobs]:
    """The same bucket through the fault proxy."""
    url = bucket_url.replace(s3_server.address, proxy.address)
    opened = S3Blobs(Access(url, s3.ACCESS_KEY, s3.SECRET_KEY))
    yield opened
    await opened.close()


async def refusal(work: Any) -> AppError:
    with pytest.raises(AppError) as caught:
        await work
    return caught.value


# ------------------------------------------------------------------------------------------------ whole files


async def test_a_cut_during_a_read_is_resumed_behind_what_arrived(
    direct: S3Blobs, blobs: S3Blobs, proxy: Proxy
) -> None:
    await put(direct, "a", BIG)
    proxy.add("limit_data", bytes=3 << 20)  # every connection breaks after 3 MB
    assert await get(blobs, "a") == BIG
    assert await get(blobs, "a", 5, 9 << 20) == BIG[5 : 5 + (9 << 20)]


async def test_a_local_copy_is_removed_off_the_event_loop(direct: S3Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    removers, remove = [], shutil.rmtree

    def record(*arguments: Any, **options: Any) -> None:
        removers.append(threading.current_thread())
        remove(*arguments, **options)

    monkeypatch.setattr(shutil, "rmtree", record)
    await put(direct, "a", b"data")
    async with direct.local("a") as path:
        assert path.read_bytes() == b"data"
    assert not path.parent.exists()
    assert len(removers) == 1
    assert threading.main_thread() not in removers


async def test_a_read_that_stays_cut_is_no_whole_file(direct: S3Blobs, blobs: S3Blobs, proxy: Proxy) -> None:
    await put(direct, "a", BIG)
    proxy.add("limit_data", bytes=1 << 19)
    assert (await refusal(get(blobs, "a"))).reason == "BLOBS_UNAVAILABLE"

    async def copy() -> None:
        async with blobs.local("a"):
            raise AssertionError("a part was taken for the file")

    assert (await refusal(copy())).reason == "BLOBS_UNAVAILABLE"
    proxy.restore()
    assert await get(blobs, "a") == BIG


@pytest.mark.parametrize("size", [1 << 20, len(BIG)])
async def test_a_cut_during_a_write_leaves_nothing_visible(
    direct: S3Blobs, blobs: S3Blobs, proxy: Proxy, size: int
) -> None:
    proxy.add("limit_data", upstream=True, bytes=1 << 19)
    assert (await refusal(put(blobs, "a", BIG[:size]))).reason == "BLOBS_UNAVAILABLE"
    assert await direct.keys("") == []
    proxy.restore()
    await put(blobs, "a", BIG[:size])
    assert await get(direct, "a") == BIG[:size]


async def test_short_cuts_during_a_write_are_survived(direct: S3Blobs, blobs: S3Blobs, proxy: Proxy) -> None:
    async def cut_now_and_then() -> None:
        for _ in range(4):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(proxy.cut)
            await asyncio.to_thread(proxy.restore)

    cutting = asyncio.create_task(cut_now_and_then())
    outcome: list[AppError] = []
    for number in range(8):
        try:
            await put(blobs, f"a/{number}", BIG)
        except AppError as error:
            outcome.append(error)
    await cutting
    visible = await direct.keys("")
    assert len(visible) + len(outcome) >= 8
    for key in visible:
        assert await get(direct, key) == BIG
    await put(blobs, "later", BIG)


async def test_a_lost_answer_to_the_completion_is_no_failure(direct: S3Blobs, blobs: S3Blobs, proxy: Proxy) -> None:
    upload = await blobs._call(blobs._uploads.begin, "a")
    parts = [await blobs._call(blobs._uploads.put_part, "a", upload, 1, BIG)]
    await direct._call(direct._uploads.complete, "a", upload, parts)  # as if the answer to it were lost
    await blobs._call(blobs._uploads.complete, "a", upload, parts)
    await put(direct, "a", b"something else")
    with pytest.raises(AppError, match="BLOB_NOT_FOUND"):
        await blobs._call(blobs._uploads.complete, "a", upload, parts)  # what is there has another size


# ------------------------------------------------------------------------------------------------ ranges


@pytest.mark.parametrize(("asked", "status", "content"), [
    ("bytes=1000-1999", 206, BIG[1000:2000]), ("bytes=-100", 206, BIG[-100:]), (f"bytes={len(BIG) - 7}-", 206, BIG[-7:]),
    (f"bytes={len(BIG)}-", 416, b""),
])  # fmt: skip
async def test_the_store_sends_only_the_range(
    direct: S3Blobs, blobs: S3Blobs, proxy: Proxy, asked: str, status: int, content: bytes
) -> None:
    await put(direct, "a", BIG)
    info = await direct.stat("a")
    assert info is not None
    before = proxy.sent_bytes
    for condition in ({}, {"if-range": f'"{info.etag}"'}):
        answered, body = await answer(blobs, {"range": asked, **condition})
        assert (answered.status_code, body) == (status, content)
    assert proxy.sent_bytes - before < 10_000


async def test_another_etag_in_if_range_gets_the_whole_file(direct: S3Blobs) -> None:
    await put(direct, "a", BIG)
    answered, body = await answer(direct, {"range": "bytes=0-9", "if-range": '"another"'})
    assert (answered.status_code, len(body)) == (200, len(BIG))


async def answer(blobs: S3Blobs, headers: dict[str, str]) -> tuple[Response, bytes]:
    """Return the gateway's answer for a file, and its body."""
    scope = {"type": "http", "method": "GET", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    response = await blob_response(Request(scope), blobs, "a", content_type="audio/wav", filename="a.wav")
    body = bytearray()

    async def send(message: Any) -> None:
        body.extend(message.get("body", b""))

    async def receive() -> Any:
        await asyncio.Event().wait()

    await response(scope, receive, send)
    return response, bytes(body)


# ------------------------------------------------------------------------------------------------ bad conditions


async def test_a_store_that_is_away_is_reported_and_returns_without_a_restart(blobs: S3Blobs, proxy: Proxy) -> None:
    await blobs.prepare()
    proxy.cut()
    for work in (blobs.check(), blobs.stat("a"), put(blobs, "a", b"1")):
        error = await refusal(work)
        assert (error.http_status, error.reason) == (503, "BLOBS_UNAVAILABLE")
    proxy.restore()
    await blobs.check()
    await put(blobs, "a", b"1")


async def logged(logs: list[Any], event: str) -> None:
    await until(lambda: any(entry["event"] == event for entry in logs), event)


async def test_a_component_starts_while_the_store_is_away(proxy: Proxy, tmp_path: Path) -> None:
    proxy.cut()
    url = f"s3+http://{proxy.address}/{uuid.uuid4()}"
    secret = SecretStr(s3.SECRET_KEY)
    settings = Settings(
        data_dir=tmp_path, blobs_url=url, blobs_access_key=SecretStr(s3.ACCESS_KEY), blobs_secret_key=secret
    )
    runtime = Runtime("ingest", settings)
    with structlog.testing.capture_logs() as logs:
        blobs = runtime.blobs()
        await logged(logs, "blobs.not_ready")
        proxy.restore()
        await logged(logs, "blobs.ready")
    await put(blobs, "a", b"1")  # the bucket exists
    await runtime.close()


async def test_a_slow_store_is_slow_and_blocks_nothing_else(blobs: S3Blobs, proxy: Proxy) -> None:
    proxy.add("latency", latency=2000)
    writing = asyncio.create_task(put(blobs, "a", b"1"))
    ticks = 0
    while not writing.done():
        await asyncio.sleep(0.01)
        ticks += 1
    await writing
    assert ticks > 20
    assert await get(blobs, "a") == b"1"


async def test_a_store_that_hangs_fails_its_check_in_time(blobs: S3Blobs, proxy: Proxy) -> None:
    proxy.add("timeout")
    async with asyncio.timeout(25):  # other requests wait for 30 s, and are repeated
        assert (await refusal(blobs.check())).reason == "BLOBS_UNAVAILABLE"


async def test_an_unknown_host_is_reported() -> None:
    blobs = S3Blobs(Access("s3+http://store.invalid:9000/bucket", "key", "secret"))
    with structlog.testing.capture_logs() as logs:
        assert (await refusal(blobs.check())).reason == "BLOBS_UNAVAILABLE"
    assert "store.invalid" in logs[-1]["error"]
    await blobs.close()


class _Store(http.server.BaseHTTPRequestHandler):
    """Gives the same answer to all requests."""

    status: int
    body: bytes

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None: ...


@contextlib.contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Yield the URL of a bucket in a store that gives the same answer to all requests."""
    handler = type("Handler", (_Store,), {"status": status, "body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"s3+http://127.0.0.1:{web.server_address[1]}/bucket"
        web.shutdown()


async def test_a_server_that_is_no_store_is_reported() -> None:
    with answering(200, b"<html><body>It works!</body></html>") as url:
        blobs = S3Blobs(Access(url, "key", "secret"))
        for work in (
            blobs.check(),
            blobs.prepare(),
            blobs.stat("a"),
            get(blobs, "a", 5),
            blobs.keys(""),
            put(blobs, "a", BIG),
        ):
            assert (await refusal(work)).reason == "BLOBS_UNAVAILABLE"
        await blobs.close()


@pytest.mark.parametrize(
    "code", ["XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"]
)
async def test_a_store_that_says_it_is_full_is_reported_as_full(code: str) -> None:
    document = f"<Error><Code>{code}</Code><Message>full</Message></Error>"
    with answering(507, document.encode()) as url:
        blobs = S3Blobs(Access(url, "key", "secret"))
        for size in (1, len(BIG)):
            error = await refusal(put(blobs, "a", BIG[:size]))
            assert (error.http_status, error.reason) == (507, "STORAGE_FULL")
        await blobs.close()


async def test_wrong_keys_are_reported_with_what_to_correct(bucket_url: str) -> None:
    for keys in ((s3.ACCESS_KEY, "wrong"), ("nobody", s3.SECRET_KEY)):
        blobs = S3Blobs(Access(bucket_url, *keys))
        with structlog.testing.capture_logs() as logs:
            assert (await refusal(blobs.check())).reason == "BLOBS_REFUSED"
        assert "SOUNDWRIGHT_BLOBS_SECRET_KEY" in logs[-1]["advice"]
        error = await refusal(put(blobs, "a", b"1"))
        assert (error.http_status, error.reason) == (503, "BLOBS_REFUSED")
        await blobs.close()


async def test_a_read_only_account_reads_and_is_told_apart(
    s3_server: S3Server, direct: S3Blobs, bucket_url: str
) -> None:
    await put(direct, "a", b"1")
    blobs = S3Blobs(Access(bucket_url, *s3.READER))
    assert await get(blobs, "a") == b"1"
    with structlog.testing.capture_logs() as logs:
        error = await refusal(blobs.prepare())
    assert (error.http_status, error.reason) == (503, "BLOBS_REFUSED")
    assert "write" in logs[-1]["advice"]
    assert (await refusal(put(blobs, "b", BIG))).reason == "BLOBS_REFUSED"
    assert await direct.keys("") == ["a"]
    await blobs.close()


async def test_a_missing_bucket_that_may_not_be_created_is_reported(s3_server: S3Server) -> None:
    blobs = S3Blobs(Access(f"s3+http://{s3_server.address}/not-there", *s3.WRITER))
    error = await refusal(blobs.prepare())
    assert (error.http_status, error.reason) == (503, "BUCKET_MISSING")
    await blobs.close()


async def test_clocks_that_differ_are_reported(direct: S3Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    real = minio_time.utcnow
    monkeypatch.setattr(minio_time, "utcnow", lambda: real() - timedelta(hours=1))
    with structlog.testing.capture_logs() as logs:
        error = await refusal(direct.check())
    assert (error.http_status, error.reason) == (503, "BLOBS_CLOCK_SKEWED")
    assert "clocks" in error.message
    assert "clocks" in logs[-1]["advice"]
    monkeypatch.undo()
    await direct.check()


if shutil.which("minio"):  # SeaweedFS enforces quotas only when an operator says so

    @pytest.mark.parametrize("s3_server", ["minio"], indirect=True)
    async def test_a_bucket_over_its_quota_is_reported_as_full(s3_server: S3Server, direct: S3Blobs) -> None:
        await put(direct, "old", b"1")
        admin = MinioAdmin(
            endpoint=s3_server.address, credentials=StaticProvider(s3.ACCESS_KEY, s3.SECRET_KEY), secure=False
        )
        bucket = direct.locate("x").split("/")[1]
        admin.bucket_quota_set(bucket, 5 << 20)
        for size in (6 << 20, len(BIG)):
            error = await refusal(put(direct, "a", BIG[:size]))
            assert (error.http_status, error.reason) == (507, "STORAGE_FULL")
        assert await direct.keys("") == ["old"]
        admin.bucket_quota_clear(bucket)
        await put(direct, "a", BIG)


async def test_errors_and_logs_contain_no_secret(direct: S3Blobs) -> None:
    access = Access("s3+http://127.0.0.1:1/bucket", "key", "the secret")
    blobs = S3Blobs(access)
    with structlog.testing.capture_logs() as logs:
        error = await refusal(blobs.stat("a"))
    assert "the secret" not in repr(access) + str(error) + json.dumps(logs, default=str)
    await blobs.close()


# ------------------------------------------------------------------------------------------------ TLS


@pytest.mark.parametrize("name", s3.SERVERS)
async def test_over_tls_only_the_platform_s_authority_counts(name: str, tmp_path: Path) -> None:
    platform, stranger = Authority(tmp_path / "platform"), Authority(tmp_path / "stranger")
    with s3.SERVERS[name](tmp_path / "store", certificates=platform.certificates("store")) as secured:
        url = f"s3+https://localhost:{secured.address.rpartition(':')[2]}/bucket"
        trusting = S3Blobs(
            Access(url, s3.ACCESS_KEY, s3.SECRET_KEY, tls=platform.certificates("library").client_context())
        )
        await trusting.prepare()
        await put(trusting, "a", BIG)
        assert await get(trusting, "a") == BIG
        for tls in (stranger.certificates("library").client_context(), None):
            other = S3Blobs(Access(url, s3.ACCESS_KEY, s3.SECRET_KEY, tls=tls))
            with structlog.testing.capture_logs() as logs:
                assert (await refusal(other.check())).reason == "BLOBS_UNAVAILABLE"
            assert "certificate verify failed" in logs[-1]["error"]
            await other.close()
        await trusting.close()
