"""Parses prompts for music: tempo, key, mood, genre and instruments, recognised as whole words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.generation.engines.procedural.score import PITCH_CLASSES

_TEMPO_BPM = re.compile(
    r"\b(\d{2,3})(?:\.\d+)?\s*-?\s*bpm\b|\bbpm\s*(?:of|:|=)?\s*(\d{2,3})\b|\btempo\s*(?:of|:|=)?\s*(\d{2,3})\b"
)
_KEY = re.compile(
    r"(?<![a-z0-9#])([a-g])(#|♯|b|♭|[ -]sharp|[ -]flat)?[ -]?(major|minor|maj|min)\b(?:[ -](key|scale|mode|mood|feel))?"
)
_SHORT_KEY = re.compile(r"(?<![A-Za-z0-9#])([A-G])(#|b|♯|♭)?m(?![A-Za-z0-9#])")
_KEY_OF = re.compile(r"\bkey of ([a-g])(#|♯|b|♭|[ -]sharp|[ -]flat)?(?![a-z0-9])")
_TEMPO_LIMITS_BPM = (40.0, 220.0)


@dataclass(frozen=True)
class Mood:
    """The effect of a mood on music.

    Args:
        is_minor: the mode that it suggests; None for either.
        pace: -1 (slowest of the style) to 1 (fastest).
        energy: 0 (calm) to 1 (full).
        styles: suitable genres if the prompt names none.
    """

    is_minor: bool | None
    pace: float
    energy: float
    styles: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """A parsed prompt. The composer decides about empty fields.

    Args:
        style: a name in :data:`styles.STYLES`, or empty.
        tempo_bpm: tempo as a number, or None.
        pace: -1 (slow) to 1 (fast), or None.
        tonic: pitch class, or None.
        is_minor: mode, or None.
        mood: the first mood in the prompt, or None.
        wanted: instruments in the prompt, in order.
        unwanted: instruments and roles to leave out.
        is_solo: only the wanted instruments play.
        is_instrumental: no voice.
        is_loop: no intro and no outro.
        builds: starts quietly and grows.
    """

    style: str = ""
    tempo_bpm: float | None = None
    pace: float | None = None
    tonic: int | None = None
    is_minor: bool | None = None
    mood: Mood | None = None
    wanted: tuple[str, ...] = ()
    unwanted: frozenset[str] = frozenset()
    is_solo: bool = False
    is_instrumental: bool = False
    is_loop: bool = False
    builds: bool = False


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


def _table(lines: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    return MappingProxyType({phrase: name for name, phrases in lines for phrase in _phrases(phrases)})


_STYLES = _table(
    (
        (
            "drum_and_bass",
            "drum and bass, drum n bass, drum & bass, dnb, d&b, jungle, liquid funk, breakbeat, breakcore",
        ),
        ("hip_hop", "hip hop, hiphop, rap, boom bap, trip hop, downtempo, phonk"),
        ("trap", "trap, drill, 808s"),
        ("lofi", "lo fi, lofi, chillhop, study beats, study music, chill beats, vaporwave"),
        (
            "house",
            "house, deep house, edm, dance music, dance, club, electronic dance, garage, electro, electronic, dubstep",
        ),
        ("techno", "techno, industrial, acid, minimal"),
        ("trance", "trance, psytrance, eurodance, hardstyle, rave"),
        ("disco", "disco, nu disco, 70s"),
        ("synthwave", "synthwave, retrowave, outrun, 80s, synthpop, synth pop, new wave, cyberpunk, darkwave"),
        ("bossa", "bossa nova, bossa, samba, brazilian"),
        ("latin", "latin, salsa, mambo, rumba, cumbia, reggaeton, tango, flamenco, cuban, afrobeat, calypso"),
        ("funk", "funk, funky, groove, groovy"),
        ("soul", "soul, soulful, r&b, rnb, neo soul, motown, gospel"),
        ("jazz", "jazz, jazzy, swing, bebop, big band, ragtime, dixieland, smooth jazz"),
        ("blues", "blues, bluesy, delta"),
        ("reggae", "reggae, dub, ska, rocksteady, dancehall, jamaican"),
        ("metal", "metal, heavy metal, metalcore, thrash, djent, death metal, hardcore"),
        ("rock", "rock, punk, grunge, indie, alternative, hard rock, garage rock, surf"),
        ("ballad", "ballad, love song, lullaby, power ballad"),
        ("waltz", "waltz, 3/4, three four, minuet, viennese"),
        ("country", "country, bluegrass, folk, acoustic, americana, western, celtic, irish, singer songwriter"),
        (
            "ambient",
            "ambient, drone, meditation, spa, new age, soundscape, atmospheric, sleep, yoga, space music, healing",
        ),
        (
            "cinematic",
            "cinematic, orchestral, orchestra, soundtrack, film score, movie, trailer, film, epic, symphonic, fantasy, "
            "battle, adventure, game music, boss fight",
        ),
        (
            "classical",
            "classical, baroque, chamber, sonata, romantic era, string quartet, nocturne, etude, prelude, mozart",
        ),
        ("chiptune", "chiptune, 8 bit, 8bit, chip tune, retro game, video game, arcade, nes, gameboy"),
        ("pop", "pop, k pop, kpop, j pop, radio, indie pop, commercial, corporate, christmas"),
    )
)

_COLOURS = _phrases(
    "epic, electronic, dance, indie, alternative, acoustic, orchestral, orchestra, cinematic, atmospheric, minimal, funky, "
    "groovy, jazzy, bluesy, soulful, retro, radio, battle, adventure, fantasy, movie, film, trailer, soundtrack, club, "
    "groove, 80s, 70s"
)

_MOODS: Mapping[str, Mood] = MappingProxyType(
    {
        phrase: mood
        for phrases, mood in (
            (
                "happy, joyful, cheerful, joy, fun, playful, sunny, bright, feel good, carefree, whimsical, summer, party",
                Mood(False, 0.35, 0.9, ("pop", "funk", "disco", "country")),
            ),
            (
                "uplifting, inspiring, inspirational, motivational, hopeful, optimistic, triumphant, victorious, proud",
                Mood(False, 0.3, 0.95, ("pop", "cinematic", "trance")),
            ),
            (
                "sad, melancholic, melancholy, sorrowful, lonely, heartbroken, mournful, tragic, somber, emotional, rainy",
                Mood(True, -0.6, 0.4, ("ballad", "classical", "lofi")),
            ),
            (
                "dark, ominous, sinister, evil, gloomy, gothic, brooding, grim, menacing, noir",
                Mood(True, -0.2, 0.65, ("cinematic", "techno", "synthwave", "trap")),
            ),
            (
                "tense, suspenseful, suspense, scary, creepy, horror, eerie, anxious, spooky, haunting, thriller, mysterious, "
                "mystery",
                Mood(True, -0.3, 0.6, ("cinematic", "ambient")),
            ),
            (
                "peaceful, calm, relaxing, relaxed, gentle, soft, serene, tranquil, soothing, quiet, meditative, chill, "
                "mellow, warm",
                Mood(False, -0.6, 0.3, ("ambient", "lofi", "bossa", "classical")),
            ),
            (
                "dreamy, ethereal, floating, heavenly, celestial, magical, hypnotic",
                Mood(None, -0.5, 0.4, ("ambient", "synthwave")),
            ),
            ("romantic, tender, love, sensual, intimate, sexy", Mood(False, -0.4, 0.45, ("ballad", "soul", "bossa"))),
            (
                "nostalgic, wistful, bittersweet, vintage, retro, longing",
                Mood(None, -0.3, 0.5, ("lofi", "synthwave", "soul")),
            ),
            (
                "epic, heroic, majestic, powerful, grand, dramatic, massive, intense, glorious",
                Mood(True, 0.1, 1.0, ("cinematic",)),
            ),
            (
                "energetic, aggressive, angry, furious, driving, wild, frantic, high energy, hard, heavy, exciting, pumping",
                Mood(True, 0.6, 1.0, ("rock", "drum_and_bass", "metal", "house")),
            ),
        )
        for phrase in _phrases(phrases)
    }
)

_PACES: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(("slow", "slowly", "downtempo", "largo", "adagio", "very slow", "laid back"), -0.9),
        **dict.fromkeys(("mid tempo", "midtempo", "moderate", "medium tempo", "andante"), 0.0),
        **dict.fromkeys(("upbeat", "uptempo", "up tempo", "lively", "bouncy", "allegro"), 0.5),
        **dict.fromkeys(("fast", "quick", "rapid", "very fast", "presto", "fast paced", "high tempo", "racing"), 0.95),
    }
)

_INSTRUMENTS = _table(
    (
        ("piano", "piano, pianos, grand piano, keys, keyboard"),
        ("epiano", "electric piano, rhodes, wurlitzer, e piano"),
        ("organ", "organ, hammond, church organ, accordion"),
        ("pad", "pad, pads, synth pad, synth pads"),
        ("strings", "strings, string section, string ensemble, violins"),
        ("choir", "choir, choral, chorus singers, choirs, monks"),
        ("brass", "brass, horns, horn section, trombone, french horn"),
        ("nylon_guitar", "nylon guitar, classical guitar, spanish guitar, ukulele, lute"),
        ("steel_guitar", "acoustic guitar, acoustic guitars, guitar, guitars, banjo, mandolin, sitar"),
        (
            "power_guitar",
            "electric guitar, electric guitars, distorted guitar, distorted guitars, heavy guitars, guitar riff",
        ),
        ("guitar_lead", "guitar solo, lead guitar"),
        ("harp", "harp, koto, kalimba"),
        ("bell", "bell, bells, glockenspiel, music box, celesta, chimes, vibraphone"),
        ("marimba", "marimba, xylophone, steel drum, steel drums, steelpan"),
        ("synth_pluck", "arpeggio, arpeggios, arpeggiated, arp, plucks, synth pluck"),
        ("saw_chord", "supersaw, synth chords, stabs"),
        ("synth_lead", "synth, synths, synthesizer, synthesizers, synth lead, lead synth"),
        ("square_lead", "square wave, chip lead"),
        ("sax", "sax, saxophone"),
        ("flute", "flute, flutes, pan flute, recorder, whistle, shakuhachi"),
        ("clarinet", "clarinet, oboe, bassoon"),
        ("trumpet", "trumpet, cornet, flugelhorn"),
        ("violin", "violin, fiddle, viola"),
        ("cello", "cello, cellos"),
        ("voice", "voice, voices, vocal, vocals, singer, singing, female vocals, female vocal, sung, lyrics"),
        ("voice_low", "male vocals, male vocal, male voice, baritone, deep voice"),
        ("bass_upright", "upright bass, double bass, contrabass"),
        ("bass_electric", "bass guitar, slap bass, bassline, bass line, bass"),
        ("bass_sub", "sub bass, 808 bass"),
        ("bass_fm", "synth bass, acid bass"),
        ("drums", "drums, drum, drum kit, percussion, beat, beats, drumming, drummer, hi hats, cymbals"),
        ("melody", "melody, lead, solo line"),
        ("chords", "chords, harmony"),
    )
)

_NEGATIONS = frozenset(("no", "without", "minus", "sans", "lacking"))
_JOINERS = frozenset(("and", "or", "any", "nor", "the", "a", "no", "of"))
_LEADING_SOLO = ("solo", "only", "just", "unaccompanied")


def words_of(prompt: str) -> tuple[str, ...]:
    """Return the lower-case words of a prompt.

    Hyphens and most punctuation separate words; ``#``, ``&``, ``/`` and digits do not.
    """
    return tuple(re.findall(r"[^\W_]+(?:[&/'’][^\W_]+)*#?|&", prompt.lower()))


def find_words(words: tuple[str, ...], phrases: Iterable[str]) -> list[tuple[int, int, str]]:
    """Return where phrases occur as whole words: (position, length in words, phrase).

    Longer phrases have precedence.
    """
    at: dict[int, tuple[int, str]] = {}
    for phrase in phrases:
        parts = tuple(phrase.split(" "))
        for start in range(len(words) - len(parts) + 1):
            if words[start : start + len(parts)] == parts and len(parts) > at.get(start, (0, ""))[0]:
                at[start] = (len(parts), phrase)
    found: list[tuple[int, int, str]] = []
    taken = -1
    for start in sorted(at):
        if start > taken:
            found.append((start, at[start][0], at[start][1]))
            taken = start + at[start][0] - 1
    return found


def parse_prompt(prompt: str) -> Request:
    """Parse a prompt. Unknown words are ignored, so any text gives a request."""
    words = words_of(prompt)
    text = prompt.lower()
    styles = find_words(words, _STYLES)
    taken = {place for start, length, phrase in styles if length > 1 for place in range(start, start + length)}
    named = [hit for hit in find_words(words, _INSTRUMENTS) if hit[0] not in taken]
    unwanted, negated = _unwanted(words, named)
    wanted = tuple(dict.fromkeys(_INSTRUMENTS[phrase] for start, _, phrase in named if start not in negated))
    moods = [_MOODS[phrase] for _, _, phrase in find_words(words, _MOODS)]
    paces = [_PACES[phrase] for _, _, phrase in find_words(words, _PACES)]
    tonic, is_minor = _key(prompt, text)
    solo = _is_solo(words, named)
    flags = set(words)
    if "drumless" in flags or "beatless" in flags:
        unwanted = unwanted | {"drums"}
    return Request(
        style=_style([phrase for _, _, phrase in styles]),
        tempo_bpm=_tempo(text),
        pace=paces[0] if paces else None,
        tonic=tonic,
        is_minor=is_minor,
        mood=moods[0] if moods else None,
        wanted=wanted,
        unwanted=frozenset(unwanted),
        is_solo=solo and bool(wanted),
        is_instrumental="instrumental" in flags or bool({"voice", "voice_low"} & unwanted),
        is_loop=bool(flags & {"loop", "loopable", "looping", "seamless"}),
        builds=bool(flags & {"build", "builds", "building", "buildup", "crescendo", "growing", "rising"}),
    )


def _style(phrases: list[str]) -> str:
    """Return the first genre.

    Words that can also be adjectives ("epic rock", "acoustic pop") yield to another genre.
    """
    chosen = next((phrase for phrase in phrases if phrase not in _COLOURS), phrases[0] if phrases else "")
    return _STYLES.get(chosen, "")


def _tempo(text: str) -> float | None:
    match = _TEMPO_BPM.search(text)
    if match is None:
        return None
    low, high = _TEMPO_LIMITS_BPM
    value = float(next(group for group in match.groups() if group))
    return min(max(value, low), high)


def _key(prompt: str, text: str) -> tuple[int | None, bool | None]:
    match = _KEY.search(text)
    if match is not None:
        letter, accidental, mode, noun = match.groups()
        is_minor = mode.startswith("min")
        # "in a minor key" is a mode, not the note A.
        if not (letter == "a" and not accidental and noun):
            return _pitch_class(letter, accidental), is_minor
        return None, is_minor
    short = _SHORT_KEY.search(prompt)
    if short is not None:
        return _pitch_class(short[1].lower(), short[2]), True
    is_mode = re.search(r"\b(major|minor)\b", text)
    mode_only = is_mode[1] == "minor" if is_mode else None
    named = _KEY_OF.search(text)
    if named is not None:
        return _pitch_class(named[1], named[2]), mode_only
    return None, mode_only


def _pitch_class(letter: str, accidental: str | None) -> int:
    natural = PITCH_CLASSES.index(letter.upper())
    if not accidental:
        return natural
    return (natural + (1 if accidental.strip(" -") in ("#", "♯", "sharp") else -1)) % 12


def _unwanted(words: tuple[str, ...], named: list[tuple[int, int, str]]) -> tuple[set[str], set[int]]:
    """Return the negated instruments and the positions of their words."""
    at = {start: (length, _INSTRUMENTS[phrase]) for start, length, phrase in named}
    unwanted: set[str] = set()
    places: set[int] = set()
    for start, word in enumerate(words):
        if word not in _NEGATIONS:
            continue
        place = start + 1
        while place < len(words):
            if place in at:
                unwanted.add(at[place][1])
                places.add(place)
                place += at[place][0]
            elif words[place] in _JOINERS:
                place += 1
            else:
                break
    return unwanted, places


def _is_solo(words: tuple[str, ...], named: list[tuple[int, int, str]]) -> bool:
    """Return whether the prompt asks for a solo: ``solo piano``, ``piano only``; not for a guitar solo in a band."""
    for start, length, _ in named:
        before = words[start - 1] if start else ""
        after = words[start + length] if start + length < len(words) else ""
        if before in _LEADING_SOLO or after in ("only", "alone") or (after == "solo" and len(named) == 1):
            return True
    return "cappella" in words or "capella" in words
