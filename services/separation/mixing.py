"""The mix specification: parses and validates the manifest (schema: docs/daw-manifest.schema.json)."""

import dataclasses
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from soundwright.kit import errors
from soundwright.services.separation.edits import CURVES, KINDS, Edit, Kind
from soundwright.services.separation.service import require_none

MixFormat = Literal["wav16", "wav24", "wav32f", "flac16", "flac", "mp3", "m4a"]
FORMATS: tuple[MixFormat, ...] = get_args(MixFormat)
_STEM_LIMIT = 64
_EDIT_LIMIT = 256
_DAY_MS = 86_400_000.0
_FADE_MS = 3000.0
_OVERRIDES = {"volumes": "volume", "pans": "pan", "edits": "edits"}
C = TypeVar("C", bound=str)


@dataclass(frozen=True)
class MixedStem:
    """A stem of the mix.

    Attributes:
        source: index of its audio in the list of uploaded files followed by the stored stems of the track.
        volume: linear gain, 0 to 2.
        pan: -1 (left) to 1 (right).
    """

    source: int
    volume: float = 1.0
    pan: float = 0.0
    mute: bool = False
    solo: bool = False
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class MixSpec:
    """A mix.

    Attributes:
        sample_rate_hz: sample rate of the mix. None: the highest of its stems.
        speed: 0.5 to 2, at constant pitch.
        semitones: transposition at constant speed, -12 to 12.
    """

    stems: tuple[MixedStem, ...]
    sample_rate_hz: int | None = None
    format: MixFormat = "wav16"
    speed: float = 1.0
    semitones: float = 0.0

    def heard(self, stem: MixedStem) -> bool:
        """Return whether a stem is audible: it is not muted, and it is solo or no stem is."""
        return not stem.mute and (stem.solo or not any(other.solo for other in self.stems))


@dataclass(frozen=True)
class Balance:
    """Gains of the left and the right channel."""

    left: float
    right: float


def balance(volume: float, pan: float, channel_count: int) -> Balance:
    """Return the gains of the constant-power pan law: with ``a = pan * pi/4``, left ``cos a - sin a``, right ``cos a +
    sin a``.

    This is 0 dB at the centre and +3.01 dB at the side for stereo stems. Mono stems are 3.01 dB lower in each channel.
    """
    angle = pan * math.pi / 4
    level = volume * (math.sqrt(0.5) if channel_count == 1 else 1.0)
    # Rounded, so that a stem panned to one side is exactly silent on the other.
    left, right = (round(math.cos(angle) + side * math.sin(angle), 15) for side in (-1, 1))
    return Balance(left * level, right * level)


def parse_manifest(text: str, uploads: Sequence[str], stored: Sequence[str]) -> MixSpec:
    """Validate a manifest against the available stems, and fill in defaults.

    Uploaded files are always part of the mix. Stored stems are part of it if they are listed; all of them are if no
    file is uploaded and no stem is listed.

    Args:
        text: the manifest as JSON. Blank text means an empty manifest.

    Raises ``VALIDATION_ERROR``. The details name each invalid field by its path.
    """
    problems = _Problems()
    manifest = _Fields(_parse_json(text), "", problems)
    manifest.number("version", 1, 1)
    rate = manifest.number("sample_rate", 8000, 192_000)
    if rate is not None and rate != int(rate):
        problems.note("sample_rate", "must be a whole number")
    speed, semitones = manifest.number("speed", 0.5, 2), manifest.number("semitones", -12, 12)
    chosen_format = manifest.choice("format", FORMATS, "wav16")
    desk = _Desk(uploads, stored, problems)
    listed = manifest.array("stems", _STEM_LIMIT)
    if len(listed) > len(uploads) + len(stored):
        problems.note("stems", f"lists {len(listed)} stems, but there are {len(uploads) + len(stored)}")
    else:
        for number, entry in enumerate(listed):
            desk.list(_Fields(entry, f"stems[{number}]", problems))
    desk.complete()
    for group, field in _OVERRIDES.items():
        desk.override(manifest.object(group), group, field)
    manifest.finish()
    if not uploads and not stored:
        problems.note("stems", "are missing: upload some in the form field stems[], or separate the track first")
    problems.check()
    return MixSpec(
        tuple(desk.stems.values()),
        None if rate is None else int(rate),
        chosen_format,
        _or(speed, 1.0),
        _or(semitones, 0.0),
    )


