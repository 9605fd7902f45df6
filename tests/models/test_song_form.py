"""Bars and sections, from features of synthetic songs."""

import numpy as np
import pytest

from soundwright.services.analysis.engines.bars import find_bars
from soundwright.services.analysis.engines.sections import find_sections

FRAMES_PER_SECOND = 22050 / 512
TRIADS = ((0, 4, 7), (9, 0, 4), (5, 9, 0), (7, 11, 2))


def harmony(beats: np.ndarray, beats_per_chord: int, offset: int) -> np.ndarray:
    """Return float32 [12, frames]: a chord that changes every few beats, from the beat ``offset`` on."""
    frames = np.arange(round((beats[-1] + 1) * FRAMES_PER_SECOND))
    beat = np.searchsorted(beats, frames / FRAMES_PER_SECOND + 1e-6) - 1
    chord = np.floor_divide(beat - offset, beats_per_chord)
    chroma = np.random.default_rng(1).uniform(0, 0.3, (12, frames.size)).astype(np.float32)
    for place, triad in enumerate(TRIADS):
        chroma[np.ix_(triad, chord % 4 == place)] += 1.0
    return chroma


@pytest.mark.parametrize(("metre", "offset"), [(4, 0), (4, 3), (3, 1)])
def test_bars_begin_where_chords_change(metre: int, offset: int) -> None:
    beats = 0.3 + 0.5 * np.arange(48)
    chroma = harmony(beats, metre, offset)
    bars = find_bars(beats, np.zeros(chroma.shape[1]), chroma, FRAMES_PER_SECOND)
    assert bars.beats_per_bar == metre
    assert bars.downbeat_seconds == pytest.approx(beats[offset::metre])
    assert bars.confidence > 0.5


def test_bars_begin_with_the_bass_if_the_chord_stays() -> None:
    beats = 0.3 + 0.5 * np.arange(48)
    chroma = np.ones((12, 1100), np.float32)
    attacks = np.zeros(1100)
    attacks[np.rint(beats[2::4] * FRAMES_PER_SECOND).astype(int)] = 1.0
    bars = find_bars(beats, attacks, chroma, FRAMES_PER_SECOND)
    assert (bars.beats_per_bar, bars.downbeat_seconds.tolist()) == (4, beats[2::4].tolist())


@pytest.mark.parametrize("count", [0, 3, 40])
def test_beats_without_a_first_one_have_no_confidence(count: int) -> None:
    bars = find_bars(np.arange(count) / 2, np.zeros(900), np.ones((12, 900), np.float32), FRAMES_PER_SECOND)
    assert (bars.beats_per_bar, bars.confidence) == (4 if count == 40 else 0, 0.0)


def test_sections_that_sound_alike_have_one_letter() -> None:
    downbeats = 2.0 * np.arange(48)
    frames = np.arange(round(96 * FRAMES_PER_SECOND))
    is_chorus = (frames / FRAMES_PER_SECOND // 16) % 2 == 1  # 16 s each: verse, chorus, verse, ...
    noise = np.random.default_rng(2).normal(0, 0.3, (13, frames.size))
    mfcc = (noise + np.where(is_chorus, 5.0, 0.0)).astype(np.float32)
    chroma = np.full((12, frames.size), 0.5, np.float32)
    sections = find_sections(downbeats, mfcc, chroma, FRAMES_PER_SECOND, 96.0)
    assert "".join(section.label for section in sections) == "ABABAB"
    edges = [section.start_seconds for section in sections] + [sections[-1].end_seconds]
    assert edges == pytest.approx(np.arange(0, 97, 16), abs=0.1)


@pytest.mark.parametrize("seconds", [0.05, 5.0, 120.0])
def test_a_song_without_contrast_is_one_section(seconds: float) -> None:
    frames = 1 + round(seconds * FRAMES_PER_SECOND)
    mfcc, chroma = np.zeros((13, frames), np.float32), np.zeros((12, frames), np.float32)
    [section] = find_sections(np.zeros(0), mfcc, chroma, FRAMES_PER_SECOND, seconds)
    assert (section.start_seconds, section.end_seconds, section.label) == (0.0, seconds, "A")
