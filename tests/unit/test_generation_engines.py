"""Which engine makes a take, and which weights stay in memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from kit.errors import AppError
from services.generation.service import MODELS, Take
from services.generation.settings import GenerationSettings
from services.generation.takes import Choice, TakeOrder, audiocraft_is_installed, build_engines, make_takes
from tests.unit.scripted_engine import asked, build


def silent(share: float) -> None:
    """Hears no progress."""


def order(folder: Path, prompt: str = "a tune") -> TakeOrder:
    return TakeOrder(Take(prompt, 1.0, 1), folder / "take.npy")


def test_the_engine_of_the_model_makes_it(tmp_path: Path) -> None:
    shares: list[float] = []
    batch = make_takes(build(tmp_path), shares.append, model="audio", orders=[order(tmp_path)])
    assert batch.choice == Choice("scripted", "test/audio")
    assert batch.device is None
    assert np.load(tmp_path / "take.npy").dtype == np.float32
    assert shares == [0.0, 0.25, 1.0]


def test_zero_means_loading(tmp_path: Path) -> None:
    shares: list[float] = []
    room = build(tmp_path, fallback=True)
    (tmp_path / "no-weights").touch()
    make_takes(room, shares.append, model="music", orders=[order(tmp_path)])
    assert shares[0] == 0.0
    assert 0.0 not in shares[1:]
    assert shares[-1] == 1.0


def test_without_fallback_the_refusal_reaches_the_caller(tmp_path: Path) -> None:
    (tmp_path / "no-weights").touch()
    with pytest.raises(AppError) as caught:
        build(tmp_path).choose("music")
    assert (caught.value.reason, caught.value.meta) == ("MODEL_UNAVAILABLE", {"model": "music"})


def test_with_fallback_the_built_in_engine_takes_over_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "no-weights").touch()
    room = build(tmp_path, fallback=True)
    assert room.choose("magnet-audio") == Choice("procedural", "sound-designer", True, "There are no weights here.")
    (tmp_path / "no-weights").unlink()
    assert room.choose("magnet-audio") == Choice("scripted", "test/magnet-audio")


def test_only_so_many_models_stay_in_memory_and_the_one_used_longest_ago_goes(tmp_path: Path) -> None:
    room = build(tmp_path, loaded_limit=2)
    for model in ("music", "audio", "music", "magnet-music"):
        room.choose(model)
    assert [entry["unload"] for entry in asked(tmp_path, "unload")] == ["audio"]
    assert room.loaded() == ("music", "magnet-music")


@pytest.mark.parametrize("is_at_hand", [True, False])
def test_room_is_made_before_loading_what_is_at_hand_and_after_fetching_what_is_not(
    tmp_path: Path, is_at_hand: bool
) -> None:
    room = build(tmp_path)
    room.choose("music")
    if is_at_hand:
        (tmp_path / "audio-weights").touch()
    room.choose("audio")
    steps = [next(iter(entry.items())) for entry in asked(tmp_path, "")][1:]
    made, loaded = ("unload", "music"), ("load", "audio")
    assert steps == ([made, loaded] if is_at_hand else [loaded, made])


def test_what_cannot_be_had_takes_nobodys_place(tmp_path: Path) -> None:
    room = build(tmp_path, fallback=True)
    room.choose("music")
    (tmp_path / "no-weights").touch()
    assert room.choose("audio").degraded
    assert room.loaded() == ("music",)


def test_idle_models_are_unloaded_and_come_back_when_needed(tmp_path: Path) -> None:
    room = build(tmp_path, idle_seconds=0.01)
    room.choose("music")
    assert room._idle_timer is not None
    room._idle_timer.join(10)
    assert [entry["unload"] for entry in asked(tmp_path, "unload")] == ["music"]
    assert room.loaded() == ()
    make_takes(room, silent, model="music", orders=[order(tmp_path)])
    assert len(asked(tmp_path, "load")) == 2


def settings(tmp_path: Path, **values: object) -> GenerationSettings:
    return GenerationSettings(data_dir=tmp_path, **values)  # type: ignore[arg-type]


def test_where_audiocraft_is_not_installed_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AppError) as caught:
        build_engines(settings(tmp_path)).choose("music")
    assert caught.value.reason == "MODEL_UNAVAILABLE"
    assert "make setup" in caught.value.message
    choice = build_engines(settings(tmp_path, fallback=True)).choose("music")
    assert (choice.engine, choice.degraded) == ("procedural", True)
    assert not audiocraft_is_installed()


def test_the_built_in_engine_that_was_asked_for_is_no_substitute(tmp_path: Path) -> None:
    room = build_engines(settings(tmp_path, generation_engine="procedural"))
    for model in MODELS:
        choice = room.choose(model)
        assert (choice.engine, choice.degraded, choice.reason) == ("procedural", False, "")
        assert choice.engine_model == ("composer" if model.endswith("music") else "sound-designer")


def test_checkpoints_in_the_folder_of_models_are_at_hand(tmp_path: Path) -> None:
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        (tmp_path / "musicgen-medium").mkdir(exist_ok=True)
        (tmp_path / "musicgen-medium" / name).touch()
    (tmp_path / "audiogen-medium").mkdir()
    (tmp_path / "audiogen-medium" / "state_dict.bin").touch()
    checkpoints = {"music": "facebook/musicgen-medium"}
    room = build_engines(settings(tmp_path, generation_model_dir=tmp_path, generation_checkpoints=checkpoints))
    assert room.at_hand() == {"music"}
