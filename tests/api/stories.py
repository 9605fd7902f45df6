"""What stories have in common: a song, an upload, a clip, waiting for a job."""

import io
import uuid
from typing import Any

import httpx
import numpy as np
import soundfile

from tests.waiting import eventually

RATE_HZ = 44100
SEPARATE, ANALYSE = "/api/processing/separate", "/api/analysis/analyze"
UNHURRIED = {
    # Stories call more often than people do; the limiter has tests of its own.
    "SOUNDWRIGHT_SEPARATION_ANONYMOUS_LIMIT": "1000",
    "SOUNDWRIGHT_SEPARATION_PENDING_LIMIT": "1000",
    "SOUNDWRIGHT_RATE_NORMAL_PER_MINUTE": "100000",
    "SOUNDWRIGHT_RATE_HEAVY_PER_MINUTE": "100000",
    "SOUNDWRIGHT_RATE_POLLING_PER_MINUTE": "100000",
    "SOUNDWRIGHT_RATE_FILES_PER_MINUTE": "100000",
    "SOUNDWRIGHT_RATE_PAGES_PER_MINUTE": "100000",
}
"""Settings of a stack that serves one caller as often as it likes."""


def song(seconds: float = 3.0, channel_count: int = 2, seed: int = 0) -> np.ndarray:
    """A beat with noise and a chord: float32 [frames, channels], peaks below 0.8."""
    generator = np.random.default_rng(seed)
    time_seconds = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    chord = sum(0.1 * np.sin(2 * np.pi * hz * time_seconds) for hz in (110.0, 261.6, 329.6, 392.0))
    beat = 0.3 * generator.standard_normal(time_seconds.size) * np.exp(-30 * np.mod(time_seconds, 0.5))
    pans = np.linspace(0.6, 1.0, channel_count)
    return np.clip(np.stack([pan * chord + beat for pan in pans], axis=1), -0.8, 0.8).astype(np.float32)


def encoded(samples: np.ndarray, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """Samples [frames, channels] as a file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE_HZ, format=kind, subtype=subtype)
    return buffer.getvalue()


def decoded(content: bytes) -> np.ndarray:
    """The samples of a file, float32 [frames, channels]."""
    samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    assert rate_hz == RATE_HZ
    return samples


def upload(client: httpx.Client, content: bytes, name: str = "song.wav", **fields: str) -> dict[str, Any]:
    """Upload a file to the forge dialect; the track."""
    answer = client.post("/api/tracks", files={"file": (name, content)}, data=fields)
    assert answer.status_code == 201, answer.text
    track: dict[str, Any] = answer.json()["data"]
    return track


def finished(client: httpx.Client, path: str) -> dict[str, Any]:
    """The job at ``path`` once it is completed or failed. Its progress never falls meanwhile."""
    return _end(client, path, "progress")


def started(client: httpx.Client, path: str, track_id: str, **wanted: Any) -> str:
    """The id of a new job of the forge dialect for a track."""
    answer = client.post(path, json={"track_id": track_id, **wanted})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["job_id"])


def separated(client: httpx.Client, track_id: str, **wanted: Any) -> dict[str, Any]:
    """A separation of a track, by the quickest model unless told otherwise, once it is completed."""
    return _completed(client, "processing", started(client, SEPARATE, track_id, **{"model": "dsp", **wanted}))


def analysed(client: httpx.Client, track_id: str, *features: str) -> dict[str, Any]:
    """An analysis of a track, of all features if none are named, once it is completed."""
    return _completed(client, "analysis", started(client, ANALYSE, track_id, features=list(features) or ["all"]))


def _completed(client: httpx.Client, kind: str, job_id: str) -> dict[str, Any]:
    job = finished(client, f"/api/{kind}/job/{job_id}")
    assert job["status"] == "completed", job
    return job


def _end(client: httpx.Client, path: str, field: str) -> dict[str, Any]:
    job: dict[str, Any] = {}

    def has_ended() -> bool:
        nonlocal job
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        before, body = job.get(field, 0), answer.json()
        job = body.get("data", body)
        assert job.get(field, 0) >= before or job["status"] == "queued"
        return job["status"] in ("completed", "failed")

    eventually(has_ended, f"the end of {path}")
    return job


def listener(name: str = "user") -> str:
    """A ``user_id`` that nobody had before."""
    return f"{name}_{uuid.uuid4().hex[:12]}"


def asked(client: httpx.Client, prompt: str, **fields: Any) -> dict[str, Any]:
    """What the soundbox dialect answers to a wish for a clip."""
    answer = client.post("/generate", json={"prompt": prompt, **fields})
    assert answer.status_code == 200, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """A job of the soundbox dialect once it has ended. Its progress never falls meanwhile."""
    return _end(client, f"/job/{job_id}", "progress_pct")


def made(client: httpx.Client, prompt: str, **fields: Any) -> str:
    """The id of a clip that was just made, of 1 second unless told otherwise."""
    accepted = asked(client, prompt, **{"duration": 1, **fields})
    job = ended(client, accepted["job_id"])
    assert job["status"] == "completed", job
    return str(job["id"])
