"""Separations with several models on a running stack: ensembles and chains of small random networks."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from demucs.htdemucs import HTDemucs
from stories import UNHURRIED, decoded, encoded, finished, song, upload
from test_own_models import imported

from tests.models.test_demucs_engine import STEMS, network, save_safetensors
from tests.stacks import Stack, embedded
from tests.waiting import eventually

VOICES = ("lead", "backing")


@pytest.fixture(scope="module")
def plans_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("plans")
    models = folder / "models"
    models.mkdir()
    save_safetensors(network(HTDemucs, 1), models / "htdemucs.safetensors")
    imported(models, "own", 2)
    imported(models, "voices", 3, VOICES)
    settings = {
        **UNHURRIED,
        "SOUNDWRIGHT_SEPARATION_MODEL_DIR": str(models),
        "SOUNDWRIGHT_SEPARATION_DEVICE": "cpu",
        "SOUNDWRIGHT_SEPARATION_CPU_MODE": "exact",
        "SOUNDWRIGHT_SEPARATION_SLOT_COUNT": "2",
        "SOUNDWRIGHT_SEPARATION_PROCESS_COUNT": "1",
        "SOUNDWRIGHT_FALLBACK": "true",
        "HF_HUB_OFFLINE": "1",
    }
    with embedded(folder / "data", settings) as running:
        yield running


@pytest.fixture(scope="module")
def client(plans_stack: Stack) -> Iterator[httpx.Client]:
    with plans_stack.client() as made:
        yield made


@pytest.fixture(scope="module")
def track(client: httpx.Client) -> dict[str, Any]:
    return upload(client, encoded(song(2.0)), title="Plan")


def requested(client: httpx.Client, track: dict[str, Any], **wishes: Any) -> httpx.Response:
    return client.post("/api/processing/separate", json={"track_id": track["id"], "format": "wav32f", **wishes})


def separated(client: httpx.Client, track: dict[str, Any], **wishes: Any) -> dict[str, Any]:
    created = requested(client, track, **wishes)
    assert created.status_code == 201, created.text
    done = finished(client, f"/api/processing/job/{created.json()['data']['job_id']}")
    assert done["status"] == "completed", done
    return done


def stems_of(client: httpx.Client, job: dict[str, Any]) -> dict[str, np.ndarray]:
    return {stem["stem_type"]: decoded(client.get(stem["download_url"]).content) for stem in job["stems"]}


def test_the_mean_of_two_models(client: httpx.Client, track: dict[str, Any]) -> None:
    one, other = (stems_of(client, separated(client, track, model=model)) for model in ("htdemucs", "own"))
    job = separated(client, track, models=["htdemucs", "own"], weights=[3, 1])
    assert (job["model"], job["engine"], job["degraded"]) == ("htdemucs+own", "demucs", False)
    assert (job["models"], job["weights"], job["combine"]) == (["htdemucs", "own"], [3, 1], "average")
    assert [(run["model"], run["engine"], run["stem"]) for run in job["runs"]] == [
        ("htdemucs", "demucs", None), ("own", "demucs", None),
    ]  # fmt: skip
    both = stems_of(client, job)
    assert tuple(both) == STEMS
    for stem in STEMS:
        assert np.abs(one[stem] - other[stem]).max() > 0.01
        np.testing.assert_allclose(both[stem], (3 * one[stem] + other[stem]) / 4, atol=1e-6)


def test_a_stem_is_separated_as_a_recording_would_be(client: httpx.Client, track: dict[str, Any]) -> None:
    plain = separated(client, track, model="htdemucs")
    vocals = next(stem for stem in plain["stems"] if stem["stem_type"] == "vocals")
    alone = upload(client, client.get(vocals["download_url"]).content, "vocals.wav")
    expected = stems_of(client, separated(client, alone, model="voices"))

    job = separated(client, track, model="htdemucs", chain=[{"stem": "vocals", "model": "voices"}])
    assert (job["model"], job["models"], job["combine"]) == ("htdemucs > vocals: voices", [], None)
    assert job["chain"] == [{"stem": "vocals", "model": "voices"}]
    assert [(run["model"], run["stem"]) for run in job["runs"]] == [("htdemucs", None), ("voices", "vocals")]
    stems = stems_of(client, job)
    assert list(stems) == ["drums", "bass", "other", "vocals_lead", "vocals_backing"]
    for stem in VOICES:
        assert np.abs(expected[stem]).max() > 0.001
        np.testing.assert_allclose(stems[f"vocals_{stem}"], expected[stem], atol=1e-6)

    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/export/stems/{track['id']}").content))
    assert sorted(archive.namelist()) == sorted(f"Plan - {stem}.wav" for stem in stems)


def test_a_batch_separates_each_track_by_the_plan(client: httpx.Client, track: dict[str, Any]) -> None:
    other = upload(client, encoded(song(1.5, seed=1)), title="Other")
    plan = {"models": ["htdemucs", "own"], "weights": [1, 3], "stems": ["vocals"]}
    plan["chain"] = [{"stem": "vocals", "model": "voices"}]
    created = client.post(
        "/api/processing/batch", json={"track_ids": [track["id"], other["id"]], "format": "wav32f", **plan}
    )
    assert created.status_code == 201, created.text
    batch = finished(client, f"/api/processing/batch/{created.json()['data']['id']}")
    assert (batch["status"], batch["completed"]) == ("completed", 2)
    for separation, its_track in zip(batch["jobs"], (track, other), strict=True):
        job = client.get(f"/api/processing/job/{separation['job_id']}").json()["data"]
        assert {name: job[name] for name in ("models", "weights", "chain")} == {
            name: plan[name] for name in ("models", "weights", "chain")
        }
        alone, together = (stems_of(client, each) for each in (separated(client, its_track, **plan), job))
        assert list(together) == ["vocals_lead", "vocals_backing", "accompaniment"]
        for stem, samples in together.items():
            np.testing.assert_allclose(samples, alone[stem], atol=1e-6)


def test_a_key_stands_for_the_whole_plan(client: httpx.Client, track: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    plan = {"track_id": track["id"], "models": ["own", "dsp"], "weights": [1, 2]}
    plan["chain"] = [{"stem": "vocals", "model": "dsp"}]
    codes = [
        client.post("/api/processing/separate", json={**plan, **change}, headers=headers).status_code
        for change in ({}, {}, {"weights": [2, 1]}, {"models": ["dsp", "own"]}, {"chain": []}, {"stems": ["vocals"]})
    ]
    assert codes == [201, 200, 409, 409, 409, 409]
    auto = {"track_id": track["id"], "model": "auto", "chain": plan["chain"]}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    codes = [
        client.post("/api/processing/separate", json={**auto, **change}, headers=headers).status_code
        for change in ({}, {}, {"chain": []}, {"chain": [{"stem": "bass", "model": "dsp"}]})
    ]
    assert codes == [201, 200, 409, 409]


def test_a_cancelled_plan_leaves_no_scratch_files_and_starts_again_as_it_was(
    client: httpx.Client, plans_stack: Stack
) -> None:
    long = upload(client, encoded(song(40.0)))
    plan = {"models": ["own", "dsp"], "weights": [1, 2], "stems": ["bass", "vocals"]}
    plan["chain"] = [{"stem": "vocals", "model": "voices"}]
    job_id = requested(client, long, **plan).json()["data"]["job_id"]
    path = f"/api/processing/job/{job_id}"
    eventually(lambda: any(file.suffix == ".f32" for file in plans_stack.scratch()))
    assert client.delete(f"/api/jobs/{job_id}").status_code == 204
    cancelled = finished(client, path)
    assert (cancelled["status"], cancelled["error"], cancelled["stems"]) == ("failed", "cancelled", [])
    eventually(lambda: not plans_stack.scratch())

    again = client.post(f"/api/jobs/{job_id}/retry").json()["data"]["id"]
    assert client.delete(f"/api/jobs/{again}").status_code == 204
    second = finished(client, f"/api/processing/job/{again}")
    plain = {"id", "status", "progress", "message", "error"}
    assert {name for name in second if second[name] != cancelled[name]} <= plain
    assert (second["models"], second["weights"], second["requested_stems"]) == (
        ["own", "dsp"], [1, 2], ["bass", "vocals"],
    )  # fmt: skip


def test_jobs_in_one_process_do_not_disturb_each_other(client: httpx.Client, track: dict[str, Any]) -> None:
    plan = {"models": ["htdemucs", "own"], "stems": ["bass"]}
    expected = stems_of(client, separated(client, track, **plan))
    long = upload(client, encoded(song(120.0)))
    endless = requested(client, long, model="own").json()["data"]["job_id"]
    path = f"/api/processing/job/{endless}"
    eventually(lambda: client.get(path).json()["data"]["progress"] > 0)

    actual = stems_of(client, separated(client, track, **plan))
    assert client.get(path).json()["data"]["status"] == "processing"
    for stem in ("bass", "accompaniment"):
        np.testing.assert_allclose(actual[stem], expected[stem], atol=1e-6)
    assert client.delete(f"/api/jobs/{endless}").status_code == 204
    assert finished(client, path)["error"] == "cancelled"
