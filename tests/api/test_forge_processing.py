"""Stories of taking songs apart."""

import io
import json
import uuid
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from stories import RATE_HZ, decoded, encoded, finished, song, upload

SAMPLES = song(3.0)


@pytest.fixture(scope="module")
def track(admin: httpx.Client) -> dict[str, Any]:
    return upload(admin, encoded(SAMPLES), title="Ünder: a/Song", artist="Band")


@pytest.fixture(scope="module")
def job(admin: httpx.Client, track: dict[str, Any]) -> dict[str, Any]:
    body = {"track_id": track["id"], "model": "htdemucs", "engine": "local"}
    created = admin.post("/api/processing/separate", json=body)
    assert created.status_code == 201, created.text
    data = created.json()["data"]
    assert (data["track_id"], data["model"], data["status"]) == (track["id"], "htdemucs", "queued")
    return finished(admin, f"/api/processing/job/{data['job_id']}")


def test_a_separation_gives_stems_that_fit_the_song(
    admin: httpx.Client, track: dict[str, Any], job: dict[str, Any]
) -> None:
    assert (job["status"], job["progress"], job["error"]) == ("completed", 100, None)
    assert {stem["stem_type"] for stem in job["stems"]} == {"vocals", "drums", "bass", "other"}
    total = np.zeros_like(SAMPLES)
    for stem in job["stems"]:
        assert (stem["track_id"], stem["processing_job_id"]) == (track["id"], job["id"])
        assert (stem["sample_rate_hz"], stem["channel_count"], stem["duration_seconds"]) == (RATE_HZ, 2, 3.0)
        by_path, by_id = admin.get(stem["file_path"]), admin.get(stem["download_url"])
        assert by_path.content == by_id.content
        assert len(by_id.content) == stem["file_size"]
        assert by_id.headers["content-type"] == "audio/flac"
        name = f"nder%20aSong%20-%20{stem['stem_type']}.flac"
        assert by_id.headers["content-disposition"].endswith(f"filename*=UTF-8''%C3%9C{name}")
        samples = decoded(by_id.content)
        assert samples.shape == SAMPLES.shape
        total += samples
    residual = total - decoded(encoded(SAMPLES))
    assert 20 * np.log10(np.sqrt(np.mean(residual**2)) / np.sqrt(np.mean(SAMPLES**2)) + 1e-12) < -60


def test_another_engine_is_never_used_in_silence(job: dict[str, Any]) -> None:
    assert job["requested_model"] == "htdemucs"
    if job["engine"] == "demucs":
        assert (job["model"], job["degraded"], job["degraded_reason"]) == ("htdemucs", False, None)
    else:
        assert (job["engine"], job["model"], job["degraded"]) == ("spleeter", "spleeter-with-small", True)
        assert "htdemucs" in job["degraded_reason"]


@pytest.mark.parametrize(("encoding", "subtype"), [("wav16", "PCM_16"), ("wav24", "PCM_24"), ("wav32f", "FLOAT")])
def test_a_stem_as_wav(admin: httpx.Client, job: dict[str, Any], encoding: str, subtype: str) -> None:
    stem = job["stems"][0]
    answer = admin.get(stem["download_url"], params={"format": encoding})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert soundfile.info(io.BytesIO(answer.content)).subtype == subtype
    original = decoded(admin.get(stem["download_url"]).content)
    assert np.max(np.abs(decoded(answer.content) - original)) <= 2**-15


