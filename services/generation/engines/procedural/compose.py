"""The composer: turns a prompt, a length and a seed into a plan, and the plan into a score."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from services.generation.engines.procedural.arrange import Plan, arrange
from services.generation.engines.procedural.prompt import Mood, Request, parse_prompt
from services.generation.engines.procedural.score import STEMS, Key, Song
from services.generation.engines.procedural.styles import STYLES, Layer, Style

_DEFAULT_STYLES = ("pop", "synthwave", "lofi", "house", "funk", "soul", "cinematic")
_NEUTRAL = Mood(None, 0.0, 0.8, _DEFAULT_STYLES)
_SUSTAINED = ("pad", "dark_pad", "strings", "choir", "organ", "brass")
_LEADS = ("sax", "flute", "clarinet", "trumpet", "violin", "cello", "synth_lead", "square_lead", "guitar_lead")
_CHORDS = (
    "piano", "epiano", "organ", "pad", "strings", "choir", "brass", "nylon_guitar", "steel_guitar", "power_guitar",
    "harp", "bell", "marimba", "synth_pluck", "saw_chord",
)  # fmt: skip
_CHAMBER = ("piano", "strings", "harp", "violin", "cello", "flute", "clarinet", "choir", "nylon_guitar")
_VOICES = ("voice", "voice_low")
# Progressions for a dark mood, which replace those of the style.
_DARK = ("i VI iv V", "i i VI V", "i iv VI V")
_BROKEN_CHORDS = {4: "0.2.1.2.3.2.1.2.", 3: "0.1.2.3.2.1."}
_LONG_NOTES = {4: "x---------------", 3: "x-----------"}
_LOOP_STRETCH = 0.1
_TEMPO_STRETCH = 0.08
_LEFT_HAND = {4: "0-------0-------", 3: "0-----------"}


def seed_for(prompt: str, seed: int) -> int:
    """Return a non-negative seed for a prompt and a seed. Prompts that differ only in case or spaces share it."""
    digest = hashlib.blake2b(f"{seed}|{' '.join(prompt.lower().split())}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def compose(prompt: str, duration_seconds: float, seed: int) -> Song:
    """Return the score for a prompt. The same arguments give the same score.

    Args:
        prompt: free text; see :func:`prompt.parse_prompt` for what is recognised.
        duration_seconds: length of the piece, above 0.
        seed: any integer.
    """
    return _arranged(plan_music(prompt, duration_seconds, seed))


def compose_loop(prompt: str, loop_seconds: float, duration_seconds: float, seed: int) -> Song:
    """Return the score of a loop, which continues after ``loop_seconds`` in time with its beginning.

    The tempo is changed by at most 10 %, so that the loop has whole bars. The ending is after ``duration_seconds``.
    """
    plan = plan_music(prompt, duration_seconds, seed)
    bar_seconds = STYLES[plan.style].beats_per_bar * 60.0 / plan.tempo_bpm
    stretch = loop_seconds / bar_seconds / max(1, round(loop_seconds / bar_seconds))
    if abs(stretch - 1.0) <= _LOOP_STRETCH:
        bar_seconds *= stretch
        plan = replace(plan, tempo_bpm=plan.tempo_bpm / stretch)
    ending_seconds = 3.0 * bar_seconds
    return _arranged(
        replace(plan, duration_seconds=duration_seconds + ending_seconds, has_intro=False, has_outro=False)
    )


def _arranged(plan: Plan) -> Song:
    song = arrange(plan)
    # The style may have none of the requested players. Then use its whole band.
    return song if song.tracks else arrange(replace(plan, stems=frozenset(STEMS)))


def plan_music(prompt: str, duration_seconds: float, seed: int) -> Plan:
    """Return the plan for a prompt. The seed determines everything that the prompt leaves open."""
    request = parse_prompt(prompt)
    root = seed_for(prompt, seed)
    rng = np.random.default_rng(root)
    mood = request.mood or _NEUTRAL
    name = request.style or str(rng.choice(_style_choices(request, mood)))
    style = STYLES[name]
    is_minor = _mode(request, mood, name, rng)
    tonic = request.tonic if request.tonic is not None else int(rng.integers(12))
    plan = Plan(
        name="generated",
        style=name,
        tempo_bpm=_tempo(request, mood, style, duration_seconds, rng),
        key=Key(tonic, is_minor),
        duration_seconds=duration_seconds,
        seed=root,
        progression=str(rng.choice(_DARK))
        if is_minor and mood.is_minor and mood.energy < 0.7 and not request.style
        else "",
        lead=_lead(request, style, rng),
        stems=_stems(request),
        layers=_layers(request, style),
        bass=next((wanted for wanted in request.wanted if wanted.startswith("bass_")), ""),
        energy=mood.energy,
        has_intro=not request.is_loop,
        has_outro=not request.is_loop,
        builds=request.builds,
    )
    return plan if not request.is_solo else _solo(plan, request, style)


def _style_choices(request: Request, mood: Mood) -> tuple[str, ...]:
    if "power_guitar" in request.wanted:
        return ("rock",)
    if request.is_solo and "drums" in request.wanted:
        return ("rock", "funk", "latin", "hip_hop")
    if request.is_solo:
        return ("classical", "ballad")
    if request.mood is None and any(name in _CHAMBER for name in request.wanted):
        return ("classical", "ballad", "cinematic") if (request.pace or 0.0) < 0.3 else ("classical", "waltz", "jazz")
    return mood.styles


def _mode(request: Request, mood: Mood, style: str, rng: np.random.Generator) -> bool:
    if request.is_minor is not None:
        return request.is_minor
    if mood.is_minor is not None:
        return mood.is_minor
    often_minor = style in ("techno", "trance", "drum_and_bass", "trap", "hip_hop", "metal", "cinematic", "synthwave")
    return bool(rng.random() < (0.8 if often_minor else 0.4))


def _tempo(request: Request, mood: Mood, style: Style, duration_seconds: float, rng: np.random.Generator) -> float:
    """Return the requested tempo, or one of the style at which the piece has whole bars, if one is near."""
    if request.tempo_bpm is not None:
        return request.tempo_bpm
    low, usual, high = style.tempo_bpm
    pace = request.pace if request.pace is not None else 0.7 * mood.pace + float(rng.uniform(-0.2, 0.2))
    tempo_bpm = float(round(usual + pace * (high - usual if pace > 0 else usual - low)))
    bars_per_bpm = duration_seconds / 60.0 / style.beats_per_bar
    fitting_bpm = max(1, round(tempo_bpm * bars_per_bpm)) / bars_per_bpm
    return fitting_bpm if abs(fitting_bpm / tempo_bpm - 1.0) <= _TEMPO_STRETCH else tempo_bpm


def _lead(request: Request, style: Style, rng: np.random.Generator) -> str:
    voices = [wanted for wanted in request.wanted if wanted in _VOICES]
    leads = [wanted for wanted in request.wanted if wanted in _LEADS and wanted not in request.unwanted]
    if voices or leads:
        return (voices or leads)[0]
    choices = [
        lead
        for lead in style.leads
        if lead not in request.unwanted and not (request.is_instrumental and lead.startswith("voice"))
    ]
    return str(rng.choice(choices)) if choices else "synth_lead"


def _stems(request: Request) -> frozenset[str]:
    out = set()
    if "drums" in request.unwanted:
        out.add("drums")
    if any(name.startswith("bass_") for name in request.unwanted):
        out.add("bass")
    if "melody" in request.unwanted:
        out.add("vocals")
    if "chords" in request.unwanted:
        out.add("other")
    return frozenset(STEMS) - out or frozenset(STEMS)


def _layers(request: Request, style: Style) -> tuple[Layer, ...]:
    """Return the style's chord instruments, with wanted instruments in place of some and without the unwanted ones."""
    wanted = [name for name in request.wanted if name in _CHORDS]
    layers = [layer for layer in style.layers if not _is_unwanted(layer.instrument, request)]
    present = {layer.instrument for layer in layers}
    for place, name in enumerate(name for name in wanted if name not in present):
        if place < len(layers):
            old = layers[place]
            pattern = _LONG_NOTES[style.beats_per_bar] if name in _SUSTAINED else old.pattern
            if name not in _SUSTAINED and set(old.pattern) <= {"x", "-", " "} and name != "power_guitar":
                pattern = _BROKEN_CHORDS[style.beats_per_bar]
            layers[place] = replace(old, instrument=name, pattern=pattern, sections="ivcbo", gain=1.0)
        else:
            layers.append(Layer(name, _LONG_NOTES[style.beats_per_bar], 55))
    if not layers:
        layers.append(Layer("epiano", _BROKEN_CHORDS[style.beats_per_bar], 55))
    return tuple(layers)


def _is_unwanted(instrument: str, request: Request) -> bool:
    return instrument in request.unwanted or (
        "guitar" in instrument and any("guitar" in name for name in request.unwanted)
    )


def _solo(plan: Plan, request: Request, style: Style) -> Plan:
    """Keep only the wanted instruments.

    A chord instrument plays accompaniment and melody; others play their own role.
    """
    chords = [name for name in request.wanted if name in _CHORDS]
    if chords:
        hands = tuple(
            layer
            for name in chords
            for layer in (
                Layer(name, _BROKEN_CHORDS[style.beats_per_bar], 53),
                Layer(name, _LEFT_HAND[style.beats_per_bar], 41, gain=0.8),
            )
        )
        lead = next((name for name in request.wanted if name in (*_LEADS, *_VOICES)), chords[0])
        return replace(plan, stems=frozenset(("other", "vocals")), layers=hands, lead=lead)
    stems = set()
    for name in request.wanted:
        if name == "drums":
            stems.add("drums")
        elif name.startswith("bass_"):
            stems.add("bass")
        else:
            stems.add("vocals")
    return replace(plan, stems=frozenset(stems) or plan.stems, has_intro=False)
