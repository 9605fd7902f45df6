"""Where the audiocraft engine's models come from, and that no code comes with them."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kit.engines import EngineRegistry
from kit.errors import AppError
from services.generation.engines.audiocraft.engine import AudiocraftEngine
from services.generation.service import Take
from tests.models import tiny_audiocraft
from tests.models.tiny_audiocraft import REPOSITORIES, WINDOW_SECONDS

TAKE = Take("calm piano", 0.5, seed=1)


def refusal(function: Callable[[], object]) -> AppError:
    with pytest.raises(AppError) as caught:
        function()
    return caught.value


@pytest.mark.parametrize("model", ["music", "magnet-music"])
def test_configurations_can_be_text_or_objects(tiny_models: Path, tmp_path: Path, model: str) -> None:
    encoder = tiny_models / "t5-small"
    (tmp_path / "t5-small").symlink_to(encoder)
    tiny_audiocraft.save_checkpoint(tmp_path / REPOSITORIES[model], model, encoder, as_objects=True)
    text, objects = (
        AudiocraftEngine(model_dir=folder, device="cpu", thread_count=1)
        .generate(model, [TAKE], lambda share: None)[0]
        .samples
        for folder in (tiny_models, tmp_path)
    )
    np.testing.assert_array_equal(text, objects)


class Trap:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize("file", ["state_dict.bin", "compression_state_dict.bin"])
@pytest.mark.parametrize("legacy", [False, True])
def test_no_code_of_a_checkpoint_runs(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, legacy: bool
) -> None:
    # What an operator of something else may have set.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    folder = tmp_path / REPOSITORIES["music"]
    folder.mkdir()
    (tmp_path / "t5-small").symlink_to(tiny_models / "t5-small")
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        (folder / name).write_bytes((tiny_models / REPOSITORIES["music"] / name).read_bytes())
    package = torch.load(folder / file, weights_only=True)
    trap = tmp_path / "trap"
    torch.save({**package, "xp.cfg": Trap(trap)}, folder / file, _use_new_zipfile_serialization=not legacy)
    error = refusal(lambda: AudiocraftEngine(model_dir=tmp_path, device="cpu").load("music"))
    assert error.reason == "CHECKPOINT_UNTRUSTED"
    assert not trap.exists()
    torch.load(folder / file, weights_only=False)
    assert trap.exists()


def test_missing_files_are_named_and_retried_later(tiny_models: Path, tmp_path: Path) -> None:
    now = [0.0]
    engine: EngineRegistry[AudiocraftEngine] = EngineRegistry(clock=lambda: now[0])
    engine.register(AudiocraftEngine(model_dir=tmp_path, device="cpu"))
    error = refusal(lambda: engine.load("music"))
    assert error.reason == "MODEL_UNAVAILABLE"
    assert "musicgen-small/state_dict.bin" in error.message
    assert str(tmp_path) not in error.message
    (tmp_path / "musicgen-small").symlink_to(tiny_models / "musicgen-small")
    assert refusal(lambda: engine.load("music")).message == error.message
    now[0] = 31.0
    assert "t5-small/config.json" in refusal(lambda: engine.load("music")).message
    (tmp_path / "t5-small").symlink_to(tiny_models / "t5-small")
    now[0] = 62.0
    engine.load("music")


def test_a_damaged_checkpoint_is_unavailable(tiny_models: Path, tmp_path: Path) -> None:
    (tmp_path / "t5-small").symlink_to(tiny_models / "t5-small")
    folder = tmp_path / "musicgen-small"
    folder.mkdir()
    whole = (tiny_models / "musicgen-small" / "state_dict.bin").read_bytes()
    (folder / "compression_state_dict.bin").write_bytes(whole)
    for content, reasons in (
        (whole[: len(whole) // 2], {"MODEL_UNAVAILABLE", "CHECKPOINT_UNTRUSTED"}),
        (b"", {"MODEL_UNAVAILABLE"}),
        (whole, {"MODEL_UNAVAILABLE"}),  # a language model instead of a codec
    ):
        (folder / "state_dict.bin").write_bytes(content)
        error = refusal(lambda: AudiocraftEngine(model_dir=tmp_path, device="cpu").load("music"))
        assert error.reason in reasons


def test_configured_checkpoints_are_used(tiny_models: Path) -> None:
    engine = AudiocraftEngine(checkpoints={"audio": "somebody/musicgen-small"}, model_dir=tiny_models, device="cpu")
    engine.load("audio")
    assert engine._loaded["audio"]._network.max_duration == WINDOW_SECONDS["music"]
    assert refusal(lambda: engine.load("speech")).reason == "MODEL_UNKNOWN"


def python(program: str, *arguments: str, **variables: str) -> list[str]:
    """In a process of its own, as libraries read variables, and import each other, only once."""
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()


def test_missing_files_are_reported_without_loading_pytorch(tmp_path: Path) -> None:
    program = """
import pathlib, sys
from kit.engines import EngineRegistry
from kit.errors import AppError
from services.generation.engines.audiocraft.engine import AudiocraftEngine
def ask():
    try:
        AudiocraftEngine(model_dir=pathlib.Path(sys.argv[1])).load("music")
    except AppError as error:
        print(error.reason, error.code.name, "state_dict.bin" in error.message, "make setup" in error.message)
ask()
sys.modules["audiocraft"] = None
ask()
print("torch" in sys.modules)
"""
    assert python(program, str(tmp_path)) == [
        "MODEL_UNAVAILABLE NOT_PROVISIONED True False",
        "MODEL_UNAVAILABLE NOT_PROVISIONED False True",
        "False",
    ]


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the model hub as a download needs: files of repositories, from a folder of models."""

    folder: Path
    requests: list[str]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        repository, _, filename = self.path.partition("/resolve/main/")
        self.requests.append(f"{self.command} {self.path}")
        path = self.folder / repository.rpartition("/")[2] / filename
        if not (filename and path.is_file()):
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0123456789" * 4)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_weights_are_downloaded_once_and_cached(tiny_models: Path, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    for name in ("musicgen-small", "t5-small"):
        (served / name).symlink_to(tiny_models / name)
    handler = type("Handler", (Hub,), {"folder": served, "requests": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    program = "import sys\nfrom services import models\nprint(models.main(sys.argv[1:]))"
    variables = {"HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    try:
        lines = python(program, "music", "audio", **variables)
        assert [line.split() for line in lines[:3]] == [
            ["model", "licence", "size", "weights", "source"],
            ["music", "CC-BY-NC-4.0", "unknown", "missing", "facebook/musicgen-small"],
            ["audio", "CC-BY-NC-4.0", "unknown", "missing", "facebook/audiogen-medium"],
        ]
        assert lines[3:] == ["music: ready", "1"]
        downloads = [
            line.partition(" ")[2] for line in handler.requests if line.startswith("GET") and "/api/" not in line
        ]
        assert downloads == [
            "/facebook/musicgen-small/resolve/main/state_dict.bin",
            "/facebook/musicgen-small/resolve/main/compression_state_dict.bin",
            "/t5-small/resolve/main/config.json",
            "/t5-small/resolve/main/tokenizer.json",
            "/t5-small/resolve/main/model.safetensors",
        ]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    lines = python(program, "music", **variables)
    assert lines[1].split()[3] == "present"
    assert lines[2:] == ["music: ready", "0"]
    # The hub does not answer any more, which one sentence says before anything is tried.
    assert python(program, "audio", **variables)[2:] == ["1"]
