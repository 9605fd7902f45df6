"""Checkpoints that the operator supplies, on a running stack: the catalogue, the choice, and what happens to changed files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from demucs.htdemucs import HTDemucs
from stories import encoded, finished, song, upload

from tests.models.test_demucs_engine import STEMS, network, save_safetensors
from tests.stacks import embedded

SECONDS = 6.0  # long enough for a measured speed


def imported(folder: Path, name: str, seed: int, stems: tuple[str, ...] = STEMS) -> Path:
    """Import a small random checkpoint as an operator does, and return its copy."""
    source = folder.parent / f"{name}.safetensors"
    save_safetensors(network(HTDemucs, seed, stems), source)
    environment = {**os.environ, "SOUNDWRIGHT_SEPARATION_MODEL_DIR": str(folder)}
    command = [sys.executable, "-m", "services.separation", "import", str(source)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert f"Registered {name}: Hybrid Transformer Demucs" in done.stdout
    return folder / source.name


def separated(client: httpx.Client, track: dict[str, Any], **wishes: str) -> dict[str, Any]:
    created = client.post("/api/processing/separate", json={"track_id": track["id"], **wishes})
    assert created.status_code == 201, created.text
    return finished(client, f"/api/processing/job/{created.json()['data']['job_id']}")


def catalogue(client: httpx.Client) -> dict[str, dict[str, Any]]:
    return {model["name"]: model for model in client.get("/api/processing/models").json()["data"]["models"]}


def test_an_operator_supplies_checkpoints(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    save_safetensors(network(HTDemucs, 1), folder / "htdemucs.safetensors")
    own = imported(folder, "own", 2)
    changed = bytearray(own.read_bytes())
    changed[-9] ^= 64
    own.write_bytes(changed)
    settings = {
        "SOUNDWRIGHT_SEPARATION_MODEL_DIR": str(folder),
        "SOUNDWRIGHT_SEPARATION_DEVICE": "cpu",
        "SOUNDWRIGHT_SEPARATION_CPU_MODE": "exact",
        "SOUNDWRIGHT_FALLBACK": "true",
        "HF_HUB_OFFLINE": "1",
    }
    with embedded(tmp_path / "data", settings) as stack, stack.client() as client:
        models = catalogue(client)
        assert [name for name, model in models.items() if model["available"]] == [
            "htdemucs", "own", "spleeter", "spleeter-with-small", "small", "dsp",
        ]  # fmt: skip
        assert models["own"]["description"] == "A checkpoint that the operator has imported"
        assert models["htdemucs"]["measured_speed"] is None
        track = upload(client, encoded(song(SECONDS)))

        best = separated(client, track, model="auto", quality="best")
        assert (best["status"], best["model"], best["engine"]) == ("completed", "htdemucs", "demucs")
        assert best["model_reason"].startswith("auto chose htdemucs for quality 'best', 6 seconds of audio and a CPU")
        assert "(gain 10.6 dB, estimated from published scores)" in best["model_reason"]
        speed = catalogue(client)["htdemucs"]["measured_speed"]
        assert speed == round(speed, 2)
        assert speed > 0

        named = separated(client, track, model="dsp")
        assert (named["model"], named["model_reason"]) == ("dsp", None)

        # Neither the changed weights nor another model run, although fallbacks are on.
        failed = separated(client, track, model="own")
        assert (failed["status"], failed["stems"]) == ("failed", [])
        assert failed["error"].startswith("The file own.safetensors of the model 'own' is damaged or was changed")
        job = client.get(f"/api/jobs/{failed['id']}").json()["data"]
        assert job["error_code"] == "WEIGHTS_CHANGED", job
