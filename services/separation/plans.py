"""Requests for separations: which are valid, and which stems they return.

An ensemble combines the estimates of several models. A chain separates a stem once more.
"""

import math
from collections.abc import Sequence

from soundwright.kit.engines import EngineRegistry
from soundwright.separation.v1.jobs_pb2 import ChainStep, SeparationParameters, SeparationSpec
from soundwright.services.separation.service import (
    ACCOMPANIMENT,
    COMBINATIONS,
    FORMATS,
    LALALAI,
    LOCAL_ENGINES,
    NEWEST_SPLITTER,
    SPLITTERS,
    Engine,
    format_problems,
    is_partial,
    require_none,
    result_stems,
    stem_problems,
)

_MODEL_LIMIT = 4
_CHAIN_LIMIT = 2
# Stems that mean "the rest", which differs among models with different stems.
_REST = {"other", "remainder", ACCOMPANIMENT}


def first_models(parameters: SeparationParameters) -> tuple[str, ...]:
    return tuple(parameters.models) or (parameters.model,)


def all_models(parameters: SeparationParameters) -> tuple[str, ...]:
    """Return the models in the order in which they run."""
    return (*first_models(parameters), *(step.model for step in parameters.chain))


def parse_request(asked: SeparationParameters, registry: EngineRegistry[Engine]) -> SeparationSpec:
    """Validate the parameters of a request and fill in defaults.

    If no model is named, ``engine`` may name one.

    Raises ``VALIDATION_ERROR`` with the fields that are not valid.
    """
    parameters = SeparationParameters()
    parameters.CopyFrom(asked)
    parameters.format = asked.format or FORMATS[0]
    parameters.ClearField("quality")
    if asked.engine == LALALAI:
        alone = ("models", "weights", "combine", "chain")
        require_none({field: ["cannot be used with lalal.ai"] for field in alone if getattr(asked, field)})
        _fill_lalalai(parameters, registry)
        return _described(parameters)
    if asked.models:
        _fill_ensemble(parameters, registry)
    else:
        require_none({field: ["needs models"] for field in ("weights", "combine") if getattr(asked, field)})
        _fill_model(parameters, registry)
    parameters.ClearField("engine")
    _require_chain(parameters, registry)
    return _described(parameters)


def _described(parameters: SeparationParameters) -> SeparationSpec:
    model = "+".join(first_models(parameters))
    if parameters.chain:
        model += " > " + ", ".join(f"{step.stem}: {step.model}" for step in parameters.chain)
    return SeparationSpec(parameters=parameters, model=model)


def _fill_lalalai(parameters: SeparationParameters, registry: EngineRegistry[Engine]) -> None:
    # Clients that always send a model send the default model of this service.
    splitter = NEWEST_SPLITTER if parameters.model in ("", registry.default_model) else parameters.model
    problems = {"format": format_problems(parameters.format)}
    if splitter not in SPLITTERS:
        problems["model"] = [f"is not known to lalal.ai; use one of: {', '.join(SPLITTERS)}"]
    if parameters.stems:
        problems["stems"] = ["cannot be chosen for lalal.ai"]
    require_none(problems)
    parameters.model = splitter


def _fill_model(parameters: SeparationParameters, registry: EngineRegistry[Engine]) -> None:
    names, engine = registry.model_names, parameters.engine
    engines = {registry.engine(name).name for name in names}
    problems = {"format": format_problems(parameters.format)}
    chosen = parameters.model or (engine if engine in names else registry.default_model)
    if chosen not in names:
        problems["model"] = [f"is not known; use one of: {', '.join(names)}"]
    if engine not in LOCAL_ENGINES | engines:
        problems["engine"] = [f"is not available; use one of: local, {', '.join(sorted({*engines, LALALAI}))}"]
    elif chosen in names and engine not in LOCAL_ENGINES and engine != registry.engine(chosen).name:
        problems["engine"] = [f"does not run {chosen}, which {registry.engine(chosen).name} runs"]
    if chosen in names:
        problems["stems"] = stem_problems(parameters.stems, chosen, registry.declaration(chosen).outputs)
    require_none(problems)
    parameters.model = chosen
    parameters.stems[:] = [stem for stem in registry.declaration(chosen).outputs if stem in parameters.stems]


def _fill_ensemble(parameters: SeparationParameters, registry: EngineRegistry[Engine]) -> None:
    models, known = tuple(parameters.models), registry.model_names
    problems = {"format": format_problems(parameters.format)}
    if parameters.model:
        problems["model"] = ["cannot be used beside models"]
    if parameters.engine not in LOCAL_ENGINES:
        problems["engine"] = ["cannot be used beside models"]
    if not 2 <= len(models) <= _MODEL_LIMIT:
        problems["models"] = [f"must name 2 to {_MODEL_LIMIT} models"]
    elif set(models) - set(known):
        problems["models"] = [f"are not all known; use some of: {', '.join(known)}"]
    elif len(set(models)) < len(models):
        problems["models"] = ["must differ"]
    if parameters.combine and parameters.combine not in COMBINATIONS:
        problems["combine"] = [f"is not known; use one of: {', '.join(COMBINATIONS)}"]
    parameters.combine = parameters.combine or COMBINATIONS[0]
    if parameters.weights and (problem := _weight_problem(parameters.weights, len(models), parameters.combine)):
        problems["weights"] = [problem]
    require_none(problems)

    outputs = [registry.declaration(model).outputs for model in models]
    common = _common_stems(outputs)
    require_none({"models": [] if common else ["have no stem in common"]})
    require_none({"stems": stem_problems(parameters.stems, "the ensemble", common)})
    wanted = tuple(stem for stem in common if stem in parameters.stems) or common
    parameters.stems[:] = wanted if any(is_partial(wanted, each) for each in outputs) else ()


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


def _require_chain(parameters: SeparationParameters, registry: EngineRegistry[Engine]) -> None:
    """Require that the steps of the chain can follow the first separation. Raises ``VALIDATION_ERROR``."""
    names, chain = first_names(parameters, registry), parameters.chain
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


def stem_names(parameters: SeparationParameters, registry: EngineRegistry[Engine]) -> tuple[str, ...]:
    """Return the names of the stems of the result, in their order."""
    names = first_names(parameters, registry)
    for step in parameters.chain:
        names = _names_after(step, names, registry)
    return names


def first_names(parameters: SeparationParameters, registry: EngineRegistry[Engine]) -> tuple[str, ...]:
    outputs = (registry.declaration(model).outputs for model in first_models(parameters))
    return result_stems(tuple(parameters.stems), *outputs)


def step_names(step: ChainStep, registry: EngineRegistry[Engine]) -> dict[str, str]:
    """Return the names in the result of the stems of a step, by their names in its model."""
    return {stem: f"{step.stem}_{stem}" for stem in registry.declaration(step.model).outputs}


def _names_after(step: ChainStep, names: Sequence[str], registry: EngineRegistry[Engine]) -> tuple[str, ...]:
    """Return the names after a step: its stems stand in the place of the stem that it separates."""
    place = names.index(step.stem)
    return (*names[:place], *step_names(step, registry).values(), *names[place + 1 :])
