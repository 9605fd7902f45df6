"""The published schema of the mix that ``POST /api/daw/export`` makes, as docs/daw-manifest.schema.json has it."""

from __future__ import annotations

from typing import Any

__all__ = ["DAW_MANIFEST_SCHEMA"]

_DAY_MS = 86_400_000


def _time(description: str) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "maximum": _DAY_MS, "description": description}


_VOLUME = {"type": "number", "minimum": 0, "maximum": 2, "description": "Linear; 1 leaves the stem as it is."}
_PAN = {
    "type": "number",
    "minimum": -1,
    "maximum": 1,
    "description": (
        "-1 left, 0 centre, 1 right, with constant power: for a = pan * pi / 4 the left channel is multiplied by "
        "cos a - sin a and the right one by cos a + sin a. That is 0 dB at the centre and +3.01 dB at the side for stereo "
        "stems; mono stems are 3.01 dB lower in each channel, so that they are as loud anywhere."
    ),
}
_PART = {
    "type": "integer",
    "minimum": 0,
    "description": "Which part to edit, of those that earlier splits have made; left out: the whole stem.",
}
_START = _time("Left out: the beginning.")
_END = _time("Greater than start_ms. Left out, or beyond it: the end.")


def _edit(kind: str, description: str, properties: dict[str, Any], **rules: Any) -> dict[str, Any]:
    params = {"type": "object", "properties": properties | {"part": _PART}, "additionalProperties": False} | rules
    needs_params = bool({"required", "oneOf"} & rules.keys())
    return {
        "type": "object",
        "description": description,
        "properties": {"type": {"const": kind}, "params": params},
        "required": ["type", "params"] if needs_params else ["type"],
        "additionalProperties": False,
    }


_FADE = {
    "start_ms": _time("Where the fade begins."),
    "end_ms": _time("Where the fade ends; greater than start_ms."),
    "duration_ms": _time("Length of the fade, where start_ms and end_ms do not give it.") | {"default": 3000},
    "curve": {
        "enum": ["linear", "equal-power"],
        "default": "linear",
        "description": "equal-power is a quarter of a sine: such fades of unrelated material cross at constant power.",
    },
}
_EDITS = {
    "type": "array",
    "maxItems": 256,
    "description": (
        "Applied in order. Times count from the beginning of the stem as the edits before have left it, or of the part, and "
        "mean the nearest frame of the mix."
    ),
    "items": {
        "oneOf": [
            _edit("crop", "Keep what is inside.", {"start_ms": _START, "end_ms": _END}),
            _edit(
                "trim",
                "Remove what is inside; what follows moves up.",
                {"start_ms": _START, "end_ms": _END},
                required=["start_ms", "end_ms"],
            ),
            _edit(
                "split",
                (
                    "Cut in two. That is not heard, but later edits can name a part: parts are counted from 0, those behind "
                    "the cut count one more from then on, and a part keeps its number even when nothing is left of it."
                ),
                {
                    "position_ms": _time("Where to cut."),
                    "position_sec": {"type": "number", "minimum": 0, "maximum": _DAY_MS // 1000},
                },
                oneOf=[{"required": ["position_ms"]}, {"required": ["position_sec"]}],
            ),
            _edit(
                "fade_in",
                "Rise from silence, from the beginning on unless told otherwise. Before it is silence.",
                _FADE,
            ),
            _edit("fade_out", "Fall to silence, at the end unless told otherwise. Behind it is silence.", _FADE),
            _edit(
                "gain",
                "Make all of it, or a range, louder or softer.",
                {
                    "start_ms": _START,
                    "end_ms": _END,
                    "level": {"type": "number", "minimum": 0, "maximum": 4, "description": "Linear."},
                    "level_db": {"type": "number", "minimum": -144, "maximum": 12},
                },
                oneOf=[{"required": ["level"]}, {"required": ["level_db"]}],
            ),
        ]
    },
}
_BY_STEM = "By name, file name or index of a stem of the mix; for fields that its entry in stems does not have."

DAW_MANIFEST_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://soundwright.dev/schemas/daw-manifest.json",
    "title": "DAW export manifest",
    "description": (
        "How stems are mixed. Uploaded files are always part of the mix; stored stems of the track are where they are listed. "
        "If nothing is uploaded and nothing listed, all stored stems are mixed. The mix is stereo and as long as the longest "
        "stem after its edits, muted ones included; mono stems are heard on both sides, more than two channels are folded. "
        "16-bit and 24-bit mixes that would exceed full scale are limited there, to -0.1 dBFS with 20 ms of look-ahead, and "
        "are untouched elsewhere; 32-bit floats hold the sum as it is."
    ),
    "type": "object",
    "properties": {
        "version": {"const": 1},
        "sample_rate": {
            "type": "integer",
            "minimum": 8000,
            "maximum": 192_000,
            "description": "Of the mix, in Hz. Left out: the highest of its stems.",
        },
        "format": {"enum": ["wav16", "wav24", "wav32f"], "default": "wav16"},
        "stems": {
            "type": "array",
            "maxItems": 64,
            "description": "Each stem at most once.",
            "items": {
                "type": "object",
                "properties": {
                    "index": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "Place among the uploaded files; if there are none, among the stored stems.",
                    },
                    "name": {
                        "type": "string",
                        "description": (
                            "Name of an uploaded file, with or without its extension, else of a stored stem. Beside the "
                            "index of an uploaded file it is only a label."
                        ),
                    },
                    "volume": _VOLUME | {"default": 1},
                    "pan": _PAN | {"default": 0},
                    "mute": {"type": "boolean", "default": False},
                    "solo": {
                        "type": "boolean",
                        "default": False,
                        "description": "If any stem is solo, the others are silent. A stem that is mute is silent even so.",
                    },
                    "edits": _EDITS,
                },
                "anyOf": [{"required": ["index"]}, {"required": ["name"]}],
                "additionalProperties": False,
            },
        },
        "volumes": {"type": "object", "description": _BY_STEM, "additionalProperties": _VOLUME},
        "pans": {"type": "object", "description": _BY_STEM, "additionalProperties": _PAN},
        "edits": {"type": "object", "description": _BY_STEM, "additionalProperties": _EDITS},
    },
    "additionalProperties": False,
}
