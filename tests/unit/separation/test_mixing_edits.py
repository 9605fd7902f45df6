"""Edits of a stem against a model that copies audio with NumPy."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundwright.services.separation.edits import Edit, Segment, edited, frames

RATE_HZ = 1000  # a frame is a millisecond


def heard(segments: tuple[Segment, ...], audio: np.ndarray) -> np.ndarray:
    pieces = [audio[s.start : s.start + s.length] * s.gains(0, s.length) for s in segments]
    return np.concatenate([np.zeros(0), *pieces])


def model(edits: list[Edit], audio: np.ndarray) -> np.ndarray:
    """The same by copying: one array for each part."""
    parts = [audio.astype(np.float64)]
    for edit in edits:
        chosen = slice(None) if edit.part is None else slice(edit.part, edit.part + 1)
        lengths = [len(part) for part in parts[chosen]]
        whole = np.concatenate([np.zeros(0), *parts[chosen]])
        keep, whole = changed(edit, whole)
        if edit.kind == "split":
            at = min(frames(edit.start_ms or 0, RATE_HZ), len(whole))
            edges = [0, *np.cumsum(lengths)]
            where = next(i for i, edge in enumerate(edges[1:]) if at <= edge)
            edges.insert(where + 1, at)
            parts[chosen] = [whole[a:b] for a, b in itertools.pairwise(edges)]
        else:
            edges = np.cumsum([0, *lengths])
            parts[chosen] = [whole[a:b][keep[a:b]] for a, b in itertools.pairwise(edges)]
    return np.concatenate(parts)


def changed(edit: Edit, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which frames an edit keeps, and what they sound like then."""
    keep = np.ones(len(whole), bool)
    place = np.arange(len(whole))
    start = 0 if edit.start_ms is None else frames(edit.start_ms, RATE_HZ)
    end = len(whole) if edit.end_ms is None else frames(edit.end_ms, RATE_HZ)
    duration = frames(edit.duration_ms, RATE_HZ)
    if edit.kind.startswith("fade") and edit.start_ms is None:
        start = end - duration if edit.end_ms is not None or edit.kind == "fade_out" else 0
    if edit.kind.startswith("fade") and edit.end_ms is None and (edit.start_ms is not None or edit.kind == "fade_in"):
        end = start + duration
    start, end = max(0, min(start, len(whole))), max(0, min(end, len(whole)))
    inside = (place >= start) & (place < end)
    if edit.kind == "crop":
        keep = inside
    elif edit.kind == "trim":
        keep = ~inside
    elif edit.kind == "gain":
        whole = np.where(inside, whole * edit.level, whole)
    elif edit.kind.startswith("fade"):
        share = np.clip((place - start) / max(1, end - start), 0, 1)
        share[place >= end] = 1
        rising = edit.kind == "fade_in"
        if edit.curve == "linear":
            gains = share if rising else 1 - share
        else:
            gains = np.sin(share * math.pi / 2) if rising else np.cos(share * math.pi / 2)
            gains[(place >= end) & (not rising)] = 0
        whole = whole * gains
    return keep, whole


@st.composite
def chains(draw: st.DrawFn) -> list[Edit]:
    edits: list[Edit] = []
    part_count = 1
    times = st.integers(0, 400)
    for kind in draw(st.lists(st.sampled_from(["crop", "trim", "split", "fade_in", "fade_out", "gain"]), max_size=7)):
        part = draw(st.none() | st.integers(0, part_count - 1))
        start, length = draw(times), draw(st.integers(1, 300))
        if kind == "split":
            edits.append(Edit("split", start, part=part))
            part_count += 1
        elif kind.startswith("fade"):
            span: dict[str, Any] = draw(
                st.sampled_from(
                    [
                        {"start_ms": start, "end_ms": start + length},
                        {"start_ms": start, "duration_ms": length},
                        {"end_ms": start + length, "duration_ms": length},
                        {"duration_ms": length},
                    ]
                )
            )
            edits.append(Edit(kind, **span, part=part, curve=draw(st.sampled_from(["linear", "equal-power"]))))
        else:
            first, last = draw(st.none() | st.just(start)), draw(st.none() | st.just(start + length))
            edits.append(Edit(kind, first, last, part=part, level=draw(st.sampled_from([0.0, 0.5, 1.5]))))
    return edits


@settings(max_examples=200, deadline=None)
@given(chains(), st.integers(0, 350))
def test_chains_of_edits_are_what_copying_makes_and_can_be_read_in_one_pass(edits: list[Edit], length: int) -> None:
    audio = np.arange(1, length + 1, dtype=np.float64)
    segments = edited(edits, length, RATE_HZ)
    np.testing.assert_allclose(heard(segments, audio), model(edits, audio), rtol=1e-6, atol=1e-6)
    assert all(s.length > 0 for s in segments)
    ends = [0, *(s.start + s.length for s in segments)]
    assert all(s.start >= end for s, end in zip(segments, ends, strict=False))
    assert ends[-1] <= length


def test_times_are_the_nearest_frame_and_halves_go_up() -> None:
    assert [frames(ms, 44100) for ms in (0, 1, 10, 1000, 0.5)] == [0, 44, 441, 44100, 22]
    assert frames(0.5, 1000) == 1
    assert frames(1.5, 1000) == 2
    assert frames(86_400_000, 192_000) == 86_400 * 192_000


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edit("crop", 2, 5), [3, 4, 5]), (Edit("crop", 2), [3, 4, 5, 6, 7, 8]), (Edit("crop", 6, 5000), [7, 8]),
        (Edit("crop", 9, 20), []), (Edit("trim", 2, 5), [1, 2, 6, 7, 8]), (Edit("trim", 0, 5000), []),
        (Edit("split", 3), [1, 2, 3, 4, 5, 6, 7, 8]), (Edit("gain", 2, 4, level=2), [1, 2, 6, 8, 5, 6, 7, 8]),
        (Edit("gain", level=0.5), [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]),
        (Edit("fade_in", duration_ms=4), [0, 0.5, 1.5, 3, 5, 6, 7, 8]),
        (Edit("fade_in", 2, 4), [0, 0, 0, 2, 5, 6, 7, 8]),
        (Edit("fade_in", duration_ms=3000), [0, 0.25, 0.75, 1.5, 2.5, 3.75, 5.25, 7]),
        (Edit("fade_out", duration_ms=4), [1, 2, 3, 4, 5, 4.5, 3.5, 2]),
        (Edit("fade_out", 2, duration_ms=2), [1, 2, 3, 2, 0, 0, 0, 0]),
        (Edit("fade_out", end_ms=4, duration_ms=2), [1, 2, 3, 2, 0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_an_edit_does_what_its_name_says(edit: Edit, expected: list[float]) -> None:
    audio = np.arange(1, 9, dtype=np.float64)
    np.testing.assert_allclose(heard(edited([edit], 8, RATE_HZ), audio), expected)


def test_crossing_fades_keep_level_or_power() -> None:
    for curve, power in (("linear", 1), ("equal-power", 2)):
        out, into = (
            heard(edited([Edit(kind, 0, 50, curve=curve)], 50, RATE_HZ), np.ones(50))
            for kind in ("fade_out", "fade_in")
        )
        np.testing.assert_allclose(out**power + into**power, 1, atol=1e-6)
