"""Parses prompts for music: tempo, key, mood, genre and instruments, recognised as whole words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from soundwright.services.generation.engines.procedural.score import PITCH_CLASSES
from soundwright.services.generation.engines.procedural.vocabulary import (
    FILLERS,
    GENRES,
    INSTRUMENTS,
    MOODS,
    NEGATIONS,
    PACES,
    Genre,
    Mood,
)

_TEMPO_BPM = re.compile(
    r"\b(\d{2,3})(?:\.\d+)?\s*-?\s*bpm\b|\bbpm\s*(?:of|:|=)?\s*(\d{2,3})\b|\btempo\s*(?:of|:|=)?\s*(\d{2,3})\b"
)
_KEY = re.compile(
    r"(?<![a-z0-9#])([a-g])(#|♯|b|♭|[ -]sharp|[ -]flat)?[ -]?(major|minor|maj|min)\b(?:[ -](key|scale|mode|mood|feel))?"
)
_SHORT_KEY = re.compile(r"(?<![A-Za-z0-9#])([A-G])(#|b|♯|♭)?m(?![A-Za-z0-9#])")
_KEY_OF = re.compile(r"\bkey of ([a-g])(#|♯|b|♭|[ -]sharp|[ -]flat)?(?![a-z0-9])")
_TEMPO_LIMITS_BPM = (40.0, 220.0)
_LONGEST_PHRASE = 4  # in words
_WORD = re.compile(r"[^\W_]+(?:(?:[&'’]|(?<=\d)/(?=\d))[^\W_]+)*#?|[&\U0001f300-\U0001f3fa\U0001f400-\U0001faff]")
_MARKS = re.compile("(?<=[a-z])[\u0300-\u036f]+")  # accents of Latin letters
_SAME = (  # other ways to say a word that is recognised
    (re.compile(r"\bbeats (?:per|a) minute\b", re.I), "bpm"),
    (re.compile(r"\bnothing but\b", re.I), "only"),
    (re.compile(r"\b([^\W_]+)-(?:free|less)\b", re.I), r"without \1,"),
    (
        re.compile(
            r"\bw/o(?:ut)?\b|\b(?:anything|everything|all) but\b|\b(?:leave|leaving) out\b|\b(?:free|devoid|instead) of\b"
            r"|\bdo(?:es)?(?: not|n['’]?t) (?:want|use|add|include|need|like|play|have)\b",
            re.I,
        ),
        "without",
    ),
)
_CLAUSE_END = re.compile(r"[,.;:!?()\n]")
_ARTICLES = ("the", "a", "an", "some")
# Words between a negation and what it excludes.
_JOINING = "the a an some too and or any nor no of single kind kinds sort sorts sound sounds hint trace"
_JOINERS = frozenset(_JOINING.split())
_LEADING_SOLO = ("solo", "only", "just", "unaccompanied")
_ALONE = ("cappella", "capella", "duo", "duet")
_LOOPS = frozenset(("loop", "loopable", "looping", "seamless"))
_BUILDS = frozenset(("build", "builds", "building", "buildup", "crescendo", "growing", "rising"))
_ABSENCES = {"drumless": "drums", "beatless": "drums", "voiceless": "voice"}
_FLAGS = frozenset((*_LOOPS, *_BUILDS, *_ABSENCES, *_LEADING_SOLO, *_ALONE, "alone", "up", "instrumental", *NEGATIONS))


@dataclass(frozen=True)
class Request:
    """A parsed prompt. The composer decides about empty fields."""

    genre: Genre | None = None  # the genre in the prompt, or None
    tempo_bpm: float | None = None  # tempo as a number, or None
    pace: float | None = None  # -1 (slow) to 1 (fast), or None
    tonic: int | None = None  # pitch class, or None
    is_minor: bool | None = None  # mode, or None
    mood: Mood | None = None  # the first mood in the prompt, or None
    wanted: tuple[str, ...] = ()  # instruments in the prompt, in order
    band: tuple[str, ...] = ()  # instruments of the genre that the prompt does not name
    unwanted: frozenset[str] = frozenset()  # instruments and roles to leave out
    unwanted_styles: frozenset[str] = frozenset()  # styles of genres that the prompt excludes
    is_solo: bool = False  # only the wanted instruments play
    is_instrumental: bool = False  # no voice
    is_loop: bool = False  # no intro and no outro
    builds: bool = False  # starts quietly and grows
    ignored_words: tuple[str, ...] = ()  # words without effect, in order

    @property
    def style(self) -> str:
        """A name in :data:`styles.STYLES`, or empty."""
        return self.genre.style if self.genre else ""


Hit = tuple[int, int, str]
"""Where a phrase occurs in a prompt: position and length in words, and the phrase."""


def plain(prompt: str) -> str:
    """Return a prompt with one way to say what can be said in several: "drum-free" is "without drum,"."""
    for said, same in _SAME:
        prompt = said.sub(same, prompt)
    return prompt


def words_of(prompt: str) -> tuple[str, ...]:
    """Return the lower-case words of a prompt, between which are hyphens and most punctuation, but not ``#``, ``&`` and the "/" of "3/4"."""
    return tuple(_WORD.findall(prompt.lower()))


