"""Requests of several models: ensembles, whose estimates are combined, and chains, which separate a stem once more."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import cast

from kit.engines import EngineRegistry
from services.separation.service import (
    ACCOMPANIMENT,
    COMBINATIONS,
    FORMATS,
    LALALAI,
    LOCAL_ENGINES,
    ChainStep,
    Combination,
    Engine,
    Format,
    SeparationSpec,
    Wishes,
    format_problems,
    is_partial,
    parse_spec,
    require_none,
    result_stems,
    stem_problems,
)

__all__ = ["first_names", "parse_request", "stem_names"]

_MODEL_LIMIT = 4
_CHAIN_LIMIT = 2
# Stems that mean "the rest", which differs among models with different stems.
_REST = {"other", "remainder", ACCOMPANIMENT}


def parse_request(wishes: Wishes, registry: EngineRegistry[Engine]) -> SeparationSpec:
    """Validate a request and fill in defaults.

    Raises:
        AppError: ``VALIDATION_ERROR`` with the fields that are not valid.
    """
    if wishes.engine == LALALAI:
        named = {"models": wishes.models, "weights": wishes.weights, "combine": wishes.combine, "chain": wishes.chain}
        require_none({field: ["cannot be used with lalal.ai"] for field, value in named.items() if value})
    if not wishes.models:
        need = {"weights": wishes.weights, "combine": wishes.combine}
        require_none({field: ["needs models"] for field, value in need.items() if value})
        first = parse_spec(wishes.model, wishes.engine, wishes.format, registry, wishes.stems)
    else:
        first = _parse_ensemble(wishes, registry)
    return _chained(first, wishes.chain, registry)


def stem_names(spec: SeparationSpec, registry: EngineRegistry[Engine]) -> tuple[str, ...]:
    """Return the names of the stems of the result, in their order."""
    names = first_names(spec, registry)
    for step in spec.chain:
        names = _names_after(step, names, registry)
    return names


def _parse_ensemble(wishes: Wishes, registry: EngineRegistry[Engine]) -> SeparationSpec:
    models, known = tuple(wishes.models), registry.model_names
    problems = {"format": format_problems(wishes.format)}
    if wishes.model:
        problems["model"] = ["cannot be used beside models"]
    if wishes.engine not in LOCAL_ENGINES:
        problems["engine"] = ["cannot be used beside models"]
    if not 2 <= len(models) <= _MODEL_LIMIT:
        problems["models"] = [f"must name 2 to {_MODEL_LIMIT} models"]
    elif set(models) - set(known):
        problems["models"] = [f"are not all known; use some of: {', '.join(known)}"]
    elif len(set(models)) < len(models):
        problems["models"] = ["must differ"]
    if wishes.combine and wishes.combine not in COMBINATIONS:
        problems["combine"] = [f"is not known; use one of: {', '.join(COMBINATIONS)}"]
    combine = wishes.combine or COMBINATIONS[0]
    if wishes.weights and (problem := _weight_problem(wishes.weights, len(models), combine)):
        problems["weights"] = [problem]
    require_none(problems)

    outputs = [registry.declaration(model).outputs for model in models]
    common = _common_stems(outputs)
    require_none({"models": [] if common else ["have no stem in common"]})
    require_none({"stems": stem_problems(wishes.stems, "the ensemble", common)})
    wanted = tuple(stem for stem in common if stem in wishes.stems) or common
    return SeparationSpec(
        model="+".join(models),
        format=cast(Format, wishes.format or FORMATS[0]),
        stems=wanted if any(is_partial(wanted, each) for each in outputs) else (),
        models=models,
        weights=tuple(wishes.weights),
        combine=cast(Combination, combine),
    )


def _weight_problem(weights: Sequence[float], model_count: int, combine: str) -> str:
    if combine != COMBINATIONS[0]:
        return f"need the combination {COMBINATIONS[0]!r}"
    if len(weights) != model_count or not all(math.isfinite(weight) and 1e-6 <= weight <= 1e6 for weight in weights):
        return "must be one positive number for each model, 0.000001 to 1000000"
    return ""


def _common_stems(outputs: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the stems that all models have, in the order of the first. The rest counts only if all have the same stems."""
    common = [stem for stem in outputs[0] if all(stem in each for each in outputs)]
    is_equal = all(set(each) == set(outputs[0]) for each in outputs)
    return tuple(stem for stem in common if is_equal or stem not in _REST)


def _chained(first: SeparationSpec, chain: Sequence[ChainStep], registry: EngineRegistry[Engine]) -> SeparationSpec:
    """Return the specification with the steps of a chain."""
    if not chain:
        return first
    names = first_names(first, registry)
    problem = f"may have at most {_CHAIN_LIMIT} steps" if len(chain) > _CHAIN_LIMIT else ""
    for step in chain[:_CHAIN_LIMIT]:
        if problem:
            break
        if step.model not in registry.model_names:
            problem = f"names an unknown model; use one of: {', '.join(registry.model_names)}"
        elif step.stem not in names:
            problem = f"names a stem that the result does not have at this step; use one of: {', '.join(names)}"
        else:
            names = _names_after(step, names, registry)
            problem = "would return two stems of one name" if len(set(names)) < len(names) else ""
    require_none({"chain": [problem] if problem else []})
    steps = ", ".join(f"{step.stem}: {step.model}" for step in chain)
    return dataclasses.replace(first, model=f"{first.model} > {steps}", models=first.first_models, chain=tuple(chain))


def first_names(spec: SeparationSpec, registry: EngineRegistry[Engine]) -> tuple[str, ...]:
    """Return the names of the stems of the first separation."""
    return result_stems(spec.stems, *(registry.declaration(model).outputs for model in spec.first_models))


def _names_after(step: ChainStep, names: Sequence[str], registry: EngineRegistry[Engine]) -> tuple[str, ...]:
    """Return the names after a step: its stems stand in the place of the stem that it separates."""
    place = names.index(step.stem)
    made = [step.result_name(stem) for stem in registry.declaration(step.model).outputs]
    return (*names[:place], *made, *names[place + 1 :])
