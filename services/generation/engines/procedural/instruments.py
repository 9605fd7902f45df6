"""The instruments by name: how they sound, and the treatment of their track in the mix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

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
    variants: int = 1  # how many sounds equal notes have in turn
    legato: bool = False  # whether a note glides from an adjacent previous note
    lowest_midi: int = 48  # comfortable range
    highest_midi: int = 84
    reverb: float = 0.2  # level of the reverb
    width: float = 0.0  # level of a decorrelated side signal that widens a mono source; 0 for none
    drive: float = 0.0  # saturation of the track; 0 for none
    cutoff_hz: float = 0.0  # low-pass after the drive (a speaker cabinet); 0 for none


# name, program of General MIDI, role, lowest and highest pitch, reverb, width; leads: cents of vibrato. Then what prompts call it besides
# its name.
_RECORDED = """
piano 0 strike 36 98 0.2 0.35: grand piano, keys, keyboard, upright piano, felt piano, prepared piano, honky tonk piano, toy piano
harpsichord 6 strike 36 84 0.2 0.4: clavichord, spinet, cembalo
epiano 4 strike 48 84 0.2 0.7: electric piano, rhodes, wurlitzer, e piano
clavinet 7 strike 48 84 0.15 0.4
celesta 8 strike 60 96 0.35 0.4
glockenspiel 9 strike 67 100 0.35 0.4: bells, chimes, triangle
bell 10 strike 60 96 0.4 0.4: music box, handbells
vibraphone 11 strike 53 88 0.3 0.4: vibes, bowed vibraphone
marimba 12 strike 48 91 0.2 0.3: balafon
xylophone 13 strike 60 96 0.2 0.3
tubular_bells 14 strike 55 84 0.4 0.4: church bells
dulcimer 15 strike 50 86 0.25 0.4: santoor, cimbalom, yangqin, hammered dulcimer, zither, kanun
organ 16 sustain 48 84 0.2 0.5: hammond
church_organ 19 sustain 43 84 0.4 0.5: pipe organ, chamber organ
accordion 21 sustain 50 86 0.2 0.4: bandoneon, concertina, harmonium, melodica, reed organ
harmonica 22 lead 60 88 0.22 0 20: mouth organ, blues harp, chromatic harmonica
nylon_guitar 24 strike 48 84 0.2 0.6: nylon string guitar, classical guitar, spanish guitar, flamenco guitar, ukulele, lute, oud, fingerstyle guitar,
    cavaquinho, charango
