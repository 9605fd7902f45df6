"""Weights without a stated licence: somebody allows them, and the running stack uses them. A simulated hub has small networks.

The digests of the published ``mdx_extra`` are not declared, so that the hub can send other networks under its name.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from demucs.htdemucs import HTDemucs
from published import Document
from stories import UNHURRIED, encoded, finished, song, upload

from tests.models.hub import Hub
from tests.models.test_demucs_engine import network, save_safetensors
from tests.stacks import Stack, embedded
from tests.studio.running import needs_browser, run
from tests.waiting import eventually

MODEL = "mdx_extra"
SHORT = f"{MODEL} is not enabled on this server."


@pytest.fixture(scope="module")
def hub_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose model hub has :data:`MODEL`. The first test leaves it not allowed."""
    folder = tmp_path_factory.mktemp("hub")
    served = folder / "served"
    served.mkdir()
    (served / f"{MODEL}.yaml").write_text("models: ['e51eebcc']\n")
    save_safetensors(network(HTDemucs, 2), served / "e51eebcc.safetensors")

    def answer(path: str) -> bytes | int:
        file = served / path.rsplit("/", 1)[-1]
        return file.read_bytes() if file.is_file() else 404

    with Hub(answer) as hub:
        settings = {
            **UNHURRIED,
            "SOUNDWRIGHT_FALLBACK": "true",
            "SOUNDWRIGHT_SEPARATION_DEVICE": "cpu",
            "SOUNDWRIGHT_SEPARATION_CPU_MODE": "exact",
            "HF_HOME": str(folder / "cache"),
            "HF_ENDPOINT": hub.url,
            "NO_PROXY": "127.0.0.1",
        }
        with embedded(folder / "data", settings) as stack:
            yield stack


def facts(client: httpx.Client, model: str) -> dict[str, Any]:
    models = client.get("/api/processing/models").json()["data"]["models"]
    return next(each for each in models if each["name"] == model)


def test_a_model_is_allowed_on_the_command_line_and_runs_without_a_restart(hub_stack: Stack) -> None:
    with hub_stack.client() as admin:
        admin.event_hooks = {"response": [Document(hub_stack.base_url).hold]}
        track = upload(admin, encoded(song(0.5)))

        def plan() -> dict[str, Any]:
            body = {"track_ids": [track["id"]], "model": MODEL}
            [planned] = admin.post("/api/processing/plan", json=body).json()["data"]
            return dict(planned)

        def separated() -> dict[str, Any]:
            created = admin.post("/api/processing/separate", json={"track_id": track["id"], "model": MODEL}).json()
            return finished(admin, f"/api/processing/job/{created['data']['job_id']}")

        assert facts(admin, MODEL)["needs_consent"] is True
        refused = admin.post(f"/api/admin/models/separation/{MODEL}/fetch")
        assert (refused.status_code, refused.json()["code"]) == (503, "MODEL_UNAVAILABLE")
        piano = {"model": "htdemucs_6s", "stems": ["piano"]}  # no fallback has this stem
        refused = admin.post("/api/processing/plan", json={"track_ids": [track["id"]], **piano})
        assert refused.text == admin.post("/api/processing/separate", json={"track_id": track["id"], **piano}).text
        assert "nobody has allowed them" in refused.json()["error"]

        def told(option: str) -> str:
            """The last line of the command."""
            command = [sys.executable, "-m", "soundwright.services.models", option, MODEL]
            environment = {**os.environ, **hub_stack.environment}
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr
            return ran.stdout.splitlines()[-1]

        assert told("--accept") == f"{MODEL}: ready"
        eventually(lambda: not facts(admin, MODEL)["needs_consent"])
        assert facts(admin, MODEL)["available"] is True
        planned, job = plan(), separated()
        assert (planned["model"], planned["degraded_reason"]) == (MODEL, None)
        assert (job["model"], job["engine"], job["degraded"]) == (MODEL, "demucs", False)
        [entry] = admin.get("/api/admin/audit", params={"action": "model_allow"}).json()["data"]
        assert (entry["resource_type"], entry["resource_id"]) == ("model", MODEL)
        assert entry["actor_email"].endswith("(command line)")
        assert "scientific purposes only" in entry["changes"]["terms"]["to"]

        assert told("--withdraw").startswith(f"{MODEL}: withdrawn")
        eventually(lambda: facts(admin, MODEL)["needs_consent"])
        planned, job = plan(), separated()  # although the model is in memory
        assert (planned["requested_model"], planned["degraded_reason"]) == (MODEL, SHORT)
        assert planned["model"] == job["model"] == job["runs"][0]["model"] != MODEL
        assert (job["degraded"], job["degraded_reason"]) == (True, SHORT)
        assert "nobody has allowed them" in job["degraded_details"]
        listed = admin.get(f"/api/jobs/{job['id']}").json()["data"]
        assert (listed["model"], listed["requested_model"]) == (job["model"], MODEL)
        [entry] = admin.get("/api/admin/audit", params={"action": "model_withdraw"}).json()["data"]
        assert entry["resource_id"] == MODEL


@needs_browser
def test_an_administrator_allows_a_model_in_the_studio(hub_stack: Stack, tmp_path: Path) -> None:
    run(hub_stack, tmp_path, "consent.spec.mjs", STUDIO_MODEL=MODEL)


def test_only_administrators_allow_a_model_and_the_hub_need_not_have_it(hub_stack: Stack) -> None:
    body = {"allow": True}
    path = "/api/admin/models/separation/htdemucs/fetch"
    with hub_stack.client() as admin, httpx.Client(base_url=hub_stack.base_url, timeout=120) as other:
        other.headers["Authorization"] = f"Bearer {hub_stack.create_account('other@example.org')}"
        answer = other.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "ROLE_TOO_LOW")
        assert facts(admin, "htdemucs")["needs_consent"] is True
        assert admin.post(path, json=body).status_code in (202, 409, 503)  # 409: an earlier fetch is not over
        assert facts(admin, "htdemucs")["needs_consent"] is False
        newest = admin.get("/api/admin/audit", params={"action": "model_allow"}).json()["data"][0]
        assert (newest["resource_id"], newest["actor_email"]) == ("htdemucs", "admin@localhost")
