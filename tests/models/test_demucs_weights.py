"""Where the weights of Demucs come from, and their check before every load, with small networks and a real HTTP server."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demucs.htdemucs import HTDemucs

from soundwright.kit.errors import AppError, Code
from soundwright.services.separation.engines.demucs import DemucsEngine
from tests.models.hub import Hub, run_python
from tests.models.test_demucs_engine import network, refusal, save_safetensors

WEIGHTS = "955717e8.safetensors"


# The published digests are those of the published files. The program declares others for the small ones.
PROGRAM = """
import dataclasses, json, os, sys
from soundwright.kit.engines import EngineRegistry, FallbackPolicy, ModelFile
from soundwright.kit.errors import AppError
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.engines.dsp import DspEngine

files = tuple(ModelFile(**{**file, "mirrors": tuple(file["mirrors"])}) for file in json.loads(os.environ["FILES"]))
def small(model):
    return dataclasses.replace(model, weights_licence="MIT", fallback="dsp", files=files if model.name == "htdemucs" else ())

registry = EngineRegistry(fallback=FallbackPolicy.WHEN_UNAVAILABLE if os.environ.get("FALLBACK") else FallbackPolicy.NEVER)
registry.register(DemucsEngine(models=[small(each) for each in DemucsEngine.models], device="cpu"))
registry.register(DspEngine())
for name in sys.argv[1:]:
    try:
        print(name, registry.select(name).model)
    except AppError as error:
        print(name, error.reason, error.message)
"""


# Downloads a file, and lets the hub send its second half when the first one has arrived.
FETCH = """
import json, os, sys, threading, time
from pathlib import Path
from soundwright.kit.engines import ModelFile
from soundwright.kit.hub import fetched_bytes, model_file

[repository, hold] = sys.argv[1:]
[file] = [ModelFile(**{**file, "mirrors": tuple(file["mirrors"])}) for file in json.loads(os.environ["FILES"])]
print(fetched_bytes(repository, [file]))
thread = threading.Thread(target=model_file, args=(repository, file))
thread.start()
while not (arrived := fetched_bytes(repository, [file])):
    time.sleep(0.02)
