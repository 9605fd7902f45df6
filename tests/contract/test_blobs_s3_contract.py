"""The S3 store keeps what every file store promises."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from test_blobs_contract import BlobsContract, get, put

from soundwright.kit.adapters.s3.blobs import Access, S3Blobs
from soundwright.kit.errors import AppError
from tests.servers import s3
from tests.servers.s3 import S3Server


class TestS3Blobs(BlobsContract):
    @pytest_asyncio.fixture
    async def blobs(self, s3_server: S3Server) -> AsyncIterator[S3Blobs]:
        blobs = S3Blobs(s3_server.access(f"http://{s3_server.address}"))
        yield blobs
        await blobs.close()

    async def test_a_blob_of_several_parts(self, blobs: S3Blobs) -> None:
        piece = bytes(range(256)) * 4096
        async with blobs.write("big") as writer:
            for _ in range(20):
                await writer.write(piece)
        assert await get(blobs, "big", 17 << 20) == piece * 3
        info = await blobs.stat("big")
        assert info is not None
        assert info.size_bytes == 20 << 20

    async def test_purge_removes_multipart_uploads_of_dead_writers(self, blobs: S3Blobs) -> None:
        upload_id = await blobs._call(blobs._uploads.begin, "dead")
        await blobs._call(blobs._uploads.put_part, "dead", upload_id, 1, bytes(5 << 20))
        assert await blobs.keys("") == []
        assert await blobs.purge_partial(0) == 1
        assert await blobs.purge_partial(0) == 0

    async def test_a_broken_off_upload_of_several_parts_leaves_nothing(self, blobs: S3Blobs) -> None:
        async def upload() -> None:
            async with blobs.write("a") as writer:
                await writer.write(bytes(20 << 20))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await upload()
        assert await blobs.keys("") == []
        assert await blobs.purge_partial(0) == 0

    async def test_a_missing_bucket_is_created(self, s3_server: S3Server) -> None:
        name = f"new-{uuid.uuid4().hex[:12]}"
        blobs = S3Blobs(Access(f"s3+http://{s3_server.address}/{name}", s3.ACCESS_KEY, s3.SECRET_KEY))
        with pytest.raises(AppError, match="BUCKET_MISSING"):
            await blobs.check()
        with pytest.raises(AppError, match="BUCKET_MISSING"):
            await put(blobs, "a", b"1")
        await blobs.prepare()
        await blobs.check()
        assert await blobs.keys("") == []
        await blobs.close()

    async def test_a_presigned_download_has_the_headers_of_the_gateway(self, blobs: S3Blobs) -> None:
        await put(blobs, "a/b.flac", bytes(range(256)))
        assert blobs.public is not None
        disposition = "attachment; filename=\"a b.flac\"; filename*=UTF-8''%C3%A4%20b.flac"
        url = blobs.public.download_url("a/b.flac", "audio/flac", disposition)
        async with httpx.AsyncClient() as client:
            answer = await client.get(url)
            part = await client.get(url, headers={"Range": "bytes=-6"})
            other = await client.get(url.replace("b.flac?", "c.flac?"))
        assert answer.content == bytes(range(256))
        assert answer.headers["content-type"] == "audio/flac"
        assert answer.headers["content-disposition"] == disposition
        assert answer.headers["cache-control"] == "private, max-age=86400"
        info = await blobs.stat("a/b.flac")
        assert info is not None
        assert answer.headers["etag"] == f'"{info.etag}"'
        assert (part.status_code, part.content) == (206, bytes(range(250, 256)))
        assert other.status_code == 403

    async def test_an_upload_by_presigned_parts(self, blobs: S3Blobs) -> None:
        public = blobs.public
        assert public is not None
        first, last = bytes(range(256)) * (5 << 12), b"the end"
        upload = await public.begin_upload("u")
        async with httpx.AsyncClient() as client:
            for number, data in ((2, last), (1, first)):
                put_url = public.part_url("u", upload, number, len(data))
                assert (await client.put(put_url, content=data)).status_code == 200
        parts = await public.uploaded_parts("u", upload)
        assert [(part.number, part.size_bytes) for part in parts] == [(1, len(first)), (2, len(last))]
        assert await blobs.stat("u") is None
        await public.complete_upload("u", upload, parts)
        await public.complete_upload("u", upload, parts)  # after a lost answer
        assert await get(blobs, "u") == first + last
        async with httpx.AsyncClient() as client:  # the URLs of the parts have lost their effect
            assert (await client.put(put_url, content=first)).status_code >= 400
        assert await get(blobs, "u") == first + last

    async def test_another_part_or_one_of_another_size_is_refused(self, blobs: S3Blobs) -> None:
        public = blobs.public
        assert public is not None
        upload = await public.begin_upload("u")
        async with httpx.AsyncClient() as client:
            for data in (bytes(9), bytes(11)):
                assert (await client.put(public.part_url("u", upload, 1, 10), content=data)).status_code == 403
            url = public.part_url("u", upload, 1, 10)
            for other in (url.replace("partNumber=1", "partNumber=2"), url.replace("/u?", "/x?")):
                assert (await client.put(other, content=bytes(10))).status_code == 403
            assert await public.uploaded_parts("u", upload) == []
            assert (await client.put(public.part_url("u", upload, 1, 10), content=bytes(10))).status_code == 200
        await public.abort_upload("u", upload)
        await public.abort_upload("u", upload)
        with pytest.raises(AppError, match="BLOB_NOT_FOUND"):
            await public.uploaded_parts("u", upload)
        assert await blobs.keys("") == []
