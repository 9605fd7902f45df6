"""The composer: turns a prompt, a length and a seed into a plan, and the plan into a score."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from soundwright.services.generation.engines.procedural.arrange import Plan, arrange, bar_count, style_of
from soundwright.services.generation.engines.procedural.instruments import INSTRUMENTS, LEAD, STRIKE, SUSTAIN
from soundwright.services.generation.engines.procedural.prompt import Request, parse_prompt
from soundwright.services.generation.engines.procedural.score import STEMS, Key, Note, Song, Track
from soundwright.services.generation.engines.procedural.styles import STYLES, Layer, Style
from soundwright.services.generation.engines.procedural.variety import varied
from soundwright.services.generation.engines.procedural.vocabulary import HOMES, Mood
from soundwright.services.generation.service import Interpretation, Part

_DEFAULT_STYLES = ("pop", "synthwave", "lofi", "house", "funk", "soul", "cinematic")
_NEUTRAL = Mood(None, 0.0, 0.8, _DEFAULT_STYLES)
_VOICES = ("voice", "voice_low")
_SUSTAINED = tuple(name for name, instrument in INSTRUMENTS.items() if instrument.role == SUSTAIN)
_STRUCK = tuple(name for name, instrument in INSTRUMENTS.items() if instrument.role == STRIKE)
_CHORDS = (*_SUSTAINED, *_STRUCK)
_LEADS = tuple(name for name, instrument in INSTRUMENTS.items() if instrument.role == LEAD and "voice" not in name)
_CHAMBER = frozenset(
    (*_LEADS, "piano", "strings", "harp", "choir", "nylon_guitar", "harpsichord", "pizzicato", "church_organ", "organ")
)
# What plays the melody if a prompt names one of these; other instruments play it themselves.
_SOLOISTS = {
    "strings": "violin", "brass": "trumpet", "power_guitar": "guitar_lead", "saw_chord": "synth_lead", "synth_pluck": "synth_lead", "pad": "",
}  # fmt: skip
_SLOW_ENERGY = 0.44  # of acoustic music whose mood is open
_LEAD_BEHIND = 0.45  # level of a melody that the prompt does not ask for, against a singer's
_BEHIND = 0.6  # level of other players behind those that a prompt names
_DARK = ("i VI iv V", "i i VI V", "i iv VI V")  # progressions for a dark mood, which replace those of the style
_BROKEN_CHORDS = {4: "0.2.1.2.3.2.1.2.", 3: "0.1.2.3.2.1."}
_LONG_NOTES = {4: "x---------------", 3: "x-----------"}
_LOOP_STRETCH = 1.25
_TAIL_BARS = 2  # of a loop, for its cross-fade
_LEAST_PART_SECONDS = 0.05
_NAMES = {"epiano": "electric piano", "sax": "saxophone", "bell": "music box", "bass_fm": "synth bass"}
_TEMPO_STRETCH = 0.08
_ROLES = {"drums": "drums", "bass": "bass_", "vocals": "melody", "other": "chords"}  # of the stems
_LEFT_HAND = {4: "0-------0-------", 3: "0-----------"}


def seed_for(prompt: str, seed: int) -> int:
    """Return a non-negative seed for a prompt and a seed. Prompts that differ only in case or spaces share it."""
    digest = hashlib.blake2b(f"{seed}|{' '.join(prompt.lower().split())}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@dataclass(frozen=True)
class Composition:
    """A piece, and how the prompt of its last part was read."""

    song: Song  # the score. That of a loop goes on after `duration_seconds` with its beginning.
    duration_seconds: float  # length of the clip
    interpretation: Interpretation  # what the composer plays


def compose_parts(parts: Sequence[Part], like: Interpretation | None = None) -> Composition:
    """Return a piece of one or several parts, each of which continues the one before. ``like`` decides tempo and key.

    All parts have style, tempo, key, chords and refrain of the first one. Each begins with the bar in which the part
    before would end, so that no part but the last has an ending. A loop has whole bars: its tempo is adapted, or its
    length if the prompt names the tempo.
    """
    first, last = parts[0], parts[-1]
    request = parse_prompt(last.prompt)
    plan = plan_first(first)
    if like is not None:
        plan = replace(plan, tempo_bpm=like.tempo_bpm, key=Key.parse(like.key))
    bar_beats = STYLES[plan.style].beats_per_bar
    bar_seconds = 60.0 * bar_beats / plan.tempo_bpm
    end_seconds, start_bar = plan.duration_seconds, 0
    begun = [(plan, 0)]
    for part in parts[1:]:
        end_seconds += part.duration_seconds
        start_bar = begun[-1][1] + bar_count(begun[-1][0])
        left_seconds = end_seconds - start_bar * bar_seconds
        if left_seconds < _LEAST_PART_SECONDS:  # the bar before is not over
            before, bar = begun.pop()
            begun.append((replace(before, duration_seconds=end_seconds - bar * bar_seconds), bar))
        else:
            begun.append((_continued(plan, part, left_seconds), start_bar))
    if last.is_loop:
        end_seconds = max(1, round(end_seconds / bar_seconds)) * bar_seconds
        before, bar = begun.pop()
        begun.append((replace(before, duration_seconds=end_seconds - bar * bar_seconds), bar))
    songs = [
        (_arranged(replace(each, ends=not last.is_loop and each is begun[-1][0])), bar * bar_beats)
        for each, bar in begun
    ]
    bars = end_seconds / bar_seconds
    song = _joined(songs, end_seconds)
    if last.is_loop:
        song = _joined([(song, 0), *((_bar(song, number), round(bars) * bar_beats) for number in range(_TAIL_BARS))],
                       end_seconds + _TAIL_BARS * bar_seconds)  # fmt: skip
    return Composition(
        song, end_seconds, _interpretation(request, plan, song, bars, is_continued=like is not None or len(parts) > 1)
    )


def plan_first(part: Part) -> Plan:
    """Return the plan of the first part of a piece."""
    plan = plan_music(part.prompt, part.duration_seconds, part.seed)
    if not part.is_loop:
        return plan
    keeps_tempo = parse_prompt(part.prompt).tempo_bpm is not None
    return replace(_in_whole_bars(plan, keeps_tempo=keeps_tempo), has_intro=False, has_outro=False)


def _in_whole_bars(plan: Plan, *, keeps_tempo: bool) -> Plan:
    bar_seconds = 60.0 * STYLES[plan.style].beats_per_bar / plan.tempo_bpm
    bars = max(1, round(plan.duration_seconds / bar_seconds))
    stretch = plan.duration_seconds / (bars * bar_seconds)
    if keeps_tempo or not 1.0 / _LOOP_STRETCH <= stretch <= _LOOP_STRETCH:
        return replace(plan, duration_seconds=bars * bar_seconds)
    return replace(plan, tempo_bpm=plan.tempo_bpm / stretch)


def _continued(plan: Plan, part: Part, duration_seconds: float) -> Plan:
    """Return the plan of a part that continues a piece: what its prompt names replaces players and mood."""
    style = style_of(plan)
    request = _with_guitars(parse_prompt(part.prompt), style)
    names_layers = any(name in _CHORDS for name in request.wanted)
    basses = [name for name in request.wanted if name.startswith("bass_")]
    leads = [name for name in request.wanted if name in (*_VOICES, *_LEADS)]
    changed = replace(
        plan,
        duration_seconds=duration_seconds,
        variation=seed_for(part.prompt, part.seed),
        lead=leads[0] if leads else plan.lead,
        lead_gain=1.0 if leads else plan.lead_gain,
        layers=_layers(request, style) if names_layers or request.unwanted else plan.layers,
        stems=_stems(request) if request.unwanted else plan.stems,
        bass=basses[0] if basses else plan.bass,
        energy=request.mood.energy if request.mood else plan.energy,
        has_intro=False,
        has_outro=not part.is_loop,
        builds=False,
    )
    return changed if not request.is_solo else _solo(changed, request, style)


def _joined(songs: Sequence[tuple[Song, int]], duration_seconds: float) -> Song:
    """Return songs of one tempo as one, each from its beat. The same player in several songs is one track."""
    players: dict[tuple[str, str, float, float, int], tuple[Track, list[Note]]] = {}
    for song, start_beat in songs:
        seen: Counter[tuple[str, str, float, float]] = Counter()
        for track in song.tracks:
            player = (track.stem, track.instrument, track.gain, track.pan)
            seen[player] += 1
            _, notes = players.setdefault((*player, seen[player]), (track, []))
            notes += [replace(note, start_beat=note.start_beat + start_beat) for note in track.notes]
    tracks = tuple(replace(track, notes=tuple(notes)) for track, notes in players.values())
    return replace(songs[0][0], duration_seconds=duration_seconds, tracks=tracks)


def _bar(song: Song, number: int) -> Song:
    """Return the notes of one bar, at their place."""
    begin, end = number * song.beats_per_bar, (number + 1) * song.beats_per_bar
    tracks = (
        replace(track, notes=tuple(note for note in track.notes if begin <= note.start_beat < end))
        for track in song.tracks
    )
    return replace(song, tracks=tuple(tracks))


def _arranged(plan: Plan) -> Song:
    song = arrange(plan)
    # The style may have none of the requested players. Then use its whole band.
    return song if song.tracks else arrange(replace(plan, stems=frozenset(STEMS)))


def _interpretation(request: Request, plan: Plan, song: Song, bars: float, *, is_continued: bool) -> Interpretation:
    open_fields = {
        "style": request.genre is None,
        "tempo_bpm": request.tempo_bpm is None,
        "key": request.tonic is None or (request.is_minor is None and request.mood is None),
        "instruments": not request.wanted,
    }
    unmet = []
    if is_continued:  # what cannot change within a piece
        key = Key(request.tonic if request.tonic is not None else plan.key.tonic,
                  request.is_minor if request.is_minor is not None else plan.key.is_minor)  # fmt: skip
        unmet = [
            *((request.genre.name,) if request.genre and request.style != plan.style else ()),
            *((f"{request.tempo_bpm:g} bpm",) if request.tempo_bpm not in (None, plan.tempo_bpm) else ()),
            *((str(key),) if key != plan.key else ()),
        ]
    return Interpretation(
        style=plan.style.replace("_", " "),
        tempo_bpm=round(plan.tempo_bpm, 2),
        key=str(plan.key),
        bars=round(bars, 2),
        instruments=tuple(dict.fromkeys(_spoken(track.instrument) for track in song.tracks)),
        chosen=() if is_continued else tuple(name for name, is_open in open_fields.items() if is_open),
        ignored_words=(*unmet, *request.ignored_words),
    )


def _spoken(instrument: str) -> str:
    """Return the name of an instrument in plain words."""
    kind, _, variant = instrument.partition("_")
    if kind == "kit":
        return "drums"
    if instrument not in _NAMES and kind in ("bass", "voice", "guitar") and variant:
        return f"{variant} {kind}"
    return _NAMES.get(instrument, instrument.replace("_", " "))


def plan_music(prompt: str, duration_seconds: float, seed: int) -> Plan:
    """Return the plan for a prompt. The seed determines everything that the prompt leaves open."""
    request = parse_prompt(prompt)
    root = seed_for(prompt, seed)
    rng = np.random.default_rng(root)
    mood = request.mood or _NEUTRAL
    choices = _style_choices(request, mood)
    name = request.style or str(
        rng.choice([name for name in choices if name not in request.unwanted_styles] or choices)
    )
    style = varied(name, STYLES[name], root)
    request = _with_guitars(request, style)
    is_minor = _mode(request, mood, name, rng)
    tonic = request.tonic if request.tonic is not None else int(rng.integers(12))
    lead = _lead(request, style, rng)
    is_slow = (request.pace or 0.0) < -0.5 and style.kit not in ("kit_rock", "kit_electronic")
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
        lead=lead,
        lead_gain=1.0
        if lead in (*_VOICES, "choir", *request.wanted, *map(_SOLOISTS.get, request.wanted))
        else _LEAD_BEHIND,
        stems=_stems(request),
        layers=_layers(request, style),
        bass=next((name for name in (*request.wanted, *request.band) if name.startswith("bass_")), ""),
        energy=_SLOW_ENERGY if is_slow and not request.mood else mood.energy,
        has_intro=not request.is_loop,
        has_outro=not request.is_loop,
        builds=request.builds,
        is_varied=True,
    )
    return plan if not request.is_solo else _solo(plan, request, style)


def _with_guitars(request: Request, style: Style) -> Request:
    """Return a request in which "guitar" is that of the style."""
    own = (layer.instrument for layer in style.layers if "guitar" in layer.instrument)
    guitar = next(own, "steel_guitar")
    return replace(request, wanted=tuple(guitar if name == "guitar" else name for name in request.wanted))


def _style_choices(request: Request, mood: Mood) -> tuple[str, ...]:
    if "power_guitar" in request.wanted or (mood.energy == 1.0 and "guitar" in request.wanted):
        return ("rock",)
    if request.is_solo and "drums" in request.wanted:
        return ("rock", "funk", "latin", "hip_hop")
    if request.is_solo:
        return ("classical", "ballad")
    if homes := tuple(HOMES[name] for name in request.wanted if name in HOMES):
        return homes[:1]
    if any(name in _CHAMBER for name in request.wanted):
        return ("classical",)
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
    if request.genre and request.genre.tempo_bpm:
        shift = request.genre.tempo_bpm / usual
        low, usual, high = low * shift, usual * shift, high * shift
    pace = request.pace if request.pace is not None else 0.7 * mood.pace + float(rng.uniform(-0.2, 0.2))
    tempo_bpm = float(round(usual + pace * (high - usual if pace > 0 else usual - low)))
    bars_per_bpm = duration_seconds / 60.0 / style.beats_per_bar
    fitting_bpm = max(1, round(tempo_bpm * bars_per_bpm)) / bars_per_bpm
    return fitting_bpm if abs(fitting_bpm / tempo_bpm - 1.0) <= _TEMPO_STRETCH else tempo_bpm


def _lead(request: Request, style: Style, rng: np.random.Generator) -> str:
    voices = [name for name in (*request.wanted, *request.band) if name in _VOICES]
    soloists = (*_STRUCK, "choir") if style.groove else _CHORDS  # sections and organs accompany a band
    leads = [name for name in request.wanted if name in _LEADS]
    leads += [_SOLOISTS.get(name, name) for name in request.wanted if name in soloists]
    leads += [name for name in request.band if name in (*_LEADS, "choir")]
    if voices or (leads := [name for name in leads if name]):
        return (voices or leads)[0]
    choices = [lead for lead in style.leads if lead not in request.unwanted and not lead.startswith("voice")]
    return str(rng.choice(choices)) if choices else "synth_lead"


def _stems(request: Request) -> frozenset[str]:
    out = {stem for stem, role in _ROLES.items() if any(name.startswith(role) for name in request.unwanted)}
    return frozenset(STEMS) - out or frozenset(STEMS)


def _layers(request: Request, style: Style) -> tuple[Layer, ...]:
    """Return the style's chord instruments, with wanted instruments in place of some and without the unwanted ones."""
    players = (*request.wanted, *request.band)
    leads = [name for name in players if name in _LEADS or name in _VOICES]  # one has the melody
    wanted = [name for name in players if name in _CHORDS or (name in leads[1:] and name not in _VOICES)]
    is_complete = bool(wanted) and not style.groove  # chamber music has no other players than those
    layers = [
        replace(layer, sections="ivcbo") if layer.instrument in wanted else layer
        for layer in style.layers
        if not _is_unwanted(layer.instrument, request) and not (is_complete and layer.instrument not in wanted)
    ]
    in_front = any(name in (*_LEADS, *_CHORDS) for name in request.wanted)
    if in_front:
        layers = [
            layer if layer.instrument in wanted else replace(layer, gain=_BEHIND * layer.gain) for layer in layers
        ]
    present = {layer.instrument for layer in layers}
    strikes = {name for name in wanted if INSTRUMENTS[name].role == STRIKE}
    others = [place for place, layer in enumerate(layers) if layer.instrument not in wanted]
    for name in (name for name in wanted if name not in present):
        if others:
            old = layers[place := others.pop(0)]
            figure = old.pattern if name in strikes else _LONG_NOTES[style.beats_per_bar]
            if name in strikes and set(old.pattern) <= {"x", "-", " "} and name != "power_guitar":
                figure = _BROKEN_CHORDS[style.beats_per_bar]
            gain = _BEHIND if in_front and name in request.band else 1.0
            layers[place] = replace(old, instrument=name, pattern=figure, sections="ivcbo", gain=gain)
        else:
            pattern = _BROKEN_CHORDS if name in strikes and not layers else _LONG_NOTES
            layers.append(Layer(name, pattern[style.beats_per_bar], 55))
    if not layers:
        layers.append(Layer("epiano", _BROKEN_CHORDS[style.beats_per_bar], 55))
    return tuple(layers)


