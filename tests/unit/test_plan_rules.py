"""Which requests of several models are valid, and which stems they return."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from kit.errors import AppError
from services.separation.engines.demucs import DemucsEngine
from services.separation.engines.dsp import DspEngine
from services.separation.engines.roformer import RoformerEngine
from services.separation.plans import parse_request, stem_names
from services.separation.registry import Registry
from services.separation.service import STEMS, ChainStep, SeparationSpec, Wishes

VOICES = dataclasses.replace(DemucsEngine.models[0], name="voices", outputs=("lead", "backing"))
CLASH = dataclasses.replace(DemucsEngine.models[0], name="clash", outputs=("vocals", "vocals_lead"))
TWO_STEMS = "mel-band-roformer-vocals"
REGISTRY = Registry()
for engine in (DemucsEngine(models=[*DemucsEngine.models, VOICES, CLASH]), RoformerEngine(), DspEngine()):
    REGISTRY.register(engine)
KNOWN = ", ".join(REGISTRY.model_names)


def test_a_request_of_one_model_is_a_plain_one() -> None:
    spec = parse_request(Wishes(model="dsp", stems=["vocals"]), REGISTRY)
    assert spec == SeparationSpec("dsp", "flac", stems=("vocals",))
    assert (spec.all_models, stem_names(spec, REGISTRY)) == (("dsp",), ("vocals", "accompaniment"))


@pytest.mark.parametrize(
    ("models", "stems", "expected", "names"),
    [
        (["htdemucs", "htdemucs_ft"], [], (), STEMS),
        (["htdemucs", "htdemucs_ft"], ["vocals", "drums"], ("drums", "vocals"), ("drums", "vocals", "accompaniment")),
        # What "other" means depends on the other stems, so only the rest of the recording is left.
        (
            ["htdemucs", "htdemucs_6s"], [], ("drums", "bass", "vocals"),
            ("drums", "bass", "vocals", "accompaniment"),
        ),
        (["htdemucs", TWO_STEMS, "dsp"], [], ("vocals",), ("vocals", "accompaniment")),
        ([TWO_STEMS, "bs-roformer-vocals"], [], (), ("vocals", "other")),
    ],
)  # fmt: skip
def test_an_ensemble_has_the_stems_that_its_models_have_in_common(
    models: list[str], stems: list[str], expected: tuple[str, ...], names: tuple[str, ...]
) -> None:
    spec = parse_request(Wishes(models=models, stems=stems), REGISTRY)
    assert spec == SeparationSpec("+".join(models), "flac", stems=expected, models=tuple(models), combine="average")
    assert stem_names(spec, REGISTRY) == names
    assert parse_request(Wishes(models=models, stems=spec.stems), REGISTRY) == spec


def test_weights_and_combination_are_kept() -> None:
    wishes = Wishes(models=["htdemucs", "dsp"], weights=[2, 0.5], format="wav16", engine="local")
    spec = parse_request(wishes, REGISTRY)
    assert (spec.format, spec.weights, spec.combine, spec.all_models) == (
        "wav16", (2, 0.5), "average", ("htdemucs", "dsp"),
    )  # fmt: skip
    wishes = Wishes(models=["htdemucs", "dsp"], combine="max_magnitude")
    assert parse_request(wishes, REGISTRY).combine == "max_magnitude"


@pytest.mark.parametrize(
    ("wishes", "steps", "names"),
    [
        (
            Wishes(model="dsp"), [("vocals", "voices")],
            ("drums", "bass", "other", "vocals_lead", "vocals_backing"),
        ),
        (Wishes(stems=["vocals"]), [("vocals", "voices")], ("vocals_lead", "vocals_backing", "accompaniment")),
        (
            Wishes(stems=["vocals"]), [("accompaniment", "dsp"), ("accompaniment_vocals", "voices")],
            (
                "vocals", "accompaniment_drums", "accompaniment_bass", "accompaniment_other",
                "accompaniment_vocals_lead", "accompaniment_vocals_backing",
            ),
        ),
        (
            Wishes(models=["htdemucs", TWO_STEMS]), [("vocals", "voices")],
            ("vocals_lead", "vocals_backing", "accompaniment"),
        ),
    ],
)  # fmt: skip
def test_a_step_replaces_the_stem_that_it_separates(
    wishes: Wishes, steps: list[tuple[str, str]], names: tuple[str, ...]
) -> None:
    chain = tuple(ChainStep(*step) for step in steps)
    first = parse_request(wishes, REGISTRY)
    spec = parse_request(dataclasses.replace(wishes, chain=chain), REGISTRY)
    assert stem_names(spec, REGISTRY) == names
    assert (spec.chain, spec.stems, spec.combine) == (chain, first.stems, first.combine)
    assert spec.all_models == (*first.all_models, *(step.model for step in chain))
    # A worker of an earlier version knows no model of this name, and fails instead of leaving out the steps.
    assert spec.model == f"{first.model} > " + ", ".join(f"{stem}: {model}" for stem, model in steps)


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"models": ["htdemucs"]}, {"models": "must name 2 to 4 models"}),
        ({"models": ["htdemucs"] * 5}, {"models": "must name 2 to 4 models"}),
        ({"models": ["htdemucs", "htdemucs"]}, {"models": "must differ"}),
        ({"models": ["htdemucs", "spleeter"]}, {"models": f"are not all known; use some of: {KNOWN}"}),
        ({"models": ["htdemucs", "auto"]}, {"models": f"are not all known; use some of: {KNOWN}"}),
        ({"models": ["htdemucs", "voices"]}, {"models": "have no stem in common"}),
        ({"models": ["htdemucs", "dsp"], "model": "dsp"}, {"model": "cannot be used beside models"}),
        ({"models": ["htdemucs", "dsp"], "model": "auto"}, {"model": "cannot be used beside models"}),
        ({"models": ["htdemucs", "dsp"], "engine": "dsp"}, {"engine": "cannot be used beside models"}),
        (
            {"models": ["htdemucs", "dsp"], "format": "mp3"},
            {"format": "is not known; use one of: flac, wav16, wav24, wav32f"},
        ),
        (
            {"models": ["htdemucs", "htdemucs_6s"], "stems": ["other"]},
            {"stems": "are not all stems of the ensemble; use some of: drums, bass, vocals"},
        ),
        (
            {"models": ["htdemucs", "dsp"], "combine": "median"},
            {"combine": "is not known; use one of: average, max_magnitude"},
        ),
        *(
            (
                {"models": ["htdemucs", "dsp"], "weights": weights},
                {"weights": "must be one positive number for each model, 0.000001 to 1000000"},
            )
            for weights in ([1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")], [1.0, 1e-300])
        ),
        (
            {"models": ["htdemucs", "dsp"], "weights": [1, 1], "combine": "max_magnitude"},
            {"weights": "need the combination 'average'"},
        ),
        ({"weights": [1.0], "combine": "average"}, {"weights": "needs models", "combine": "needs models"}),
        (
            {
                "engine": "lalalai",
                "models": ["a"],
                "weights": [1],
                "combine": "x",
                "chain": [ChainStep("vocals", "dsp")],
            },
            dict.fromkeys(("models", "weights", "combine", "chain"), "cannot be used with lalal.ai"),
        ),
        ({"chain": [ChainStep("vocals", "dsp")] * 3}, {"chain": "may have at most 2 steps"}),
        (
            {"chain": [ChainStep("vocals", "dsp")] * 2},
            {
                "chain": "names a stem that the result does not have at this step; use one of: drums, bass, other,"
                " vocals_drums, vocals_bass, vocals_other, vocals_vocals"
            },
        ),
        (
            {"stems": ["bass"], "chain": [ChainStep("vocals", "dsp")]},
            {"chain": "names a stem that the result does not have at this step; use one of: bass, accompaniment"},
        ),
        ({"chain": [ChainStep("vocals", "hpss")]}, {"chain": f"names an unknown model; use one of: {KNOWN}"}),
        ({"model": "clash", "chain": [ChainStep("vocals", "voices")]}, {"chain": "would return two stems of one name"}),
    ],
)
def test_invalid_requests_are_refused_by_field(fields: dict[str, Any], problems: dict[str, str]) -> None:
    with pytest.raises(AppError) as caught:
        parse_request(Wishes(**fields), REGISTRY)
    details = {field: [problem] for field, problem in problems.items()}
    assert (caught.value.reason, caught.value.meta) == ("VALIDATION_ERROR", {"details": details})
