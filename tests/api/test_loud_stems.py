"""Stems above full scale on every way out: they do not clip, and add up to the recording."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from stories import decoded, encoded, finished, song, upload

SAMPLES = 5 * song(1.0)
"""A recording of floats, whose peaks are 12 dB above full scale, and those of its stems, too."""


@pytest.fixture(scope="module")
def job(admin: httpx.Client) -> dict[str, Any]:
    """A separation, and one of its loudest stem, into FLAC files, which cannot hold such stems."""
    track = upload(admin, encoded(SAMPLES, "WAV", "FLOAT"))
    chain = [{"stem": "drums", "model": "dsp"}]
    body = {"track_id": track["id"], "model": "dsp", "chain": chain, "format": "flac"}
    started = admin.post("/api/processing/separate", json=body).json()["data"]
    return finished(admin, f"/api/processing/job/{started['job_id']}")


def members(content: bytes) -> list[bytes]:
    archive = zipfile.ZipFile(io.BytesIO(content))
    return [archive.read(name) for name in archive.namelist()]


def files(client: httpx.Client, job: dict[str, Any]) -> list[bytes]:
    return [client.get(stem["file_path"]).content for stem in job["stems"]]


def converted(client: httpx.Client, job: dict[str, Any]) -> list[bytes]:
    return [client.get(stem["download_url"], params={"format": "wav16"}).content for stem in job["stems"]]


def segments(client: httpx.Client, job: dict[str, Any]) -> list[bytes]:
    return [client.get(f"/api/stems/{stem['id']}/segments/0").content for stem in job["stems"]]


def archive(client: httpx.Client, job: dict[str, Any]) -> list[bytes]:
    return members(client.get(f"/export/stems/{job['track_id']}").content)


def export(client: httpx.Client, job: dict[str, Any]) -> list[bytes]:
    body = {"track_id": job["track_id"], "format": "flac"}
    started = client.post("/api/export/stems", json=body).json()["data"]
    return members(client.get(finished(client, f"/api/export/job/{started['job_id']}")["download_url"]).content)


def mix(client: httpx.Client, job: dict[str, Any]) -> list[bytes]:
    data = {"track_id": job["track_id"], "manifest": json.dumps({"format": "wav32f"})}
    return [client.post("/api/daw/export", data=data, files=[("none", (None, b""))]).content]


@pytest.mark.parametrize("way", [files, converted, segments, archive, export, mix])
def test_loud_stems_add_up_to_the_recording(
    admin: httpx.Client, job: dict[str, Any], way: Callable[[httpx.Client, dict[str, Any]], list[bytes]]
) -> None:
    stems = [decoded(content) for content in way(admin, job)]
    np.testing.assert_allclose(sum(stems), SAMPLES, rtol=0, atol=1e-4)
    assert max(float(np.abs(stem).max()) for stem in stems) > 1.5


def test_the_job_names_its_loud_stems(job: dict[str, Any]) -> None:
    loud = [stem["stem_type"] for stem in job["stems"] if stem["peak"] > 1]
    assert "drums_drums" in loud
    assert job["message"] == f"Above full scale, and therefore WAV with 32-bit floats: {', '.join(loud)}."


def test_the_tracks_of_a_pipeline_do_not_clip(admin: httpx.Client) -> None:
    accepted = admin.post("/process", files={"file": ("song.wav", encoded(SAMPLES, "WAV", "FLOAT"))}).json()
    assert finished(admin, f"/job/{accepted['job_id']}")["status"] == "completed"
    for name in ("vocals", "main", "normalized"):
        stem_id = uuid.uuid5(uuid.UUID(accepted["job_id"]), name)
        assert admin.get(f"/api/stems/{stem_id}/waveform").status_code == 200, name
    archive = zipfile.ZipFile(io.BytesIO(admin.get(f"/download/{accepted['job_id']}/all").content))
    tracks = {name: decoded(archive.read(name)) for name in archive.namelist()}
    composite = {name: samples for name, samples in tracks.items() if name.startswith("composite/")}
    np.testing.assert_array_equal(composite.pop("composite/main.wav"), SAMPLES)
    np.testing.assert_allclose(sum(composite.values()), SAMPLES, rtol=0, atol=1e-4)
    for folder in ("demucs_output", "harmonic_percussive"):
        parts = [samples for name, samples in tracks.items() if name.startswith(folder)]
        np.testing.assert_allclose(sum(parts), SAMPLES, rtol=0, atol=1e-4)
