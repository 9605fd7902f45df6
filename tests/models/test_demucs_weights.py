"""Where the weights of Demucs come from, and their check before every load, with small networks and a real HTTP server."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from demucs.htdemucs import HTDemucs

from soundwright.kit.engines import EngineRegistry, FallbackPolicy, ModelDeclaration, ModelFile
from soundwright.kit.engines.hub import fetched_bytes, model_file
from soundwright.kit.errors import AppError, Code
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.engines.dsp import DspEngine
from tests.models.hub import Hub, hub_settings
from tests.models.test_demucs_engine import network, refusal, save_safetensors
from tests.waiting import eventually

WEIGHTS = "955717e8.safetensors"


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

    def file(self, name: str, *mirrors: str) -> ModelFile:
        digest = hashlib.sha256((self.served / name).read_bytes()).hexdigest()
        return ModelFile(
            name=name, sha256=digest, mirrors=tuple(f"{self.hub.url}/{mirror}/{name}" for mirror in mirrors)
        )

    def run(self, *names: str, fallback: bool = False, is_offline: bool = False) -> list[str]:
        """Load models as a process does that has just started. Return the model that serves each, or the refusal."""

        # The published digests are those of the published files.
        def small(model: ModelDeclaration) -> ModelDeclaration:
            files = tuple(self.files) if model.name == "htdemucs" else ()
            return dataclasses.replace(model, weights_licence="MIT", fallback="dsp", files=files)

        policy = FallbackPolicy.WHEN_UNAVAILABLE if fallback else FallbackPolicy.NEVER
        registry: EngineRegistry[Any] = EngineRegistry(fallback=policy)
        registry.register(DemucsEngine(models=[small(each) for each in DemucsEngine.models], device="cpu"))
        registry.register(DspEngine())
        answers = []
        with hub_settings(self.cache, self.hub.url, is_offline=is_offline):
            for name in names:
                try:
                    answers.append(registry.select(name).model)
                except AppError as error:
                    answers.append(str(error))
        return answers

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
    assert [answer.split()[0] for answer in first] == ["htdemucs", *["MODEL_UNAVAILABLE:"] * 3]
    assert [line for line in world.requests if "6s" in line or "mdx" in line] == [
        "HEAD /adefossez/HTDemucs-6s/resolve/main/htdemucs_6s.yaml",
        "HEAD /adefossez/Demucs-mdx_extra/resolve/main/mdx_extra.yaml",
    ]
    downloads = [line.rsplit("/", 1)[-1] for line in world.requests if line.startswith("GET /adefossez")]
    assert downloads == ["htdemucs.yaml", WEIGHTS]
    world.requests.clear()
    second = world.run("htdemucs", "mdx_extra", is_offline=True)
    assert [answer.split()[0] for answer in second] == ["htdemucs", "MODEL_UNAVAILABLE:"]
    assert not any("adefossez" in line for line in world.requests)


def test_a_flipped_byte_in_the_cache_is_an_error_and_never_a_fallback(world: World) -> None:
    assert world.run("htdemucs") == ["htdemucs"]
    # With a declared digest, and with the one that the cache recorded at the download.
    flip_a_byte(world.cached(WEIGHTS))
    (declared,) = world.run("htdemucs", fallback=True)
    assert declared.startswith(f"WEIGHTS_CHANGED: The file {WEIGHTS} of the model 'htdemucs' is damaged")
    assert "Delete the file and run `make models MODEL=htdemucs`" in declared
    assert str(world.cache) not in declared
    world.files = []
    (recorded,) = world.run("htdemucs", fallback=True)
    assert recorded.startswith("WEIGHTS_CHANGED:")


def test_a_file_of_the_hub_that_is_not_the_published_one_is_refused(world: World) -> None:
    save_safetensors(network(HTDemucs, 9), world.served / WEIGHTS)
    (answer,) = world.run("htdemucs")
    assert answer.startswith("WEIGHTS_CHANGED:")


def test_mirrors_are_tried_in_order_and_only_the_declared_file_is_kept(world: World) -> None:
    world.files = [world.file(name, "wrong", "good") for name in ("htdemucs.yaml", WEIGHTS)]
    world.hub_is_down = True
    assert world.run("htdemucs") == ["htdemucs"]
    asked = [line.split()[1] for line in world.requests if WEIGHTS in line and line.startswith("GET")]
    assert asked == [f"/wrong/{WEIGHTS}", f"/good/{WEIGHTS}"]
    world.requests.clear()
    assert world.run("htdemucs") == ["htdemucs"]
    assert not [line for line in world.requests if line.startswith("GET /good")]
    copy = next(world.cache.glob(f"mirrored/*/{WEIGHTS}"))
    assert [path.name for path in copy.parent.iterdir()] == [WEIGHTS]


@pytest.mark.parametrize("repository", ["adefossez/HTDemucs", ""], ids=["hub", "mirror"])
def test_the_bytes_of_a_download_that_is_underway_are_known(world: World, repository: str) -> None:
    size = 24 << 20  # the hub's library writes 10 MiB at a time
    (world.served / "large.safetensors").write_bytes(os.urandom(size))
    (world.served / "hold").touch()
    file = world.file("large.safetensors", "good")
    with hub_settings(world.cache, world.hub.url), ThreadPoolExecutor(1) as pool:
        assert fetched_bytes(repository, [file]) == 0
        download = pool.submit(model_file, repository, file)
        try:
            underway = eventually(lambda: fetched_bytes(repository, [file]))
        finally:
            (world.served / "hold").unlink()
        assert 1 << 20 <= underway <= size / 2
        download.result()
        assert fetched_bytes(repository, [file]) == size


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
