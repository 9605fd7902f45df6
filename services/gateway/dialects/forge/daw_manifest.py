"""The JSON Schema of the manifest of ``POST /api/daw/export``. docs/daw-manifest.schema.json is a copy of it."""

from typing import Any

_DAY_MS = 86_400_000


def _time(description: str) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "maximum": _DAY_MS, "description": description}


_VOLUME = {"type": "number", "minimum": 0, "maximum": 2, "description": "Linear gain. 1 leaves the stem unchanged."}
_PAN = {
    "type": "number",
    "minimum": -1,
    "maximum": 1,
    "description": (
        "-1 is left, 0 is centre, 1 is right. The pan law has constant power: with a = pan * pi / 4, the left channel "
        "is multiplied by cos a - sin a and the right channel by cos a + sin a. For stereo stems this is 0 dB at the "
        "centre and +3.01 dB at the side. Mono stems are 3.01 dB lower in each channel, so their loudness does not "
        "depend on the pan."
    ),
}
_PART = {
    "type": "integer",
    "minimum": 0,
    "description": "Number of the part to edit. Earlier splits create parts. Default: the whole stem.",
}
_START = _time("Start of the range. Default: the beginning.")
_END = _time("End of the range, greater than start_ms. Default, and if it is beyond the end: the end.")


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
    "start_ms": _time("Start of the fade."),
    "end_ms": _time("End of the fade, greater than start_ms."),
    "duration_ms": _time("Length of the fade. Used if start_ms and end_ms do not both define it.") | {"default": 3000},
    "curve": {
        "enum": ["linear", "equal-power"],
        "default": "linear",
        "description": "equal-power is a quarter sine wave: a cross-fade of uncorrelated material has constant power.",
    },
}
_EDITS = {
    "type": "array",
    "maxItems": 256,
    "description": (
        "Edits, applied in order. Times are relative to the beginning of the stem after the previous edits, or of the "
        "part, and are rounded to the nearest frame of the mix."
    ),
    "items": {
        "oneOf": [
            _edit("crop", "Keep only the range.", {"start_ms": _START, "end_ms": _END}),
            _edit(
                "trim",
                "Remove the range. The audio after it moves up.",
                {"start_ms": _START, "end_ms": _END},
                required=["start_ms", "end_ms"],
            ),
            _edit(
                "split",
                (
                    "Divide the audio into two parts that later edits can refer to. A split is inaudible. Parts are "
                    "numbered from 0. The numbers of the parts after the split increase by one. An empty part keeps "
                    "its number."
                ),
                {
                    "position_ms": _time("Position of the split."),
                    "position_sec": {"type": "number", "minimum": 0, "maximum": _DAY_MS // 1000},
                },
                oneOf=[{"required": ["position_ms"]}, {"required": ["position_sec"]}],
            ),
            _edit(
                "fade_in",
                "Fade in from silence. By default the fade starts at the beginning. Audio before the fade is silent.",
                _FADE,
            ),
            _edit(
                "fade_out",
                "Fade out to silence. By default the fade ends at the end. Audio after the fade is silent.",
                _FADE,
            ),
            _edit(
                "gain",
                "Change the level of the whole stem or of a range.",
                {
                    "start_ms": _START,
                    "end_ms": _END,
                    "level": {"type": "number", "minimum": 0, "maximum": 4, "description": "Linear gain."},
                    "level_db": {"type": "number", "minimum": -144, "maximum": 12},
                },
                oneOf=[{"required": ["level"]}, {"required": ["level_db"]}],
            ),
        ]
    },
}
_BY_STEM = (
    "Values by name, file name or index of a stem of the mix. Only for fields that its entry in stems does not set."
)

DAW_MANIFEST_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://soundwright.dev/schemas/daw-manifest.json",
    "title": "DAW export manifest",
    "description": (
        "Describes how stems are mixed. Uploaded files are always part of the mix. Stored stems of the track are part "
        "of the mix if they are listed. If no file is uploaded and no stem is listed, all stored stems are mixed. The "
        "mix is stereo. Its length is that of the longest stem after its edits, including muted stems. Mono stems go "
        "to both channels; stems with more than two channels are folded down. Where a 16-bit or 24-bit mix would "
        "exceed full scale, a limiter with 20 ms of look-ahead reduces it to -0.1 dBFS; the rest is unchanged. 32-bit "
        "float mixes are not limited."
    ),
    "type": "object",
    "properties": {
        "version": {"const": 1},
        "sample_rate": {
            "type": "integer",
            "minimum": 8000,
            "maximum": 192_000,
            "description": "Sample rate of the mix in Hz. Default: the highest sample rate of its stems.",
        },
        "format": {
            "enum": ["wav16", "wav24", "wav32f", "flac16", "flac", "mp3", "m4a"],
            "default": "wav16",
            "description": (
                "WAV with 16 or 24 bits or 32-bit floats, FLAC with 16 or 24 bits (flac), MP3 with 320 kbit/s, or AAC with "
                "256 kbit/s (m4a)."
            ),
        },
        "speed": {
            "type": "number",
            "minimum": 0.5,
            "maximum": 2,
            "default": 1,
            "description": "Speed of the mix, at constant pitch.",
        },
        "semitones": {
            "type": "number",
            "minimum": -12,
            "maximum": 12,
            "default": 0,
            "description": "Transposition of the mix, at constant speed.",
        },
        "stems": {
            "type": "array",
            "maxItems": 64,
            "description": "Stems of the mix. Each stem may occur once.",
            "items": {
                "type": "object",
                "properties": {
                    "index": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "Index of the uploaded file. If no file is uploaded: index of the stored stem.",
                    },
                    "name": {
                        "type": "string",
                        "description": (
                            "Name of an uploaded file, with or without its extension, or name of a stored stem. If "
                            "index selects an uploaded file, the name is only a label."
                        ),
                    },
                    "volume": _VOLUME | {"default": 1},
                    "pan": _PAN | {"default": 0},
                    "mute": {"type": "boolean", "default": False},
                    "solo": {
                        "type": "boolean",
                        "default": False,
                        "description": "If any stem is solo, all others are silent. A muted stem is always silent.",
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
