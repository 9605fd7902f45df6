"""Webhooks over HTTP: an endpoint is registered, hears of jobs, and its log says how it went."""

import signal
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from stories import ANALYSE, encoded, separated, song, started, upload

from tests.simulators.webhook_receiver import WebhookReceiver
from tests.stacks import Stack
from tests.waiting import eventually

SONG = encoded(song(0.5))


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Iterator[httpx.Client]:
    """An account whose jobs are those of these tests."""
    with stack.client(stack.create_account("hooks@example.org")) as client:
        yield client


@pytest.fixture
def path() -> str:
    """One that no other test has."""
    return f"/hooks/{uuid.uuid4().hex}"


def registered(owner: httpx.Client, url: str, **fields: Any) -> dict[str, Any]:
    answer = owner.post("/api/webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()["data"]
    return webhook


def log(owner: httpx.Client, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    answer = owner.get(f"/api/webhooks/{webhook['id']}/deliveries")
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["data"]
    return entries


def removed(owner: httpx.Client, webhook: dict[str, Any]) -> None:
    assert owner.delete(f"/api/webhooks/{webhook['id']}").status_code == 204


def test_an_endpoint_from_its_registration_to_its_removal(
    owner: httpx.Client, receiver: WebhookReceiver, path: str
) -> None:
    made = registered(owner, receiver.url + path, events=["job.failed"], description="mine")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert {name: made[name] for name in ("url", "events", "description", "enabled", "disabled_reason")} == {
        "url": receiver.url + path,
        "events": ["job.failed"],
        "description": "mine",
        "enabled": True,
        "disabled_reason": None,
    }
    at = f"/api/webhooks/{made['id']}"
    assert owner.get(at).json() == {"data": made}
    assert made in owner.get("/api/webhooks").json()["data"]
    changed = owner.patch(at, json={"enabled": False, "events": ["*"]}).json()["data"]
    assert (changed["enabled"], changed["events"], changed["description"]) == (False, ["*"], "mine")
    refused = owner.post(f"{at}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "WEBHOOK_DISABLED")
    assert owner.patch(at, json={"enabled": True}).json()["data"]["enabled"] is True
    rotated = owner.post(f"{at}/secret").json()["data"]
    assert rotated["previous_secret_expires_at"] is not None

    sent = owner.post(f"{at}/test")
    assert (sent.status_code, sent.json()["data"]["event"]) == (202, "ping")
    eventually(lambda: len(receiver.to(path)) == 1)
    (ping,) = receiver.to(path)
    assert ping.message["type"] == "ping"
    assert (ping.signed_by(rotated["secret"]), ping.signed_by(secret)) == ([True, False], [False, True])
    assert (ping.verified(rotated["secret"]), ping.verified(secret)) == (True, True)
    assert secret not in owner.get(at).text + owner.get("/api/webhooks").text
    eventually(lambda: log(owner, made)[0]["status"] == "delivered")
    replayed = owner.post(f"/api/webhooks/deliveries/{log(owner, made)[0]['id']}/replay")
    assert (replayed.status_code, replayed.json()["data"]["status"]) == (202, "pending")
    eventually(lambda: len(receiver.to(path)) == 2)

    removed(owner, made)
    for answer in (owner.get(at), owner.delete(at), owner.get(f"{at}/deliveries"), owner.post(f"{at}/test")):
        assert (answer.status_code, answer.json()["code"]) == (404, "WEBHOOK_NOT_FOUND")


def test_every_kind_of_job_is_told_with_files_that_can_be_fetched(
    owner: httpx.Client, receiver: WebhookReceiver, path: str
) -> None:
    webhook = registered(owner, receiver.url + path)
    track = upload(owner, SONG)["id"]
    analysis = started(owner, ANALYSE, track, features=["tempo"])
    clip = owner.post("/generate", json={"prompt": "slow cello", "duration": 1}).json()["job_id"]
    pipeline = owner.post("/process", files={"file": ("song.wav", SONG)}).json()["job_id"]
    separation = separated(owner, track)["id"]
    export = started(owner, "/api/export/stems", track)
    expected = {str(uuid.UUID(job_id)) for job_id in (analysis, clip, pipeline, separation, export)}
    eventually(lambda: {r.message["data"]["id"] for r in receiver.to(path)} == expected)
    told = {received.message["data"]["job_type"]: received.message["data"] for received in receiver.to(path)}
    assert {kind: len(data["outputs"]) for kind, data in told.items()} == {
        "analysis": 1,
        "generation": 2,
        "pipeline": 10,
        "processing": 4,
        "export": 1,
    }
    for data in told.values():
        for file in data["outputs"]:
            answer = owner.get(file["download_path"])
            assert (answer.status_code, answer.headers["content-type"]) == (200, file["content_type"]), file
    shown, data = owner.get(f"/api/jobs/{separation}").json()["data"], told["processing"]
    same = ("id", "job_type", "status", "track_id", "error", "created_at", "started_at")
    assert {name: data[name] for name in same} == {name: shown[name] for name in same}
    assert data["finished_at"] == shown["completed_at"]
    assert (data["engine"], data["model"], data["degraded"]) == ("dsp", "dsp", False)
    for received in receiver.to(path):
        assert received.signed_by(webhook["secret"]) == [True]
        assert received.verified(webhook["secret"])
        assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 300
    entries = {entry["message_id"]: entry for entry in log(owner, webhook)}
    assert entries.keys() == {received.headers["webhook-id"] for received in receiver.to(path)}
    eventually(lambda: {entry["status"] for entry in log(owner, webhook)} == {"delivered"})
    entry = log(owner, webhook)[0]
    assert (entry["response_code"], entry["attempts"], entry["error"], entry["next_attempt_at"]) == (204, 1, None, None)
    removed(owner, webhook)


def test_what_is_due_is_sent_after_the_library_died(
    stack: Stack, owner: httpx.Client, receiver: WebhookReceiver, path: str
) -> None:
    webhook = registered(owner, receiver.url + path)
    receiver.answer_with([500])
    owner.post(f"/api/webhooks/{webhook['id']}/test")
    eventually(lambda: len(receiver.to(path)) == 1)
    (library,) = stack.component("library")
    library.send_signal(signal.SIGKILL)
    eventually(lambda: len(receiver.to(path)) == 2)
    assert len({received.headers["webhook-id"] for received in receiver.to(path)}) == 1
    removed(owner, webhook)
