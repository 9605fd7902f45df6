"""Stories of the pipeline dialect, on the shared port and on its own."""

import io
import zipfile
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pytest
from stories import decoded, encoded, finished, song

from tests.stacks import Stack

SAMPLES = song(3.0)
STAGES = [
    ("audio_separation", "separator"),
    ("harmonic_percussive_separation", "decomposition"),
    ("composite_track_creation", "composition"),
    ("normalization", "audio_processing"),
]
PATHS = {
    "vocals": "demucs_output/vocals.wav",
    "drums": "demucs_output/drums.wav",
    "bass": "demucs_output/bass.wav",
    "other": "demucs_output/other.wav",
    "harmonic": "harmonic_percussive/harmonic.wav",
    "percussive": "harmonic_percussive/percussive.wav",
    "main": "composite/main.wav",
    "main_harmonic": "composite/main_harmonic.wav",
    "main_percussive": "composite/main_percussive.wav",
}


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Any:
    with httpx.Client(base_url=stack.pipeline_url, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def job(pipeline: httpx.Client) -> dict[str, Any]:
    answer = pipeline.post("/process", files={"file": ("Song.FLAC", encoded(SAMPLES, "FLAC", "PCM_16"))})
    assert answer.status_code == 200, answer.text
    accepted = answer.json()
    assert list(accepted) == ["job_id", "status", "created_at", "stages", "outputs"]
    assert (accepted["status"], accepted["outputs"]) == ("processing", {})
    assert [(stage["name"], stage["processor_type"]) for stage in accepted["stages"]] == STAGES
    assert [stage["status"] for stage in accepted["stages"]] == ["processing", "pending", "pending", "pending"]
    assert accepted["stages"][0]["started_at"] >= accepted["created_at"]
    assert accepted["stages"][1]["started_at"] is None
    return finished(pipeline, f"/job/{accepted['job_id']}")


def test_health_of_the_dialect_alone_and_of_the_platform(stack: Stack, pipeline: httpx.Client) -> None:
    assert pipeline.get("/health").json() == {"status": "healthy", "version": "1.0.0", "pipeline_stages": 4}
    assert httpx.get(f"{stack.base_url}/health").json()["status"] == "ok"


def test_four_stages_with_their_true_times(job: dict[str, Any]) -> None:
    assert job["status"] == "completed"
    clock = datetime.fromisoformat(job["created_at"])
    assert clock.tzinfo is None
    for stage in job["stages"]:
        assert (stage["status"], stage["error"]) == ("completed", None)
        started, completed = (datetime.fromisoformat(stage[name]) for name in ("started_at", "completed_at"))
        assert clock <= started <= completed
        assert stage["duration_seconds"] == pytest.approx((completed - started).total_seconds(), abs=1e-6)
        clock = completed


def test_nine_tracks_under_their_documented_names(pipeline: httpx.Client, job: dict[str, Any]) -> None:
    assert list(job["outputs"]) == list(PATHS)
    for name, path in PATHS.items():
        assert job["outputs"][name].startswith("/")
        assert "://" not in job["outputs"][name]
        assert job["outputs"][name].endswith(f"/{job['job_id']}/{path}")
    assert pipeline.get(f"/job/{job['job_id']}/outputs").json() == job["outputs"]
    tracks = {}
    for name in PATHS:
        answer = pipeline.get(f"/download/{job['job_id']}/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}.wav"'
        tracks[name] = decoded(answer.content)
        assert tracks[name].shape == SAMPLES.shape, name  # stereo stays stereo, and nothing is cut
    main = decoded(encoded(SAMPLES))
    assert np.max(np.abs(tracks["main"] - main)) < 2**-14
    assert np.max(np.abs(tracks["harmonic"] + tracks["percussive"] - main)) < 1e-3
    assert np.max(np.abs(sum(tracks[name] for name in ("vocals", "drums", "bass", "other")) - main)) < 1e-2


def test_the_answer_names_its_maker(pipeline: httpx.Client, job: dict[str, Any]) -> None:
    headers = pipeline.get(f"/job/{job['job_id']}").headers  # the contract's body has no place for that
    assert (headers["x-soundwright-engine"], headers["x-soundwright-model"]) == ("dsp", "dsp")
    assert "x-soundwright-degraded" not in headers


def test_the_normalised_recording_never_clips(pipeline: httpx.Client, job: dict[str, Any]) -> None:
    answer = pipeline.get(f"/download/{job['job_id']}/normalized")
    assert answer.status_code == 200
    normalised = decoded(answer.content)
    assert np.max(np.abs(normalised)) < 1.0
    assert np.corrcoef(normalised[:, 0], SAMPLES[:, 0])[0, 1] > 0.99


@pytest.mark.topology("cluster")
def test_all_tracks_in_one_archive(pipeline: httpx.Client, job: dict[str, Any]) -> None:
    answer = pipeline.get(f"/download/{job['job_id']}/all")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert f"audio_tracks_{job['job_id']}.zip" in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert archive.namelist() == list(PATHS.values())
    assert archive.read(PATHS["main"]) == pipeline.get(f"/download/{job['job_id']}/main").content
