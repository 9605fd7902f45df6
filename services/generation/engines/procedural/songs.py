"""The project's own songs: varied pieces with known tempo, key and beats, for demos, tests and benchmarks."""

from __future__ import annotations

from dataclasses import replace

from soundwright.services.generation.engines.procedural.arrange import Plan, arrange
from soundwright.services.generation.engines.procedural.score import Key, Song

# name, style, tempo, key, seed, melody: chords
_SONGS = """
demo pop 112 A minor 15 voice: i VI III VII
pop pop 118 C major 1 voice: I V vi IV
rock rock 132 E minor 2 voice: i VI III VII
house house 124 F minor 3 voice_soft: i7 iv7 VI7 i7
drum_and_bass drum_and_bass 174 G minor 4 voice_ah: i7 VI7 III7 VII
hip_hop hip_hop 90 C# minor 5 voice_low: i i VI VII
bossa bossa 128 D major 6 sax: I7 vi7 ii7 V7
funk funk 106 D minor 7 voice: i7 i7 iv7 VII
ballad ballad 70 G# major 8 voice: I V vi IV
reggae reggae 76 A major 9 voice: I IV I V
metal metal 160 B minor 10 voice_low: i VI VII i
waltz waltz 102 F major 11 violin: I vi IV V I IV V I
lofi lofi 80 D# major 12 flute: I7 vi7 ii7 V7
disco disco 118 A# minor 13 voice: i7 VII VI7 v7
synthwave synthwave 100 F# minor 14 synth_lead: i VI III VII
country country 112 G major 15 voice: I IV I V
soul soul 92 A# major 16 voice: I7 vi7 ii7 V7
"""


def _plan(head: str, chords: str) -> Plan:
    name, style, tempo_bpm, tonic, mode, seed, lead = head.split()
    seconds = 36.0 if name == "demo" else 30.0
    return Plan(name, style, float(tempo_bpm), Key.parse(f"{tonic} {mode}"), seconds, int(seed), chords, lead)


_PLANS = {plan.name: plan for plan in (_plan(*line.split(": ")) for line in _SONGS.strip().splitlines())}

SONGS: tuple[str, ...] = tuple(_PLANS)
"""Names of all songs, the default ``demo`` first."""


def song(name: str = "demo", duration_seconds: float | None = None) -> Song:
    """Return one of :data:`SONGS`, by default with its own length."""
    plan = _PLANS[name]
    if duration_seconds is not None:
        plan = replace(plan, duration_seconds=duration_seconds)
    return arrange(plan)
