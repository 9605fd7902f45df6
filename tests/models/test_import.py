"""Checkpoints of this machine as models: what is registered, what is refused, and the check before every load."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs

from soundwright.kit.errors import AppError
from soundwright.services.separation.importing import main
from soundwright.services.separation.registry import Registry, build_registry
from soundwright.services.separation.settings import SeparationSettings
from tests.models import tiny_roformer
from tests.models.hub import Trap
from tests.models.recordings import ArrayMix, joined, song
from tests.models.test_demucs_engine import network, package, save_safetensors


class World:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.models = folder / "models"
        self.file = folder / "tuned.safetensors"
        save_safetensors(network(HTDemucs, 7), self.file)
        self._capsys = capsys

    def run(self, file: Path, *options: str) -> tuple[int, str]:
        status = main(["import", str(file), *options])
        output = self._capsys.readouterr()
        return status, output.out + output.err

    def registry(self, **settings: Any) -> Registry:
        mode = {"separation_device": "cpu", "separation_cpu_mode": "exact"}  # others export the networks first
        return build_registry(SeparationSettings(separation_model_dir=self.models, **mode, **settings))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    made = World(tmp_path, capsys)
    monkeypatch.setenv("SOUNDWRIGHT_SEPARATION_MODEL_DIR", str(made.models))
    return made


def test_an_imported_checkpoint_is_a_model_of_its_own(world: World) -> None:
    digest = hashlib.sha256(world.file.read_bytes()).hexdigest()
    status, output = world.run(world.file, "--licence", "CC-BY-4.0")
    assert (status, output) == (
        0,
        "Registered tuned: Hybrid Transformer Demucs, run by demucs.\n"
        "Stems: drums, bass, other, vocals.\n"
        f"File: tuned.safetensors, {world.file.stat().st_size} bytes, SHA-256 {digest}.\n"
        "Licence of the weights: CC-BY-4.0.\n"
        "Restart the separation service. After that, requests can name the model.\n",
    )
    assert sorted(path.name for path in world.models.iterdir()) == ["tuned.model.json", "tuned.safetensors"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in world.models.iterdir()} == {0o600}
    assert stat.S_IMODE(world.models.stat().st_mode) == 0o700
    record = json.loads((world.models / "tuned.model.json").read_text())
    assert (record["sha256"], record["outputs"]) == (digest, ["drums", "bass", "other", "vocals"])

    registry = world.registry()
    declared = registry.declaration("tuned")
    assert (declared.weights_licence, declared.files[0].sha256, declared.listed) == ("CC-BY-4.0", digest, True)
    assert "tuned" in registry.present_models()
    with registry.use("tuned") as engine:
        assert joined(engine.separate(ArrayMix(song(2, 5_000)), "tuned"))["vocals"].shape == (2, 5_000)


def test_a_flipped_byte_is_an_error_and_never_a_fallback(world: World) -> None:
    assert world.run(world.file)[0] == 0
    path = world.models / "tuned.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 64
    path.write_bytes(content)
    with pytest.raises(AppError, match=r"^WEIGHTS_CHANGED: .*if it is your own checkpoint, import it again"):
        world.registry(fallback=True).select("tuned")
    assert world.run(world.file)[0] == 0
    assert world.registry().select("tuned").model == "tuned"


def test_an_import_replaces_the_one_of_the_same_name(world: World, tmp_path: Path) -> None:
    assert world.run(world.file, "--name", "mine")[0] == 0
    torch.save(package(network(HDemucs, 3)), tmp_path / "other.th")
    status, output = world.run(tmp_path / "other.th", "--name", "mine")
    assert (status, "mine.safetensors already" in output) == (1, True)
    save_safetensors(network(HTDemucs, 8), tmp_path / "newer.safetensors")
    assert world.run(tmp_path / "newer.safetensors", "--name", "mine")[0] == 0
    assert (world.models / "mine.safetensors").read_bytes() == (tmp_path / "newer.safetensors").read_bytes()
    status, output = world.run(tmp_path / "other.th", "--name", "hybrid")
    assert (status, output.splitlines()[0]) == (0, "Registered hybrid: Hybrid Demucs, run by demucs.")


def test_a_checkpoint_may_replace_a_published_model_with_its_stems(world: World, tmp_path: Path) -> None:
    assert world.run(world.file, "--name", "htdemucs")[0] == 0
    assert world.registry().select("htdemucs").model == "htdemucs"
    status, output = world.run(world.file, "--name", "htdemucs_6s")
    assert status == 1
    assert output.startswith("IMPORT_REFUSED: The stems of the checkpoint are drums, bass, other, vocals, and those of")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_could_run_code_is_not_copied(world: World, tmp_path: Path, zipped: bool) -> None:
    trap, evil = tmp_path / "trap", tmp_path / "evil.th"
    content = package(network(HTDemucs, 1), training_args=Trap(trap))
    torch.save(content, evil, _use_new_zipfile_serialization=zipped)
    status, output = world.run(evil)
    assert (status, output.split(":")[0]) == (1, "CHECKPOINT_UNTRUSTED")
    assert not trap.exists()
    assert not world.models.exists()


def test_what_is_no_model_is_refused_with_what_to_do(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half.safetensors").write_bytes(world.file.read_bytes()[:1000])
    (tmp_path / "song.mp3").write_bytes(b"ID3")
    for file, options, sentence in (
        (tmp_path / "half.safetensors", (), "half.safetensors is damaged or is no checkpoint"),
        (tmp_path / "song.mp3", (), "The file must be a Demucs checkpoint (.safetensors, .th), or a RoFormer"),
        (tmp_path / "absent.th", (), "The file cannot be read: No such file or directory."),
        (world.file, ("--name", "../tuned"), "The name must consist of letters"),
        (world.file, ("--name", "auto"), "'auto' is no name for a model"),
        (world.file, ("--name", "dsp"), "Another engine has a model 'dsp'"),
    ):
        status, output = world.run(file, *options)
        assert status == 1
        assert output.startswith(f"IMPORT_REFUSED: {sentence}"), output
    assert not world.models.exists()
    monkeypatch.delenv("SOUNDWRIGHT_SEPARATION_MODEL_DIR")
    assert "Set SOUNDWRIGHT_SEPARATION_MODEL_DIR" in world.run(world.file)[1]


def roformer_checkpoint(folder: Path) -> Path:
    """Save a checkpoint without its configuration."""
    file = folder / "karaoke.ckpt"
    torch.save(tiny_roformer.reference("mel").state_dict(), file)
    return file


def configured(file: Path, **model: int) -> None:
    file.with_suffix(".yaml").write_text(tiny_roformer.config_text("mel", ("Vocals", "other"), "Vocals", **model))


def test_a_roformer_checkpoint_is_imported_with_its_configuration(world: World, tmp_path: Path) -> None:
    file = roformer_checkpoint(tmp_path)
    configured(file)
    status, output = world.run(file)
    assert status == 0, output
    assert output.startswith("Registered karaoke: Mel-Band RoFormer, run by roformer.\nStems: vocals, other.\n")
    names = sorted(path.name for path in world.models.iterdir())
    assert names == ["karaoke.ckpt", "karaoke.model.json", "karaoke.yaml"]
    registry = world.registry()
    assert registry.declaration("karaoke").outputs == ("vocals", "other")
    with registry.use("karaoke") as engine:
        mix = ArrayMix(song(2, 5_000), tiny_roformer.RATE_HZ)
        assert joined(engine.separate(mix, "karaoke"))["other"].shape == (2, 5_000)
    assert world.run(file)[0] == 0


def test_a_roformer_checkpoint_that_does_not_fit_is_refused(world: World, tmp_path: Path) -> None:
    file = roformer_checkpoint(tmp_path)
    assert "There is no configuration beside karaoke.ckpt" in world.run(file)[1]
    config = file.with_suffix(".yaml")
    config.write_text(f"model: !!python/object/apply:os.mkdir [{tmp_path / 'trap'}]")
    assert "not a YAML file with plain values" in world.run(file)[1]
    assert not (tmp_path / "trap").exists()
    configured(file, depth=3)
    assert world.run(file)[1].startswith("MODEL_UNSUPPORTED: The checkpoint was refused: karaoke.ckpt")
    assert not world.models.exists()
    configured(file)
    assert "is the name of a published model" in world.run(file, "--name", "bs-roformer")[1]
    world.models.mkdir()
    (world.models / "karaoke.yaml").touch()
    assert "has karaoke.yaml already" in world.run(file)[1]


def test_a_damaged_record_does_not_stop_the_service(world: World) -> None:
    world.models.mkdir()
    for name, content in (("a", "{"), ("b", "[]"), ("c", '{"name": "c"}'), ("d", "\x00")):
        (world.models / f"{name}.model.json").write_text(content)
    assert {"a", "b", "c", "d"}.isdisjoint(world.registry().model_names)
