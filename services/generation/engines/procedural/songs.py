"""The project's own songs: varied pieces with known tempo, key and beats, for demos, tests and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from soundwright.services.generation.engines.procedural.arrange import Plan, arrange
from soundwright.services.generation.engines.procedural.score import Key, Song


def _plan(name: str, style: str, tempo_bpm: float, key: str, seed: int, progression: str, lead: str) -> Plan:
    return Plan(name, style, tempo_bpm, Key.parse(key), 30.0, seed, progression, lead)


_PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        plan.name: plan
        for plan in (
            replace(_plan("demo", "pop", 112, "A minor", 15, "i VI III VII", "voice"), duration_seconds=36.0),
            _plan("pop", "pop", 118, "C major", 1, "I V vi IV", "voice"),
            _plan("rock", "rock", 132, "E minor", 2, "i VI III VII", "voice"),
            _plan("house", "house", 124, "F minor", 3, "i7 iv7 VI7 i7", "voice_soft"),
            _plan("drum_and_bass", "drum_and_bass", 174, "G minor", 4, "i7 VI7 III7 VII", "voice_ah"),
            _plan("hip_hop", "hip_hop", 90, "C# minor", 5, "i i VI VII", "voice_low"),
            _plan("bossa", "bossa", 128, "D major", 6, "I7 vi7 ii7 V7", "sax"),
            _plan("funk", "funk", 106, "D minor", 7, "i7 i7 iv7 VII", "voice"),
            _plan("ballad", "ballad", 70, "G# major", 8, "I V vi IV", "voice"),
            _plan("reggae", "reggae", 76, "A major", 9, "I IV I V", "voice"),
            _plan("metal", "metal", 160, "B minor", 10, "i VI VII i", "voice_low"),
            _plan("waltz", "waltz", 102, "F major", 11, "I vi IV V I IV V I", "violin"),
            _plan("lofi", "lofi", 80, "D# major", 12, "I7 vi7 ii7 V7", "flute"),
            _plan("disco", "disco", 118, "A# minor", 13, "i7 VII VI7 v7", "voice"),
            _plan("synthwave", "synthwave", 100, "F# minor", 14, "i VI III VII", "synth_lead"),
            _plan("country", "country", 112, "G major", 15, "I IV I V", "voice"),
            _plan("soul", "soul", 92, "A# major", 16, "I7 vi7 ii7 V7", "voice"),
        )
    }
)

SONGS: tuple[str, ...] = tuple(_PLANS)
"""Names of all songs, the default ``demo`` first."""


def song(name: str = "demo", duration_seconds: float | None = None) -> Song:
    """Return a song by name.

    Args:
        name: one of :data:`SONGS`.
        duration_seconds: length of the piece; by default 30 s (36 s for the demo).

    Raises:
        KeyError: there is no such song.
    """
    plan = _PLANS[name]
    if duration_seconds is not None:
        plan = replace(plan, duration_seconds=duration_seconds)
    return arrange(plan)
