"""The instruments by name: their synthesis, and the treatment of their track in the mix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from services.generation.engines.procedural import drums
from services.generation.engines.procedural.tones import (
    Analog,
    Fm,
    Pad,
    Pluck,
    Sung,
    Tone,
    Wind,
    analog,
    fm,
    pad,
    pluck,
    sung,
    wind,
)
from services.generation.engines.procedural.waves import Wave

Play = Callable[[Tone, int, np.random.Generator], Wave]


@dataclass(frozen=True)
class Instrument:
    """How notes become sound.

    Args:
        play: ``(tone, sample_rate_hz, rng)`` to float32 [frames] or [2, frames].
        stereo: whether ``play`` returns two channels.
        legato: whether a note glides from an adjacent previous note.
        lowest_midi, highest_midi: comfortable range.
        reverb: level of the reverb.
        width: level of a decorrelated side signal that widens a mono source; 0 for none.
        drive: saturation of the track; 0 for none.
        cutoff_hz: low-pass after the drive (a speaker cabinet); 0 for none.
    """

    play: Play
    stereo: bool = False
    legato: bool = False
    lowest_midi: int = 48
    highest_midi: int = 84
    reverb: float = 0.2
    width: float = 0.0
    drive: float = 0.0
    cutoff_hz: float = 0.0


def _kit(kit: drums.Kit, tone: Tone, rate_hz: int, rng: np.random.Generator) -> Wave:
    return drums.strike(kit, tone.pitch_midi, tone.velocity, rate_hz, rng)


def _bass(play: Play, drive: float = 0.5) -> Instrument:
    return Instrument(play, lowest_midi=28, highest_midi=52, reverb=0.0, drive=drive)


def _singer(recipe: Sung, low: int, high: int) -> Instrument:
    return Instrument(
        partial(sung, recipe), legato=True, lowest_midi=low, highest_midi=high, reverb=0.22, width=0.0, drive=0.3
    )


def _solo(play: Play, low: int, high: int, reverb: float = 0.22, drive: float = 0.0) -> Instrument:
    return Instrument(play, legato=True, lowest_midi=low, highest_midi=high, reverb=reverb, drive=drive)


_ORGAN = (0.8, 0.9, 0.5, 0.7, 0.12, 0.25, 0.0, 0.35)

INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(
    {
        **{
            name: Instrument(partial(_kit, kit), stereo=True, reverb=0.12, drive=0.35)
            for name, kit in drums.KITS.items()
        },
        # bass
        "bass_sub": _bass(
            partial(analog, Analog(tilt=2.6, low_hz=160, high_hz=420, sustain=0.85, release_seconds=0.05)), drive=1.0
        ),
        "bass_saw": _bass(
            partial(analog, Analog(low_hz=180, high_hz=1500, sweep_half_life_seconds=0.09, sub=0.25, resonance=0.6))
        ),
        "bass_reese": _bass(
            partial(
                analog,
                Analog(low_hz=350, high_hz=900, sustain=0.95, detune_cents=14, voices=3, sub=0.5, release_seconds=0.08),
            )
        ),
        "bass_electric": _bass(
            partial(pluck, Pluck(0.32, 0.5, 1.15, 0.22, 1500, 0.06, click=0.05)),
        ),
        "bass_pick": _bass(partial(pluck, Pluck(0.3, 0.35, 0.85, 0.12, 2600, 0.05, click=0.12)), drive=1.2),
        "bass_upright": _bass(partial(pluck, Pluck(0.17, 0.9, 1.25, 0.3, 1000, 0.08, click=0.06))),
        "bass_fm": _bass(partial(fm, Fm(1.0, 2.6, 0.1, 0.6, 0.45, release_seconds=0.05))),
        # voices and leads
        "voice": _singer(Sung(), 55, 77),
        "voice_low": _singer(Sung(tract=0.87, breath=0.03), 46, 67),
        "voice_soft": _singer(Sung(breath=0.14, vibrato_cents=16), 55, 76),
        "voice_ah": _singer(Sung("ah"), 55, 77),
        "voice_oh": _singer(Sung("oh"), 52, 74),
        "voice_ee": _singer(Sung("ee"), 55, 77),
        "sax": _solo(
            partial(
                wind,
                Wind(
                    (1, 0.85, 0.7, 0.6, 0.4, 0.35),
                    1.4,
                    0.9,
                    0.035,
                    0.03,
                    18,
                    ((650, 250, 0.8), (1600, 500, 0.6)),
                ),
            ),
            50,
            78,
        ),
        "flute": _solo(partial(wind, Wind((1, 0.45, 0.12, 0.05), 2.2, 0.6, 0.09, 0.06, 22)), 60, 91, 0.3),
        "clarinet": _solo(partial(wind, Wind((1, 0.05, 0.6, 0.06, 0.4, 0.08, 0.25), 1.6, 0.7, 0.02, 0.04, 6)), 52, 84),
        "trumpet": _solo(
            partial(wind, Wind((0.8, 1, 0.9, 0.7, 0.5, 0.35), 1.5, 1.2, 0.015, 0.025, 14, ((1400, 500, 0.7),))), 55, 82
        ),
        "violin": _solo(
            partial(wind, Wind((1, 0.7, 0.5, 0.35), 1.6, 0.5, 0.012, 0.07, 24, ((480, 120, 0.8), (2800, 700, 0.4)))),
            57,
            91,
            0.3,
        ),
        "cello": _solo(
            partial(wind, Wind((1, 0.8, 0.6, 0.45), 1.3, 0.5, 0.01, 0.08, 22, ((250, 80, 0.8), (1800, 600, 0.8)))),
            38,
            69,
            0.3,
        ),
        "synth_lead": _solo(
            partial(
                analog,
                Analog(
                    low_hz=1200,
                    high_hz=5500,
                    sweep_half_life_seconds=0.2,
                    sustain=0.8,
                    detune_cents=9,
                    voices=2,
                    vibrato_cents=14,
                ),
            ),
            55,
            86,
        ),
        "square_lead": _solo(
            partial(analog, Analog(odd=True, low_hz=2500, high_hz=6000, sustain=0.75, vibrato_cents=12)), 57, 88
        ),
        "guitar_lead": _solo(
            partial(
                analog,
                Analog(low_hz=900, high_hz=3500, half_life_seconds=1.2, sustain=0.6, vibrato_cents=22),
            ),
            52,
            84,
            drive=3.0,
        ),
        "harmonica": _solo(
            partial(wind, Wind((1, 0.8, 0.65, 0.5, 0.45, 0.3), 1.1, 1.0, 0.02, 0.03, 20, ((900, 300, 0.7),))), 60, 88
        ),
        "sitar": _solo(partial(pluck, Pluck(0.7, 0.3, 0.55, 0.07, 7500, 0.4, click=0.08)), 50, 77, 0.3, drive=1.4),
        # chords
        "piano": Instrument(
            partial(pluck, Pluck(0.9, 0.55, 1.25, 0.12, 3800, 0.15, click=0.04)),
            lowest_midi=36,
            highest_midi=98,
            width=0.35,
        ),
        "epiano": Instrument(partial(fm, Fm(1.0, 1.3, 0.3, 0.9, tine=0.16)), width=0.5),
        "organ": Instrument(
            partial(pad, Pad(harmonic_levels=_ORGAN, spread_cents=7, attack_seconds=0.012, release_seconds=0.06)),
            stereo=True,
            drive=0.5,
        ),
        "pad": Instrument(partial(pad, Pad(1.1, 3600, 26, 0.35, 0.8)), stereo=True, reverb=0.35),
        "dark_pad": Instrument(partial(pad, Pad(1.5, 1100, 34, 0.6, 1.2)), stereo=True, reverb=0.4, lowest_midi=40),
        "strings": Instrument(partial(pad, Pad(0.85, 5200, 20, 0.16, 0.35)), stereo=True, reverb=0.32),
        "choir": Instrument(partial(pad, Pad(0.8, 5000, 18, 0.22, 0.5, vowel="ah")), stereo=True, reverb=0.4),
        "brass": Instrument(
            partial(pad, Pad(0.75, 3800, 12, 0.045, 0.1, sustain=0.7, half_life_seconds=0.25)),
            stereo=True,
            reverb=0.25,
            drive=0.4,
        ),
        "nylon_guitar": Instrument(partial(pluck, Pluck(0.4, 0.8, 1.15, 0.3, 3200, 0.12, click=0.06)), width=0.3),
        "steel_guitar": Instrument(partial(pluck, Pluck(0.55, 0.45, 0.85, 0.17, 6500, 0.12, click=0.1)), width=0.35),
        "clean_guitar": Instrument(partial(pluck, Pluck(0.4, 0.5, 0.95, 0.14, 4200, 0.04, click=0.08)), width=0.3),
        "muted_guitar": Instrument(partial(pluck, Pluck(0.06, 0.8, 0.9, 0.12, 4500, 0.03, click=0.2)), width=0.2),
        "power_guitar": Instrument(
            partial(pluck, Pluck(1.6, 0.2, 0.9, 0.13, 5000, 0.05, click=0.1)),
            lowest_midi=40,
            highest_midi=64,
            drive=9.0,
            cutoff_hz=4200,
            width=0.3,
            reverb=0.1,
        ),
        "banjo": Instrument(partial(pluck, Pluck(0.16, 0.45, 0.65, 0.1, 6500, 0.05, click=0.2)), width=0.3),
        "harpsichord": Instrument(
            partial(pluck, Pluck(0.6, 0.4, 0.5, 0.08, 9000, 0.06, click=0.15)), lowest_midi=36, width=0.4
        ),
        "harp": Instrument(partial(pluck, Pluck(0.8, 0.7, 1.05, 0.3, 7500, 0.6, click=0.02)), reverb=0.35, width=0.4),
        "synth_pluck": Instrument(
            partial(
                analog,
                Analog(
                    low_hz=350,
                    high_hz=8000,
                    sweep_half_life_seconds=0.06,
                    half_life_seconds=0.14,
                    sustain=0.0,
                    release_seconds=0.15,
                    detune_cents=8,
                    voices=2,
                ),
            ),
            reverb=0.3,
            width=0.5,
        ),
        "saw_chord": Instrument(
            partial(
                analog,
                Analog(low_hz=2200, high_hz=9000, sustain=0.85, detune_cents=16, voices=3, release_seconds=0.1),
            ),
            width=0.7,
            reverb=0.25,
        ),
        "bell": Instrument(
            partial(fm, Fm(3.53, 2.4, 0.5, 0.7, tine=0.1, release_seconds=0.9)), highest_midi=96, reverb=0.4, width=0.4
        ),
        "marimba": Instrument(
            partial(fm, Fm(4.0, 0.7, 0.02, 0.12, tine=0.1, tine_ratio=9.2)), highest_midi=91, width=0.3
        ),
    }
)