def _is_unwanted(instrument: str, request: Request) -> bool:
    is_voice = instrument == "choir" and request.is_instrumental and "choir" not in request.wanted
    is_guitar = "guitar" in instrument and any("guitar" in name for name in request.unwanted)
    return instrument in request.unwanted or is_voice or is_guitar


def _solo(plan: Plan, request: Request, style: Style) -> Plan:
    """Keep only the wanted instruments.

    A chord instrument plays accompaniment and melody; others play their own role.
    """
    leads = [name for name in request.wanted if name in (*_LEADS, *_VOICES)]
    chords = [name for name in request.wanted if name in _CHORDS] or leads[1:]
    if chords:
        hands = tuple(
            layer
            for name in chords
            for layer in (
                *((Layer(name, _BROKEN_CHORDS[style.beats_per_bar], 53),) if name in _CHORDS else ()),
                Layer(name, _LEFT_HAND[style.beats_per_bar], 41, gain=0.8),
            )
        )
        lead = next(iter(leads), chords[0])
        return replace(plan, stems=frozenset(("other", "vocals")), layers=hands, lead=lead)
    stems = frozenset(
        "drums" if name == "drums" else "bass" if name.startswith("bass_") else "vocals" for name in request.wanted
    )
    return replace(plan, stems=stems or plan.stems, has_intro=False)
