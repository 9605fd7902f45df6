"""Waiting in line: order, places, cancelling, and how much one caller may ask for."""

import contextlib
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from stories import asked, ended, listener, made

from tests.stacks import Stack
from tests.waiting import eventually

LONG = {"duration": 60, "model": "music"}
UNKNOWN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def busy(stack: Stack, box: httpx.Client, admin: httpx.Client) -> Iterator[list[str]]:
    """The ids of an administrator's long jobs that have begun, one for each worker, in the order in which they came.

    Their engines stand still, so that no job ends while a test looks at the queue. What is asked for meanwhile waits, and goes at
    the end.
    """
    job_ids = [asked(admin, "endless drone", duration=180)["job_id"] for _ in stack.component("generation")]
    eventually(lambda: {admin.get(f"/job/{job_id}").json()["status"] for job_id in job_ids} == {"processing"})
    for engine in engines(stack):
        engine.suspend()
    yield job_ids
    for job in box.get("/api/queue").json()["jobs"]:
        if job["status"] == "queued":
            box.post(f"/api/queue/{job['id']}/cancel", json={"user_id": job["user_id"]})
    stop(stack, admin, job_ids)
    eventually(lambda: box.get("/api/queue").json()["total"] == 0)


def engines(stack: Stack) -> list[psutil.Process]:
    return [engine for worker in stack.component("generation") for engine in worker.children()]


def stop(stack: Stack, admin: httpx.Client, job_ids: list[str]) -> None:
    for engine in engines(stack):
        engine.resume()
    for job_id in job_ids:
        admin.delete(f"/api/jobs/{uuid.UUID(job_id)}")