print(arrived)
Path(hold).unlink()
thread.join()
print(fetched_bytes(repository, [file]))
"""


class World:
    """A hub in a folder, and a cache of its own for the processes that load models from it."""

    def __init__(self, folder: Path) -> None:
        self.served, self.cache = folder / "served", folder / "cache"
        self.served.mkdir()
        (self.served / "htdemucs.yaml").write_text("models: ['955717e8']\n")
        save_safetensors(network(HTDemucs, 2), self.served / WEIGHTS)
        self.hub_is_down = False
        self.hub = Hub(self.answer, self.served / "hold")
        self.requests = self.hub.requests
        self.files = [self.file("htdemucs.yaml"), self.file(WEIGHTS)]

    def answer(self, path: str) -> bytes | int:
        file = self.served / path.rsplit("/", 1)[-1]
        if "mdx_extra" in path or (self.hub_is_down and "/resolve/" in path):
            return 503  # the hub's library would ask again for half a minute
        if not file.is_file():
            return 404
        return file.read_bytes()[:-1] + b"!" if "/wrong/" in path else file.read_bytes()

    def file(self, name: str, *mirrors: str) -> dict[str, Any]:
        return {
            "name": name,
            "sha256": hashlib.sha256((self.served / name).read_bytes()).hexdigest(),
            "mirrors": [f"{self.hub.url}/{mirror}/{name}" for mirror in mirrors],
        }

    def run(self, *names: str, **variables: str) -> list[str]:
        """Load models. Return what the process says about each."""
        return [line for line in self.python(PROGRAM, *names, **variables) if line.split(" ")[0] in names]

    def python(self, program: str, *arguments: str, **variables: str) -> list[str]:
        addresses = {"HF_HOME": str(self.cache), "HF_ENDPOINT": self.hub.url}
        return run_python(program, *arguments, **addresses, FILES=json.dumps(self.files), **variables)

    def cached(self, name: str) -> Path:
        return next(self.cache.glob(f"hub/models--adefossez--HTDemucs/snapshots/*/{name}")).resolve()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.hub:
        yield made


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def test_weights_come_from_the_hub_once_and_then_from_its_cache(world: World) -> None:
    # What the hub does not have is asked for once, and not again while the failure is remembered.
    first = world.run("htdemucs", "htdemucs_6s", "htdemucs_6s", "mdx_extra")
    assert [line.split()[1] for line in first] == ["htdemucs", *["MODEL_UNAVAILABLE"] * 3]
    assert [line for line in world.requests if "6s" in line or "mdx" in line] == [
        "HEAD /adefossez/HTDemucs-6s/resolve/main/htdemucs_6s.yaml",
        "HEAD /adefossez/Demucs-mdx_extra/resolve/main/mdx_extra.yaml",
    ]
    downloads = [line.rsplit("/", 1)[-1] for line in world.requests if line.startswith("GET /adefossez")]
    assert downloads == ["htdemucs.yaml", WEIGHTS]
    world.requests.clear()
    second = world.run("htdemucs", "mdx_extra", HF_HUB_OFFLINE="1")
    assert [line.split()[1] for line in second] == ["htdemucs", "MODEL_UNAVAILABLE"]
    assert not any("adefossez" in line for line in world.requests)


def test_a_flipped_byte_in_the_cache_is_an_error_and_never_a_fallback(world: World) -> None:
    assert world.run("htdemucs") == ["htdemucs htdemucs"]
    # With a declared digest, and with the one that the cache recorded at the download.
    flip_a_byte(world.cached(WEIGHTS))
    (declared,) = world.run("htdemucs", FALLBACK="yes")
    assert declared.startswith(f"htdemucs WEIGHTS_CHANGED The file {WEIGHTS} of the model 'htdemucs' is damaged")
    assert "Delete the file and run `make models MODEL=htdemucs`" in declared
    assert str(world.cache) not in declared
    world.files = []
    (recorded,) = world.run("htdemucs", FALLBACK="yes")
    assert recorded.split()[1] == "WEIGHTS_CHANGED"


def test_a_file_of_the_hub_that_is_not_the_published_one_is_refused(world: World) -> None:
    save_safetensors(network(HTDemucs, 9), world.served / WEIGHTS)
    (line,) = world.run("htdemucs")
    assert line.split()[1] == "WEIGHTS_CHANGED"


def test_mirrors_are_tried_in_order_and_only_the_declared_file_is_kept(world: World) -> None:
    world.files = [world.file(name, "wrong", "good") for name in ("htdemucs.yaml", WEIGHTS)]
    world.hub_is_down = True
    assert world.run("htdemucs") == ["htdemucs htdemucs"]
    asked = [line.split()[1] for line in world.requests if WEIGHTS in line and line.startswith("GET")]
    assert asked == [f"/wrong/{WEIGHTS}", f"/good/{WEIGHTS}"]
    world.requests.clear()
    assert world.run("htdemucs") == ["htdemucs htdemucs"]
    assert not [line for line in world.requests if line.startswith("GET /good")]
    copy = next(world.cache.glob(f"mirrored/*/{WEIGHTS}"))
    assert [path.name for path in copy.parent.iterdir()] == [WEIGHTS]


@pytest.mark.parametrize("repository", ["adefossez/HTDemucs", ""], ids=["hub", "mirror"])
def test_the_bytes_of_a_download_that_is_underway_are_known(world: World, repository: str) -> None:
    size = 24 << 20  # the hub's library writes 10 MiB at a time
    (world.served / "large.safetensors").write_bytes(os.urandom(size))
    (world.served / "hold").touch()
    world.files = [world.file("large.safetensors", "good")]
    before, underway, after = map(int, world.python(FETCH, repository, str(world.served / "hold")))
    assert (before, after) == (0, size)
    assert 1 << 20 <= underway <= size / 2


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save_safetensors(network(HTDemucs, 1, ("speech", "noise")), tmp_path / "htdemucs.safetensors")
    error = refusal(lambda: DemucsEngine(model_dir=tmp_path, device="cpu").load("htdemucs"))
    assert (error.code, error.reason) == (Code.UNPROCESSABLE, "MODEL_UNSUPPORTED")
    assert "their stems are speech, noise" in error.message


def test_a_published_network_in_a_folder_must_have_its_published_content(tmp_path: Path) -> None:
    save_safetensors(network(HTDemucs, 1), tmp_path / WEIGHTS)
    (tmp_path / "htdemucs.yaml").write_text("models: ['955717e8']\n")
    error: AppError = refusal(lambda: DemucsEngine(model_dir=tmp_path, device="cpu").load("htdemucs"))
    assert (error.code, error.reason) == (Code.NOT_PROVISIONED, "WEIGHTS_CHANGED")
    assert (error.meta["model"], error.meta["file"]) == ("htdemucs", WEIGHTS)
