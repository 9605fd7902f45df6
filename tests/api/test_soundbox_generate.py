"""From words to a clip, on the soundbox dialect's own port and on the shared one."""

import io
import re
import uuid
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from stories import asked, ended, listener, made

from tests.stacks import Stack

JOB_KEYS = {
    "id", "status", "progress", "progress_pct", "filename", "spectrogram", "quality", "error", "position", "retry_count",
}  # fmt: skip
PROMPT = "peaceful ambient piano melody"


@pytest.fixture(scope="module")
def job(box: httpx.Client) -> dict[str, Any]:
    """A job of two seconds, ended. The request is that of the contract."""
    body = {"prompt": PROMPT, "duration": 2, "model": "music", "loop": False, "priority": "standard"}
    answer = box.post("/generate", json={**body, "user_id": "user_abc123", "source": "ui"})
    assert answer.status_code == 200, answer.text
    accepted = answer.json()
    assert accepted["success"] is True
    assert re.fullmatch("[0-9a-f]{32}", accepted["job_id"])
    assert accepted["job_ids"] == [accepted["job_id"]]
    assert accepted["position"] >= 1
    assert (accepted["tier"], accepted["limits"]["max_duration"]) == ("free", 120)
    early = box.get(f"/job/{accepted['job_id']}").json()
    assert set(early) >= JOB_KEYS
    if early["status"] != "completed":
        assert {early[key] for key in ("filename", "spectrogram", "quality", "error")} == {None}
    return ended(box, accepted["job_id"])


def samples_of(box: httpx.Client, job_id: str) -> tuple[np.ndarray, int]:
    """A clip's samples, float32 [frames, channels], and its rate."""
    samples, rate_hz = soundfile.read(
        io.BytesIO(box.get(f"/audio/{job_id}.wav").content), dtype="float32", always_2d=True
    )
    return samples, rate_hz


def test_a_completed_job_says_all_that_is_documented(job: dict[str, Any]) -> None:
    assert set(job) >= JOB_KEYS
    assert (job["status"], job["progress"], job["progress_pct"], job["position"]) == ("completed", "Complete", 100, 0)
    assert (job["filename"], job["spectrogram"]) == (f"{job['id']}.wav", f"{job['id']}.png")
    assert (job["error"], job["retry_count"]) == (None, 0)
    assert isinstance(job["quality"], int)
    assert 50 < job["quality"] <= 100
    assert job["quality_details"] == {
        "score": job["quality"],
        "issues": job["quality_details"]["issues"],
        "is_good": True,
    }


def test_the_maker_is_named_and_no_substitution_hidden(box: httpx.Client, job: dict[str, Any]) -> None:
    # No weights can be had here.
    assert (job["engine"], job["model"], job["degraded"]) == ("procedural", "music", True)
    assert job["degraded_reason"]
    clip = box.get(f"/api/library/{job['id']}").json()
    assert (clip["engine"], clip["engine_model"], clip["degraded"]) == ("procedural", "composer", True)
    assert clip["interpretation"] == job["interpretation"]
    assert clip["interpretation"]["tempo_bpm"] > 0


