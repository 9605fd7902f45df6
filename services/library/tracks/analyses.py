"""What is known about a track from all its analyses: each value comes from the latest analysis that has it."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from soundwright.kit.notes import each_signal_once

_MATRICES, _UNAVAILABLE = "features", "unavailable"


@dataclass(frozen=True)
class Analysis:
    """What the analyses of a track measured. Job, engine and time are those of the latest one.

    Attributes:
        track_create_time: creation time of the track. It identifies the track if a later one has the same ID.
        values_json: the values, as the text of a JSON object.
        value_times: the end of the analysis that measured each value, by path. ``create_time`` if it is not listed.
    """

    track_id: str
    job_id: str
    owner_id: str
    engine: str
    track_create_time: float
    create_time: float
    values_json: str
    value_times: dict[str, float] = field(default_factory=dict)


def merged(stored: Analysis, found: Analysis) -> Analysis:
    """Return what two analyses of a track measured. The order in which analyses are merged makes no difference."""
    times: dict[str, float] = {}
    leaves: dict[str, Any] = {}
    for analysis in (stored, found):
        for path, value in _leaves(json.loads(analysis.values_json)).items():
            time = analysis.value_times.get(path, analysis.create_time)
            if time >= times.get(path, 0.0):
                times[path], leaves[path] = time, value
    latest = max(stored, found, key=lambda analysis: analysis.create_time)
    return dataclasses.replace(latest, values_json=json.dumps(_values(leaves)), value_times=times)


def _leaves(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by path. Each matrix has a path of its own, and so has each feature that is unavailable."""
    leaves = {name: {} if name == _MATRICES else value for name, value in values.items() if name != _UNAVAILABLE}
    leaves |= {f"{_MATRICES}/{name}": value for name, value in values.get(_MATRICES, {}).items()}
    return leaves | {f"{_UNAVAILABLE}/{each['feature']}": each for each in values.get(_UNAVAILABLE, ())}


def _values(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of leaves. A feature that an analysis has measured is not unavailable."""
    values = {path: value for path, value in leaves.items() if "/" not in path}
    matrices, unavailable = (
        {path.partition("/")[2]: value for path, value in leaves.items() if path.startswith(f"{group}/")}
        for group in (_MATRICES, _UNAVAILABLE)
    )
    if _MATRICES in values:
        values[_MATRICES] = matrices
    if missing := [reason for feature, reason in unavailable.items() if feature not in values]:
        values[_UNAVAILABLE] = missing
    return each_signal_once(values)
