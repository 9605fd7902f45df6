"""Which models separation declares, and how requests name them."""

from __future__ import annotations

import pytest

from kit.errors import AppError
from kit.pipeline import PIPELINE_STAGES, PIPELINE_TRACKS
from services.separation.engines.demucs import DemucsEngine
from services.separation.engines.dsp import DspEngine
from services.separation.engines.hpss import HpssEngine
from services.separation.pipeline import queued_stages
from services.separation.registry import Registry, build_registry
from services.separation.service import LALALAI, SeparationSpec, parse_spec
from services.separation.settings import SeparationSettings

REGISTRY = Registry()
for engine in (DemucsEngine(), DspEngine(), HpssEngine()):
    REGISTRY.register(engine)


def test_the_documented_models_come_first_and_the_steps_of_the_pipeline_are_not_listed() -> None:
    registry = build_registry(SeparationSettings())
    assert [(model.name, model.needs_weights) for model in registry.models()[:5]] == [
        ("htdemucs", True), ("htdemucs_ft", True), ("htdemucs_6s", True), ("mdx_extra", True), ("dsp", False),
    ]  # fmt: skip
    assert registry.default_model == "htdemucs"
    assert registry.declaration("hpss").outputs == ("harmonic", "percussive")
    assert "hpss" not in registry.model_names


@pytest.mark.parametrize(
    ("model", "engine", "expected"),
    [
        ("", "", "htdemucs"), ("", "local", "htdemucs"), ("", "dsp", "dsp"), ("dsp", "", "dsp"),
        ("mdx_extra", "demucs", "mdx_extra"), ("htdemucs_6s", "local", "htdemucs_6s"),
    ],
)  # fmt: skip
def test_a_request_may_name_a_model_an_engine_or_neither(model: str, engine: str, expected: str) -> None:
    assert parse_spec(model, engine, "", REGISTRY) == SeparationSpec(expected, "flac")


@pytest.mark.parametrize(
    ("model", "engine", "problems"),
    [
        ("hpss", "", {"model": ["is not known; use one of: htdemucs, htdemucs_ft, htdemucs_6s, mdx_extra, dsp"]}),
        ("", "magic", {"engine": ["is not available; use one of: local, demucs, dsp, lalalai"]}),
        ("htdemucs", "dsp", {"engine": ["does not run htdemucs, which demucs runs"]}),
        ("", "hpss", {"engine": ["is not available; use one of: local, demucs, dsp, lalalai"]}),
    ],
)
def test_what_no_engine_runs_is_refused(model: str, engine: str, problems: dict[str, list[str]]) -> None:
    with pytest.raises(AppError) as caught:
        parse_spec(model, engine, "", REGISTRY)
    assert (caught.value.reason, caught.value.meta) == ("VALIDATION_ERROR", {"details": problems})


def test_the_default_model_means_the_newest_one_of_lalalai() -> None:
    for model in ("", "htdemucs"):
        assert parse_spec(model, "lalalai", "wav16", REGISTRY) == SeparationSpec("newest", "wav16", LALALAI)
    assert parse_spec("orion", "lalalai", "", REGISTRY) == SeparationSpec("orion", "flac", LALALAI)


def test_the_pipeline_has_the_stages_and_tracks_of_its_contract() -> None:
    assert [(stage.name, stage.processor_type) for stage in PIPELINE_STAGES] == [
        ("audio_separation", "separator"),
        ("harmonic_percussive_separation", "decomposition"),
        ("composite_track_creation", "composition"),
        ("normalization", "audio_processing"),
    ]
    assert PIPELINE_TRACKS == (
        "vocals", "drums", "bass", "other", "harmonic", "percussive", "main", "main_harmonic", "main_percussive",
    )  # fmt: skip
    assert [(stage.name, stage.processor_type) for stage in queued_stages()] == [
        (stage.name, stage.processor_type) for stage in PIPELINE_STAGES
    ]
