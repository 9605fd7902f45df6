"""Stems are heard while they are made, and are the same as those that the job stores."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from stories import RATE_HZ, decoded, encoded, finished, song, upload

from tests.stacks import Stack
from tests.waiting import eventually

SECONDS = 40.0
STEMS = {"vocals", "accompaniment"}


def state_of(client: httpx.Client, job_id: str, **parameters: int) -> dict[str, Any]:
    answer = client.get(f"/api/jobs/{job_id}/live", params=parameters)
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json()["data"]
    return state


@pytest.mark.topology("embedded", "cluster")
def test_stems_are_heard_before_the_job_has_ended(admin: httpx.Client, other: httpx.Client, stack: Stack) -> None:
    encoding = "flac" if len(stack.gateway_urls) == 1 else "wav32f"
    track = upload(admin, encoded(song(SECONDS)))
    body = {"track_id": track["id"], "model": "spleeter", "format": encoding}
    job_id = admin.post("/api/processing/separate", json=body).json()["data"]["job_id"]
    segments = f"/api/jobs/{job_id}/live/vocals/segments"
    first = admin.get(f"{segments}/0", params={"wait": 20})
    while first.status_code == 404:  # a machine that is busy with other work
        first = admin.get(f"{segments}/0", params={"wait": 20})
    state = state_of(admin, job_id)
    assert state["state"] == "live", "the job ended before anything could be heard"
    assert (state["attempt"], state["model"]) == (1, "spleeter")
    assert (state["frame_count"], state["segment_count"]) == (round(SECONDS * RATE_HZ), 8)
    assert (state["sample_rate_hz"], state["segment_frame_count"], state["channel_count"]) == (RATE_HZ, 5 * RATE_HZ, 2)
    assert 1 <= state["ready_segment_count"] < 8
    assert {stem["stem_type"] for stem in state["stems"]} == STEMS
    assert other.get(f"/api/jobs/{job_id}/live").json()["code"] == "ACCESS_DENIED"
    assert other.get(f"{segments}/0").json()["code"] == "ACCESS_DENIED"
    drawn = admin.get(f"/api/jobs/{job_id}/live/vocals/waveform").content
    assert len(drawn) > 24 + 2 * state["ready_segment_count"] * 5 * RATE_HZ // 256 - 2 * 4096
    for path in (f"{segments}/8", f"{segments}/0?attempt=2", f"/api/jobs/{job_id}/live/drums/segments/0"):
        assert admin.get(path).json()["code"] == "SEGMENT_NOT_FOUND"

    assert admin.get(f"{segments}/0", params={"wait": 21}).json()["code"] == "VALIDATION_ERROR"

    # One stream of the whole stem, and a part that is not there yet, begin now and end with the job.
    stream = f"/api/jobs/{job_id}/live/vocals.wav"
    total = 92 + 8 * state["frame_count"]
    pool = ThreadPoolExecutor(2)
    whole_wav = pool.submit(admin.get, stream)
    last = pool.submit(admin.get, stream, headers={"Range": f"bytes={total - 1000}-"})
    assert admin.head(stream).headers["content-length"] == str(total)
    assert other.get(stream).json()["code"] == "ACCESS_DENIED"
    assert admin.get(f"/api/jobs/{job_id}/live/drums.wav").json()["code"] == "SEGMENT_NOT_FOUND"

    # The same addresses pass the end of the job.
    heard = [first.content]
    while len(heard) < 8:
        answer = admin.get(f"{segments}/{len(heard)}", params={"wait": 20, "attempt": 1})
        if answer.status_code == 200:
            heard.append(answer.content)
    done = finished(admin, f"/api/processing/job/{job_id}")
    assert state_of(admin, job_id, wait_for=7) == {**state, "state": "completed", "ready_segment_count": 8}
    assert {stem["id"] for stem in done["stems"]} == {stem["id"] for stem in state["stems"]}
    vocals = next(stem for stem in done["stems"] if stem["stem_type"] == "vocals")
    final = decoded(admin.get(vocals["download_url"]).content)
    np.testing.assert_array_equal(np.concatenate([decoded(segment) for segment in heard]), final)
    wav = whole_wav.result()
    assert (wav.status_code, len(wav.content)) == (200, total)
    np.testing.assert_array_equal(decoded(wav.content), final)
    part = last.result()
    pool.shutdown()
    if part.status_code == 404:  # a machine that is busy with other work
        part = admin.get(stream, headers={"Range": f"bytes={total - 1000}-", "If-Range": wav.headers["etag"]})
    assert (part.status_code, part.content) == (206, wav.content[-1000:])
    assert part.headers["content-range"] == f"bytes {total - 1000}-{total - 1}/{total}"
    assert admin.get(stream, headers={"Range": f"bytes={total}-"}).status_code == 416
    assert admin.get(stream, headers={"Range": "bytes=90-107"}).content == wav.content[90:108]
    whole = admin.get(f"/api/jobs/{job_id}/live/vocals/waveform").content
    assert whole[24 : len(drawn)] == drawn[24:]
    eventually(lambda: not [key for key in stack.stored("stems/") if "/live/" in key], "the copies are deleted")


def test_a_cancelled_job_leaves_no_copies(admin: httpx.Client, stack: Stack) -> None:
    track = upload(admin, encoded(song(SECONDS, seed=1)))
    body = {"track_id": track["id"], "model": "spleeter"}
    job_id = admin.post("/api/processing/separate", json=body).json()["data"]["job_id"]
    eventually(lambda: state_of(admin, job_id)["state"] == "live", "it can be heard")
    assert admin.delete(f"/api/jobs/{job_id}").status_code == 204
    eventually(lambda: state_of(admin, job_id)["state"] == "cancelled", "it is cancelled")
    answer = admin.get(f"/api/jobs/{job_id}/live/vocals/segments/0", params={"wait": 20})
    assert (answer.status_code, answer.json()["code"]) == (404, "SEGMENT_NOT_FOUND")
    eventually(lambda: not [key for key in stack.stored("stems/") if job_id in key], "nothing is left")
