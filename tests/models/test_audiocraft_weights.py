"""Where the audiocraft engine's models come from, and that no code comes with them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from soundwright.kit.engines import EngineRegistry
from soundwright.kit.errors import AppError
from soundwright.services import models
from soundwright.services.generation.engines.audiocraft.engine import AudiocraftEngine
from soundwright.services.generation.service import Take
from tests.clocks import HandClock
from tests.models import tiny_audiocraft
from tests.models.hub import Hub, Trap, hub_settings
from tests.models.tiny_audiocraft import REPOSITORIES, WINDOW_SECONDS

TAKE = Take("calm piano", 0.5, seed=1)


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


def test_a_codec_that_the_checkpoint_names_comes_from_the_folder(tiny_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / REPOSITORIES["music"]
    folder.mkdir()
    (tmp_path / "t5-small").symlink_to(tiny_models / "t5-small")
    (folder / "state_dict.bin").symlink_to(tiny_models / REPOSITORIES["music"] / "state_dict.bin")
    torch.save({"pretrained": "facebook/encodec_32khz"}, folder / "compression_state_dict.bin")
    engine = AudiocraftEngine(model_dir=tmp_path, device="cpu", thread_count=1)
    with pytest.raises(AppError, match=r"the folder of models holds no encodec_32khz/config\.json"):
        engine.load("music")
    tiny_audiocraft.save_codec(tmp_path / "encodec_32khz")
    (clip,) = engine.generate("music", [TAKE], lambda share: None)
    assert (clip.sample_rate_hz, clip.samples.shape) == (8000, (1, 4000))


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
    with pytest.raises(AppError, match="CHECKPOINT_UNTRUSTED"):
        AudiocraftEngine(model_dir=tmp_path, device="cpu").load("music")
    assert not trap.exists()
    torch.load(folder / file, weights_only=False)
    assert trap.exists()


def test_missing_files_are_named_and_retried_later(tiny_models: Path, tmp_path: Path) -> None:
    clock = HandClock()
    engine: EngineRegistry[AudiocraftEngine] = EngineRegistry(clock=clock.now)
    engine.register(AudiocraftEngine(model_dir=tmp_path, device="cpu"))
    for folder, missing in (("musicgen-small", "state_dict.bin"), ("t5-small", "config.json")):
        for _ in range(2):
            with pytest.raises(AppError, match=f"^MODEL_UNAVAILABLE: .*{folder}/{missing}") as caught:
                engine.load("music")
            assert str(tmp_path) not in caught.value.message
            if not (tmp_path / folder).exists():
                (tmp_path / folder).symlink_to(tiny_models / folder)
        clock.advance(31)
    engine.load("music")


def test_a_damaged_checkpoint_is_unavailable(tiny_models: Path, tmp_path: Path) -> None:
    (tmp_path / "t5-small").symlink_to(tiny_models / "t5-small")
    folder = tmp_path / "musicgen-small"
    folder.mkdir()
    whole = (tiny_models / "musicgen-small" / "state_dict.bin").read_bytes()
    (folder / "compression_state_dict.bin").write_bytes(whole)
    for content, reasons in (
        (whole[: len(whole) // 2], "MODEL_UNAVAILABLE|CHECKPOINT_UNTRUSTED"),
        (b"", "MODEL_UNAVAILABLE"),
        (whole, "MODEL_UNAVAILABLE"),  # a language model instead of a codec
    ):
        (folder / "state_dict.bin").write_bytes(content)
        with pytest.raises(AppError, match=reasons):
            AudiocraftEngine(model_dir=tmp_path, device="cpu").load("music")


def test_configured_checkpoints_are_used(tiny_models: Path) -> None:
    engine = AudiocraftEngine(checkpoints={"audio": "somebody/musicgen-small"}, model_dir=tiny_models, device="cpu")
    engine.load("audio")
    assert engine._loaded["audio"]._network.max_duration == WINDOW_SECONDS["music"]
    with pytest.raises(AppError, match="MODEL_UNKNOWN"):
        engine.load("speech")


def test_missing_files_are_reported_without_loading_pytorch(tmp_path: Path) -> None:
    program = """
import pathlib, sys
from soundwright.kit.engines import EngineRegistry
from soundwright.kit.errors import AppError
from soundwright.services.generation.engines.audiocraft.engine import AudiocraftEngine
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
    lines = subprocess.check_output([sys.executable, "-c", program, str(tmp_path)], text=True).splitlines()
    assert lines == [
        "MODEL_UNAVAILABLE NOT_PROVISIONED True False",
        "MODEL_UNAVAILABLE NOT_PROVISIONED False True",
        "False",
    ]


def test_the_files_of_a_model_and_of_its_text_encoder_are_downloaded(
    tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(path: str) -> bytes | int:
        repository, _, filename = path.partition("/resolve/main/")
        name = repository.rpartition("/")[2]
        file = tiny_models / name / filename
        return file.read_bytes() if name in ("musicgen-small", "t5-small") and file.is_file() else 404

    with Hub(answer) as hub, hub_settings(tmp_path, hub.url):
        assert models.main(["music", "audio"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["model", "licence", "size", "weights", "source"],
        ["music", "CC-BY-NC-4.0", "unknown", "missing", "facebook/musicgen-small"],
        ["audio", "CC-BY-NC-4.0", "unknown", "missing", "facebook/audiogen-medium"],
    ]
    assert lines[3:] == ["music: ready"]
    assert [line.removeprefix("GET ") for line in hub.requests if line.startswith("GET") and "/api/" not in line] == [
        *(f"/facebook/musicgen-small/resolve/main/{name}state_dict.bin" for name in ("", "compression_")),
        *(f"/t5-small/resolve/main/{name}" for name in ("config.json", "tokenizer.json", "model.safetensors")),
    ]