def test_the_clip_is_a_16_bit_recording_of_the_length_that_was_asked_for(
    box: httpx.Client, job: dict[str, Any]
) -> None:
    answer = box.get(f"/audio/{job['filename']}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    info = soundfile.info(io.BytesIO(answer.content))
    assert (info.format, info.subtype, info.duration) == ("WAV", "PCM_16", 2.0)
    samples, _ = samples_of(box, job["id"])
    assert 0.02 < np.sqrt(np.mean(samples**2)) < np.max(np.abs(samples)) < 1.0
    part = box.get(f"/audio/{job['filename']}", headers={"Range": "bytes=0-43"})
    assert (part.status_code, part.content) == (206, answer.content[:44])
    assert part.headers["content-range"] == f"bytes 0-43/{len(answer.content)}"


def test_the_notes_of_the_composer_are_a_midi_file(stack: Stack, box: httpx.Client, job: dict[str, Any]) -> None:
    answer = box.get(f"/download/{job['id']}.mid")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/midi")
    assert answer.headers["content-disposition"].endswith('.mid"')
    assert answer.content[:4] == b"MThd"
    tempo_bpm = 60e6 / int.from_bytes(answer.content.partition(b"\xff\x51\x03")[2][:3], "big")
    assert tempo_bpm == pytest.approx(job["interpretation"]["tempo_bpm"], abs=0.01)
    assert answer.content.count(b"MTrk") > len(job["interpretation"]["instruments"])  # one can have several parts


def test_the_parts_of_the_composer_add_up_to_the_clip(box: httpx.Client, job: dict[str, Any]) -> None:
    head = box.head(f"/download/{job['id']}.zip")
    assert (head.status_code, head.headers.get("content-length")) == (200, None), "the parts were not made"
    answer = box.get(f"/download/{job['id']}.zip")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        parts = [soundfile.read(io.BytesIO(archive.read(name)))[0] for name in archive.namelist()]
    whole, _ = soundfile.read(io.BytesIO(box.get(f"/audio/{job['filename']}").content))
    np.testing.assert_allclose(sum(parts), whole, atol=4 / 32768)


def test_the_spectrogram_is_a_picture(stack: Stack, box: httpx.Client, job: dict[str, Any]) -> None:
    answer = box.get(f"/spectrogram/{job['spectrogram']}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(answer.content[at : at + 4]) for at in (16, 20))
    assert (900 < width < 1100, 200 < height < 400) == (True, True)
    again = box.get(f"/generate-spectrogram/{job['filename']}")
    assert (again.status_code, again.json()) == (200, {"spectrogram": job["spectrogram"]})
    # One that is missing is drawn again.
    [key] = [key for key in stack.stored("generations/") if str(uuid.UUID(job["id"])) in key and key.endswith(".png")]
    stack.delete(key)
    assert box.get(f"/generate-spectrogram/{job['filename']}").status_code == 200
    assert box.get(f"/spectrogram/{job['spectrogram']}").content == answer.content


def test_the_shared_port_tells_the_same(stack: Stack, box: httpx.Client, job: dict[str, Any]) -> None:
    dashed = str(uuid.UUID(job["id"]))
    with httpx.Client(base_url=stack.base_url, timeout=120) as client:
        for name in (job["id"], job["id"].upper(), dashed):
            assert client.get(f"/job/{name}").json() == job
            assert box.get(f"/job/{name}").json() == job
        for path in (f"/audio/{job['filename']}", f"/download/{job['filename']}", f"/spectrogram/{job['spectrogram']}"):
            assert client.get(path).content == box.get(path).content
        assert client.get(f"/api/library/{job['id']}").json()["prompt"] == PROMPT
        # The other dialects keep what is theirs.
        assert client.get("/api/tracks").json()["code"] == "UNAUTHORIZED"
        assert client.get(f"/download/{job['id']}/all").json() == {"detail": "Job not found"}
    assert httpx.get(f"{stack.pipeline_url}/job/{job['id']}").json() == {"detail": "Job not found"}


def test_clips_are_made_as_requested(box: httpx.Client) -> None:
    fields = {"model": "magnet-audio", "loop": True, "duration": "1.5", "seed": "7", "variations": 2}
    accepted = asked(box, "steady machine hum", **fields, user_id=listener())
    assert accepted["job_ids"][0] == accepted["job_id"]
    jobs = [ended(box, job_id) for job_id in accepted["job_ids"]]
    clips = [box.get(f"/api/library/{job['id']}").json() for job in jobs]
    assert [(clip["model"], clip["seed"], clip["duration"], clip["is_loop"]) for clip in clips] == [
        ("magnet-audio", seed, 1.5, 1) for seed in (7, 8)
    ]
    parts = f"/download/{jobs[0]['id']}.zip"  # only the composer's clips have parts
    assert box.head(parts).status_code == box.get(parts).status_code == 404
    longer = made(box, "steady machine hum", duration=1, continue_from=jobs[0]["id"], user_id=listener())
    assert box.get(f"/api/library/{longer}").json()["continued_from"] == jobs[0]["id"]
    (before, rate_hz), (whole, _) = samples_of(box, jobs[0]["id"]), samples_of(box, longer)
    assert len(whole) == len(before) + rate_hz
    body = {"prompt": "slow cello", "duration": 119, "continue_from": longer}
    refused = box.post("/generate", json=body)
    assert (refused.status_code, "ask for 117 at most" in refused.json()["error"]) == (400, True)


def test_a_request_that_is_repeated_makes_one_clip(box: httpx.Client) -> None:
    body = {"prompt": "slow cello", "duration": 1, "user_id": listener()}
    key = {"Idempotency-Key": listener("key")}
    first, again = (box.post("/generate", json=body, headers=key).json() for _ in range(2))
    assert first["job_id"] == again["job_id"]
    other = box.post("/generate", json={**body, "prompt": "fast cello"}, headers=key)
    assert (other.status_code, other.json()["success"]) == (409, False)
    assert "Idempotency-Key" in other.json()["error"]
    assert ended(box, first["job_id"])["status"] == "completed"
