"""Batches: several tracks are separated with one request, followed to one end, cancelled and started again."""

# Calls over HTTP are short, and nothing else is to be done meanwhile.
# ruff: noqa: ASYNC212

import uuid
from typing import Any

import httpx
import pytest
from phoenix_client import Phoenix, opened
from stories import encoded, finished, song, upload

from tests.simulators.webhook_receiver import WebhookReceiver
from tests.stacks import Stack
from tests.waiting import eventually

BATCH = "/api/processing/batch"
SHORT = encoded(song(0.5))
LONG = encoded(song(30.0))


@pytest.fixture(scope="module")
def tracks(admin: httpx.Client) -> list[str]:
    return [str(upload(admin, SHORT)["id"]) for _ in range(3)]


def separated(client: httpx.Client, track_ids: list[str], key: str = "", **fields: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = client.post(BATCH, json={"track_ids": track_ids, "model": "dsp", **fields}, headers=headers)
    assert answer.status_code == 201, answer.text
    batch: dict[str, Any] = answer.json()["data"]
    return batch


def counts(batch: dict[str, Any]) -> tuple[str, int, int, int, int]:
    return (batch["status"], batch["total"], batch["completed"], batch["failed"], batch["cancelled"])


def of_type(client: httpx.Client, job_type: str) -> int:
    return int(client.get("/api/jobs", params={"type": job_type}).json()["meta"]["total_count"])


@pytest.mark.topology("cluster")
async def test_a_batch_of_three_is_separated(stack: Stack, admin: httpx.Client, tracks: list[str]) -> None:
    batch = separated(admin, tracks, format="wav16")
    assert [job["track_id"] for job in batch["jobs"]] == tracks
    assert batch["total"] == 3
    async with opened(stack, stack.token) as socket:
        phoenix = Phoenix(socket)
        await phoenix.join(f"jobs:{batch['id']}")
        told = await phoenix.follow(f"jobs:{batch['id']}")
        assert await phoenix.quiet()
    assert [event for event, _ in told].count("job:completed") == 1
    assert told[-1][1] == {
        "job_id": batch["id"],
        "job_type": "batch",
        "track_id": None,
        "result": {"output_path": f"{BATCH}/{batch['id']}", "file_size": None},
    }
    batch = admin.get(told[-1][1]["result"]["output_path"]).json()["data"]
    assert (counts(batch), batch["progress"], batch["error"]) == (("completed", 3, 3, 0, 0), 100, None)
    assert batch["created_at"] <= batch["started_at"] <= batch["completed_at"]
    for job in batch["jobs"]:
        assert (job["status"], job["progress"], job["error"]) == ("completed", 100, None)
        separation = admin.get(f"/api/processing/job/{job['job_id']}").json()["data"]
        assert (separation["track_id"], len(separation["stems"])) == (job["track_id"], 4)
        assert {stem["content_type"] for stem in separation["stems"]} == {"audio/wav"}
        assert admin.get(f"/api/jobs/{job['job_id']}").json()["data"]["batch_id"] == batch["id"]
    listed = admin.get("/api/jobs", params={"type": "batch", "page_size": 1}).json()["data"][0]
    assert (listed["id"], listed["job_type"], listed["title"], listed["model"]) == (
        batch["id"],
        "batch",
        "3 tracks",
        "dsp",
    )
    assert listed["batch"] == {"total": 3, "completed": 3, "failed": 0, "cancelled": 0}
    assert (listed["track_id"], listed["queue_position"], listed["status"]) == (None, None, "completed")
    assert admin.get(f"/api/jobs/{batch['id']}").json()["data"]["result"] is None
    assert admin.get(f"{BATCH}/{batch['jobs'][0]['job_id']}").status_code == 404, "a job is no batch"
    refused = admin.post(f"/api/jobs/{batch['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "JOB_NOT_FAILED")
    refused = admin.delete(f"/api/jobs/{batch['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "JOB_FINISHED")


@pytest.mark.topology("cluster")
def test_a_batch_with_a_cancelled_job_is_completed_and_starts_that_one_again(
    admin: httpx.Client, receiver: WebhookReceiver, tracks: list[str]
) -> None:
    path = f"/hooks/{uuid.uuid4().hex}"
    webhook = admin.post("/api/webhooks", json={"url": receiver.url + path}).json()["data"]
    long = str(upload(admin, LONG)["id"])
    batch = separated(admin, [tracks[0], long, tracks[1]], stems=["vocals"])
    cancelled = batch["jobs"][1]["job_id"]
    assert admin.delete(f"/api/jobs/{cancelled}").status_code == 204
    batch = finished(admin, f"{BATCH}/{batch['id']}")
    assert counts(batch) == ("completed", 3, 2, 0, 1)
    assert [(job["status"], job["error"], job["error_code"]) for job in batch["jobs"]] == [
        ("completed", None, None),
        ("failed", "cancelled", "CANCELLED"),
        ("completed", None, None),
    ]
    # Jobs of the stories before may end only now.
    expected = {batch["id"], *(job["job_id"] for job in batch["jobs"])}
    eventually(lambda: expected <= {r.message["data"]["id"] for r in receiver.to(path)})
    told = [received.message for received in receiver.to(path) if received.message["data"]["id"] == batch["id"]]
    assert [message["type"] for message in told] == ["job.completed"]
    assert told[0]["data"]["batch"] == {"total": 3, "completed": 2, "failed": 0, "cancelled": 1}
    assert told[0]["data"]["outputs"] == []
    others = [r.message["data"] for r in receiver.to(path) if r.message["data"]["id"] in expected - {batch["id"]}]
    assert {data["batch_id"] for data in others} == {batch["id"]}
    assert admin.delete(f"/api/webhooks/{webhook['id']}").status_code == 204
    again = admin.post(f"/api/jobs/{batch['id']}/retry")
    assert again.status_code == 201
    repeated = admin.post(f"/api/jobs/{batch['id']}/retry")
    assert (repeated.status_code, repeated.json()["data"]["id"]) == (200, again.json()["data"]["id"])
    retried = finished(admin, f"{BATCH}/{again.json()['data']['id']}")
    assert counts(retried) == ("completed", 1, 1, 0, 0)
    assert [job["track_id"] for job in retried["jobs"]] == [long]
    separation = admin.get(f"/api/processing/job/{retried['jobs'][0]['job_id']}").json()["data"]
    assert [stem["stem_type"] for stem in separation["stems"]] == ["vocals", "accompaniment"]
    assert admin.get(f"{BATCH}/{batch['id']}").json()["data"] == batch, "the first batch stays as it ended"


def test_a_track_that_is_deleted_meanwhile_does_not_hold_up_its_batch(admin: httpx.Client, tracks: list[str]) -> None:
    long = str(upload(admin, LONG)["id"])
    batch = separated(admin, [long, tracks[0]])
    assert admin.delete(f"/api/tracks/{long}").status_code == 204
    assert counts(finished(admin, f"{BATCH}/{batch['id']}")) == ("completed", 2, 1, 0, 1)
    refused = admin.post(f"/api/jobs/{batch['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (404, "TRACK_NOT_FOUND")
    assert long in refused.json()["message"]
    gone, kept = (str(upload(admin, LONG)["id"]) for _ in range(2))
    batch = separated(admin, [gone, kept])
    assert admin.delete(f"/api/jobs/{batch['id']}").status_code == 204
    assert counts(finished(admin, f"{BATCH}/{batch['id']}"))[-1] == 2
    assert admin.delete(f"/api/tracks/{gone}").status_code == 204
    again = admin.post(f"/api/jobs/{batch['id']}/retry")
    assert again.status_code == 201, again.text
    assert [job["track_id"] for job in finished(admin, f"{BATCH}/{again.json()['data']['id']}")["jobs"]] == [kept]


def test_one_track_that_cannot_be_separated_refuses_the_whole_batch(
    admin: httpx.Client, other: httpx.Client, tracks: list[str]
) -> None:
    foreign, unknown = str(upload(other, SHORT)["id"]), str(uuid.uuid4())
    before = of_type(admin, "batch"), of_type(admin, "processing")
    answer = admin.post(BATCH, json={"track_ids": [*tracks, foreign, unknown], "model": "dsp"})
    assert (answer.status_code, answer.json()["code"]) == (404, "TRACK_NOT_FOUND")
    assert answer.json()["track_ids"] == [foreign, unknown]
    assert foreign in answer.json()["message"]
    answer = admin.post(BATCH, json={"track_ids": [tracks[0], "../x"], "model": "dsp"})
    assert (answer.status_code, answer.json()["track_ids"]) == (404, ["../x"])
    answer = admin.post(BATCH, json={"track_ids": tracks, "model": "no such model"})
    assert answer.status_code == 422
    assert (of_type(admin, "batch"), of_type(admin, "processing")) == before, "nothing is created"


def test_a_track_counts_once(admin: httpx.Client, tracks: list[str]) -> None:
    answer = admin.post(BATCH, json={"track_ids": [tracks[0], tracks[0].replace("-", "").upper()]})
    assert (answer.status_code, answer.json()["details"]) == (422, {"track_ids": ["must contain each track once"]})


def test_a_batch_counts_as_one_request_for_each_track(admin: httpx.Client, tracks: list[str]) -> None:
    def remaining(answer: httpx.Response) -> tuple[str, int]:
        return answer.headers["x-ratelimit-reset"], int(answer.headers["x-ratelimit-remaining"])

    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"track_ids": tracks, "model": "dsp"}
    answers = [admin.post(BATCH, json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    first, second = map(remaining, answers)
    if first[0] == second[0]:  # of the same minute
        assert first[1] - second[1] == 3
