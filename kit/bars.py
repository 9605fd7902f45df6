"""The bars of an analysis."""

from collections.abc import Mapping
from typing import Any

_USUAL_BEATS_PER_BAR = 4


def bars_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``beats_per_bar`` and ``downbeats`` of an analysis: the detected bars, or else bars of four beats from the first one on."""
    found = values.get("bars") or {}
    return {
        **found,
        "beats_per_bar": found.get("beats_per_bar") or _USUAL_BEATS_PER_BAR,
        "downbeats": found.get("downbeats") or (values.get("beats") or [])[::_USUAL_BEATS_PER_BAR],
    }
