"""Checkpoints for the RoFormer engine that are missing, damaged, foreign or hostile."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from soundwright.kit.errors import AppError, Code
from soundwright.services.separation.engines.roformer import RoformerEngine
from tests.models import tiny_roformer as tiny
from tests.models.hub import Trap
from tests.models.recordings import ArrayMix, joined, song

STEMS = ("vocals", "other")


def saved(folder: Path, name: str = "mine", **model: Any) -> Path:
    state = tiny.reference("bs").state_dict()
    return tiny.save(folder, name, state, tiny.config_text("bs", STEMS, "vocals", **model), STEMS)


def refusal(folder: Path, model: str = "mine") -> AppError:
    with pytest.raises(AppError) as error:
        RoformerEngine(model_dir=folder, device="cpu").load(model)
    assert str(folder) not in error.value.message
    return error.value


def test_safetensors_are_read(tmp_path: Path) -> None:
    saved(tmp_path)
    state = tiny.reference("bs").state_dict()
    save_file({key: value.clone() for key, value in state.items()}, tmp_path / "other.safetensors")
    (tmp_path / "other.json").write_text((tmp_path / "mine.yaml").read_text())
    tiny.record(tmp_path / "other.safetensors", STEMS)
    engine, mix = RoformerEngine(model_dir=tmp_path, device="cpu"), ArrayMix(song(2, 3_000), tiny.RATE_HZ)
    one, other = (joined(engine.separate(mix, model))["vocals"] for model in ("mine", "other"))
    assert one.tobytes() == other.tobytes()
    engine.unload("mine")
    assert list(engine._loaded) == ["other"]


def test_missing_weights_are_unavailable(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.unlink()
    assert not RoformerEngine(model_dir=tmp_path).is_present("mine")
    error = refusal(tmp_path)
    assert (error.code, error.reason) == (Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE")
    assert "mine.ckpt" in error.message
    assert refusal(tmp_path, "bs-roformer").reason == "MODEL_UNAVAILABLE"
    assert refusal(tmp_path, "../mine").reason == "MODEL_UNKNOWN"


def test_a_checkpoint_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert refusal(tmp_path).reason == "WEIGHTS_CHANGED"


@pytest.mark.parametrize("change", [{"dim": 24}, {"depth": 3}, {"depth": 1}, {"mask_estimator_depth": 1}, {}])
def test_weights_of_another_network_or_other_stems_are_refused(tmp_path: Path, change: dict[str, int]) -> None:
    path = saved(tmp_path, **change)
    if not change:
        tiny.record(path, ("drums", "bass"))
    error = refusal(tmp_path)
    assert error.reason == "MODEL_UNSUPPORTED"
    assert not change or "do not describe the same network" in error.message


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"\xff" * 100, b"\x80\x02}q\x00."])
def test_a_damaged_checkpoint_is_unavailable(tmp_path: Path, suffix: str, content: bytes | None) -> None:
    """Without content, the checkpoint lacks its end."""
    path = saved(tmp_path).rename(tmp_path / f"damaged{suffix}")
    path.write_bytes(path.read_bytes()[:-2_000] if content is None else content)
    (tmp_path / "mine.yaml").rename(tmp_path / "damaged.yaml")
    tiny.record(path, STEMS)
    assert refusal(tmp_path, "damaged").reason == "MODEL_UNAVAILABLE"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: {**state, "final_norm.gamma": torch.full((16,), torch.nan)},
        lambda state: {**state, "final_norm.gamma": torch.ones(16, dtype=torch.int64)},
        lambda state: {**state, "more": torch.zeros(1)},
        lambda state: {**state, "more": "text"},
        lambda state: {**state, "final_norm.gamma": torch.zeros(1).expand(10**9)},
        lambda state: {"state_dict": [1, 2]},
        None,
    ],
)
def test_other_content_and_code_are_refused(tmp_path: Path, spoil: Any) -> None:
    path, trap = saved(tmp_path), tmp_path / "trap"
    state = dict(tiny.reference("bs").state_dict())
    torch.save(spoil(state) if spoil else {**state, "extra": Trap(trap)}, path)
    tiny.record(path, STEMS)
    error = refusal(tmp_path)
    assert (error.code, error.reason) == (
        Code.UNPROCESSABLE, "MODEL_UNSUPPORTED" if spoil else "CHECKPOINT_UNTRUSTED",
    )  # fmt: skip
    assert not trap.exists()


def test_a_compressed_checkpoint_is_refused(tmp_path: Path) -> None:
    """It could be a thousand times as large in memory."""
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    tiny.record(path, STEMS)
    assert refusal(tmp_path).reason == "CHECKPOINT_UNTRUSTED"


def test_a_configuration_is_needed_and_not_trusted(tmp_path: Path) -> None:
    saved(tmp_path)
    config, trap = tmp_path / "mine.yaml", tmp_path / "trap"
    config.write_text(f"model: !!python/object/apply:os.mkdir [{trap}]")
    assert refusal(tmp_path).reason == "MODEL_UNSUPPORTED"
    assert not trap.exists()
    config.unlink()
    error = refusal(tmp_path)
    assert error.reason == "MODEL_UNSUPPORTED"
    assert "mine.yaml" in error.message