def test_everybody_sees_who_waits(stack: Stack, box: httpx.Client, busy: list[str], admin: httpx.Client) -> None:
    user, running = listener(), len(busy)
    prompts = ["first " + "a" * 60, "second " + "b" * 90]
    first, second = (asked(box, prompt, **LONG, user_id=user) for prompt in prompts)
    urgent = admin.post("/generate", json={"prompt": "urgent", "priority": "admin"}).json()
    assert (first["position"], second["position"]) == (running + 1, running + 2)
    assert second["queue_message"]
    ids = [*busy, first["job_id"], second["job_id"], urgent["job_id"]]

    status = box.get("/status").json()
    assert status["queue_length"] == running + 3
    assert status["estimated_wait"] > 0
    queue = box.get("/queue-status").json()
    assert (queue["queue_length"], queue["current_job"]) == (running + 3, busy[0])
    assert [job["id"] for job in queue["jobs"]] == ids, "not in the order in which they came"
    assert [job["position"] for job in queue["jobs"]] == [*[0] * running, 2, 3, 1]
    assert [job["status"] for job in queue["jobs"]] == [*["processing"] * running, "queued", "queued", "queued"]
    assert [job["priority"] for job in queue["jobs"]] == [*["standard"] * running, "standard", "standard", "admin"]
    shown = [*["endless drone"] * running, *(prompt[:50] + "..." for prompt in prompts), "urgent"]
    assert [job["prompt"] for job in queue["jobs"]] == shown
    # The administrator's job starts before jobs that have waited longer.
    assert [admin.get(f"/job/{job_id}").json()["position"] for job_id in ids] == [*[0] * running, 2, 3, 1]
    assert box.get(f"/job/{second['job_id']}").json()["estimated_wait"] > 0
    waiting = box.get(f"/job/{first['job_id']}").json()
    assert (waiting["status"], waiting["progress_pct"], waiting["filename"]) == ("queued", 0, None)

    explored = box.get("/api/queue").json()
    assert (explored["total"], explored["current_job"]) == (running + 3, busy[0])
    starting = [*busy, urgent["job_id"], first["job_id"], second["job_id"]]
    assert [(job["position"], job["id"]) for job in explored["jobs"]] == list(enumerate(starting, 1))
    last = explored["jobs"][-1]
    assert (last["prompt"], last["model"], last["duration"]) == (prompts[1][:80] + "...", "music", 60)
    assert (last["user_id"], last["status"], last["progress_pct"]) == (user, "queued", 0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", last["created"])
    assert admin.post(f"/api/queue/{urgent['job_id']}/cancel").json()["success"] is True


@pytest.fixture(scope="module")
def members(stack: Stack, admin: httpx.Client) -> Iterator[dict[str, httpx.Client]]:
    """Clients of accounts by role. Jobs of the role ``pro`` starve at once, see ``conftest.py``."""
    with contextlib.ExitStack() as clients:
        made = {}
        for role in ("pro", "enterprise"):
            token = stack.create_account(f"{role}@example.org")
            [user] = admin.get("/api/admin/users", params={"search": f"{role}@example.org"}).json()["data"]
            assert admin.patch(f"/api/admin/users/{user['id']}", json={"role": role}).status_code == 200
            headers = {"Authorization": f"Bearer {token}"}
            made[role] = clients.enter_context(httpx.Client(base_url=stack.base_url, headers=headers, timeout=120))
        yield made


def test_jobs_start_in_the_order_of_their_positions(
    stack: Stack, box: httpx.Client, admin: httpx.Client, members: dict[str, httpx.Client], busy: list[str]
) -> None:
    owners: dict[str, httpx.Client] = {}
    for client, priority in (
        (box, "free"), (box, "standard"), (members["enterprise"], "premium"), (admin, "free"), (box, "standard"),
        (members["pro"], "free"), (admin, "admin"), (box, "free"), (members["enterprise"], "standard"),
        (members["pro"], "standard"), (admin, "admin"),
    ):  # fmt: skip
        fields = {"user_id": listener()} if client is box else {}
        model = ("music", "audio")[len(owners) % 2]
        accepted = asked(client, f"{priority} job", duration=1, model=model, priority=priority, **fields)
        owners[accepted["job_id"]] = client
    made = list(owners)
    starving = [made[9], made[5]]
    expected = [*starving, made[6], made[10], made[2], made[1], made[4], made[8], made[0], made[3], made[7]]

    def positions_now() -> dict[str, int]:
        return {job_id: client.get(f"/job/{job_id}").json()["position"] for job_id, client in owners.items()}

    eventually(lambda: sorted(made, key=positions_now().__getitem__) == expected)
    positions = positions_now()
    assert sorted(positions.values()) == list(range(1, len(made) + 1))
    status = {job["id"]: job["position"] for job in box.get("/queue-status").json()["jobs"]}
    assert status == {**positions, **dict.fromkeys(busy, 0)}
    explored = box.get("/api/queue").json()["jobs"]
    assert [job["id"] for job in explored] == [*busy, *expected]

    def waits_do_not_decrease() -> bool:
        # They are rounded to tenths of a second, which is longer than a short clip may take.
        waits = [owners[job_id].get(f"/job/{job_id}").json()["estimated_wait"] for job_id in expected]
        return waits[0] > 0 and waits == sorted(waits)

    eventually(waits_do_not_decrease)  # estimates are up to a second old

    stop(stack, admin, busy)
    for job_id, client in owners.items():
        assert ended(client, job_id)["status"] == "completed"
    stored = [clip["id"] for clip in box.get("/api/library", params={"per_page": 100}).json()["items"]]
    # One job runs at a time, so clips are stored in the order in which their jobs started.
    assert [clip for clip in reversed(stored) if clip in positions] == expected


def test_a_cancelled_job_is_gone(stack: Stack, box: httpx.Client, admin: httpx.Client, busy: list[str]) -> None:
    user = listener()
    job_id = asked(box, "a change of mind", **LONG, user_id=user)["job_id"]
    path = f"/api/queue/{job_id}/cancel"

    def refused(answer: httpx.Response) -> tuple[int, Any]:
        assert list(answer.json()) == ["error"]
        return answer.status_code, answer.json()["error"]

    assert refused(box.post(path)) == (400, "user_id required")
    assert refused(box.post(path, json={"user_id": None})) == (400, "user_id required")
    assert refused(box.post(path, json={"user_id": listener()})) == (403, "Not authorized to cancel this job")
    unknown = box.post(f"/api/queue/{UNKNOWN}/cancel", json={"user_id": user})
    assert refused(unknown) == (404, "Job not found")
    assert refused(box.post(f"/api/queue/{busy[0]}/cancel", json={"user_id": user}))[0] == 403
    assert refused(admin.post(f"/api/queue/{busy[0]}/cancel")) == (
        400,
        "Cannot cancel a job that is already processing",
    )
    assert box.post(path, json={"user_id": user}).json() == {"success": True, "message": "Job cancelled"}
    assert refused(box.get(f"/job/{job_id}")) == (404, "Job not found")
    assert httpx.get(f"{stack.base_url}/job/{job_id}").status_code == 404
    assert refused(box.post(path, json={"user_id": user})) == (404, "Job not found")
    assert job_id not in {job["id"] for job in box.get("/queue-status").json()["jobs"]}


@pytest.fixture(scope="module")
def source(box: httpx.Client) -> tuple[str, str]:
    owner = listener("owner")
    return made(box, "soon to be gone", user_id=owner), owner


def test_a_failed_job_says_why(
    stack: Stack, box: httpx.Client, admin: httpx.Client, source: tuple[str, str], busy: list[str]
) -> None:
    clip, owner = source
    job_id = asked(box, "goes on from nothing", duration=1, continue_from=clip, user_id=owner)["job_id"]
    assert box.request("DELETE", f"/api/library/{clip}", json={"user_id": owner}).status_code == 200
    stop(stack, admin, busy)
    job = ended(box, job_id)
    assert (job["status"], job["filename"], job["quality"], job["position"]) == ("failed", None, None, 0)
    assert re.fullmatch(r"Generation failed: [A-Z].+\.", job["error"])
    assert isinstance(job["retry_count"], int)
    assert httpx.get(f"{stack.base_url}/job/{job_id}").json() == job
    cancelled = box.post(f"/api/queue/{job_id}/cancel", json={"user_id": owner})
    assert (cancelled.status_code, cancelled.json()) == (400, {"error": "Job is not in queue"})
