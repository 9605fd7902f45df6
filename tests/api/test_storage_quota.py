"""The storage quota of an account, over HTTP against a running stack."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from published import Document
from stories import encoded, finished, separated, song, upload

from tests.stacks import Stack
from tests.waiting import eventually

SONG = encoded(song(2.0))


@pytest.fixture(scope="module")
def ann(stack: Stack, document: Document) -> Iterator[httpx.Client]:
    """An account that nobody else uses."""
    with stack.client(stack.create_account("quota@example.org")) as client:
        client.event_hooks = {"response": [document.hold]}
        yield client


def change(admin: httpx.Client, **changes: Any) -> dict[str, Any]:
    [user] = admin.get("/api/admin/users", params={"search": "quota@example.org"}).json()["data"]
    changed = admin.patch(f"/api/admin/users/{user['id']}", json=changes)
    assert changed.status_code == 200, changed.text
    account: dict[str, Any] = changed.json()["data"]
    return account


def set_quota(admin: httpx.Client, size_bytes: int) -> None:
    changed = change(admin, storage_quota_bytes=size_bytes)
    assert changed["storage_quota_bytes"] == (None if size_bytes == -1 else size_bytes)


def usage(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/api/users/me/storage")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def refused(answer: httpx.Response) -> bool:
    body = answer.json()
    return (answer.status_code, body.get("code")) == (413, "QUOTA_EXCEEDED") and "storage quota" in body["message"]


def stems_of(stack: Stack, job_id: str) -> list[str]:
    return [key for key in stack.stored("stems/") if job_id in key and "/live/" not in key]


@pytest.mark.topology("cluster")
def test_an_account_stores_no_more_than_its_quota(
    stack: Stack, ann: httpx.Client, admin: httpx.Client, site: Any
) -> None:
    set_quota(admin, 3 * len(SONG))
    assert usage(ann) == {"used_bytes": 0, "limit_bytes": 3 * len(SONG), "available_bytes": 3 * len(SONG)}
    first = upload(ann, SONG)
    second = upload(ann, SONG)
    assert usage(ann)["available_bytes"] == len(SONG)
    # The stems of a song need more than one song: the job fails, and nothing of it is stored or counted.
    asked = ann.post("/api/processing/separate", json={"track_id": first["id"], "model": "dsp", "format": "wav16"})
    assert asked.status_code == 201, asked.text
    job = finished(ann, f"/api/jobs/{asked.json()['data']['job_id']}")
    assert job["status"] == "failed"
    assert "storage quota" in job["error"]
    assert stems_of(stack, job["id"]) == []
    assert usage(ann)["available_bytes"] == len(SONG)
    # A larger upload is refused, one that fits is not, and then nothing fits.
    assert refused(ann.post("/api/tracks", files={"file": ("song.wav", encoded(song(3.0)))}))
    repeated = {"files": {"file": ("song.wav", SONG)}, "headers": {"Idempotency-Key": "third"}}
    assert change(admin, storage_quota_bytes=3 * len(SONG))["storage_used_bytes"] == 2 * len(SONG)
    third = ann.post("/api/tracks", **repeated).json()["data"]
    assert usage(ann)["available_bytes"] == 0
    assert ann.post("/api/tracks", **repeated).json()["data"]["id"] == third["id"]  # needs no space
    assert refused(ann.post("/api/tracks", files={"file": ("song.wav", SONG)}))
    again = {"track_id": first["id"], "model": "dsp"}
    assert refused(ann.post("/api/processing/separate", json=again))
    assert refused(ann.post("/api/download/track", json={"url": f"http://{site.address}/song.wav"}))
    assert ann.get("/api/tracks").json()["meta"]["total_count"] == 3
    # Deleting frees space, and stems count exactly.
    for track in (second, third):
        assert ann.delete(f"/api/tracks/{track['id']}").status_code == 204
    assert usage(ann)["used_bytes"] == len(SONG)
    set_quota(admin, 100 * len(SONG))
    stems = stems_of(stack, separated(ann, first["id"])["id"])
    audio = [key for key in stems if not key.endswith(".dat")]  # waveforms do not count
    assert len(audio) == 5  # with the mix
    assert usage(ann)["used_bytes"] == len(SONG) + sum(len(stack.read(key)) for key in audio)
    assert ann.delete(f"/api/tracks/{first['id']}").status_code == 204
    assert usage(ann)["used_bytes"] == 0
    set_quota(admin, -1)
    assert usage(ann) == {"used_bytes": 0, "limit_bytes": None, "available_bytes": None}


def test_a_mix_counts_while_it_exists(stack: Stack, ann: httpx.Client, admin: httpx.Client) -> None:
    set_quota(admin, 100 * len(SONG))
    track = upload(ann, SONG)
    separated(ann, track["id"])
    used = usage(ann)["used_bytes"]
    stored_stems, own_stem = [("none", (None, b""))], [("stems[]", ("own.wav", SONG))]

    def mix(files: Any) -> httpx.Response:
        return ann.post("/api/daw/export", data={"track_id": track["id"]}, files=files)

    # Neither a mix nor the files that it is made of fit.
    set_quota(admin, used + len(SONG) // 2)
    assert refused(mix(stored_stems))
    assert refused(mix(own_stem))
    assert usage(ann)["used_bytes"] == used
    # The file fits, but the mix of it does not.
    set_quota(admin, used + len(SONG) + len(SONG) // 2)
    assert refused(mix(own_stem))
    assert usage(ann)["used_bytes"] == used
    # Both fit. Nothing of them is left afterwards.
    set_quota(admin, used + 4 * len(SONG))
    mixed = mix(own_stem)
    assert mixed.status_code == 200, mixed.text
    eventually(lambda: usage(ann)["used_bytes"] == used)
    assert stack.stored("uploads/mixes/") == []
    assert ann.delete(f"/api/tracks/{track['id']}").status_code == 204
