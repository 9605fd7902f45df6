"""The notes of an analysis. Two models can read the same signal."""

from typing import Any


def each_signal_once(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an analysis. The parts of ``piano_notes`` replace those of ``notes`` that have the same name."""
    read = {part["name"] for part in (values.get("piano_notes") or {}).get("parts", ())}
    notes = values.get("notes") or {}
    kept = [part for part in notes.get("parts", ()) if part["name"] not in read]
    return {**values, "notes": {**notes, "parts": kept}} if notes and read else values
