"""The audio of clips: their waveforms, and tracks that are copies of clips."""

import httpx
import pytest
from stories import decoded, made
from test_forge_stems import drawn, pixels

from tests.stacks import Stack

PROMPT = "quorvax bells, slow"


@pytest.fixture(scope="module")
def clip(admin: httpx.Client) -> str:
    return made(admin, PROMPT, duration=3)


def test_a_waveform_shows_what_sounds(admin: httpx.Client, clip: str) -> None:
    samples = decoded(admin.get(f"/audio/{clip}.wav").content)
    fine = admin.get(f"/api/library/{clip}/waveform")
    assert (fine.status_code, fine.headers["content-type"]) == (200, "application/octet-stream")
    assert pixels(fine.content) == drawn(samples, 256)
    coarse = admin.get(f"/api/library/{clip}/waveform", params={"samples_per_pixel": 4096})
    assert pixels(coarse.content) == drawn(samples, 4096)
    # As all parameters of this dialect, an invalid one gets its default.
    odd = admin.get(f"/api/library/{clip}/waveform", params={"samples_per_pixel": "300"})
    assert odd.content == fine.content
    again = admin.get(f"/api/library/{clip}/waveform", headers={"If-None-Match": fine.headers["etag"]})
    assert again.status_code == 304
    assert admin.get(f"/api/library/{'0' * 32}/waveform").status_code == 404


def test_a_deleted_clip_leaves_no_waveform(stack: Stack, admin: httpx.Client) -> None:
    short = made(admin, PROMPT, duration=1)
    assert admin.get(f"/api/library/{short}/waveform").status_code == 200
    waveforms = [key for key in stack.stored("generations/") if key.endswith(".dat")]
    assert admin.delete(f"/api/library/{short}").status_code == 200
    gone = set(waveforms) - set(stack.stored("generations/"))
    assert [key.split("/")[-1] for key in gone] == ["audio.wav.dat"]


def test_a_clip_becomes_a_track_of_the_caller(admin: httpx.Client, clip: str) -> None:
    created = admin.post("/api/tracks/from-clip", json={"clip_id": clip})
    assert created.status_code == 201, created.text
    track = created.json()["data"]
    assert (track["title"], round(track["duration_seconds"], 2)) == (PROMPT, 3.0)
    copied, original = admin.get(track["file_path"]).content, admin.get(f"/audio/{clip}.wav").content
    assert copied == original
    assert admin.delete(f"/api/tracks/{track['id']}").status_code == 204
    assert admin.get(f"/audio/{clip}.wav").status_code == 200