def find_words(words: tuple[str, ...], phrases: Container[str]) -> list[Hit]:
    """Return where phrases occur as whole words, also with an "s" at their end, accents, or spaces within. Longer phrases have precedence."""
    found: list[Hit] = []
    plain = [_MARKS.sub("", unicodedata.normalize("NFD", word)) for word in words]
    start = 0
    while start < len(words):
        ends = range(min(start + _LONGEST_PHRASE, len(words)), start, -1)
        said = ((end, " ".join(plain[start:end])) for end in ends)
        spelled = (
            (end, phrase)
            for end, text in said
            for word in (text, text.replace(" ", ""))
            for phrase in (word, word.removesuffix("s"))
            if phrase in phrases
        )
        end, phrase = next(spelled, (start + 1, ""))
        if phrase:
            found.append((start, end - start, phrase))
        start = end
    return found


def negated(prompt: str, hits: Iterable[Hit]) -> frozenset[int]:
    """Return the positions of the words of ``hits`` that the prompt excludes: "no drums", "without rain or wind".

    A comma ends the negation, unless the list after it has an "or", or an "and" after a comma.
    """
    words = words_of(prompt)
    clauses = _clause_starts(prompt)
    lengths = {start: length for start, length, _ in hits}
    phrases = {start: phrase for start, _, phrase in hits}
    places: set[int] = set()
    for start, word in enumerate(words):
        if word not in NEGATIONS:
            continue
        run: list[int] = []  # of hits and of the words that join them
        place = start + 1
        while place < len(words) and (place in phrases or words[place] in _JOINERS):
            before = phrases.get(run[-1]) if run else None
            if phrases.get(place) in GENRES and (
                before in INSTRUMENTS or (word == "not" and before in (*MOODS, *PACES))
            ):
                break  # "no drums techno" is a techno, and so is "not dark techno"
            run.append(place)
            place += lengths.get(place, 1)
        ends = [
            here
            for here in run
            if here in clauses
            and not any(
                words[after] in ("or", "nor") or (words[after] == "and" and after in clauses)
                for after in run
                if after >= here and after not in lengths
            )
        ]
        for here in run:
            if ends and here >= ends[0]:
                break
            places.update(range(here, here + lengths.get(here, 0)))
    return frozenset(places)


