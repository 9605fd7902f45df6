"""Which model runs a request for ``auto``, by the facts of the catalogue, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from soundwright.kit.engines import ModelDeclaration
from soundwright.separation.v1.jobs_pb2 import SeparationParameters
from soundwright.services.separation.service import STEMS, require_none

AUTO = "auto"
"""The model name of a request that leaves the choice to the service."""

Quality = Literal["fast", "balanced", "best"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)

# Seconds of computing that each preference accepts: per second of audio, and for any recording.
_PATIENCE: dict[Quality, tuple[float, float]] = {"fast": (0.05, 5.0), "balanced": (1.5, 60.0), "best": (6.0, 600.0)}
_LONGEST_SECONDS = 3 * 3600.0
# Assumed speed of a model of cost 1, in seconds of audio per second of computing, until a job was measured.
_CPU_SPEED = 1.4
# On a GPU, in seconds per second of audio: reading, windows and cross-fades on one core, and the network of a model of cost 1.
_AROUND_SECONDS = 0.006
_GPU_SECONDS = 0.014
# Assumed cost of a model whose cost is not known. It is high, so that no choice takes surprisingly long.
_UNKNOWN_COST = 20.0


@dataclass(frozen=True)
class Candidate:
    """A model that requests may name.

    Args:
        is_available: whether jobs can run it now, without a download.
        speed: measured seconds of audio per second of computing; None if nothing was measured.
    """

    declaration: ModelDeclaration
    is_available: bool
    speed: float | None = None


@dataclass(frozen=True)
class Choice:
    """The chosen model, and a sentence that says why."""

    model: str
    reason: str


def needed_stems(parameters: SeparationParameters) -> Sequence[str]:
    """Return the stems that a model must estimate: those of a request, or the usual ones and the one that its chain begins with."""
    return tuple(parameters.stems) or tuple(dict.fromkeys([*STEMS, *(step.stem for step in parameters.chain[:1])]))


def parse_quality(model: str, quality: str) -> Quality:
    """Return the quality preference of a request, or the default if it has none.

    Raises ``VALIDATION_ERROR`` for an unknown preference, or one beside a model other than :data:`AUTO`.
    """
    problems = []
    if quality and quality not in QUALITIES:
        problems = [f"is not known; use one of: {', '.join(QUALITIES)}"]
    elif quality and model != AUTO:
        problems = [f"needs the model {AUTO!r}"]
    require_none({"quality": problems})
    return cast(Quality, quality or "balanced")


def choose(
    candidates: Sequence[Candidate], stems: Sequence[str], quality: Quality, audio_seconds: float, has_gpu: bool
) -> Choice | None:
    """Return the best available model that has the stems and is quick enough.

    The best model has the highest mean of the known gains of the stems. A model without any comes after the others. If
    no model is quick enough, the best of those runs that take at most twice as long as the quickest. Models without weights
    are the last resort. If ``other`` is wanted, models that also have drums and bass come first, because that of the rest contains them.

    Args:
        candidates: in the order of preference among equals.

    Returns None if no available model has the stems.
    """
    with_stems = [each for each in candidates if each.is_available and set(stems) <= set(each.declaration.outputs)]
    networks = [each for each in with_stems if each.declaration.needs_weights]
    able = [each for each in networks if _has_true_other(each.declaration)] if "other" in stems else networks
    able = able or networks or with_stems
    if not able:
        return None

    def seconds(each: Candidate) -> float:
        return estimated_seconds(each, audio_seconds, has_gpu)

    share, least = _PATIENCE[quality]
    patience = min(max(share * audio_seconds, least), _LONGEST_SECONDS)
    shortest = min(map(seconds, able))
    is_quick = shortest <= patience
    quick = [each for each in able if seconds(each) <= (patience if is_quick else 2 * shortest)]
    chosen = max(quick, key=lambda each: mean_gain_db(each.declaration, stems))
    name, wanted = chosen.declaration.name, ", ".join(stems)
    gain_db = mean_gain_db(chosen.declaration, stems)
    of_all = "that are quick enough" if is_quick else "that come close to the quickest, since none is quick enough"
    how = "estimated from published scores" if measured_gain_db(chosen.declaration, stems) is None else "measured"
    merit = f"it is the best of those {of_all}" + ("" if gain_db == -math.inf else f" (gain {gain_db:.1f} dB, {how})")
    hardware = "a GPU" if has_gpu else "a CPU"
    why = f"of the models for {wanted} whose weights are present, {merit}"
    if not chosen.declaration.needs_weights:
        why = f"no network for {wanted} can run on this server now"
    reason = f"auto chose {name} for quality {quality!r}, {audio_seconds:.0f} seconds of audio and {hardware}: {why}."
    if "other" in stems and not _has_true_other(chosen.declaration):
        reason += " Its stem other is everything but the vocals."
    return Choice(name, reason)


def _has_true_other(declaration: ModelDeclaration) -> bool:
    """Return whether the stem ``other`` of a model has no drums and no bass."""
    return set(STEMS) <= set(declaration.outputs)


def estimated_seconds(candidate: Candidate, audio_seconds: float, has_gpu: bool) -> float:
    """Return how long a model computes for a recording, in seconds."""
    return audio_seconds / (candidate.speed or _assumed_speed(candidate.declaration, has_gpu))


def _assumed_speed(declaration: ModelDeclaration, has_gpu: bool) -> float:
    cost = declaration.relative_cost or _UNKNOWN_COST
    if has_gpu and declaration.needs_weights:
        return 1 / (_AROUND_SECONDS + cost * _GPU_SECONDS)
    return _CPU_SPEED / cost


def mean_gain_db(declaration: ModelDeclaration, stems: Sequence[str]) -> float:
    """Return the mean of the gains that are known for the stems; minus infinity if there is none."""
    gains = [gain.db for gain in declaration.gains if gain.stem in stems]
    return sum(gains) / len(gains) if gains else -math.inf


def measured_gain_db(declaration: ModelDeclaration, stems: Sequence[str]) -> float | None:
    """Return the mean of the gains that are known for the stems; None if there is none, or if they are estimates."""
    gain_db = mean_gain_db(declaration, stems)
    is_measured = math.isfinite(gain_db) and all(gain.is_measured for gain in declaration.gains)
    return gain_db if is_measured else None
