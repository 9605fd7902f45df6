"""lalal.ai in the forge dialect, with a simulator in lalal.ai's place."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from browser import Browser, registered
from stories import RATE_HZ, decoded, encoded, finished, song, upload

from tests.simulators.lalalai import KEY, SHARES, LalalaiSimulator
from tests.stacks import Stack
from tests.waiting import eventually

SAMPLES = song(1.0)
ANNS_KEY = "anns-own-license"


@pytest.fixture(autouse=True)
def calm(lalalai: LalalaiSimulator) -> Iterator[None]:
    lalalai.add_account(ANNS_KEY, 100.0)
    yield
    lalalai.held = False
    lalalai.percents = [0, 40, 80]


@pytest.fixture(scope="module")
def ann(stack: Stack) -> Iterator[httpx.Client]:
    """An account that nobody else has used, which calls by token."""
    with Browser(stack.base_url) as browser:
        registered(browser)
        asked = {"email": browser.email, "password": "correct horse battery"}
        token = browser.post("/api/tokens", json=asked).json()["data"]["token"]
    with httpx.Client(base_url=stack.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        yield client


def begun(client: httpx.Client, **more: Any) -> str:
    """The id of a new job for lalal.ai."""
    track = upload(client, encoded(SAMPLES))
    answer = client.post("/api/processing/separate", json={"track_id": track["id"], "engine": "lalalai", **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["job_id"])


def job_of(client: httpx.Client, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = client.get(f"/api/processing/job/{job_id}").json()["data"]
    return job


def task_of(client: httpx.Client, job_id: str) -> str:
    """The task of a job that lalal.ai is at work on."""
    eventually(lambda: bool(job_of(client, job_id)["lalalai_task_ids"]))
    return str(job_of(client, job_id)["lalalai_task_ids"][0])


def quota_of(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/api/lalalai/quota")
    assert answer.status_code == 200, answer.text
    quota: dict[str, Any] = answer.json()["data"]
    return quota


def test_a_song_is_taken_apart_by_lalalai(ann: httpx.Client, lalalai: LalalaiSimulator) -> None:
    lalalai.held = True
    lalalai.percents = [55]
    lalalai.failures.append(("/split/multistem/", 503, {}, {"Retry-After": "2"}))
    before = quota_of(ann)
    job_id = begun(ann, model="htdemucs", format="wav24")
    eventually(lambda: job_of(ann, job_id)["message"] == "lalal.ai is busy; retrying in 2 s")
    eventually(lambda: job_of(ann, job_id)["progress"] == 54)  # 10 for sending, and 0.8 of lalal.ai's 55
    working = job_of(ann, job_id)
    assert (working["status"], working["engine"], working["message"]) == (
        "processing", "lalalai", "lalal.ai is separating",
    )  # fmt: skip
    lalalai.held = False
    job = finished(ann, f"/api/processing/job/{job_id}")
    assert (job["status"], job["engine"], job["model"], job["requested_model"]) == (
        "completed", "lalalai", "perseus", "newest",
    )  # fmt: skip
    assert {stem["stem_type"]: stem["source"] for stem in job["stems"]} == dict.fromkeys(
        ("vocals", "drums", "bass", "other"), "lalalai"
    )
    (vocals,) = (stem for stem in job["stems"] if stem["stem_type"] == "vocals")
    samples = decoded(ann.get(vocals["download_url"]).content)
    assert (samples.shape, vocals["sample_rate_hz"]) == (SAMPLES.shape, RATE_HZ)
    assert np.abs(samples - SHARES["vocals"] * decoded(encoded(SAMPLES))).max() < 2**-20
    # Nothing of it stays there, and it was charged for three stems of a second.
    (task,) = (task for task_id, task in lalalai.tasks.items() if task_id in job["lalalai_task_ids"])
    eventually(lambda: task.source_id not in lalalai.sources)
    assert task.status == "success"
    after = quota_of(ann)
    assert (before["used_minutes"], after["used_minutes"], after["own_key"]) == (0, 0.05, False)
    assert after["remaining_minutes"] == pytest.approx(before["remaining_minutes"] - 0.05, abs=0.011)
    assert after["quota_minutes"] == pytest.approx(after["remaining_minutes"] + 0.05, abs=0.011)


def test_cancelling_reaches_lalalai_and_spares_others(
    ann: httpx.Client, other: httpx.Client, lalalai: LalalaiSimulator
) -> None:
    lalalai.held = True
    mine, also_mine, theirs = begun(ann), begun(ann), begun(other)
    tasks = [task_of(ann, mine), task_of(ann, also_mine), task_of(other, theirs)]
    # Whatever waits for lalal.ai, those that compute here go on.
    local = begun(ann, engine="dsp")
    assert finished(ann, f"/api/processing/job/{local}")["status"] == "completed"
    for body in ({"task_id": tasks[2]}, {"task_id": theirs}, {"task_id": "nothing"}):
        answer = ann.post("/api/lalalai/cancel", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "TASK_NOT_FOUND")
    for nothing in ({}, {"task_id": ""}):
        answer = ann.post("/api/lalalai/cancel", json=nothing)
        assert (answer.status_code, answer.json()["error"]) == (400, "task_id parameter is required")
    expected = {"success": True, "result": {tasks[0]: {"status": "success"}}, "job_ids": [mine]}
    for _ in range(2):
        answer = ann.post("/api/lalalai/cancel", data={"task_id": tasks[0]})
        assert (answer.status_code, answer.json()) == (200, {"data": expected})
    job = finished(ann, f"/api/processing/job/{mine}")
    assert (job["status"], job["error"]) == ("failed", "cancelled")
    answer = ann.post("/api/lalalai/cancel-all")
    assert answer.json()["data"]["job_ids"] == [also_mine]
    assert finished(ann, f"/api/processing/job/{also_mine}")["error"] == "cancelled"
    # A job that is cancelled like any other is cancelled there, too.
    assert other.delete(f"/api/jobs/{theirs}").status_code == 204
    eventually(lambda: lalalai.tasks[tasks[2]].status == "cancelled")
    assert [lalalai.tasks[task].status for task in tasks] == ["cancelled"] * 3
    assert lalalai.asked("/cancel/all/") == 0
    assert ann.post("/api/lalalai/cancel-all").json() == {"data": {"success": True, "result": {}, "job_ids": []}}


def test_ones_own_key(ann: httpx.Client, lalalai: LalalaiSimulator, stack: Stack) -> None:
    answer = ann.put("/api/lalalai/key", json={"api_key": "two words, one key"})
    assert (answer.status_code, "two words" in answer.text) == (422, False)
    assert ann.put("/api/lalalai/key", json={"api_key": ANNS_KEY}).json() == {"data": {"own_key": True}}
    quota = quota_of(ann)
    assert (quota["remaining_minutes"], quota["own_key"]) == (100.0, True)
    seen_before = len(lalalai.seen)
    job = finished(ann, f"/api/processing/job/{begun(ann, model='orion')}")
    assert (job["status"], job["model"]) == ("completed", "orion")
    eventually(lambda: lalalai.seen[-1][0] == "/delete/")
    assert {key for _, key in lalalai.seen[seen_before:]} == {ANNS_KEY}
    assert ann.put("/api/lalalai/key", json={"api_key": "revoked-license"}).status_code == 200
    refused = ann.get("/api/lalalai/quota")
    assert (refused.status_code, refused.json()["code"]) == (503, "LALALAI_UNAUTHORIZED")
    failed = finished(ann, f"/api/processing/job/{begun(ann)}")
    assert (failed["status"], failed["error"]) == (
        "failed", "lalal.ai does not accept your key. Enter a valid key in your settings.",
    )  # fmt: skip
    for _ in range(2):
        assert ann.delete("/api/lalalai/key").status_code == 204
    assert quota_of(ann)["own_key"] is False
    log = stack.log()
    for key in (KEY, ANNS_KEY, "revoked-license"):
        assert key not in log + refused.text + str(failed)
