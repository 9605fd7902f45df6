"""What may be asked of generation and by whom, which engine makes a take, and which weights stay in memory."""

import dataclasses
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from soundwright.kit.engines import FallbackPolicy, ModelSelection
from soundwright.kit.errors import AppError
from soundwright.services.generation import service
from soundwright.services.generation.engines.audiocraft.engine import MODELS
from soundwright.services.generation.registry import build_registry
from soundwright.services.generation.service import (
    GenerationSpec,
    Take,
    clean_prompt,
    makes_music,
    parse_spec,
    retake_seed,
    variation_seeds,
)
from soundwright.services.generation.settings import GenerationSettings
from soundwright.services.generation.takes import TakeOrder, make_takes
from soundwright.services.generation.tiers import TIERS, Tier, tier_of
from tests.unit.scripted_engine import build

SOURCE = "7b0d2f0e-6c1a-4a51-9d36-5f0f3c7f1f11"


REGISTRY = build_registry(GenerationSettings())


def parse(variation_count: int = 1, **fields: Any) -> GenerationSpec:
    asked = GenerationSpec(**{"prompt": "calm piano", "duration_seconds": 8.0, "model": "music", "seed": 1, **fields})
    return parse_spec(asked, variation_count=variation_count, max_seconds=120.0, registry=REGISTRY)


def problems(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(AppError, match="VALIDATION_ERROR") as caught:
        parse(**fields)
    assert caught.value.http_status == 422
    details: dict[str, list[str]] = caught.value.meta["details"]
    return details


def test_a_request_is_understood() -> None:
    assert parse(loop=True, continue_from_id=SOURCE.replace("-", "")) == GenerationSpec(
        "calm piano", 8.0, "music", 1, True, SOURCE
    )
    assert parse(model="").model == "music"
    for model in REGISTRY.model_names:
        assert parse(model=model).model == model


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        *(({"prompt": text}, "prompt") for text in ("", "ab", "   a   ", "x" * 501, "\x00\x01\x02\x1b", "\u200b" * 5)),
        *(({"duration_seconds": length}, "duration") for length in (0.99, 120.1, -8.0, math.nan, math.inf)),
        *(({"model": name}, "model") for name in ("tts", "MUSIC")),
        *(({"variation_count": count}, "variations") for count in (0, 9, -1)),
        ({"continue_from_id": "../../etc"}, "continue_from"),
        ({"prompt": "", "duration_seconds": 0, "model": "x"}, "prompt duration model"),
    ],
)
def test_all_that_does_not_fit_is_named(fields: dict[str, Any], names: str) -> None:
    assert set(problems(**fields)) == set(names.split())


@pytest.mark.parametrize(
    ("prompt", "cleaned"),
    [
        ("  calm\r\n\tpiano \x00", "calm piano"), ("a\u202egnip\u202cb", "agnipb"), ("x" * 500, "x" * 500),
        ("Klavier für Elise", "Klavier für Elise"), ("می\u200cخواهم", "می\u200cخواهم"), ("🎹 ballad", "🎹 ballad"),
        ("bad \ud800 surrogate", "bad surrogate"),
    ],
)  # fmt: skip
def test_prompts_keep_text_and_nothing_else(prompt: str, cleaned: str) -> None:
    assert clean_prompt(prompt) == cleaned
    assert clean_prompt("\0" + "x" * 10**6) == "x" * 19_999  # longer ones cost no more time


@given(st.text(max_size=600))
def test_any_text_is_cleaned_or_refused(prompt: str) -> None:
    cleaned = clean_prompt(prompt)
    assert clean_prompt(cleaned) == cleaned
    cleaned.encode()
    if 3 <= len(cleaned) <= 500:
        assert parse(prompt=prompt).prompt == cleaned
    else:
        assert "prompt" in problems(prompt=prompt)


def test_seeds_of_variations_follow_each_other_and_retakes_stay_clear_of_them() -> None:
    assert variation_seeds(41, 3) == [41, 42, 43]
    assert variation_seeds(2**63 - 1, 2) == [2**63 - 1, 0]
    seeds = {retake_seed(seed, retake) for seed in range(8) for retake in range(3)}
    assert len(seeds) == 24
    assert retake_seed(41, 0) == 41
    assert all(0 <= retake_seed(2**63 - 1, retake) < 2**63 for retake in range(3))


def test_a_continuation_keeps_to_the_limit_as_a_whole() -> None:
    service.require_total(60.0, 60.0, 120.0)
    for before, more, words in ((60.5, 60.0, "ask for 59 at most"), (120.0, 5.0, "shorter clip")):
        with pytest.raises(AppError, match="invalid") as caught:
            service.require_total(before, more, 120.0)
        assert words in caught.value.meta["details"]["duration"][0]


@pytest.mark.parametrize(
    ("role", "name", "pending", "seconds"),
    [
        ("anonymous", "free", 3, 120), ("user", "free", 3, 120), ("pro", "supporter", 5, 120),
        ("enterprise", "premium", 10, 120), ("admin", "creator", 20, 180), ("super_admin", "creator", 20, 180),
        ("service", "creator", 20, 180), ("unheard of", "free", 3, 120),
    ],
)  # fmt: skip
def test_every_role_has_a_tier(role: str, name: str, pending: int, seconds: float) -> None:
    tier_name, tier = tier_of(role, {})
    assert (tier_name, tier.pending_limit, tier.max_seconds) == (name, pending, seconds)


def test_no_tier_allows_more_than_the_engines_can_do() -> None:
    generous = Tier(pending_limit=1, hourly_limit=1, max_seconds=900, starvation_seconds=1)
    assert tier_of("user", {"free": generous})[1] == dataclasses.replace(generous, max_seconds=300)


def test_higher_tiers_may_have_more() -> None:
    limits = [(tier.pending_limit, tier.hourly_limit) for tier in TIERS.values()]
    assert limits == sorted(set(limits))


def test_an_operator_may_set_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SOUNDWRIGHT_GENERATION_TIERS", '{"free": {"pending_limit": 1, "hourly_limit": 0, "max_seconds": 30}}'
    )
    configured = GenerationSettings().generation_tiers
    assert tier_of("anonymous", configured) == ("free", Tier(1, 0, 30, 1800))
    assert tier_of("pro", configured) == ("supporter", TIERS["supporter"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIERS", '{"gold": {"pending_limit": 1, "hourly_limit": 1, "max_seconds": 1}}'),
        ("TIERS", '{"free": {"pending_limit": 1}}'), ("CHECKPOINTS", '{"opera": "x/y"}'), ("ENGINE", "magic"),
        ("SLOT_COUNT", "-1"),
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SOUNDWRIGHT_GENERATION_{name}", value)
    with pytest.raises(ValidationError):
        GenerationSettings()


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
        "procedural", "sound-designer", "magnet-audio", reason="magnet-audio has no weights on this server."
    )
    assert batch.selection.details == "There are no weights here."
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
