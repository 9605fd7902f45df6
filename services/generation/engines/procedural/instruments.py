"""The instruments by name: how they sound, and the treatment of their track in the mix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from soundwright.services.generation.engines.procedural import drums
from soundwright.services.generation.engines.procedural.soundfont import font
from soundwright.services.generation.engines.procedural.tones import (
    Analog,
    Pad,
    Sung,
    Tone,
    analog,
    pad,
    pitch_curve,
    sung,
)
from soundwright.services.generation.engines.procedural.waves import Wave

Play = Callable[[Tone, int, np.random.Generator], Wave]

LEAD, STRIKE, SUSTAIN, BASS, DRUMS = "lead", "strike", "sustain", "bass", "drums"


@dataclass(frozen=True)
class Instrument:
    """How notes become sound."""

    play: Play  # `(tone, sample_rate_hz, rng)` to float32 [frames] or [2, frames]
    role: str  # melody, struck or plucked chords, long chords, bass, or drums
    program: int = 0  # its number in General MIDI, from 0; 0 for drums
    lowest_midi: int = 48  # comfortable range
    highest_midi: int = 84
    reverb: float = 0.2  # level of the reverb
    width: float = 0.0  # level of a decorrelated side signal that widens a mono source; 0 for none
    drive: float = 0.0  # saturation of the track; 0 for none
    cutoff_hz: float = 0.0  # low-pass after the drive (a speaker cabinet); 0 for none
    variants: int = 1  # how many sounds equal notes have in turn


# name, program of General MIDI, role, lowest and highest pitch, reverb, width; leads: cents of vibrato. Then what prompts call it besides
# its name.
_RECORDED = """
piano 0 strike 36 98 0.2 0.35: grand piano, keys, keyboard, upright piano, felt piano, prepared piano, honky tonk piano, toy piano
harpsichord 6 strike 36 84 0.2 0.4: clavichord, spinet, cembalo
epiano 4 strike 48 84 0.2 0.7: electric piano, rhodes, wurlitzer, e piano
clavinet 7 strike 48 84 0.15 0.4
celesta 8 strike 60 96 0.35 0.4: celeste
glockenspiel 9 strike 67 100 0.35 0.4: bells, chimes, triangle, wind chimes
bell 10 strike 60 96 0.4 0.4: music box, handbells
vibraphone 11 strike 53 88 0.3 0.4: vibes, bowed vibraphone
marimba 12 strike 48 91 0.2 0.3: balafon
xylophone 13 strike 60 96 0.2 0.3
tubular_bells 14 strike 55 84 0.4 0.4: church bells
dulcimer 15 strike 50 86 0.25 0.4: santoor, cimbalom, yangqin, hammered dulcimer, zither, kanun, qanun, santur, autoharp
organ 16 sustain 48 84 0.2 0.5: hammond
church_organ 19 sustain 43 84 0.4 0.5: pipe organ, chamber organ
accordion 21 sustain 50 86 0.2 0.4: bandoneon, concertina, harmonium, melodica, reed organ
harmonica 22 lead 60 88 0.22 0 20: mouth organ, blues harp, chromatic harmonica
nylon_guitar 24 strike 48 84 0.2 0.6: nylon string guitar, classical guitar, spanish guitar, flamenco guitar, ukulele, lute, oud, fingerstyle guitar, cavaquinho, charango
steel_guitar 25 strike 48 84 0.2 0.6: acoustic guitar, mandolin, twelve string guitar, 12 string guitar, bouzouki, balalaika, resonator guitar
jazz_guitar 26 strike 48 80 0.2 0.45
clean_guitar 27 strike 48 84 0.2 0.55: clean electric guitar, rhythm guitar, baritone guitar
muted_guitar 28 strike 48 84 0.2 0.4
guitar_lead 29 lead 52 84 0.22 0 22: guitar solo, lead guitar, slide guitar, pedal steel, pedal steel guitar, lap steel, lap steel guitar, dobro
power_guitar 30 strike 40 64 0.1 0.5: electric guitar, distorted guitar, heavy guitars, guitar riff, power chords
bass_upright 32 bass 28 52 0 0: upright bass, double bass, walking bass
bass_electric 33 bass 28 52 0 0: bass guitar, bassline, bass line, bass, electric bass, fretless bass
bass_pick 34 bass 28 52 0 0
bass_slap 36 bass 28 52 0 0: slap bass
bass_fm 39 bass 28 52 0 0: synth bass, acid bass
violin 40 lead 57 91 0.3 0 14: electric violin
viola 41 lead 50 82 0.3 0 14: viola da gamba
cello 42 lead 38 69 0.3 0 12: celli, violoncello
contrabass 43 lead 30 55 0.3 0 8: bowed bass
pizzicato 45 strike 43 84 0.3 0.4
harp 46 strike 40 96 0.35 0.4: lyre, kora, kantele, concert harp
timpani 47 strike 40 57 0.3 0.2: kettledrum
strings 49 sustain 43 91 0.32 0.6: string section, string orchestra, string ensemble, mellotron, violins, string quartet
choir 52 sustain 48 79 0.4 0.6: a cappella, a capella, acappella, choral, chorus singers, monks, humming, chanting
trumpet 56 lead 55 82 0.22 0 10: cornet, flugelhorn, muted trumpet, bugle
trombone 57 lead 42 70 0.22 0 8
tuba 58 lead 30 55 0.22 0 0: euphonium, sousaphone
french_horn 60 lead 44 74 0.3 0 6: horn
brass 61 sustain 46 82 0.25 0.4: horns, horn section, brass section
sax 66 lead 50 78 0.22 0 14: saxophone, tenor saxophone, alto saxophone, soprano saxophone, tenor sax, alto sax
oboe 68 lead 60 88 0.25 0 12: english horn, cor anglais, duduk, kaval
bassoon 70 lead 38 67 0.25 0 8: contrabassoon
clarinet 71 lead 52 84 0.25 0 4: bass clarinet, woodwind, didgeridoo
piccolo 72 lead 74 98 0.3 0 14
flute 73 lead 60 91 0.3 0 16: alto flute
recorder 74 lead 62 90 0.3 0 8: whistle, tin whistle, penny whistle
pan_flute 75 lead 60 90 0.35 0 12: panpipes, quena
shakuhachi 77 lead 58 86 0.35 0 14: ney, bansuri, dizi
ocarina 79 lead 62 90 0.3 0 10: whistling
sitar 104 lead 50 77 0.3 0 10: electric sitar, sarod, veena, tanpura, tambura
banjo 105 strike 48 84 0.2 0.4: ngoni
shamisen 106 strike 50 80 0.2 0.3: pipa
koto 107 strike 48 84 0.3 0.4: guzheng, guqin, gayageum
kalimba 108 strike 52 84 0.3 0.4: mbira, thumb piano, jaw harp, mouth harp
bagpipe 109 lead 55 79 0.2 0 0: uilleann pipes
fiddle 110 lead 57 88 0.22 0 12: hardanger fiddle, nyckelharpa, hurdy gurdy, erhu, sarangi
shehnai 111 lead 57 82 0.25 0 14: suona
steel_drums 114 strike 55 86 0.3 0.4: steel drum, steelpan, steel pan, hang drum, hang, handpan
"""


# name, synthesis, role, program, lowest and highest pitch, reverb, width, drive: what differs from the recipe of the synthesis
_SYNTHETIC = """
bass_sub analog bass 38 28 52 0 0 1: tilt 2.6, low_hz 160, high_hz 420, sustain 0.85, release_seconds 0.05
bass_saw analog bass 38 28 52 0 0 0.5: low_hz 180, high_hz 1500, sweep_half_life_seconds 0.09, sub 0.25, resonance 0.6
bass_reese analog bass 39 28 52 0 0 0.5: low_hz 350, high_hz 900, sustain 0.95, detune_cents 14, voices 3, sub 0.5, release_seconds 0.08
voice sung lead 53 55 77 0.22 0 0.3
voice_low sung lead 53 46 67 0.22 0 0.3: tract 0.87, breath 0.03
voice_soft sung lead 53 55 76 0.22 0 0.3: breath 0.14, vibrato_cents 16
voice_ah sung lead 53 55 77 0.22 0 0.3: vowel ah
voice_oh sung lead 53 52 74 0.22 0 0.3: vowel oh
voice_ee sung lead 53 55 77 0.22 0 0.3: vowel ee
synth_lead analog lead 81 55 86 0.22 0 0: low_hz 1200, high_hz 5500, sweep_half_life_seconds 0.2, sustain 0.8, detune_cents 9, voices 2, vibrato_cents 14
square_lead analog lead 80 57 88 0.22 0 0: odd 1, low_hz 2500, high_hz 6000, sustain 0.75, vibrato_cents 12
pad pad sustain 89 48 84 0.35 0 0: tilt 1.1, cutoff_hz 3600, spread_cents 26, attack_seconds 0.35, release_seconds 0.8
dark_pad pad sustain 95 40 84 0.4 0 0: tilt 1.5, cutoff_hz 1100, spread_cents 34, attack_seconds 0.6, release_seconds 1.2
synth_pluck analog strike 87 48 84 0.3 0.5 0: low_hz 350, high_hz 8000, sweep_half_life_seconds 0.06, half_life_seconds 0.14, sustain 0, release_seconds 0.15, detune_cents 8, voices 2
saw_chord analog strike 90 48 84 0.25 0.7 0: low_hz 2200, high_hz 9000, sustain 0.85, detune_cents 16, voices 3, release_seconds 0.1
"""
# synthesis: how it renders, its recipe, and how many sounds equal notes have in turn
_KINDS: Mapping[str, tuple[Callable[..., Wave], Callable[..., Any], int]] = {
    "analog": (analog, Analog, 1), "sung": (sung, Sung, 6), "pad": (pad, Pad, 2)
}  # fmt: skip
_ROWS = _RECORDED.strip().replace("\n    ", " ").splitlines()
# phrase: the recorded instrument that it names
PHRASES = {
    phrase: name
    for name, _, phrases in ((row.split()[0], *row.partition(": ")[1:]) for row in _ROWS)
    for phrase in (name.replace("_", " "), *filter(None, phrases.split(", ")))
}


def _recorded(program: int, vibrato_cents: float, tone: Tone, rate_hz: int, _rng: np.random.Generator) -> Wave:
    hold = round((tone.duration_seconds + 0.5) * rate_hz)
    glides = vibrato_cents or tone.glide_from_midi is not None
    ratio = pitch_curve(tone, hold, rate_hz, vibrato_cents, glide_seconds=0.04) / tone.hz if glides else np.ones(1)
    return font().play(0, program, tone.pitch_midi, tone.velocity, ratio, tone.duration_seconds, rate_hz)


def _kit(kit: drums.Kit, tone: Tone, rate_hz: int, rng: np.random.Generator) -> Wave:
    return drums.strike(kit, tone.pitch_midi, tone.velocity, rate_hz, rng)


def _instruments() -> Iterator[tuple[str, Instrument]]:
    for row in _ROWS:
        name, program, role, low, high, reverb, width, *vibrato = row.partition(":")[0].split()
        play = partial(_recorded, int(program), float(vibrato[0]) if vibrato else 0.0)
        drive, cutoff_hz = (25.0, 4200.0) if name == "power_guitar" else (0.0, 0.0)  # an amplifier and its cabinet
        yield (
            name,
            Instrument(play, role, int(program), int(low), int(high), float(reverb), float(width), drive, cutoff_hz),
        )
    for row in _SYNTHETIC.strip().splitlines():
        head, _, fields = row.partition(": ")
        name, kind, role, program, low, high, reverb, width, drive_level = head.split()
        render, recipe, variants = _KINDS[kind]
        values = dict(field.split() for field in fields.split(", ") if field)
        play = partial(render, recipe(**{field: _value(text) for field, text in values.items()}))
        mix = (float(reverb), float(width), float(drive_level))
        yield name, Instrument(play, role, int(program), int(low), int(high), *mix, variants=variants)
    for name, kit in drums.KITS.items():
        yield name, Instrument(partial(_kit, kit), DRUMS, reverb=0.12)


def _value(text: str) -> float | str:
    return text if text.isalpha() else int(text) if text.isdecimal() else float(text)


INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(dict(_instruments()))
