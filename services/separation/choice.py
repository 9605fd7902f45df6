"""Which model runs a request for ``auto``, by the facts of the catalogue, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from kit.engines import ModelDeclaration
from services.separation.service import STEMS, ChainStep, require_none

__all__ = ["AUTO", "QUALITIES", "Candidate", "Choice", "Quality", "choose", "needed_stems", "parse_quality"]

AUTO = "auto"
"""The model name of a request that leaves the choice to the service."""

Quality = Literal["fast", "balanced", "best"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)

# Seconds of computing that each preference accepts: per second of audio, and for any recording.
_PATIENCE: dict[Quality, tuple[float, float]] = {"fast": (0.05, 5.0), "balanced": (1.5, 60.0), "best": (6.0, 600.0)}
_LONGEST_SECONDS = 3 * 3600.0
# Assumed speed of a model of cost 1, in seconds of audio per second of computing, until a job was measured.
_CPU_SPEED = 1.4
_GPU_SPEED = 50.0
# Assumed cost of a model whose cost is not known. It is high, so that no choice takes surprisingly long.
_UNKNOWN_COST = 20.0


@dataclass(frozen=True)
class Candidate:
    """A model that requests may name.

    Args:
        declaration: its facts.
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


def needed_stems(stems: Sequence[str], chain: Sequence[ChainStep]) -> Sequence[str]:
    """Return the stems that a model must estimate: those of a request, or the usual ones and the one that its chain begins with."""
    return stems or tuple(dict.fromkeys([*STEMS, *(step.stem for step in chain[:1])]))


def parse_quality(model: str, quality: str) -> Quality:
    """Return the quality preference of a request, or the default if it has none.

    Raises:
        AppError: ``VALIDATION_ERROR`` for an unknown preference, or one beside a model other than :data:`AUTO`.
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
    """Return the best available model that has the stems and is quick enough, or the quickest one if none is.

    The best model has the highest published score for the stems. A model without a score comes after those with one.

    Args:
        candidates: in the order of preference among equals.
        stems: the stems that the model must produce.
        audio_seconds: length of the recording.

    Returns:
        None if no available model has the stems.
    """
    able = [each for each in candidates if each.is_available and set(stems) <= set(each.declaration.outputs)]
    if not able:
        return None

    def seconds(each: Candidate) -> float:
        return audio_seconds / (each.speed or _assumed_speed(each.declaration, has_gpu))

    share, least = _PATIENCE[quality]
    patience = min(max(share * audio_seconds, least), _LONGEST_SECONDS)
    quick = [each for each in able if seconds(each) <= patience]
    chosen = max(quick, key=lambda each: _score(each.declaration, stems)[0]) if quick else min(able, key=seconds)
    name, (score, test_set) = chosen.declaration.name, _score(chosen.declaration, stems)
    if not quick:
        merit = "none is quick enough, and it is the quickest"
    elif not test_set:
        merit = "none that is quick enough has a better published score"
    else:
        merit = f"it has the best published score ({score:.2f} dB on {test_set}) of those that are quick enough"
    hardware = "a GPU" if has_gpu else "a CPU"
    reason = (
        f"auto chose {name} for quality {quality!r}, {audio_seconds:.0f} seconds of audio and {hardware}: of the models for"
        f" {', '.join(stems)} whose weights are present, {merit}."
    )
    return Choice(name, reason)


def _assumed_speed(declaration: ModelDeclaration, has_gpu: bool) -> float:
    return (_GPU_SPEED if has_gpu and declaration.needs_weights else _CPU_SPEED) / (
        declaration.relative_cost or _UNKNOWN_COST
    )


def _score(declaration: ModelDeclaration, stems: Sequence[str]) -> tuple[float, str]:
    """Return the mean published score of the stems, or of all stems if theirs is not published, and its test set.

    Without a published score it is zero, and the test set is empty.
    """
    scores = {score.stem: score for score in declaration.scores}
    is_whole = set(scores) <= {"", *stems}
    if scores and all(stem in scores for stem in stems) and not (is_whole and "" in scores):
        return sum(scores[stem].sdr_db for stem in stems) / len(stems), scores[stems[0]].test_set
    return (scores[""].sdr_db, scores[""].test_set) if "" in scores else (0.0, "")