def parse_prompt(prompt: str) -> Request:
    """Parse a prompt. Unknown words are ignored, so any text gives a request."""
    prompt = plain(prompt)
    words = words_of(prompt)
    text = prompt.lower()
    genres = find_words(words, GENRES)
    taken = {place for start, length, _ in genres if length > 1 for place in range(start, start + length)}
    named = [hit for hit in find_words(words, INSTRUMENTS) if hit[0] not in taken]
    moods, paces = find_words(words, MOODS), find_words(words, PACES)
    without = negated(prompt, (*moods, *paces, *genres, *named))
    unwanted = {INSTRUMENTS[phrase] for start, _, phrase in named if start in without}
    unwanted |= {_ABSENCES[word] for word in words if word in _ABSENCES}
    wanted = tuple(
        name for name in dict.fromkeys(INSTRUMENTS[phrase] for _, _, phrase in named) if name not in unwanted
    )
    heard = [hit for hit in genres if hit[0] not in without]
    run = _first_run(heard, _clause_starts(prompt))
    genre = _head([GENRES[phrase] for _, _, phrase in run])
    mood = next((MOODS[phrase] for start, _, phrase in moods if start not in without), None)
    pace = next((PACES[phrase] for start, _, phrase in paces if start not in without), None)
    unmet = {hit for hit in heard if hit not in run and not GENRES[hit[2]].is_colour}
    unmet = {hit for hit in unmet if genre and GENRES[hit[2]].style != genre.style}
    unmet |= {hit for hit in moods if mood and MOODS[hit[2]].is_minor not in (None, mood.is_minor)}
    unmet |= {hit for hit in paces if pace is not None and pace * PACES[hit[2]] < 0}
    effects = {hit for hit in (*genres, *moods, *paces) if hit not in unmet or hit[0] in without}
    band = dict.fromkeys(name for _, _, phrase in run for name in GENRES[phrase].band)
    tonic, is_minor = _key(prompt, text)
    is_instrumental = "instrumental" in words or bool({"voice", "voice_low"} & unwanted)
    not_of_band = {*unwanted, *wanted, *(("voice", "voice_low", "choir") if is_instrumental else ())}
    return Request(
        genre=genre,
        tempo_bpm=_tempo(text),
        pace=pace,
        tonic=tonic,
        is_minor=is_minor,
        mood=mood,
        wanted=wanted,
        band=tuple(name for name in band if name not in not_of_band),
        unwanted=frozenset(unwanted),
        unwanted_styles=frozenset(GENRES[phrase].style for start, _, phrase in genres if start in without),
        is_solo=_is_solo(words, named) and bool(wanted),
        is_instrumental=is_instrumental,
        is_loop=not _LOOPS.isdisjoint(words),
        builds=not _BUILDS.isdisjoint(words),
        ignored_words=_ignored(prompt, (*effects, *named)),
    )


def _clause_starts(prompt: str) -> frozenset[int]:
    """Return the positions of words after punctuation."""
    text = prompt.lower()
    spans = [match.span() for match in _WORD.finditer(text)]
    return frozenset(
        number
        for number, ((_, end), (begin, _)) in enumerate(pairwise(spans), start=1)
        if _CLAUSE_END.search(text, end, begin)
    )


def _first_run(hits: Sequence[Hit], clauses: frozenset[int]) -> list[Hit]:
    """Return the first genre and those that follow it without a word between: "folk metal"."""
    run: list[Hit] = []
    for hit in hits:
        follows = run and hit[0] == run[-1][0] + run[-1][1] and hit[0] not in clauses
        if run and not follows:
            if any(not GENRES[phrase].is_colour for _, _, phrase in run):
                break
            if GENRES[hit[2]].is_colour:
                continue
            run = []
        run.append(hit)
    return run


def _head(run: Sequence[Genre]) -> Genre | None:
    """Return the noun of a compound, which is its last genre. Colours ("epic rock") yield to other genres."""
    if nouns := [genre for genre in run if not genre.is_colour]:
        return nouns[-1]
    return run[0] if run else None


def _ignored(prompt: str, hits: Iterable[Hit]) -> tuple[str, ...]:
    """Return the words that are neither part of a hit, a tempo or a key, nor without meaning for music."""
    known = {place for start, length, _ in hits for place in range(start, start + length)}
    text = prompt.lower()
    tempo = _TEMPO_BPM.search(text)
    spans = [
        match.span()
        for match in (
            tempo if tempo and _named_tempo(tempo) == _tempo(text) else None,
            _KEY.search(text),
            _SHORT_KEY.search(prompt),
            _KEY_OF.search(text),
        )
        if match
    ]
    return tuple(
        dict.fromkeys(
            match[0]
            for place, match in enumerate(_WORD.finditer(text))
            if place not in known
            and match[0] not in FILLERS
            and match[0] not in _FLAGS
            and match[0] not in ("major", "minor")
            and not any(begin <= match.start() < end for begin, end in spans)
        )
    )


def _tempo(text: str) -> float | None:
    match = _TEMPO_BPM.search(text)
    if match is None:
        return None
    low, high = _TEMPO_LIMITS_BPM
    return min(max(_named_tempo(match), low), high)


def _named_tempo(match: re.Match[str]) -> float:
    return float(next(group for group in match.groups() if group))


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


def _is_solo(words: tuple[str, ...], named: Sequence[Hit]) -> bool:
    """Return whether the prompt asks for a solo: ``solo piano``, ``piano only``; not for a guitar solo in a band."""
    for start, length, _ in named:
        before = next((word for word in words[:start][::-1] if word not in _ARTICLES), "")
        after = words[start + length] if start + length < len(words) else ""
        if before in _LEADING_SOLO or after in ("only", "alone") or (after == "solo" and len(named) == 1):
            return True
    return any(word in words for word in _ALONE)
