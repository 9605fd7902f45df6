"""Record the data directory of a release: ``python -m tests.upgrade.record CHECKOUT NAME`` (``make release-data``).

It runs the stack of a checkout, fills it through the public API, notes what its users see, and kills it while jobs wait and run.
The result is ``tests/upgrade/releases/NAME.tar.xz``, which holds the data directory and ``seen.json``.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from demo.stack import Stack, running
from tests.api.browser import PASSWORD, Browser, registered, token_of
from tests.api.stories import RATE_HZ, UNHURRIED, encoded, eventually, finished, upload
from tests.chaos.processes import kill_all
from tests.upgrade.views import views

__all__ = ["RELEASES", "SETTINGS", "WEBHOOK_HOST"]

RELEASES = Path(__file__).parent / "releases"
WEBHOOK_HOST = "127.0.0.1:9"
SETTINGS = {**UNHURRIED, "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": WEBHOOK_HOST, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
# Pictures of clips would double the size, and the platform draws missing ones again.
_LEFT_OUT = ("run", "scratch", "stack.log", "broker.log", "nats.conf", "spectrogram.png")
_SONG_SECONDS = 0.4


def main(arguments: list[str]) -> int:
    """Record a release and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade.record", description="Record the data of a release.")
    parser.add_argument("checkout", type=Path, help="the folder of the version that writes the data")
    parser.add_argument("name", help="the name of the release")
    options = parser.parse_args(arguments)
    checkout = options.checkout.resolve()
    os.environ["PYTHONPATH"] = os.pathsep.join((str(checkout), str(checkout / "gen")))
    os.chdir(checkout)  # `python -m services` finds the checkout
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder, "data")
        with running(data_dir, SETTINGS) as stack:
            seen = _fill(stack)
            kill_all(stack)
        _pack(data_dir, seen, RELEASES / f"{options.name}.tar.xz")
    return 0


def _fill(stack: Stack) -> dict[str, Any]:
    """Create an account and everything that an account can have. Return what its owner sees, and the unfinished jobs."""
    with Browser(stack.base_url) as browser:
        registered(browser)
        email, token = browser.email, token_of(browser)
    with httpx.Client(base_url=stack.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        ids = _finished_work(client)
        seen = views(client, ids)
        return {
            "account": {"email": email, "password": PASSWORD, "token": token},
            "ids": ids, "views": seen, "unfinished": _unfinished_work(client, ids),
        }  # fmt: skip


def _finished_work(client: httpx.Client) -> dict[str, str]:
    track = upload(client, _song(), "song.flac", title="Größe 🎵", artist="Somebody")["id"]
    body = {"track_id": track, "model": "dsp"}
    separation = _created(client, "/api/processing/separate", body)["data"]["job_id"]
    finished(client, f"/api/processing/job/{separation}")
    analysis = _created(client, "/api/analysis/analyze", {"track_id": track, "features": ["all"]})["data"]["job_id"]
    finished(client, f"/api/analysis/job/{analysis}")
    prompt = {"prompt": "soft short click", "duration": 1, "model": "audio"}
    clip = client.post("/generate", json=prompt).json()["job_id"]
    eventually(lambda: client.get(f"/job/{clip}").json()["status"] == "completed", 120)
    assert client.post(f"/api/library/{clip}/vote", json={"vote": 1}).is_success
    assert client.post(f"/api/library/{clip}/suggest-tag", json={"category": "impact"}).status_code < 500
    assert client.post(f"/api/favorites/{clip}", json={}).is_success
    assert client.post(f"/api/track/{clip}/play", json={"play_duration": 1}).is_success
    playlist = _created(client, "/api/playlists", {"name": "Rainy days"})["id"]
    assert client.post(f"/api/playlists/{playlist}/tracks", json={"generation_id": clip}).is_success
    webhook = _created(client, "/api/webhooks", {"url": f"http://{WEBHOOK_HOST}/hook", "events": ["job.failed"]})[
        "data"
    ]
    chat = client.post("/api/agents/chat", json={"message": "Which key?", "track_id": track}).json()["data"]
    return {
        "track": track, "separation": separation, "analysis": analysis, "clip": clip, "playlist": playlist,
        "webhook": webhook["id"], "webhook_secret": webhook["secret"], "conversation": chat["conversation_id"],
    }  # fmt: skip


def _unfinished_work(client: httpx.Client, ids: dict[str, str]) -> dict[str, str]:
    """Leave a job that a worker has begun, and jobs that wait."""
    prompt = {"prompt": "a long calm piano piece", "model": "music"}
    begun, waiting = (
        str(client.post("/generate", json={**prompt, "duration": seconds}).json()["job_id"]) for seconds in (40, 2)
    )
    eventually(lambda: client.get(f"/api/jobs/{begun}").json()["data"]["status"] == "processing", 60)
    body = {"track_id": ids["track"], "model": "dsp"}
    separation = _created(client, "/api/processing/separate", body)["data"]["job_id"]
    return {"begun": begun, "waiting": waiting, "separation": separation}


def _created(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def _song() -> bytes:
    """A chord: FLAC stores it in few bytes."""
    seconds = np.arange(round(_SONG_SECONDS * RATE_HZ)) / RATE_HZ
    chord = sum(0.1 * np.sin(2 * np.pi * hz * seconds) for hz in (110.0, 220.0, 330.0))
    return encoded(np.asarray(chord, np.float32)[:, None], "FLAC")


def _pack(data_dir: Path, seen: dict[str, Any], archive: Path) -> None:
    (data_dir.parent / "seen.json").write_text(json.dumps(seen, indent=1, ensure_ascii=False))

    def cleaned(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = Path(entry.name).parts
        if not (entry.isfile() or entry.isdir()) or (len(parts) > 1 and parts[-1] in _LEFT_OUT):
            return None
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    archive.parent.mkdir(exist_ok=True)
    with tarfile.open(archive, "w:xz", preset=9 | lzma.PRESET_EXTREME) as files:
        for name in ("seen.json", "data"):
            files.add(data_dir.parent / name, name, filter=cleaned)
    sys.stdout.write(f"{archive}: {archive.stat().st_size} bytes\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
