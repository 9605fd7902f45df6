"""A stack whose files are in an S3 store: redirects, uploads in parts, and a store that goes away."""

import contextlib
import dataclasses
import hashlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile
from processes import eventually
from work import FRAME_COUNT, RECORDINGS, SETTINGS

from soundwright.kit.adapters.s3.blobs import Access
from soundwright.kit.settings import Settings
from soundwright_client.local import Stack, running
from tests.files import files_below
from tests.lossy_calls import Calls
from tests.servers import s3
from tests.servers.fault_proxy import Proxy, fault_proxy

pytestmark = pytest.mark.campaign

LIMIT_BYTES = 64 << 20


class Store:
    """SeaweedFS that can be killed and started again, behind a fault proxy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self.address = ""
        self.start()
        self.url = s3.S3Server(self.address).new_bucket()
        self.access = Access(self.url, s3.ACCESS_KEY, s3.SECRET_KEY)

    def start(self) -> None:
        self.address = self._stack.enter_context(s3.seaweedfs(self._folder, self.address)).address

    def kill(self) -> None:
        self._stack.close()


@dataclass
class World:
    store: Store
    proxy: Proxy
    stack: Stack
    client: httpx.Client

    def upload(self, content: bytes) -> dict[str, Any]:
        answer = self.client.post("/api/tracks", files={"file": ("song.wav", content)})
        assert answer.status_code == 201, answer.text
        track: dict[str, Any] = answer.json()["data"]
        return track

    def separate(self, track_id: str) -> str:
        answer = self.client.post("/api/processing/separate", json={"track_id": track_id, "model": "dsp"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.client.get(f"/api/jobs/{job_id}").json()["data"]
        return job

    def until_in_mid_job(self, job_id: str) -> None:
        folder = self.stack.data_dir / "scratch" / "separation"
        eventually(lambda: any(file.stat().st_size for file in files_below(folder)), "the job writes stems")
        assert self.job(job_id)["status"] == "processing"

    def readiness(self, component: str) -> dict[str, Any]:
        transport = httpx.HTTPTransport(
            uds=str(Settings(data_dir=self.stack.data_dir).run_dir / f"{component}.ops.sock")
        )
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=20) as probe:
            report: dict[str, Any] = probe.get("/readyz").json()
            return report


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with contextlib.ExitStack() as opened:
        store = Store(tmp_path_factory.mktemp("seaweedfs"))
        opened.callback(store.kill)
        faults = opened.enter_context(fault_proxy())
        proxy = faults.proxy(store.address)
        settings = {
            **SETTINGS,
            "SOUNDWRIGHT_BLOBS_URL": store.url.replace(store.address, proxy.address),
            "SOUNDWRIGHT_BLOBS_ACCESS_KEY": s3.ACCESS_KEY,
            "SOUNDWRIGHT_BLOBS_SECRET_KEY": s3.SECRET_KEY,
            "SOUNDWRIGHT_BLOBS_PUBLIC_URL": f"http://{store.address}",
            "SOUNDWRIGHT_MAX_UPLOAD_BYTES": str(LIMIT_BYTES),
        }
        stack = opened.enter_context(running(tmp_path_factory.mktemp("stack"), settings))
        yield World(store, proxy, stack, opened.enter_context(stack.client()))


@pytest.fixture(scope="module")
def content(song: Path) -> bytes:
    return song.read_bytes()


@pytest.fixture(scope="module")
def track(world: World, content: bytes) -> dict[str, Any]:
    return world.upload(content)


# ------------------------------------------------------------------------------------------------ downloads


def test_a_download_is_redirected_to_the_store(world: World, track: dict[str, Any], content: bytes) -> None:
    path = track["file_path"]
    redirect = world.client.get(path)
    assert redirect.status_code == 307
    assert redirect.headers["cache-control"] == "no-store"
    location = redirect.headers["location"]
    assert location.startswith(f"http://{world.store.address}/")
    with httpx.Client() as anonymous:
        answer = anonymous.get(location)
        assert answer.content == content
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["content-disposition"].startswith('inline; filename="')
        part = anonymous.get(location, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, content[100:200])
        assert anonymous.get(f"{world.stack.base_url}{path}").status_code == 401
    assert (
        f"media-src 'self' http://{world.store.address}"
        in world.client.get("/studio").headers["content-security-policy"]
    )
    followed = world.client.get(path, headers={"Range": "bytes=-50"}, follow_redirects=True)
    assert (followed.status_code, followed.content) == (206, content[-50:])


def test_the_pipeline_sends_the_bytes_itself(world: World, content: bytes) -> None:
    short = io.BytesIO()
    data, rate = soundfile.read(io.BytesIO(content), frames=22_050, dtype="int16")
    soundfile.write(short, data, rate, "PCM_16", format="WAV")
    job_id = world.client.post("/process", files={"file": ("a.wav", short.getvalue())}).json()["job_id"]
    eventually(lambda: world.client.get(f"/job/{job_id}").json()["status"] == "completed", "the pipeline ends", 150)
    answer = world.client.get(f"/download/{job_id}/vocals")
    assert (answer.status_code, answer.content[:4]) == (200, b"RIFF")


# ------------------------------------------------------------------------------------------------ uploads in parts


def begin(world: World, size: int, name: str = "song.wav") -> dict[str, Any]:
    answer = world.client.post("/api/uploads", json={"filename": name, "size_bytes": size})
    assert answer.status_code == 201, answer.text
    upload: dict[str, Any] = answer.json()["data"]
    return upload


def send(world: World, upload: dict[str, Any], content: bytes) -> None:
    numbers = list(range(1, upload["part_count"] + 1))
    parts = world.client.post(f"/api/uploads/{upload['id']}/parts", json={"part_numbers": numbers}).json()["data"]
    with httpx.Client() as anonymous:
        for part in parts:
            start = (part["part_number"] - 1) * upload["part_size_bytes"]
            piece = content[start : start + part["size_bytes"]]
            assert anonymous.put(part["url"], content=piece).status_code == 200


def complete(world: World, upload: dict[str, Any], **texts: str) -> httpx.Response:
    return world.client.post(f"/api/uploads/{upload['id']}/complete", json=texts)


def stored(world: World, prefix: str) -> list[str]:
    client = s3.Minio(world.store.address, s3.ACCESS_KEY, s3.SECRET_KEY, secure=False, region="us-east-1")
    found = client.list_objects(world.store.access.bucket, prefix=prefix, recursive=True)
    return [str(item.object_name) for item in found]


def test_an_upload_in_parts_becomes_a_track(world: World, content: bytes) -> None:
    wav = io.BytesIO()
    data, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    soundfile.write(wav, [*data] * 4, rate, "PCM_16", format="WAV")
    big = wav.getvalue()
    upload = begin(world, len(big))
    assert upload["part_count"] == 2
    missing = complete(world, upload)
    assert (missing.status_code, missing.json()["code"]) == (409, "UPLOAD_INCOMPLETE")
    send(world, upload, big)
    assert world.client.get(f"/api/uploads/{upload['id']}").json()["data"]["uploaded_parts"] == [1, 2]
    answer = complete(world, upload, title="Long")
    assert answer.status_code == 201, answer.text
    track = answer.json()["data"]
    assert (track["id"], track["title"], track["file_size"]) == (upload["id"], "Long", len(big))
    assert complete(world, upload).json()["data"]["id"] == track["id"]  # after a lost answer
    got = world.client.get(track["file_path"], follow_redirects=True).content
    assert hashlib.sha256(got).digest() == hashlib.sha256(big).digest()
    assert stored(world, "uploads/") == []


def test_a_refused_upload_in_parts_leaves_nothing(world: World) -> None:
    upload = begin(world, 1000)
    send(world, upload, bytes(1000))
    refused = complete(world, upload)
    assert (refused.status_code, refused.json()["code"]) == (422, "AUDIO_UNREADABLE")
    assert stored(world, "uploads/") == []
    assert complete(world, upload).status_code == 404
    assert world.client.get(f"/api/tracks/{upload['id']}").status_code == 404


def account(world: World, email: str) -> httpx.Client:
    environment = {**os.environ, "SOUNDWRIGHT_DATA_DIR": str(world.stack.data_dir)}
    command = [sys.executable, "-m", "soundwright.services.library", "create-account", email]
    token = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    return httpx.Client(base_url=world.stack.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def test_an_upload_in_parts_counts_in_the_quota_from_its_begin(world: World, content: bytes) -> None:
    size = len(content)
    with account(world, "parts@example.org") as client:
        own = dataclasses.replace(world, client=client)

        def used() -> int:
            return int(client.get("/api/users/me/storage").json()["data"]["used_bytes"])

        def refused(answer: httpx.Response) -> bool:
            return (answer.status_code, answer.json()["code"]) == (413, "QUOTA_EXCEEDED")

        [user] = world.client.get("/api/admin/users", params={"search": "parts@example.org"}).json()["data"]
        quota = {"storage_quota_bytes": 2 * size}
        assert world.client.patch(f"/api/admin/users/{user['id']}", json=quota).status_code == 200
        first, second = begin(own, size), begin(own, size)
        assert used() == 2 * size
        records = stored(world, "uploads/")
        assert refused(client.post("/api/uploads", json={"filename": "song.wav", "size_bytes": 1}))
        assert refused(client.post("/api/tracks", files={"file": ("song.wav", content)}))
        assert stored(world, "uploads/") == records
        assert client.delete(f"/api/uploads/{second['id'].upper()}").status_code == 204
        assert used() == size
        send(own, first, content)
        assert complete(own, first).status_code == 201
        assert used() == size  # counted once
        damaged = begin(own, 1000)
        send(own, damaged, bytes(1000))
        assert complete(own, damaged).json()["code"] == "AUDIO_UNREADABLE"
        assert used() == size
        assert client.delete(f"/api/tracks/{first['id']}").status_code == 204
        assert used() == 0


async def test_the_end_of_an_upload_in_parts_succeeds_when_its_answer_was_lost(world: World, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        calls = Calls(Settings(data_dir=world.stack.data_dir), Path(folder))
        await calls.start(world.stack.token)
        try:
            first, second = begin(world, len(content)), begin(world, 1000)
            send(world, first, content)
            track = (await calls.repeated("IngestService.FinishDirectUpload", upload_id=first["id"])).track
            assert track.id == first["id"]
            await calls.repeated("IngestService.AbortDirectUpload", upload_id=second["id"])
        finally:
            await calls.stop()
        assert len(calls.proxies["ingest"].lost) == 2
    assert stored(world, "uploads/") == []


# ------------------------------------------------------------------------------------------------ faults


def assert_whole_once(world: World, job_id: str) -> None:
    eventually(lambda: world.job(job_id)["status"] in ("completed", "failed"), f"job {job_id} ends", 150)
    job = world.job(job_id)
    assert (job["status"], job["error"]) == ("completed", None)
    keys = [f"stems/{job['attempt']}/{job_id}/{name}.flac" for name in RECORDINGS]

    def left() -> list[str]:
        return sorted({key.removesuffix(".dat") for key in stored(world, "stems/") if job_id in key})

    eventually(lambda: left() == keys, "only the stems are left, without what could be heard before")
    for stem in job["result"]["stems"]:
        data = world.client.get(f"/export/stem/{stem['id']}", follow_redirects=True).content
        assert soundfile.info(io.BytesIO(data)).frames == FRAME_COUNT


def test_a_store_killed_during_a_job_costs_nothing(world: World, track: dict[str, Any]) -> None:
    job_id = world.separate(track["id"])
    world.until_in_mid_job(job_id)
    world.store.kill()
    eventually(lambda: "blobs" in world.readiness("separation")["failing"], "the check fails")
    world.store.start()
    assert_whole_once(world, job_id)


def test_a_cut_while_results_are_stored_costs_nothing(world: World, track: dict[str, Any]) -> None:
    job_id = world.separate(track["id"])
    world.until_in_mid_job(job_id)
    fault = world.proxy.add("limit_data", upstream=True, bytes=3 << 20)  # the stems do not pass
    eventually(lambda: world.job(job_id)["attempt"] >= 2, "the first attempt fails")
    world.proxy.remove(fault)
    assert_whole_once(world, job_id)


def test_the_command_lists_orphans(world: World) -> None:
    settings = {
        "SOUNDWRIGHT_DATA_DIR": str(world.stack.data_dir),
        "SOUNDWRIGHT_BLOBS_URL": world.store.url,
        "SOUNDWRIGHT_BLOBS_ACCESS_KEY": s3.ACCESS_KEY,
        "SOUNDWRIGHT_BLOBS_SECRET_KEY": s3.SECRET_KEY,
    }
    command = [sys.executable, "-m", "soundwright.services.library", "orphans"]
    run = subprocess.run(command, env={**os.environ, **settings}, check=True, capture_output=True, text=True)
    assert run.stdout == "Found 0 orphaned files with 0.0 MB.\n"
    refused = subprocess.run([*command, "--delete", "--older-than-hours", "0.5"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "at least 1" in refused.stderr
