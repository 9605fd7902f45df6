"""Which model ``auto`` chooses, and why."""

from __future__ import annotations

import dataclasses

import pytest

from kit.engines import ModelDeclaration
from kit.errors import AppError
from services.separation.choice import Candidate, Quality, choose, needed_stems, parse_quality
from services.separation.engines.demucs import DemucsEngine
from services.separation.engines.dsp import DspEngine
from services.separation.engines.roformer import RoformerEngine
from services.separation.engines.small import SmallEngine
from services.separation.service import STEMS, ChainStep

MODELS: tuple[ModelDeclaration, ...] = (
    *DemucsEngine.models, *RoformerEngine.models, *SmallEngine.models, *DspEngine.models,
)  # fmt: skip
ALL = tuple(model.name for model in MODELS)


def candidates(available: tuple[str, ...], speeds: dict[str, float]) -> list[Candidate]:
    return [Candidate(model, model.name in available, speeds.get(model.name)) for model in MODELS]


@pytest.mark.parametrize(
    ("quality", "minutes", "has_gpu", "available", "speeds", "expected"),
    [
        # A song on a CPU, on which htdemucs is a little faster than real time.
        ("fast", 4, False, ALL, {}, "dsp"),
        ("balanced", 4, False, ALL, {}, "htdemucs"),
        ("best", 4, False, ALL, {}, "htdemucs_ft"),
        # A GPU leaves time for large networks.
        ("fast", 4, True, ALL, {}, "htdemucs"),
        ("balanced", 4, True, ALL, {}, "bs-roformer"),
        ("balanced", 4, True, ("htdemucs", "htdemucs_ft"), {}, "htdemucs_ft"),
        # A concert: four networks would take the whole day.
        ("best", 120, False, ALL, {}, "htdemucs"),
        # A short sound is done at once.
        ("fast", 0.1, False, ALL, {}, "htdemucs"),
        # Measured speeds replace the assumed ones.
        ("balanced", 4, False, ALL, {"htdemucs": 0.2, "htdemucs_6s": 0.2}, "small"),
        ("fast", 4, False, ALL, {"htdemucs": 25.0}, "htdemucs"),
        # Weights that are not on the server do not count.
        ("best", 4, False, ("htdemucs", "dsp"), {}, "htdemucs"),
        ("best", 4, False, ("dsp",), {}, "dsp"),
        # Of two models without a published score, the first one runs.
        ("best", 4, False, ("dsp", "small"), {}, "small"),
        # A score is better than none.
        ("best", 4, False, ("htdemucs", "mdx_extra", "dsp"), {}, "htdemucs"),
        ("best", 4, False, ("mdx_extra", "dsp"), {}, "mdx_extra"),
    ],
)
def test_the_best_model_that_is_quick_enough_runs(
    quality: Quality, minutes: float, has_gpu: bool, available: tuple[str, ...], speeds: dict[str, float], expected: str
) -> None:
    choice = choose(candidates(available, speeds), STEMS, quality, minutes * 60, has_gpu)
    assert choice is not None
    assert choice.model == expected
    assert choice.reason.startswith(
        f"auto chose {expected} for quality {quality!r}, {minutes * 60:.0f} seconds of audio"
    )


def test_the_reason_names_hardware_weights_and_score() -> None:
    choice = choose(candidates(("htdemucs", "dsp"), {}), STEMS, "balanced", 240.0, True)
    assert choice is not None
    assert choice.reason == (
        "auto chose htdemucs for quality 'balanced', 240 seconds of audio and a GPU: of the models for drums, bass, other,"
        " vocals whose weights are present, it has the best published score (8.80 dB on MUSDB18-HQ, test) of those that are"
        " quick enough."
    )
    slow = choose(candidates(("dsp",), {"dsp": 0.01}), STEMS, "balanced", 240.0, False)
    assert slow is not None
    assert "none is quick enough, and it is the quickest" in slow.reason


def test_the_stems_decide_which_models_can_run() -> None:
    guitar = choose(candidates(ALL, {}), ("guitar",), "fast", 240.0, False)
    assert guitar is not None
    assert guitar.model == "htdemucs_6s"
    assert choose(candidates(("htdemucs", "dsp"), {}), ("guitar",), "fast", 240.0, False) is None
    # A model for vocals and the rest qualifies only for requests of its stems.
    two = candidates(("mel-band-roformer-vocals", "dsp"), {})
    names = [choose(two, stems, "best", 240.0, True) for stems in (("vocals",), ("vocals", "other"), STEMS)]
    assert [choice and choice.model for choice in names] == ["mel-band-roformer-vocals"] * 2 + ["dsp"]
    vocals = choose(candidates(ALL, {}), ("vocals",), "best", 240.0, True)
    assert vocals is not None
    assert vocals.model == "bs-roformer"
    # The fine-tuned bag is better for all stems, and its score for "other" is lower.
    other = choose(candidates(ALL, {}), ("other",), "best", 240.0, False)
    assert other is not None
    assert other.model == "htdemucs"


def test_a_chain_needs_a_model_with_its_first_stem() -> None:
    chain = [ChainStep("guitar", "dsp"), ChainStep("drums of guitar", "dsp")]
    assert needed_stems((), chain) == (*STEMS, "guitar")
    assert needed_stems((), [ChainStep("vocals", "dsp")]) == needed_stems((), []) == STEMS
    assert needed_stems(("guitar",), chain) == ("guitar",)


def test_a_model_of_unknown_cost_is_taken_for_a_slow_one() -> None:
    unknown = dataclasses.replace(MODELS[1], name="unknown", relative_cost=None)
    both = [Candidate(unknown, True), *candidates(("htdemucs",), {})]
    slow, measured = (
        choose(models, STEMS, "balanced", 240.0, False) for models in (both, [Candidate(unknown, True, 2.0), *both])
    )
    assert slow is not None
    assert measured is not None
    assert (slow.model, measured.model) == ("htdemucs", "unknown")


def test_a_quality_needs_auto_and_must_be_known() -> None:
    assert parse_quality("auto", "best") == "best"
    assert parse_quality("auto", "") == parse_quality("htdemucs", "") == "balanced"
    for model, quality, problem in (
        ("auto", "perfect", "is not known; use one of: fast, balanced, best"),
        ("htdemucs", "fast", "needs the model 'auto'"),
    ):
        with pytest.raises(AppError) as caught:
            parse_quality(model, quality)
        assert (caught.value.reason, caught.value.meta) == ("VALIDATION_ERROR", {"details": {"quality": [problem]}})
