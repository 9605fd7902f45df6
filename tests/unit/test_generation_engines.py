"""Which engine makes a take, and which weights stay in memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from kit.engines import FallbackPolicy, ModelSelection
from kit.errors import AppError
from services.generation.engines.audiocraft.engine import MODELS
from services.generation.registry import build_registry
from services.generation.service import Take, makes_music
from services.generation.settings import GenerationSettings
from services.generation.takes import TakeOrder, make_takes
from tests.unit.scripted_engine import build


def order(folder: Path) -> TakeOrder:
    return TakeOrder(Take("a tune", 1.0, 1), folder / "take.npy")


def test_the_engine_of_the_model_makes_it(tmp_path: Path) -> None:
    shares: list[float] = []
    batch = make_takes(build(tmp_path), shares.append, model="audio", orders=[order(tmp_path)])
    assert batch.selection == ModelSelection("scripted", "audio", "audio", "test/audio")
    assert batch.device is None
    assert np.load(tmp_path / "take.npy").dtype == np.float32
    assert shares == [0.0, 0.25, 1.0]


def test_with_fallback_the_built_in_engine_takes_over_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "no-weights").touch()
    shares: list[float] = []
    registry = build(tmp_path, fallback=FallbackPolicy.WHEN_UNAVAILABLE)
    batch = make_takes(registry, shares.append, model="magnet-audio", orders=[order(tmp_path)])
    assert batch.selection == ModelSelection(
        "procedural", "sound-designer", "magnet-audio", reason="There are no weights here."
    )
    assert np.load(tmp_path / "take.npy").shape == (2, 44100)
    assert (shares[0], shares[-1]) == (0.0, 1.0)  # 0 means loading
    assert 0.0 not in shares[1:]


def settings(tmp_path: Path, **values: object) -> GenerationSettings:
    return GenerationSettings(data_dir=tmp_path, **values)  # type: ignore[arg-type]


def test_where_audiocraft_is_not_installed_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    registry = build_registry(settings(tmp_path))
    with pytest.raises(AppError, match=r"^MODEL_UNAVAILABLE: .*make setup"):
        registry.select("music")
    assert not registry.engine("music").is_installed()
    selection = build_registry(settings(tmp_path, fallback=True)).select("music")
    assert (selection.engine, selection.degraded) == ("procedural", True)


def test_the_built_in_engine_that_was_asked_for_is_no_substitute(tmp_path: Path) -> None:
    registry = build_registry(settings(tmp_path, generation_engine="procedural"))
    for declaration in registry.models():
        selection = registry.select(declaration.name)
        expected = "composer" if declaration.name.endswith("music") else "sound-designer"
        assert selection == ModelSelection("procedural", expected, declaration.name)
        assert not selection.degraded


def test_checkpoints_in_the_folder_of_models_are_present(tmp_path: Path) -> None:
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        (tmp_path / "musicgen-medium").mkdir(exist_ok=True)
        (tmp_path / "musicgen-medium" / name).touch()
    (tmp_path / "audiogen-medium").mkdir()
    (tmp_path / "audiogen-medium" / "state_dict.bin").touch()
    checkpoints = {"music": "facebook/musicgen-medium"}
    registry = build_registry(settings(tmp_path, generation_model_dir=tmp_path, generation_checkpoints=checkpoints))
    assert registry.present_models() == {"music"}
    assert registry.declaration("music").source == "facebook/musicgen-medium"


def test_requests_may_name_the_models_of_audiocraft_and_no_fallback(tmp_path: Path) -> None:
    registry = build_registry(settings(tmp_path))
    assert registry.model_names == tuple(declaration.name for declaration in MODELS)
    assert registry.default_model == "music"
    assert [name for name in registry.model_names if makes_music(registry.declaration(name))] == [
        "music",
        "magnet-music",
    ]
