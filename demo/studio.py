"""``python -m demo.studio``: separate and analyse the demo song, and write what the studio plays without an upload.

The studio shows what the platform really makes of the song. ``demo.json`` has the answers of the public API.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import soundfile

from soundwright_client.local import running

FOLDER = Path(__file__).parents[1] / "studio" / "src" / "pages" / "demo"
FEATURES = ["tempo", "key", "energy", "chroma", "chords", "bars", "sections", "notes", "melody", "vocal_activity"]
SECONDS = 24
"""Length of the excerpt. The player keeps 30 seconds of each stem."""
_PIXEL_FRAMES = 1024
_COMPRESSION = 0.8
_BLOCK_FRAMES = 65_536  # libsndfile's Vorbis encoder needs much stack for long blocks


def main() -> None:
    """Replace the files in :data:`FOLDER`, from ``demo.ogg`` beside this module."""
    excerpt = io.BytesIO()
    samples, rate_hz = soundfile.read(Path(__file__).with_name("demo.ogg"), frames=SECONDS * 44_100, dtype="float32")
    soundfile.write(excerpt, samples, rate_hz, format="WAV", subtype="FLOAT")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as stack, stack.client() as client:
        files = {"file": ("Soundwright demo.wav", excerpt.getvalue())}
        track = _data(client.post("/api/tracks", data={"artist": "The built-in composer"}, files=files))
        wanted = {"track_id": track["id"]}
        for path, more in (("processing/separate", {"model": "auto"}), ("analysis/analyze", {"features": FEATURES})):
            _finish(client, _data(client.post(f"/api/{path}", json=wanted | more))["job_id"])
        shown = {
            "track": _data(client.get(f"/api/tracks/{track['id']}")),
            "stems": _data(client.get(f"/api/tracks/{track['id']}/stems")),
            "analysis": _data(client.get(f"/api/analysis/{track['id']}")),
        }
        recordings = [shown["stems"]["mix"], *shown["stems"]["stems"]]
        for recording in recordings:
            name, address = recording["stem_type"], f"/api/stems/{recording['id']}"
            recording["segment_frame_count"], recording["segment_count"] = recording["frame_count"], 1
            parameters = {"samples_per_pixel": _PIXEL_FRAMES}
            (FOLDER / f"{name}.dat").write_bytes(client.get(f"{address}/waveform", params=parameters).content)
            _encode(client.get(recording["download_url"], follow_redirects=True).content, FOLDER / f"{name}.ogg")
    (FOLDER / "demo.json").write_text(json.dumps(shown))


def _data(answer: httpx.Response) -> Any:
    answer.raise_for_status()
    return answer.json()["data"]


def _finish(client: httpx.Client, job_id: str) -> None:
    while (job := _data(client.get(f"/api/jobs/{job_id}")))["status"] != "completed":
        if job["status"] == "failed":
            raise RuntimeError(job["error"])
        time.sleep(1)


def _encode(content: bytes, target: Path) -> None:
    samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="float32")
    with soundfile.SoundFile(
        target, "w", rate_hz, samples.shape[1], format="OGG", subtype="VORBIS", compression_level=_COMPRESSION
    ) as file:
        for start in range(0, len(samples), _BLOCK_FRAMES):
            file.write(samples[start : start + _BLOCK_FRAMES])


if __name__ == "__main__":
    main()