steel_guitar 25 strike 48 84 0.2 0.6: acoustic guitar, mandolin, twelve string guitar, bouzouki, balalaika, resonator guitar
jazz_guitar 26 strike 48 80 0.2 0.45
clean_guitar 27 strike 48 84 0.2 0.55: clean electric guitar, rhythm guitar, baritone guitar
muted_guitar 28 strike 48 84 0.2 0.4
guitar_lead 29 lead 52 84 0.22 0 22: guitar solo, lead guitar, slide guitar, pedal steel, pedal steel guitar, lap steel, lap steel guitar
power_guitar 30 strike 40 64 0.1 0.5: electric guitar, distorted guitar, heavy guitars, guitar riff, power chords
bass_upright 32 bass 28 52 0 0: upright bass, double bass, walking bass
bass_electric 33 bass 28 52 0 0: bass guitar, bassline, bass line, bass, electric bass, fretless bass
bass_pick 34 bass 28 52 0 0
bass_slap 36 bass 28 52 0 0: slap bass
bass_fm 39 bass 28 52 0 0: synth bass, acid bass
violin 40 lead 57 91 0.3 0 14: electric violin
viola 41 lead 50 82 0.3 0 14: viola da gamba
cello 42 lead 38 69 0.3 0 12
contrabass 43 lead 30 55 0.3 0 8: bowed bass
pizzicato 45 strike 43 84 0.3 0.4
harp 46 strike 40 96 0.35 0.4: lyre, kora, kantele, concert harp
timpani 47 strike 40 57 0.3 0.2: kettledrum
strings 49 sustain 43 91 0.32 0.6: string section, string orchestra, string ensemble, violins, string quartet
choir 52 sustain 48 79 0.4 0.6: a cappella, a capella, acappella, choral, chorus singers, monks, humming, chanting
trumpet 56 lead 55 82 0.22 0 10: cornet, flugelhorn, muted trumpet, bugle
trombone 57 lead 42 70 0.22 0 8
tuba 58 lead 30 55 0.22 0 0: euphonium
french_horn 60 lead 44 74 0.3 0 6: horn
brass 61 sustain 46 82 0.25 0.4: horns, horn section
sax 66 lead 50 78 0.22 0 14: saxophone, tenor saxophone, alto saxophone, soprano saxophone, tenor sax, alto sax
oboe 68 lead 60 88 0.25 0 12: english horn, cor anglais, duduk, kaval
bassoon 70 lead 38 67 0.25 0 8: contrabassoon
clarinet 71 lead 52 84 0.25 0 4: bass clarinet, woodwind, didgeridoo
piccolo 72 lead 74 98 0.3 0 14
flute 73 lead 60 91 0.3 0 16: alto flute
recorder 74 lead 62 90 0.3 0 8: whistle, tin whistle
pan_flute 75 lead 60 90 0.35 0 12: panpipes, quena
shakuhachi 77 lead 58 86 0.35 0 14: ney, bansuri, dizi
ocarina 79 lead 62 90 0.3 0 10: whistling
sitar 104 lead 50 77 0.3 0 10: electric sitar, sarod, veena, tanpura, tambura
banjo 105 strike 48 84 0.2 0.4: ngoni
shamisen 106 strike 50 80 0.2 0.3: pipa
koto 107 strike 48 84 0.3 0.4: guzheng, guqin, gayageum
kalimba 108 strike 52 84 0.3 0.4: mbira, thumb piano
bagpipe 109 lead 55 79 0.2 0 0: uilleann pipes
fiddle 110 lead 57 88 0.22 0 12: hardanger fiddle, nyckelharpa, hurdy gurdy, erhu, sarangi
shehnai 111 lead 57 82 0.25 0 14: suona
steel_drums 114 strike 55 86 0.3 0.4: steel drum, steelpan, steel pan, hang drum, hang, handpan
"""


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


def _from_table() -> Mapping[str, Instrument]:
    found = {}
    for line in _ROWS:
        name, program, role, low, high, reverb, width, *vibrato = line.partition(":")[0].split()
        found[name] = Instrument(
            partial(_recorded, int(program), float(vibrato[0]) if vibrato else 0.0),
            role,
            int(program),
            legato=role == LEAD,
            lowest_midi=int(low),
            highest_midi=int(high),
            reverb=float(reverb),
            width=float(width),
        )
    return found


def _bass(recipe: Analog, program: int, drive: float = 0.5) -> Instrument:
    return Instrument(partial(analog, recipe), BASS, program, lowest_midi=28, highest_midi=52, reverb=0.0, drive=drive)


def _singer(recipe: Sung, low: int, high: int) -> Instrument:
    return Instrument(
        partial(sung, recipe), LEAD, 53, variants=6, legato=True, lowest_midi=low, highest_midi=high, reverb=0.22, drive=0.3
    )  # fmt: skip


def _synth(
    recipe: Analog, role: str, program: int, low: int = 48, high: int = 84, reverb: float = 0.22, width: float = 0.0
) -> Instrument:
    return Instrument(
        partial(analog, recipe), role, program, legato=role == LEAD, lowest_midi=low, highest_midi=high, reverb=reverb, width=width
    )  # fmt: skip


_SYNTHETIC: Mapping[str, Instrument] = {
    **{
        name: Instrument(partial(_kit, kit), DRUMS, reverb=0.12)
        for name, kit in drums.KITS.items()
    },
    "bass_sub": _bass(Analog(tilt=2.6, low_hz=160, high_hz=420, sustain=0.85, release_seconds=0.05), 38, drive=1.0),
    "bass_saw": _bass(
        Analog(low_hz=180, high_hz=1500, sweep_half_life_seconds=0.09, sub=0.25, resonance=0.6), 38
    ),
    "bass_reese": _bass(
        Analog(low_hz=350, high_hz=900, sustain=0.95, detune_cents=14, voices=3, sub=0.5, release_seconds=0.08), 39
    ),
    "voice": _singer(Sung(), 55, 77),
    "voice_low": _singer(Sung(tract=0.87, breath=0.03), 46, 67),
    "voice_soft": _singer(Sung(breath=0.14, vibrato_cents=16), 55, 76),
    "voice_ah": _singer(Sung("ah"), 55, 77),
    "voice_oh": _singer(Sung("oh"), 52, 74),
    "voice_ee": _singer(Sung("ee"), 55, 77),
    "synth_lead": _synth(
        Analog(
            low_hz=1200, high_hz=5500, sweep_half_life_seconds=0.2, sustain=0.8, detune_cents=9, voices=2, vibrato_cents=14
        ),
        LEAD, 81, 55, 86,
    ),
    "square_lead": _synth(
        Analog(odd=True, low_hz=2500, high_hz=6000, sustain=0.75, vibrato_cents=12), LEAD, 80, 57, 88
    ),
    "pad": Instrument(partial(pad, Pad(1.1, 3600, 26, 0.35, 0.8)), SUSTAIN, 89, variants=2, reverb=0.35),
    "dark_pad": Instrument(
        partial(pad, Pad(1.5, 1100, 34, 0.6, 1.2)), SUSTAIN, 95, variants=2, reverb=0.4, lowest_midi=40
    ),
    "synth_pluck": _synth(
        Analog(
            low_hz=350, high_hz=8000, sweep_half_life_seconds=0.06, half_life_seconds=0.14, sustain=0.0,
            release_seconds=0.15, detune_cents=8, voices=2,
        ),
        STRIKE, 87, reverb=0.3, width=0.5,
    ),
    "saw_chord": _synth(
        Analog(low_hz=2200, high_hz=9000, sustain=0.85, detune_cents=16, voices=3, release_seconds=0.1),
        STRIKE, 90, reverb=0.25, width=0.7,
    ),
}  # fmt: skip

_TABLE = _from_table()
INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(
    {**_TABLE, **_SYNTHETIC, "power_guitar": replace(_TABLE["power_guitar"], drive=25.0, cutoff_hz=4200)}
)
