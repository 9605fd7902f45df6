"""Stories of the ledger of jobs, and of what every answer has in common."""

import json
import uuid
from typing import Any

import httpx
import pytest
from stories import encoded, finished, song, upload

from tests.stacks import Stack
from tests.waiting import eventually


@pytest.fixture(scope="module")
def track(admin: httpx.Client) -> dict[str, Any]:
    return upload(admin, encoded(song(1.0)))


def separate(client: httpx.Client, track: dict[str, Any], **headers: str) -> str:
    body = {"track_id": track["id"], "model": "dsp"}
    answer = client.post("/api/processing/separate", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["data"]["job_id"]
    return job_id


def test_the_ledger_is_filtered_and_paged(admin: httpx.Client) -> None:
    mine = upload(admin, encoded(song(0.5)))
    ids = [separate(admin, mine) for _ in range(3)]
    for job_id in ids:
        finished(admin, f"/api/jobs/{job_id}")
    only = {"track_id": mine["id"]}
    listed = admin.get("/api/jobs", params=only).json()
    assert [job["id"] for job in listed["data"]] == ids[::-1]
    assert listed["meta"] == {"page": 1, "page_size": 20, "total_count": 3, "total_pages": 1}
    second = admin.get("/api/jobs", params={**only, "page": 2, "page_size": 2}).json()
    assert [job["id"] for job in second["data"]] == ids[:1]
    assert second["meta"] == {"page": 2, "page_size": 2, "total_count": 3, "total_pages": 2}
    assert len(admin.get("/api/jobs", params={**only, "status": "completed"}).json()["data"]) == 3
    assert admin.get("/api/jobs", params={**only, "status": "failed"}).json()["data"] == []
    assert admin.get("/api/jobs", params={**only, "type": "analysis"}).json()["data"] == []
    assert len(admin.get("/api/jobs", params={**only, "type": "processing"}).json()["data"]) == 3
    oldest = admin.get("/api/jobs", params={**only, "sort": "oldest", "page_size": 2})
    assert [job["id"] for job in oldest.json()["data"]] == ids[:2]
    assert [job["id"] for job in admin.get(oldest.links["next"]["url"]).json()["data"]] == ids[2:]
    beyond = admin.get("/api/jobs", params={**only, "page": 7}).json()
    assert (beyond["data"], beyond["meta"]["total_count"]) == ([], 3)


@pytest.mark.topology("cluster")
def test_a_job_is_cancelled_while_it_waits_or_runs(admin: httpx.Client) -> None:
    long = upload(admin, encoded(song(20.0)))
    jobs = [separate(admin, long) for _ in range(3)]
    eventually(lambda: admin.get(f"/api/jobs/{jobs[0]}").json()["data"]["status"] != "queued")
    for job_id in reversed(jobs):
        assert admin.delete(f"/api/jobs/{job_id}").status_code == 204
    for job_id in jobs:
        job = finished(admin, f"/api/jobs/{job_id}")
        assert (job["status"], job["error"]) == ("failed", "cancelled")
        assert admin.get(f"/api/processing/job/{job_id}").json()["data"]["stems"] == []
        assert admin.delete(f"/api/jobs/{job_id}").status_code == 204  # asking again changes nothing


def test_a_cancelled_job_starts_again_once(admin: httpx.Client) -> None:
    long = upload(admin, encoded(song(30.0)))
    ahead, waiting = (separate(admin, long) for _ in range(2))
    queued = admin.get(f"/api/jobs/{waiting}").json()["data"]
    assert (queued["title"], queued["model"]) == (long["title"], "dsp")
    assert admin.post(f"/api/jobs/{waiting}/retry").json()["code"] == "JOB_NOT_FAILED"
    assert admin.delete(f"/api/jobs/{waiting}").status_code == 204
    finished(admin, f"/api/jobs/{waiting}")
    answers = [admin.post(f"/api/jobs/{waiting}/retry") for _ in range(2)]
    again = answers[0].json()["data"]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert again["id"] == answers[1].json()["data"]["id"] != waiting
    assert (again["job_type"], again["model"], again["track_id"]) == ("processing", "dsp", long["id"])
    assert admin.delete(f"/api/jobs/{again['id']}").status_code == 204
    finished(admin, f"/api/jobs/{again['id']}")
    third = admin.post(f"/api/jobs/{waiting}/retry").json()["data"]["id"]
    assert third not in (waiting, again["id"]), "the second attempt was cancelled, too"
    for each in (third, ahead):
        admin.delete(f"/api/jobs/{each}")


def test_a_request_is_followed_from_the_edge_to_the_worker(
    stack: Stack, admin: httpx.Client, track: dict[str, Any]
) -> None:
    request_id = f"story-{uuid.uuid4()}"
    finished(admin, f"/api/jobs/{separate(admin, track, **{'X-Request-Id': request_id})}")

    def entries() -> list[dict[str, Any]]:
        lines = stack.log().splitlines()
        return [json.loads(line) for line in lines if request_id in line and line.startswith("{")]

    eventually(lambda: "job.succeeded" in {entry["event"] for entry in entries()})
    assert {"gateway", "separation"} <= {entry["component"] for entry in entries()}


def test_health_and_documentation(stack: Stack, admin: httpx.Client) -> None:
    health = httpx.get(f"{stack.base_url}/health")
    assert (health.status_code, health.json()["status"], health.json()["pipeline_stages"]) == (200, "ok", 4)
    for operations in ("/livez", "/readyz", "/metrics"):  # only on the operations address
        assert httpx.get(f"{stack.base_url}{operations}").status_code == 404
    paths = httpx.get(f"{stack.base_url}/openapi.json").json()["paths"]
    assert {"/api/tracks", "/api/processing/separate", "/process", "/job/{job_id}", "/health"} <= set(paths)
    assert httpx.get(f"{stack.base_url}/docs").status_code == 200
