"""The images: what they contain, as whom they run, and one song that goes through all of them."""

from __future__ import annotations

import json
import re
import sys
import time
import wave
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.deploy.compose import compose, passwords
from tests.images.builder import ROOT, Image, ImageBuilder
from tests.images.conftest import COMPONENTS
from tests.images.stack import Service, running
from tests.servers import executable
from tests.servers.mongodb import SECANTUS

USER = 10001
STORES = {"mongodb": 27017, "minio": 9000, "nats": 4222}
# Without weights and without network, separation and generation use the built-in engines.
SETTINGS = {"SOUNDWRIGHT_FALLBACK": "true", "HF_HUB_OFFLINE": "1", "SOUNDWRIGHT_LOG_LEVEL": "debug"}


@pytest.fixture(scope="session")
def services(
    builder: ImageBuilder, images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Service]]:
    folder = tmp_path_factory.mktemp("platform")
    packages = SECANTUS.parent / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    assert packages.is_dir(), "run `make test-images`, which installs SecantusDB"
    all_images = images | {
        "prepare": images["library"],
        "nats": builder.program(["nats-server"], Path(executable("nats-server", "run `make setup`"))),
        "minio": builder.program(["minio"], Path(executable("minio", "install MinIO's server"))),
        "mongodb": builder.program(
            ["python3", "/opt/mongod.py"], Path(__file__).parent / "mongod.py", packages,
            environment={"PYTHONPATH": f"/opt/{packages.name}"},
        ),
    }  # fmt: skip
    content = compose(passwords(folder / "deploy"))
    with running(content, all_images, STORES, SETTINGS, folder) as services:
        yield services


@pytest.fixture(scope="session")
def client(services: dict[str, Service]) -> Iterator[httpx.Client]:
    gateway = services["gateway"]
    (published,) = gateway.definition["ports"]
    port = published.rpartition(":")[2]
    token = services["library"].run(["cat", "/data/admin-token"]).stdout.strip()
    with httpx.Client(
        base_url=f"http://{gateway.networks.address('gateway', 'default')}:{port}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=120,
        trust_env=False,
    ) as client:
        _eventually(lambda: client.get("/health").status_code == 200)
        yield client


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_service_runs_as_an_ordinary_user_on_a_read_only_root(services: dict[str, Service], component: str) -> None:
    service = services[component]
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    assert re.search(rf"^Uid:(\s+{USER}){{4}}$", status, re.M)
    assert re.search(rf"^Gid:(\s+{USER}){{4}}$", status, re.M)
    for right in ("CapEff", "CapPrm", "CapBnd"):
        assert re.search(rf"^{right}:\s+0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    for place in ("/written", "/opt/soundwright/written", "/etc/written"):
        assert service.run(["touch", place]).returncode != 0
    assert service.run(["touch", "/data/written", "/tmp/written"]).returncode == 0
    # The working directory is a volume that all components write.
    assert service.run(["python3", "-c", "import sys; sys.exit('' in sys.path)"]).returncode == 0


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_health_check_follows_the_component(services: dict[str, Service], component: str) -> None:
    assert services[component].healthy()
    assert not services[component].healthy({"SOUNDWRIGHT_OPS_BIND": "0.0.0.0:9"})


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_image_names_its_content(images: dict[str, Image], component: str) -> None:
    labels = images[component].config["Labels"]
    assert labels["org.opencontainers.image.title"] == f"soundwright-{component}"
    bill = json.loads((images[component].root / labels["io.soundwright.sbom"].lstrip("/")).read_text())
    versions = {_normalized(part["name"]): part["version"].partition("+")[0] for part in bill["components"]}
    pinned = dict(re.findall(r"^([^#\s]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    assert versions.pop("soundwright")
    assert versions.items() <= {_normalized(name): version for name, version in pinned.items()}.items()
    (packages,) = images[component].root.glob("opt/soundwright/lib/python3*/site-packages")
    installed = {_normalized(path.name.partition("-")[0]) for path in packages.glob("*.dist-info")}
    assert installed == versions.keys() | {"soundwright"}
    assert ("torch" in versions) == (packages / "torch").exists() == (component in ("separation", "generation"))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_song_goes_through_all_services(client: httpx.Client) -> None:
    track = _data(client.post("/api/tracks", files={"file": ("song.wav", _song(), "audio/wav")}))
    separation = _data(client.post("/api/processing/separate", json={"track_id": track["id"], "model": "dsp"}))
    analysis = _data(client.post("/api/analysis/analyze", json={"track_id": track["id"]}))
    stems = _completed(client, f"/api/processing/job/{separation['job_id']}")["stems"]
    assert {stem["stem_type"] for stem in stems} == {"vocals", "drums", "bass", "other"}
    assert _completed(client, f"/api/analysis/job/{analysis['job_id']}")
    clip = client.post("/generate", json={"prompt": "calm piano", "duration": 2}).json()
    _eventually(lambda: client.get(f"/job/{clip['job_id']}").json()["status"] == "completed")


def _data(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    content: dict[str, Any] = answer.json()["data"]
    return content


def _completed(client: httpx.Client, path: str) -> dict[str, Any]:
    _eventually(lambda: _data(client.get(path))["status"] in ("completed", "failed"))
    job = _data(client.get(path))
    assert job["status"] == "completed", job
    return job


def _song() -> bytes:
    """Return four seconds of a chord as a WAV file."""
    times = np.arange(4 * 44_100) / 44_100
    chord = sum(np.sin(2 * np.pi * frequency * times) for frequency in (220.0, 277.2, 329.6)) / 6
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes((chord * 32_000).astype("<i2").tobytes())
    return buffer.getvalue()


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