def _parse_json(text: str) -> Any:
    if not text.strip():
        return {}
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # raises for half a surrogate pair
        return value
    except (ValueError, RecursionError) as error:
        where = f": line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise errors.invalid("manifest", f"is not valid JSON{where}") from None


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are not JSON


class _Problems:
    """Validation errors by the path of the field."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def note(self, path: str, message: str) -> None:
        self._found.setdefault(path, []).append(message)

    def check(self) -> None:
        require_none(self._found)


class _Fields:
    """An object of the manifest. Invalid fields are recorded as errors and read as missing."""

    def __init__(self, value: Any, path: str, problems: _Problems) -> None:
        self.path = path
        self.problems = problems
        self.values: dict[str, Any] = value if isinstance(value, dict) else {}
        self._read: set[str] = set()
        if not isinstance(value, dict):
            problems.note(path or "manifest", "must be an object")

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Any:
        self._read.add(name)
        return self.values.get(name)

    def number(self, name: str, low: float, high: float) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        # Compare before the conversion to float, which large integers overflow.
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            wanted = f"must be {low:g}" if low == high else f"must be a number from {low:g} to {high:.15g}"
            self.problems.note(self.at(name), wanted)
            return None
        return float(value)

    def index(self, name: str, count: int, what: str) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
            self.problems.note(self.at(name), f"must be a whole number from 0 to {count - 1}: there are {count} {what}")
            return None
        return value

    def flag(self, name: str) -> bool:
        value = self.take(name)
        if value is not None and not isinstance(value, bool):
            self.problems.note(self.at(name), "must be true or false")
        return value is True

    def choice(self, name: str, options: Collection[C], default: C) -> C:
        value = self.take(name)
        if value is None:
            return default
        found = next((option for option in options if option == value), None)
        if found is None:
            self.problems.note(self.at(name), f"must be one of: {', '.join(options)}")
        return found or default

    def array(self, name: str, limit: int) -> list[Any]:
        value = self.take(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > limit:
            self.problems.note(self.at(name), f"must be an array of at most {limit}")
            return []
        return value

    def object(self, name: str) -> dict[str, Any]:
        value = self.take(name)
        return {} if value is None else _Fields(value, self.at(name), self.problems).values

    def finish(self) -> None:
        """Record an error for each unknown field, because a misspelt field would otherwise be ignored silently."""
        for name in self.values.keys() - self._read:
            self.problems.note(self.at(name[:100]), "is not a field of a manifest")


class _Desk:
    """The mix under construction: stems by source."""

    def __init__(self, uploads: Sequence[str], stored: Sequence[str], problems: _Problems) -> None:
        self._uploads = uploads
        self._names = [*uploads, *stored]
        self._problems = problems
        self._given: dict[tuple[int, str], str] = {}
        self.stems: dict[int, MixedStem] = {}

    def list(self, entry: _Fields) -> None:
        name = entry.take("name")
        if name is not None and not isinstance(name, str):
            self._problems.note(entry.at("name"), "must be a string")
            name = None
        source: int | None = None
        # With uploaded files, the index selects the file and the name is a label. Otherwise the name has precedence.
        if name is not None and (entry.take("index") is None or not self._uploads):
            source = self._find(name, entry.at("name"))
        elif entry.take("index") is None:
            if entry.values.get("name") is None:
                self._problems.note(entry.path, "must be an object with an index or a name")
        else:
            source = entry.index("index", len(self._uploads) or len(self._names), "stems")
        stem = MixedStem(
            source=-1 if source is None else source,
            volume=_or(entry.number("volume", 0, 2), 1.0),
            pan=_or(entry.number("pan", -1, 1), 0.0),
            mute=entry.flag("mute"),
            solo=entry.flag("solo"),
            edits=_parse_edits(entry.array("edits", _EDIT_LIMIT), entry.at("edits"), self._problems),
        )
        entry.finish()
        if source is None:
            return
        if source in self.stems:
            self._problems.note(entry.path, f"is {self._names[source]!r}, which is already listed")
        self.stems[source] = stem
        for field in _OVERRIDES.values():
            if entry.values.get(field) is not None:
                self._given[source, field] = entry.at(field)

    def complete(self) -> None:
        """Add the stems that are part of the mix without being listed."""
        others = len(self._uploads) or (0 if self.stems else len(self._names))
        for source in range(others):
            self.stems.setdefault(source, MixedStem(source))

    def override(self, values: dict[str, Any], group: str, field: str) -> None:
        """Apply one of the objects ``volumes``, ``pans`` and ``edits``."""
        fields = _Fields(values, group, self._problems)
        for key in values:
            path = fields.at(key[:100])
            source = self._find(key, path)
            if source is None:
                continue
            if source not in self.stems:
                self._problems.note(path, "is not part of the mix: list it in stems")
            elif (source, field) in self._given:
                self._problems.note(path, f"is already given in {self._given[source, field]}")
            else:
                self._given[source, field] = path
                value: Any
                if field == "edits":
                    value = _parse_edits(fields.array(key, _EDIT_LIMIT), path, self._problems)
                else:
                    value = fields.number(key, *((0, 2) if field == "volume" else (-1, 1)))
                if value is not None:
                    self.stems[source] = dataclasses.replace(self.stems[source], **{field: value})

    def _find(self, key: str, path: str) -> int | None:
        """Return the source for a key: an uploaded file (with or without extension), a stored stem, or an index."""
        uploads = list(enumerate(self._uploads))
        for found in (
            [place for place, name in uploads if name == key],
            [place for place, name in uploads if name.rpartition(".")[0] == key],
            [place for place, name in enumerate(self._names) if place >= len(uploads) and name == key],
            [place for place, _ in enumerate(self._uploads or self._names) if str(place) == key],
        ):
            if len(found) == 1:
                return found[0]
            if found:
                self._problems.note(path, "is the name of several files; use an index")
                return None
        self._problems.note(path, f"is not one of the stems: {', '.join(self._names)}"[:300])
        return None


def _parse_edits(entries: Sequence[Any], path: str, problems: _Problems) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    part_count = 1
    for number, entry in enumerate(entries):
        fields = _Fields(entry, f"{path}[{number}]", problems)
        kind = fields.take("type")
        params = _Fields(fields.values.get("params", {}), fields.at("params"), problems)
        fields.take("params")
        fields.finish()
        known = next((name for name in KINDS if name == kind), None)
        if not isinstance(entry, dict):
            continue
        if known is None:
            problems.note(fields.at("type"), f"must be one of: {', '.join(KINDS)}")
            continue
        edits.append(_parse_params(known, params, part_count))
        params.finish()
        part_count += known == "split"
    return tuple(edits)


def _parse_params(kind: Kind, params: _Fields, part_count: int) -> Edit:
    part = params.index("part", part_count, "parts at this point")
    if kind == "split":
        milliseconds, seconds = (
            params.number("position_ms", 0, _DAY_MS),
            params.number("position_sec", 0, _DAY_MS / 1000),
        )
        _require_one(params, "position_ms", "position_sec")
        return Edit(kind, milliseconds if seconds is None else seconds * 1000, part=part)
    start, end = params.number("start_ms", 0, _DAY_MS), params.number("end_ms", 0, _DAY_MS)
    if start is not None and end is not None and end <= start:
        params.problems.note(params.at("end_ms"), "must be greater than start_ms")
    if kind == "trim":
        for name in ("start_ms", "end_ms"):
            if params.values.get(name) is None:
                params.problems.note(params.at(name), "can't be blank")
    if kind == "gain":
        level, decibels = params.number("level", 0, 4), params.number("level_db", -144, 12)
        _require_one(params, "level", "level_db")
        factor = _or(level, 1.0) if decibels is None else 10 ** (decibels / 20)
        return Edit(kind, start, end, part=part, level=factor)
    if kind not in ("fade_in", "fade_out"):
        return Edit(kind, start, end, part=part)
    duration, curve = params.number("duration_ms", 0, _DAY_MS), params.choice("curve", CURVES, CURVES[0])
    if None not in (start, end, duration) and not math.isclose((end or 0) - (start or 0), duration or 0, abs_tol=1e-6):
        params.problems.note(params.at("duration_ms"), "contradicts start_ms and end_ms; leave one of the three out")
    return Edit(kind, start, end, _or(duration, _FADE_MS), part, curve=curve)


def _require_one(params: _Fields, name: str, other: str) -> None:
    given = sum(params.values.get(field) is not None for field in (name, other))
    if given != 1:
        params.problems.note(
            params.at(name), f"can't be blank, unless {other} is given" if not given else f"excludes {other}"
        )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
