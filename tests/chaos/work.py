"""Work for a stack under attack, and the promises that it has to keep whatever happens to it."""

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

import httpx
import soundfile

from soundwright_client.local import Stack
from tests.files import files_below
from tests.waiting import eventually

SETTINGS = {
    # A dead worker is noticed after the lease: short, so that tests need not wait long.
    "SOUNDWRIGHT_LEASE_SECONDS": "3",
    "SOUNDWRIGHT_SWEEP_SECONDS": "1",
    "SOUNDWRIGHT_LOST_COMMAND_SECONDS": "5",
    "SOUNDWRIGHT_SEPARATION_ANONYMOUS_LIMIT": "1000",
    "SOUNDWRIGHT_SEPARATION_PENDING_LIMIT": "1000",
    "SOUNDWRIGHT_RATE_NORMAL_PER_MINUTE": "1000000",
    "SOUNDWRIGHT_RATE_HEAVY_PER_MINUTE": "1000000",
    "SOUNDWRIGHT_RATE_POLLING_PER_MINUTE": "1000000",
    "SOUNDWRIGHT_RATE_FILES_PER_MINUTE": "1000000",
    "SOUNDWRIGHT_WARM_UP": "false",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
CAMPAIGN_SETTINGS = {
    **SETTINGS,
    "SOUNDWRIGHT_PIPELINE_MODEL": "dsp",
    "SOUNDWRIGHT_GENERATION_ENGINE": "procedural",
    "SOUNDWRIGHT_GENERATION_QUEUE_LIMIT": "0",
    "SOUNDWRIGHT_GENERATION_TIERS": json.dumps(
        {tier: {"pending_limit": 0, "hourly_limit": 0, "max_seconds": 60} for tier in ("free", "supporter", "premium")}
    ),
    # A job may meet any number of faults. What it must not do is to fail because of one.
    **{f"SOUNDWRIGHT_{name}_ATTEMPT_LIMIT": "1000" for name in ("SEPARATION", "ANALYSIS", "GENERATION", "DOWNLOAD")},
}
"""For jobs of all kinds from many clients."""

RATE_HZ = 22_050
SONG_SECONDS = 100
FRAME_COUNT = SONG_SECONDS * RATE_HZ + 123
LONG_SONG_SECONDS = 200
LONG_FRAME_COUNT = LONG_SONG_SECONDS * RATE_HZ + 123
STEMS = ["bass", "drums", "other", "vocals"]
RECORDINGS = ["bass", "drums", "mix", "other", "vocals"]
"""What a separation stores."""
_TERMINAL = {"completed", "failed"}


class Work:
    """Submits jobs, looks at them, and remembers what was promised; by ``earlier``, too, before a restart."""

    def __init__(self, stack: Stack, earlier: "Work | None" = None) -> None:
        self.stack = stack
        self._client = stack.client()
        # What was last seen of every accepted job, and the jobs that are none of ours.
        self._last: dict[str, dict[str, Any]] = dict(earlier._last) if earlier else {}
        self._foreign: set[str] = earlier._foreign if earlier else self._listed()

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Call as a patient client does: again while the gateway is away or says that something behind it is."""

        def answer() -> httpx.Response | None:
            try:
                response = self._client.request(method, path, **arguments)
            except httpx.TransportError:
                return None
            return None if response.status_code == 503 else response

        return eventually(answer, f"{method} {path}")

    def upload(self, song: Path) -> str:
        """Register ``song``; returns the track's id."""
        answer = self.call("POST", "/api/tracks", files={"file": (song.name, song.read_bytes())})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    def separate(self, track_id: str) -> str:
        """Submit a job; returns its id. Asking again with the same key makes no second one."""
        key = str(uuid.uuid4())
        body = {"track_id": track_id, "model": "dsp"}
        answer = self.call("POST", "/api/processing/separate", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code in (200, 201), answer.text
        job_id = str(answer.json()["data"]["job_id"])
        self.look(job_id)
        return job_id

    def separate_batch(self, track_ids: list[str]) -> tuple[str, list[str]]:
        """Submit a batch; returns its id, and those of its jobs."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"track_ids": track_ids, "model": "dsp"}
        answer = self.call("POST", "/api/processing/batch", json=body, headers=key)
        assert answer.status_code in (200, 201), answer.text
        batch = answer.json()["data"]
        job_ids = [str(job["job_id"]) for job in batch["jobs"]]
        for job_id in (batch["id"], *job_ids):
            self.look(job_id)
        return str(batch["id"]), job_ids

    def cancel(self, job_id: str) -> None:
        assert self.call("DELETE", f"/api/jobs/{job_id}").status_code == 204

    def look(self, job_id: str) -> dict[str, Any]:
        """The job now. What has ended never changes."""
        answer = self.call("GET", f"/api/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()["data"]
        before = self._last.get(job_id, {"status": "queued", "attempt": 0})
        assert job["attempt"] >= before["attempt"]
        if before["status"] in _TERMINAL:
            assert job == before, "an ended job changed"
        self._last[job_id] = job
        return job

    def last_seen(self, job_id: str) -> dict[str, Any]:
        """The job as it was when it was looked at last."""
        return self._last[job_id]

    def status(self, job_id: str) -> str:
        return str(self.look(job_id)["status"])

    def until_ended(self, job_id: str) -> dict[str, Any]:
        eventually(lambda: self.status(job_id) in _TERMINAL, f"job {job_id} ends", 150)
        return self.look(job_id)

    def until_in_mid_job(self, job_id: str) -> None:
        """Wait until a worker has begun to write this job's stems, and has more to write."""
        eventually(lambda: self.status(job_id) == "processing", f"job {job_id} starts")
        # The note about what can be heard is replaced again and again.
        stems = lambda: [file for file in self.scratch() if not file.name.startswith("live.")]  # noqa: E731
        eventually(lambda: any(file.stat().st_size for file in stems()), f"job {job_id} writes stems")
        assert self.status(job_id) == "processing", "the song is too short for this machine"

    def healthy(self) -> bool:
        try:
            return self._client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def until_healthy(self) -> None:
        eventually(self.healthy, "GET /health says 200")

    def unwell_for_want_of(self, component: str) -> bool:
        try:
            answer = self._client.get("/health")
        except httpx.TransportError:
            return False
        return answer.status_code == 503 and component in answer.json()["waiting_for"]

    # what lies in the data directory

    def scratch(self) -> list[Path]:
        """Temporary files of separation, in work or left behind."""
        return files_below(self.stack.data_dir / "scratch" / "separation")

    def stems(self, job_id: str) -> list[str]:
        """Return the stored recordings of a job, each as ``<attempt>/<file name>``, also those that only left their waveform."""
        places = [path.split("/", 2) for path in sorted({path.removesuffix(".dat") for path in self.stored("stems")})]
        return [f"{attempt}/{name}" for attempt, job, name in places if job == job_id]

    def stored(self, folder: str) -> list[str]:
        """Files in the store below ``folder``, as paths from there."""
        root = self.stack.data_dir / "blobs" / folder
        return sorted(path.relative_to(root).as_posix() for path in files_below(root))

    # promises

    def _listed(self) -> set[str]:
        return {job["id"] for job in self.call("GET", "/api/jobs", params={"page_size": 100}).json()["data"]}

    def assert_completed_once(self, job_id: str, *, frame_count: int, attempt: int | None = None) -> None:
        """The job has one result, of the attempt that it names, whole, and nothing of any other attempt.

        Args:
            attempt: which one that must be, where it does not depend on how quickly a component comes back.
        """
        job = self.until_ended(job_id)
        attempt = job["attempt"] if attempt is None else attempt
        assert (job["status"], job["error"], job["attempt"]) == ("completed", None, attempt)
        stems = job["result"]["stems"]
        assert sorted(stem["stem_type"] for stem in stems) == STEMS
        assert {stem["frame_count"] for stem in stems} == {frame_count}
        # What could be heard while the job ran goes when its worker has told the end, also one that died before.
        expected = [f"{attempt}/{name}.flac" for name in RECORDINGS]
        eventually(lambda: self.stems(job_id) == expected, "only the results are there")
        archive = zipfile.ZipFile(io.BytesIO(self.call("GET", f"/export/stems/{job['track_id']}").content))
        assert len(archive.namelist()) == len(STEMS)
        for name in archive.namelist():
            assert soundfile.info(io.BytesIO(archive.read(name))).frames == frame_count

    def assert_promises(self) -> None:
        """Every accepted job has ended; each has one result or none; nothing lies about."""
        for job_id in self._last:
            job = self.until_ended(job_id)
            attempts = {path.split("/", 1)[0] for path in self.stems(job_id)}
            stores_stems = job["status"] == "completed" and job["job_type"] != "batch"
            assert attempts == ({str(job["attempt"])} if stores_stems else set())
            assert self.look(job_id) == job
        assert self._listed() - self._foreign == set(self._last), "as many jobs as were asked for"
        eventually(lambda: not self.scratch(), "the scratch folder empties")
        assert self.stored("uploads") == []
        assert self.stored(".partial") == []
        log = (self.stack.data_dir / "stack.log").read_text(errors="replace")
        assert "Traceback" not in log
