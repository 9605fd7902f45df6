"""The sound designer: words in a prompt select sounds, words before them modify these, and a reverb combines them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from soundwright.services.generation.engines.procedural import effects, events, textures
from soundwright.services.generation.engines.procedural.prompt import find_words, negated, plain, words_of
from soundwright.services.generation.engines.procedural.textures import Stage
from soundwright.services.generation.engines.procedural.vocabulary import FILLERS, NEGATIONS, by_phrase
from soundwright.services.generation.engines.procedural.waves import Wave

Samples = NDArray[np.float32]

_TEXTURE_RMS = 0.12
_EVENT_PEAK = 0.75
_VARIANTS = 6


@dataclass(frozen=True)
class Source:
    """One kind of sound."""

    texture: textures.Texture | None = None  # renders it, if it is continuous
    event: events.Event | None = None  # renders one occurrence, if it is discrete
    spacing_seconds: float = 3.0  # time between occurrences
    jitter: float = 0.5  # irregularity of the spacing: 0 is regular, 1 is random
    level: float = 1.0  # loudness relative to other sources


@dataclass(frozen=True)
class Cue:
    """A source as a prompt requests it."""

    source: str  # a name in SOURCES
    strength: float = 0.5  # 0 to 1
    pace: float = 1.0  # 1 is normal
    is_distant: bool = False  # duller and quieter


_SOUNDSCAPE = (Cue("drone"), Cue("whoosh", strength=0.2, pace=0.4, is_distant=True))
"""The scene of a prompt that names no known sound."""


# Textures with their level.
_TEXTURES = """
rain wind ocean stream:0.9 bubbling fire crowd:0.9 cheering applause static:0.8 vinyl:0.6 engine propeller jet train traffic:0.9
hum:0.7 drone:0.9 crickets:0.6
"""
# Events with spacing, jitter and level. Sounds that differ from their recipe in name have it after "=".
_EVENTS = """
thunder 7; explosion 4.5; gunshot 1.1; footsteps=footstep 0.55 0.06; heartbeat 0.9 0; door 4; knock 2.5; glass 3.5; metal 1.8;
bell 2.8 0.05; chime 3.2; beep 0.8 0 0.6; notification 3 0.1 0.8; failure 2.5 0.1 0.7; click 0.9 0.4 0.8; tick 0.5 0 0.7;
coin 1.4 0.4 0.6; jump 1.2 0.4 0.7; laser 0.8; whoosh 1.8; impact 1.5; alarm 1 0 0.6; siren 4 0 0.6; horn 3 0.6 0.5; phone 4 0 0.6;
bird 0.7 1 0.5; drip 1.1 0.8 0.7; splash 2.5; bark 0.9 0.8; meow 2.2; roar 3.2; robot 1.6 0.4 0.6; typing 0.16 0.7 0.8; riser 4 0
"""


def _sources() -> Iterator[tuple[str, Source]]:
    for entry in _TEXTURES.split():
        name, _, level = entry.partition(":")
        yield name, Source(textures.TEXTURES[name], level=float(level or 1))
    for entry in _EVENTS.split(";"):
        names, *values = entry.split()
        name, _, recipe = names.partition("=")
        yield name, Source(None, events.EVENTS[recipe or name], *map(float, values))


SOURCES: Mapping[str, Source] = MappingProxyType(dict(_sources()))

# Sources: phrases. A phrase may stand for a whole scene.
_SCENE_TABLE = """
rain: rain, raining, rainfall, rainy, raindrops, drizzle, downpour, shower
rain thunder wind: storm, thunderstorm, stormy, tempest, hurricane
thunder: thunder, lightning, thunderclap
wind: wind, windy, breeze, gust, gusts, blizzard, tornado, howling wind
ocean: ocean, sea, waves, surf, shore, coast, tide
ocean bird wind: beach, seaside, seagulls, harbor, harbour
stream: stream, river, brook, creek, waterfall, fountain, water, flowing water, waterfalls
bubbling: bubbles, bubbling, boiling, underwater, cauldron, potion, aquarium, cooking
drip: drip, dripping, drips, droplet, droplets, water drops, water drop, leak, leaking, tap
splash: splash, splashing, swimming, diving
fire: fire, flames, burning, fireplace, crackling fire, bonfire, frying, sizzling, torch
fire crickets: campfire, camping
bird: bird, birds, birdsong, chirping, tweeting, songbird, songbirds, sparrow, robin
bird wind stream: forest, woods, jungle, rainforest, nature, meadow, park, garden, spring morning
crickets: crickets, cicadas, insects, night, swamp, summer night, frogs, bugs
bark: dog, dogs, bark, barking, puppy
meow: cat, cats, meow, meowing, kitten
roar: monster, roar, roaring, growl, growling, beast, dragon, dinosaur, lion, zombie, demon, creature, alien
crowd: crowd, people, talking, chatter, conversation, market, babble, walla, voices
crowd glass: cafe, restaurant, bar, pub, coffee shop, party
cheering: cheering, cheer, stadium, sports, audience, fans, concert
applause: applause, clapping, ovation
footsteps: footsteps, footstep, steps, walking, running, walk, boots, marching, gravel
heartbeat: heartbeat, heart, pulse, heart beat
door: door, creak, creaking, creaky, gate, slam
knock: knock, knocking, knocks
glass: glass, shatter, shattering, breaking glass, smash, dishes, bottle
metal: metal, clang, metallic, sword, swords, hammer, anvil, blacksmith, construction, chain, chains
engine: engine, car, motor, motorcycle, truck, vehicle, racing, lawn mower, tractor, chainsaw, generator
propeller: helicopter, propeller, chopper, rotor, fan
jet: jet, airplane, aircraft, plane, turbine, rocket, takeoff
train: train, railway, railroad, locomotive, subway, metro
traffic horn: traffic, city, street, urban, highway, road, cars
horn: horn, honk, honking, foghorn, ship horn
siren: siren, police, ambulance, fire truck, emergency
alarm: alarm, warning, alert, alarm clock, red alert
phone: phone, telephone, ringing, ringtone, phone ringing
explosion: explosion, explosions, explode, bomb, blast, boom, grenade, fireworks, detonation
explosion gunshot: war, battle, battlefield, combat
gunshot: gun, gunshot, gunshots, gunfire, shooting, rifle, pistol, shot, shots
laser: laser, lasers, blaster, phaser, ray gun, zap, pew
whoosh: whoosh, swoosh, swish, swipe, transition, swing, arrow, passing by, flyby
impact: impact, hit, punch, thud, punching, kick, drum hit, boxing, falling, crash, stomp
riser: riser, uplifter, tension rise, build up, buildup
bell: bell, bells, church bell, church bells, gong, temple, tower bell
chime: chime, chimes, magic, magical, sparkle, sparkles, fairy, spell, level up, success, reward, win, power up
beep: beep, beeps, beeping, tone, monitor, sonar, hospital
notification: notification, ding, message, ping, confirm, ui, interface, app
failure: failure, error, fail, wrong, game over, buzzer, denied, lose
click: click, clicks, clicking, button, mouse, switch, camera, snap
tick: clock, tick, ticking, timer, tick tock, metronome, countdown
coin: coin, coins, pickup, collect, money, cash
jump: jump, jumping, hop, bounce, boing, spring
coin laser jump: arcade, video game, 8 bit, retro game, platformer
robot: robot, robots, computer, droid, android, sci fi computer, processing, data, glitch, android voice
typing: typing, keyboard, typewriter, keys
typing hum: office, workplace, server room
hum: hum, humming, machine, machinery, refrigerator, air conditioner, electrical, electric, power, vent
engine metal hum: factory, industrial, mechanical, workshop, mill
hum drone: space, spaceship, spacecraft, starship, space station, sci fi, futuristic, ufo
drone: drone, drones, ambience, ambient, atmosphere, dark ambience, soundscape, pad, eerie, mysterious
drone door wind: horror, haunted, haunted house, scary, spooky, creepy, ghost, nightmare
drip drone: cave, dungeon, sewer, cavern
wind robot static: experimental, weird, strange, bizarre, avant garde, musique concrete, abstract, noise music
static: static, radio, white noise, noise, interference, television, tv, pink noise, brown noise
vinyl: vinyl, record, crackle, vinyl crackle, gramophone, record player, turntable
"""
_SCENES = by_phrase(_SCENE_TABLE, lambda sources, _: tuple(sources))


def _phrases(text: str) -> frozenset[str]:
    return frozenset(text.split(", "))


_DISTANT = _phrases("distant, far, faraway, muffled, faint, remote, outside")
_STRONG = _phrases("heavy, loud, intense, violent, strong, massive, huge, powerful, big, giant, raging")
_LIGHT = _phrases("light, gentle, soft, quiet, small, subtle, calm, mild, tiny, little, low")
_FAST = _phrases("fast, rapid, quick, running, racing, frantic, accelerating, speeding")
_SLOW = _phrases("slow, slowly, lazy, idle, idling, steady")
_BENDS: tuple[tuple[frozenset[str], Callable[[Cue], Cue]], ...] = (
    (_DISTANT, lambda cue: replace(cue, is_distant=True)),
    (_STRONG, lambda cue: replace(cue, strength=0.9)),
    (_LIGHT, lambda cue: replace(cue, strength=0.2)),
    (_FAST, lambda cue: replace(cue, pace=1.6)),
    (_SLOW, lambda cue: replace(cue, pace=0.65)),
)
_LARGE_ROOMS = _phrases(
    "cave, cavern, cathedral, church, hall, tunnel, canyon, dungeon, echo, echoing, temple, warehouse"
)
_SMALL_ROOMS = _phrases("room, indoor, indoors, house, kitchen, bathroom, office, inside, corridor")
_MODIFIERS = _DISTANT | _STRONG | _LIGHT | _FAST | _SLOW | _LARGE_ROOMS | _SMALL_ROOMS
# Phrases for places. They are used only if the prompt names no other sound.
_SETTINGS = _phrases(
    "ui, interface, app, sci fi, futuristic, video game, retro game, ambient, ambience, atmosphere, soundscape, scary, spooky, creepy, eerie,"
    " mysterious, nature, night, magical, metallic, noise, power, electric, mechanical, people, water,"
    " experimental, weird, strange, bizarre, avant garde, musique concrete, abstract, noise music"
)
_AMBIENCE = ("rain", "vinyl", "ocean", "fire", "bird", "crickets", "thunder", "stream")
_NOISES = ("wind", "robot", "static")  # of experimental music
_BEHIND, _IN_FRONT = 0.35, 0.9  # levels of the sounds of music
_AMBIENCE_WORDS = _phrases(
    "rain, raindrops, rainfall, vinyl, vinyl crackle, ocean, waves, fireplace, campfire, birds, birdsong, crickets, thunder, thunderstorm,"
    " stream, crackle"
)


@dataclass(frozen=True)
class Heard:
    """The sounds of a prompt."""

    cues: tuple[Cue, ...]  # in order, without duplicates
    words: frozenset[str]  # words of the prompt that name or exclude them, or say how they sound
    ignored_words: tuple[str, ...]  # the other words, except those without meaning
    is_named: bool = True  # whether the prompt names any of the sounds
    level: float = 1.0  # of all of them, in music


def scene(prompt: str) -> Heard:
    """Return the sounds of a prompt for sound effects. An unknown scene becomes a quiet, moving soundscape."""
    heard = _heard(prompt, _SCENES)
    return heard if heard.cues else replace(heard, cues=_SOUNDSCAPE, is_named=False)


def ambience(prompt: str) -> Heard:
    """Return the background sounds in a prompt for music ("lo-fi beats and rain"), or the noises of experimental music."""
    noisy = _heard(prompt, {phrase: names for phrase, names in _SCENES.items() if names == _NOISES})
    heard = _heard(prompt, {phrase: names for phrase, names in _SCENES.items() if phrase in _AMBIENCE_WORDS})
    heard = replace(heard, cues=tuple(cue for cue in heard.cues if cue.source in _AMBIENCE), level=_BEHIND)
    return heard if heard.cues or not noisy.cues else replace(noisy, level=_IN_FRONT)


def _heard(prompt: str, scenes: Mapping[str, tuple[str, ...]]) -> Heard:
    prompt = plain(prompt)
    words = words_of(prompt)
    found: dict[str, Cue] = {}
    end_before = 0
    hits = find_words(words, scenes)
    without = negated(prompt, (*hits, *find_words(words, _MODIFIERS)))
    unwanted = {name for start, _, phrase in hits if start in without for name in scenes[phrase]}
    wanted = [hit for hit in hits if hit[0] not in without]
    named = [hit for hit in wanted if hit[2] not in _SETTINGS] or wanted
    for start, length, phrase in named:
        near = words[max(end_before, start - 3) : start]
        end_before = start + length
        for name in scenes[phrase]:
            if name not in unwanted:
                found.setdefault(name, _bent(Cue(name), near + words[start : start + length]))
    known = {word for start, length, _ in hits for word in words[start : start + length]}
    known |= _MODIFIERS & set(words)
    ignored = dict.fromkeys(word for word in words if word not in known | FILLERS | NEGATIONS)
    return Heard(tuple(found.values()), frozenset(known), tuple(ignored))


def _bent(cue: Cue, near: tuple[str, ...]) -> Cue:
    for word in near:
        for words, change in _BENDS:
            if word in words:
                cue = change(cue)
    return cue


def design(
    heard: Heard, frames: int, rate_hz: int, rng: np.random.Generator, report: Callable[[float], None]
) -> Samples:
    """Return a scene, float32 [2, frames]. ``report`` is called with the share of the work that is done, 0 to 1."""
    mixed = np.zeros((2, frames), dtype=np.float32)
    for number, cue in enumerate(heard.cues):
        # The first sound is in the foreground.
        mixed += np.float32(1.0 if number == 0 else 0.75) * render_cue(cue, frames, rate_hz, rng)
        report((number + 1) / (len(heard.cues) + 1))
    wet, decay_seconds = _room(heard.words, heard.cues)
    if wet:
        mixed = mixed + np.float32(wet) * effects.reverb(mixed.mean(axis=0), rate_hz, decay_seconds, rng)
    return mixed


def render_cue(cue: Cue, frames: int, rate_hz: int, rng: np.random.Generator) -> Samples:
    """Return one source at its level, float32 [2, frames]."""
    source = SOURCES[cue.source]
    stage = Stage(frames, rate_hz, rng, cue.strength, cue.pace)
    level = source.level * (0.6 + 0.8 * cue.strength) * (0.45 if cue.is_distant else 1.0)
    if source.texture is not None:
        sound = source.texture(stage)
        level *= _TEXTURE_RMS / (effects.active_rms(sound, rate_hz) + 1e-9)
    else:
        assert source.event is not None
        sound = _strewn(source.event, source, stage)
        level *= _EVENT_PEAK
    if cue.is_distant:
        sound = effects.lowpassed(sound, rate_hz, 1100.0)
    return np.asarray(sound * np.float32(level), dtype=np.float32)


def _strewn(event: events.Event, source: Source, stage: Stage) -> Samples:
    """Return occurrences over time, cycling through a few variants, float32 [2, frames]."""
    out = np.zeros((2, stage.frames), dtype=np.float32)
    variants: list[Wave] = []
    for number, start in enumerate(_starts(source, stage)):
        if len(variants) < _VARIANTS:
            variants.append(event(stage.rate_hz, stage.rng))
        wave = variants[number % len(variants)]
        # Regular events such as steps are centred. Random events have random positions.
        pan = float(stage.rng.uniform(-0.7, 0.7)) * source.jitter
        force = float(stage.rng.uniform(1.0 - 0.4 * source.jitter, 1.0))
        end = min(stage.frames, start + wave.size)
        out[:, start:end] += np.float32(force) * effects.panned(wave[: end - start], pan)
    return out


def _starts(source: Source, stage: Stage) -> Iterator[int]:
    spacing = source.spacing_seconds / stage.pace
    at = min(0.04, 0.02 * stage.seconds)
    while at < stage.seconds:
        yield min(stage.frames - 1, round(at * stage.rate_hz))
        at += spacing * (1.0 + source.jitter * float(stage.rng.uniform(-0.6, 0.9)))


def _room(words: frozenset[str], scene: tuple[Cue, ...]) -> tuple[float, float]:
    """Return the level and the decay (seconds) of the reverb."""
    if words & _LARGE_ROOMS:
        return 0.7, 3.0
    if words & _SMALL_ROOMS:
        return 0.3, 0.5
    return (0.12, 0.9) if any(SOURCES[cue.source].event for cue in scene) else (0.0, 0.0)
