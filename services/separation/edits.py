"""Edits of one stem: cuts and gains as a list of segments, exact to the frame, without copying audio."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["crop", "trim", "split", "fade_in", "fade_out", "gain"]
Curve = Literal["linear", "equal-power"]
KINDS: tuple[Kind, ...] = ("crop", "trim", "split", "fade_in", "fade_out", "gain")
CURVES: tuple[Curve, ...] = ("linear", "equal-power")


@dataclass(frozen=True)
class Edit:
    """One edit. Times are relative to the beginning of the stem after the previous edits, or of the part.

    Attributes:
        start_ms: start of the edit, or position of a split. None: the beginning or, for a fade, its length before the
            end.
        end_ms: end of the edit. None: the end or, for a fade, its length after the start.
        duration_ms: length of a fade whose start or end is None.
        part: number of the part to edit, from 0. None: the whole stem.
        level: factor of a gain.
    """

    kind: Kind
    start_ms: float | None = None
    end_ms: float | None = None
    duration_ms: float = 0.0
    part: int | None = None
    level: float = 1.0
    curve: Curve = "linear"


@dataclass(frozen=True)
class Ramp:
    """A section of a fade of ``length`` frames. The section starts ``offset`` frames after the start of the fade.

    Frame ``i`` of a linear fade-in has the gain ``i / length``, and of an equal-power fade-in ``sin(pi/2 * i /
    length)``. A fade-out is the complement: the gains of both (linear) or their squares (equal power) add up to 1.
    """

    offset: int
    length: int
    rising: bool
    curve: Curve

    def gains(self, first: int, count: int) -> NDArray[np.float64]:
        """Return the gains of ``count`` frames, starting at frame ``first`` of the section."""
        share = np.arange(self.offset + first, self.offset + first + count, dtype=np.float64) / self.length
        if self.curve == "linear":
            return share if self.rising else 1.0 - share
        return np.sin(share * (math.pi / 2)) if self.rising else np.cos(share * (math.pi / 2))


@dataclass(frozen=True)
class Segment:
    """``length`` frames of the source, starting at frame ``start``, with their gain and fades."""

    start: int
    length: int
    gain: float = 1.0
    ramps: tuple[Ramp, ...] = ()

    def gains(self, first: int, count: int) -> NDArray[np.float32]:
        """Return ``count`` gains from frame ``first`` of the segment: float32 [count], or [1] if all are equal."""
        gains = np.full(1, self.gain)
        for ramp in self.ramps:
            gains = gains * ramp.gains(first, count)
        return gains.astype(np.float32)

    def cut(self, at: int) -> "tuple[Segment, Segment]":
        """Return the first ``at`` frames and the rest, as two segments."""
        moved = tuple(dataclasses.replace(ramp, offset=ramp.offset + at) for ramp in self.ramps)
        return (
            dataclasses.replace(self, length=at),
            dataclasses.replace(self, start=self.start + at, length=self.length - at, ramps=moved),
        )


Part = tuple[Segment, ...]


def frames(milliseconds: float, sample_rate_hz: int) -> int:
    """Return a time in frames, rounded to the nearest one, halves up. No other function rounds times."""
    return math.floor(Fraction(milliseconds) * sample_rate_hz / 1000 + Fraction(1, 2))


def edited(edits: Sequence[Edit], frame_count: int, sample_rate_hz: int) -> Part:
    """Return what ``edits`` leave of ``frame_count`` frames: segments in ascending order without overlaps.

    Edits that extend beyond the end of the stem or part are cut there. A fade longer than the stem has the stem's
    length.
    """
    parts: list[Part] = [_present((Segment(0, frame_count),))]
    for edit in edits:
        first, chosen = (0, parts) if edit.part is None else (edit.part, parts[edit.part : edit.part + 1])
        start, end = _span(edit, sum(map(_length, chosen)), sample_rate_hz)
        if edit.kind == "split":
            done = _split(chosen, start)
        else:
            done = []
            for part in chosen:
                done.append(_apply(edit, part, start, end))
                start, end = start - _length(part), end - _length(part)
        parts[first : first + len(chosen)] = done
    return tuple(segment for part in parts for segment in part)


def _span(edit: Edit, length: int, sample_rate_hz: int) -> tuple[int, int]:
    """Return the first frame of ``edit`` and the frame after its last one, within ``length`` frames."""
    start = None if edit.start_ms is None else frames(edit.start_ms, sample_rate_hz)
    end = None if edit.end_ms is None else frames(edit.end_ms, sample_rate_hz)
    duration = frames(edit.duration_ms, sample_rate_hz)
    if edit.kind in ("fade_in", "fade_out"):
        if start is None and end is None:
            start, end = (0, duration) if edit.kind == "fade_in" else (length - duration, length)
        elif start is None:
            start = (end or 0) - duration
        elif end is None:
            end = start + duration
    start = 0 if start is None else start
    end = length if end is None else end
    return max(0, min(start, length)), max(0, min(end, length))


def _apply(edit: Edit, part: Part, start: int, end: int) -> Part:
    """Return ``part`` after ``edit``. The span is in frames of the part, and may start before it or end after it."""
    before, rest = _cut(part, start)
    inside, after = _cut(rest, end - max(0, min(start, _length(part))))
    match edit.kind:
        case "crop":
            return inside
        case "trim":
            return before + after
        case "gain":
            return before + _scaled(inside, edit.level) + after
        case "fade_in":
            return _scaled(before, 0.0) + _faded(inside, edit, start, end) + after
        case "fade_out":
            return before + _faded(inside, edit, start, end) + _scaled(after, 0.0)
        case _:
            raise ValueError(edit.kind)


def _faded(inside: Part, edit: Edit, start: int, end: int) -> Part:
    faded = []
    offset = max(0, -start)  # frames of the fade in earlier parts
    for segment in inside:
        ramp = Ramp(offset, end - start, edit.kind == "fade_in", edit.curve)
        faded.append(dataclasses.replace(segment, ramps=(*segment.ramps, ramp)))
        offset += segment.length
    return tuple(faded)


def _split(parts: Sequence[Part], at: int) -> list[Part]:
    """Return ``parts`` with the part that contains frame ``at`` cut in two."""
    for number, part in enumerate(parts):
        if at <= _length(part) or number == len(parts) - 1:
            return [*parts[:number], *_cut(part, at), *parts[number + 1 :]]
        at -= _length(part)
    raise ValueError("there are no parts")


def _cut(part: Part, at: int) -> tuple[Part, Part]:
    """Return the first ``at`` frames of ``part`` and the rest."""
    left: list[Segment] = []
    for number, segment in enumerate(part):
        if at < segment.length:
            head, tail = segment.cut(max(0, at))
            return _present((*left, head)), _present((tail, *part[number + 1 :]))
        left.append(segment)
        at -= segment.length
    return tuple(left), ()


def _present(part: Part) -> Part:
    return tuple(segment for segment in part if segment.length)


def _scaled(part: Part, level: float) -> Part:
    return tuple(dataclasses.replace(segment, gain=segment.gain * level) for segment in part)


def _length(part: Part) -> int:
    return sum(segment.length for segment in part)