def test_all_stems_in_one_archive(admin: httpx.Client, track: dict[str, Any], job: dict[str, Any]) -> None:
    answer = admin.get(f"/export/stems/{track['id']}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert "filename*=UTF-8''%C3%9Cnder%20aSong_stems.zip" in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == sorted(f"Ünder aSong - {stem['stem_type']}.flac" for stem in job["stems"])
    for stem in job["stems"]:
        assert archive.read(f"Ünder aSong - {stem['stem_type']}.flac") == admin.get(stem["file_path"]).content


def test_the_catalogue_says_what_each_model_is(admin: httpx.Client) -> None:
    models = {model["name"]: model for model in admin.get("/api/processing/models").json()["data"]["models"]}
    demucs, dsp = models["htdemucs"], models["dsp"]
    assert (demucs["architecture"], demucs["code_licence"], demucs["weights_licence"]) == (
        "Hybrid Transformer Demucs", "MIT", "none stated",
    )  # fmt: skip
    assert demucs["licence_note"].startswith("The model card named MIT until 31 August 2026")
    assert (demucs["source"], demucs["size_bytes"]) == ("adefossez/HTDemucs", 84_025_461)
    assert [file["name"] for file in demucs["files"]] == ["htdemucs.yaml", "955717e8.safetensors"]
    assert all(len(file["sha256"]) == 64 for file in demucs["files"])
    scores = {score["stem"]: score["sdr_db"] for score in demucs["scores"]}
    assert scores == {None: 8.80, "drums": 10.05, "bass": 9.78, "other": 6.42, "vocals": 8.93}
    # This server has no weights, and its operator has not allowed those without a licence.
    assert demucs["available"] is False
    assert demucs["needs_consent"] is True
    assert "with `make models MODEL=htdemucs`" in demucs["unavailable_reason"]
    assert (dsp["available"], dsp["unavailable_reason"], dsp["weights_licence"], dsp["files"]) == (True, None, None, [])
    small = models["small"]
    assert (small["available"], small["weights_licence"], small["files"][0]["name"]) == (
        True, "Apache-2.0", "small.safetensors",
    )  # fmt: skip


def test_auto_chooses_an_available_model_and_says_why(admin: httpx.Client, track: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"track_id": track["id"], "model": "auto", "quality": "balanced"}
    created = admin.post("/api/processing/separate", json=body, headers=headers)
    assert created.status_code == 201, created.text
    data = created.json()["data"]
    assert data["model"] == "spleeter-with-small"
    assert admin.post("/api/processing/separate", json=body, headers=headers).status_code == 200
    other = admin.post("/api/processing/separate", json={**body, "quality": "best"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert admin.delete(f"/api/jobs/{data['job_id']}").status_code == 204
    chosen = finished(admin, f"/api/processing/job/{data['job_id']}")
    assert (chosen["requested_model"], chosen["degraded"]) == ("spleeter-with-small", False)
    assert chosen["model_reason"].startswith(
        "auto chose spleeter-with-small for quality 'balanced', 3 seconds of audio and a"
    )


def test_one_request_plans_several_qualities(admin: httpx.Client, track: dict[str, Any]) -> None:
    qualities = ["fast", "balanced", "best"]
    auto = {"track_ids": [track["id"]], "model": "auto"}
    body = {**auto, "qualities": qualities}
    together = admin.post("/api/processing/plan", json=body).json()["data"]
    assert [plan["quality"] for plan in together] == qualities
    for plan in together:
        [alone] = admin.post("/api/processing/plan", json={**auto, "quality": plan["quality"]}).json()["data"]
        assert alone == {**plan, "quality": None}
    assert len({plan["model_reason"] for plan in together}) == 3  # each names its quality
    named = admin.post("/api/processing/plan", json={**body, "model": "dsp", "qualities": qualities})
    assert (named.status_code, list(named.json()["details"])) == (422, ["quality"])


def test_a_plan_runs_as_requested_and_its_key_stands_for_all_of_it(admin: httpx.Client, track: dict[str, Any]) -> None:
    chain = [{"stem": "vocals", "model": "dsp"}]
    plan = {"models": ["small", "dsp"], "weights": [3, 1], "stems": ["vocals", "bass"], "chain": chain}
    headers = {"Idempotency-Key": str(uuid.uuid4())}

    def asked(**change: Any) -> httpx.Response:
        body = {"track_id": track["id"], **plan, **change}
        return admin.post("/api/processing/separate", json=body, headers=headers)

    started = asked()
    assert started.status_code == 201, started.text
    assert asked(stems=["bass", "vocals"]).status_code == 200
    for change in ({"weights": [1, 3]}, {"models": ["dsp", "small"]}, {"chain": []}, {"stems": ["vocals"]}):
        other = asked(**change)
        assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED"), change
    done = finished(admin, f"/api/processing/job/{started.json()['data']['job_id']}")
    assert done["status"] == "completed", done
    assert (done["models"], done["weights"], done["combine"], done["chain"]) == (
        ["small", "dsp"], [3, 1], "average", chain,
    )  # fmt: skip
    assert [(run["model"], run["stem"]) for run in done["runs"]] == [("small", None), ("dsp", None), ("dsp", "vocals")]
    stems = {stem["stem_type"]: decoded(admin.get(stem["download_url"]).content) for stem in done["stems"]}
    assert list(stems) == [
        "bass",
        *(f"vocals_{stem}" for stem in ("drums", "bass", "other", "vocals")),
        "accompaniment",
    ]
    np.testing.assert_allclose(sum(stems.values()), decoded(encoded(SAMPLES)), atol=1e-4)


@pytest.fixture(scope="module")
def vocals(admin: httpx.Client) -> dict[str, Any]:
    """A finished separation of another track into vocals and the rest, as a form requests it."""
    track = upload(admin, encoded(SAMPLES), title="Duo")
    body = {"track_id": track["id"], "model": "dsp", "stems": "vocals", "format": "wav32f"}
    created = admin.post("/api/processing/separate", data=body)
    assert created.status_code == 201, created.text
    return finished(admin, f"/api/processing/job/{created.json()['data']['job_id']}")


def test_whatever_reads_stems_takes_any_names(admin: httpx.Client, vocals: dict[str, Any]) -> None:
    track_id = vocals["track_id"]
    listed = admin.get(f"/api/tracks/{track_id}/stems").json()["data"]
    assert [stem["stem_type"] for stem in listed["stems"]] == ["vocals", "accompaniment"]
    assert listed["separations"][0]["stem_types"] == ["vocals", "accompaniment"]
    rest = listed["stems"][1]
    assert admin.get(f"/api/stems/{rest['id']}/waveform").status_code == 200
    assert admin.get(f"/api/stems/{rest['id']}/segments/0").status_code == 200
    assert admin.get(f"/api/stems/{rest['id']}/spectrogram/0").status_code == 200
    archive = zipfile.ZipFile(io.BytesIO(admin.get(f"/export/stems/{track_id}").content))
    assert sorted(archive.namelist()) == ["Duo - accompaniment.wav", "Duo - vocals.wav"]

    manifest = json.dumps({"version": 1, "format": "wav32f", "stems": [{"name": "accompaniment"}]})
    mixed = admin.post(
        "/api/daw/export", data={"track_id": track_id, "manifest": manifest}, files=[("none", (None, b""))]
    )
    assert mixed.status_code == 200, mixed.text
    np.testing.assert_allclose(decoded(mixed.content), decoded(admin.get(rest["download_url"]).content), atol=1e-6)

    job = admin.post("/api/export/stems", json={"track_id": track_id, "format": "flac"}).json()["data"]
    assert finished(admin, f"/api/jobs/{job['job_id']}")["status"] == "completed"
    archive = zipfile.ZipFile(io.BytesIO(admin.get(f"/export/archive/{job['job_id']}").content))
    assert sorted(archive.namelist()) == ["Duo - accompaniment.flac", "Duo - vocals.flac"]
