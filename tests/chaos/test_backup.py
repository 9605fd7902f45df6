"""A stack is backed up while it works, destroyed, restored, and then moved to MongoDB and S3."""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from processes import components, kill_all
from work import FRAME_COUNT, LONG_FRAME_COUNT, SETTINGS, Work

from soundwright.services.library.transfer.documents import COLLECTIONS
from soundwright_client.local import Stack, running
from tests.api.browser import Browser, registered, token_of
from tests.servers.mongodb import database_url, mongodb
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, seaweedfs
from tests.simulators.webhook_receiver import WebhookReceiver
from tests.unit.library_data import stored
from tests.waiting import eventually

pytestmark = pytest.mark.campaign


def library(data_dir: Path, *arguments: str, **settings: str) -> str:
    """Run a command of the library. Return its output."""
    environment = {**os.environ, "SOUNDWRIGHT_DATA_DIR": str(data_dir), **settings}
    command = [sys.executable, "-m", "soundwright.services.library", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


class Person:
    """Somebody with a session, an API token, a clip with a vote, and a webhook."""

    def __init__(self, stack: Stack, receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        with Browser(stack.base_url) as browser:
            registered(browser)
            self.token = token_of(browser)
            self.cookies = dict(browser.cookies)
        with self.client(stack) as client:
            asked = client.post("/generate", json={"prompt": "calm piano", "duration": 1, "model": "music"})
            self.clip = str(asked.json()["job_id"])
            eventually(lambda: client.get(f"/job/{self.clip}").json()["status"] == "completed", "the clip is made")
            assert client.post(f"/api/library/{self.clip}/vote", json={"vote": 1}).json()["upvotes"] == 1
            made = client.post("/api/webhooks", json={"url": receiver.url + "/hook"}).json()["data"]
            self.webhook, self.secret = made["id"], made["secret"]
            self.audio = client.get(f"/audio/{self.clip}.wav").content

    def client(self, stack: Stack) -> httpx.Client:
        return httpx.Client(base_url=stack.base_url, headers={"Authorization": f"Bearer {self.token}"}, timeout=60)

    def assert_at_home(self, stack: Stack) -> None:
        """Everything that this person had is there."""
        with httpx.Client(base_url=stack.base_url, cookies=self.cookies, timeout=60) as browser:
            assert browser.get("/users/settings").status_code == 200, "the session is valid"
        with self.client(stack) as client:
            assert client.get(f"/audio/{self.clip}.wav").content == self.audio
            [clip] = client.get("/api/library").json()["items"]
            assert clip["upvotes"] == 1
            before = len(self.receiver.to("/hook"))
            assert client.post(f"/api/webhooks/{self.webhook}/test").status_code == 202
            eventually(lambda: len(self.receiver.to("/hook")) > before, "the ping arrives")
            assert self.receiver.to("/hook")[-1].signed_by(self.secret) == [True], "the sealed secret is readable"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as simulator:
        yield simulator


def test_a_library_survives_its_destruction_and_moves_into_a_cluster(
    tmp_path: Path, song: Path, long_song: Path, receiver: WebhookReceiver
) -> None:
    settings: dict[str, str] = {**SETTINGS, "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": receiver.address}
    data_dir, backup = tmp_path / "data", tmp_path / "backup"
    with running(data_dir, settings) as stack, closing(Work(stack)) as work:
        person = Person(stack, receiver)
        separated = work.separate(work.upload(song))
        work.until_ended(separated)
        unfinished = work.separate(work.upload(long_song))
        work.until_in_mid_job(unfinished)
        for engine in components(stack)["separation"].children(recursive=True):
            engine.send_signal(signal.SIGSTOP)  # a backup may take longer than the job
        library(data_dir, "backup", str(backup))
        assert work.status(unfinished) == "processing"
        kill_all(stack.process_id)
    before = stored(data_dir)
    shutil.rmtree(data_dir)

    progress = library(data_dir, "restore", str(backup))
    assert "is restored" in progress
    after = stored(data_dir)
    # The job and the libraries' own traces of it go on after the backup.
    assert {name for name in COLLECTIONS if after[name] != before[name]} <= {"jobs"}
    files = {key: value for key, value in after.items() if key not in COLLECTIONS}
    assert files == {key: before[key] for key in files}
    assert len([key for key in files if key.startswith("stems/")]) == 5, "waveforms are computed again"

    with running(data_dir, settings) as stack, closing(Work(stack, work)) as work:
        person.assert_at_home(stack)
        work.assert_completed_once(separated, attempt=1, frame_count=FRAME_COUNT)
        work.assert_completed_once(unfinished, attempt=2, frame_count=LONG_FRAME_COUNT)
        work.assert_promises()
    table = library(data_dir, "retention", SOUNDWRIGHT_KEEP_STEMS_DAYS="0.00001")
    assert ["stems", "1e-05", "2"] in [line.split()[:3] for line in table.splitlines()], "two jobs have stems"
    _move(data_dir, tmp_path, settings, person, separated, work)


def _move(data_dir: Path, folder: Path, settings: dict[str, str], person: Person, job_id: str, work: Work) -> None:
    """Restore a backup of the library into MongoDB and S3, and start a stack there."""
    with mongodb(folder / "mongodb") as url, seaweedfs(folder / "seaweedfs") as store:
        cluster: dict[str, Any] = {
            "SOUNDWRIGHT_DOCS_URL": database_url(url, f"library-{uuid.uuid4().hex[:12]}"),
            "SOUNDWRIGHT_BLOBS_URL": store.new_bucket(),
            "SOUNDWRIGHT_BLOBS_ACCESS_KEY": ACCESS_KEY,
            "SOUNDWRIGHT_BLOBS_SECRET_KEY": SECRET_KEY,
            "SOUNDWRIGHT_SECRET": (data_dir / "secret").read_text(),
        }
        library(data_dir, "backup", str(folder / "last"))
        assert "is restored" in library(folder / "moved", "restore", str(folder / "last"), **cluster)
        (folder / "moved" / "admin-token").write_text((data_dir / "admin-token").read_text())
        with running(folder / "moved", {**settings, **cluster}) as stack, stack.client() as client:
            person.assert_at_home(stack)
            assert client.get(f"/api/jobs/{job_id}").json()["data"] == work.last_seen(job_id)
