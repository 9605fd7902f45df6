"""Which requests of several models are valid, and which stems they return."""

import dataclasses
from typing import Any

import pytest

from soundwright.kit.errors import AppError
from soundwright.separation.v1.jobs_pb2 import ChainStep, SeparationParameters, SeparationSpec
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.engines.dsp import DspEngine
from soundwright.services.separation.engines.roformer import RoformerEngine
from soundwright.services.separation.plans import all_models, parse_request, stem_names
from soundwright.services.separation.registry import Registry
from soundwright.services.separation.service import STEMS

VOICES = dataclasses.replace(DemucsEngine.models[0], name="voices", outputs=("lead", "backing"))
CLASH = dataclasses.replace(DemucsEngine.models[0], name="clash", outputs=("vocals", "vocals_lead"))
TWO_STEMS = "mel-band-roformer-vocals"
REGISTRY = Registry()
for engine in (DemucsEngine(models=[*DemucsEngine.models, VOICES, CLASH]), RoformerEngine(), DspEngine()):
    REGISTRY.register(engine)
KNOWN = ", ".join(REGISTRY.model_names)


def test_a_request_of_one_model_is_a_plain_one() -> None:
    spec = parse_request(SeparationParameters(model="dsp", stems=["vocals"]), REGISTRY)
    parameters = SeparationParameters(model="dsp", format="flac", stems=["vocals"])
    assert spec == SeparationSpec(parameters=parameters, model="dsp")
    assert (all_models(spec.parameters), stem_names(spec.parameters, REGISTRY)) == (
        ("dsp",),
        ("vocals", "accompaniment"),
    )


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
    spec = parse_request(SeparationParameters(models=models, stems=stems), REGISTRY)
    parameters = SeparationParameters(format="flac", stems=expected, models=models, combine="average")
    assert spec == SeparationSpec(parameters=parameters, model="+".join(models))
    assert stem_names(spec.parameters, REGISTRY) == names
    assert parse_request(spec.parameters, REGISTRY) == spec


def test_weights_and_combination_are_kept() -> None:
    asked = SeparationParameters(models=["htdemucs", "dsp"], weights=[2, 0.5], format="wav16", engine="local")
    parameters = parse_request(asked, REGISTRY).parameters
    assert (parameters.format, parameters.weights, parameters.combine, all_models(parameters)) == (
        "wav16", [2, 0.5], "average", ("htdemucs", "dsp"),
    )  # fmt: skip
    asked = SeparationParameters(models=["htdemucs", "dsp"], combine="max_magnitude")
    assert parse_request(asked, REGISTRY).parameters.combine == "max_magnitude"


@pytest.mark.parametrize(
    ("asked", "steps", "names"),
    [
        (
            SeparationParameters(model="dsp"), [("vocals", "voices")],
            ("drums", "bass", "other", "vocals_lead", "vocals_backing"),
        ),
        (SeparationParameters(stems=["vocals"]), [("vocals", "voices")], ("vocals_lead", "vocals_backing", "accompaniment")),
        (
            SeparationParameters(stems=["vocals"]), [("accompaniment", "dsp"), ("accompaniment_vocals", "voices")],
            (
                "vocals", "accompaniment_drums", "accompaniment_bass", "accompaniment_other",
                "accompaniment_vocals_lead", "accompaniment_vocals_backing",
            ),
        ),
        (
            SeparationParameters(models=["htdemucs", TWO_STEMS]), [("vocals", "voices")],
            ("vocals_lead", "vocals_backing", "accompaniment"),
        ),
    ],
)  # fmt: skip
def test_a_step_replaces_the_stem_that_it_separates(
    asked: SeparationParameters, steps: list[tuple[str, str]], names: tuple[str, ...]
) -> None:
    chain = [ChainStep(stem=stem, model=model) for stem, model in steps]
    first = parse_request(asked, REGISTRY).parameters
    chained = SeparationParameters(chain=chain)
    chained.MergeFrom(asked)
    spec = parse_request(chained, REGISTRY)
    parameters = spec.parameters
    assert stem_names(parameters, REGISTRY) == names
    assert (parameters.chain, parameters.stems, parameters.combine) == (chain, first.stems, first.combine)
    assert all_models(parameters) == (*all_models(first), *(step.model for step in chain))
    assert spec.model == "+".join(all_models(first)) + " > " + ", ".join(f"{stem}: {model}" for stem, model in steps)
    assert parse_request(parameters, REGISTRY) == spec


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
                "chain": [ChainStep(stem="vocals", model="dsp")],
            },
            dict.fromkeys(("models", "weights", "combine", "chain"), "cannot be used with lalal.ai"),
        ),
        ({"chain": [ChainStep(stem="vocals", model="dsp")] * 3}, {"chain": "may have at most 2 steps"}),
        (
            {"chain": [ChainStep(stem="vocals", model="dsp")] * 2},
            {
                "chain": "names a stem that the result does not have at this step; use one of: drums, bass, other,"
                " vocals_drums, vocals_bass, vocals_other, vocals_vocals"
            },
        ),
        (
            {"stems": ["bass"], "chain": [ChainStep(stem="vocals", model="dsp")]},
            {"chain": "names a stem that the result does not have at this step; use one of: bass, accompaniment"},
        ),
        (
            {"chain": [ChainStep(stem="vocals", model="hpss")]},
            {"chain": f"names an unknown model; use one of: {KNOWN}"},
        ),
        (
            {"model": "clash", "chain": [ChainStep(stem="vocals", model="voices")]},
            {"chain": "would return two stems of one name"},
        ),
    ],
)
def test_invalid_requests_are_refused_by_field(fields: dict[str, Any], problems: dict[str, str]) -> None:
    with pytest.raises(AppError) as caught:
        parse_request(SeparationParameters(**fields), REGISTRY)
    details = {field: [problem] for field, problem in problems.items()}
    assert (caught.value.reason, caught.value.meta) == ("VALIDATION_ERROR", {"details": details})
