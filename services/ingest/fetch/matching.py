"""Which search result is the recording that somebody asked for. Pure, and light: the fetching process imports it."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Candidate", "Wanted", "rank", "similarity"]

DURATION_TOLERANCE_SECONDS = 10.0
_SIMILARITY_FLOORS = (0.45, 0.45, 0.8)  # what has the right length, one that is not told, and another one
_OTHER_VERSION_COST = 0.35
_TELLING_LETTERS = 4
# Words that tell another version of a song from the one on the record, where the wanted title does not have them itself.
_OTHER_VERSIONS = frozenset(
    {
        "8d", "acapella", "acoustic", "bootleg", "chipmunk", "concert", "cover", "covered", "instrumental",
        "karaoke", "live", "mashup", "mix", "nightcore", "parody", "piano", "preview", "reaction", "remake",
        "remix", "remixed", "reverb", "review", "session", "slowed", "snippet", "speed", "sped", "tribute",
        "tutorial", "unplugged"
    }
)  # fmt: skip
# Words that say nothing about which recording it is.
_NOISE = frozenset(
    {
        "audio", "feat", "featuring", "ft", "hd", "hq", "lyric", "lyrics", "music", "official", "the", "topic",
        "vevo", "video", "visualizer", "with"
    }
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is looked for."""

    title: str
    artists: Sequence[str]
    duration_seconds: float


@dataclass(frozen=True)
class Candidate:
    """What a search found. ``duration_seconds`` is None where the search does not say."""

    url: str
    title: str
    channel: str
    duration_seconds: float | None


def rank(wanted: Wanted, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates that may be it, best first: those of the right length, then by title and artist.

    Lives, covers, remixes and their like come after the plain recording, unless they are what is wanted. What is about
    something else is left out, and so is what has another length and does not name both title and artist. Ties stay in the
    order of the search.
    """
    places: list[tuple[int, float, Candidate]] = []
    for candidate in candidates:
        score, length = similarity(wanted, candidate), _length_class(wanted, candidate)
        if score >= _SIMILARITY_FLOORS[length]:
            merit = score - _OTHER_VERSION_COST * _is_other(wanted, candidate)
            places.append((length, -round(merit, 3), candidate))
    return [candidate for *_, candidate in sorted(places, key=lambda place: place[:2])]


def similarity(wanted: Wanted, candidate: Candidate) -> float:
    """How much of the wanted title and artist the candidate names, 0 to 1; the title counts twice as much."""
    named = _words(f"{candidate.title} {candidate.channel}")
    title = _share(_words(wanted.title), named)
    artist = max((_artist_share(_words(name), named) for name in wanted.artists), default=1.0)
    return (2 * title + artist) / 3


def _artist_share(wanted: Sequence[str], named: Sequence[str]) -> float:
    """As :func:`_share`; channels also write a name in one word, with more behind it ("TheWeekndVEVO")."""
    joined = "".join(wanted)
    if len(joined) >= _TELLING_LETTERS and any(word.startswith(joined) for word in named):
        return 1.0
    return _share(wanted, named)


def _length_class(wanted: Wanted, candidate: Candidate) -> int:
    if candidate.duration_seconds is None or not wanted.duration_seconds:
        return 1
    return 0 if abs(candidate.duration_seconds - wanted.duration_seconds) <= DURATION_TOLERANCE_SECONDS else 2


def _is_other(wanted: Wanted, candidate: Candidate) -> bool:
    own = set(_words(f"{wanted.title} {' '.join(wanted.artists)}"))
    return bool((_OTHER_VERSIONS & set(_words(candidate.title))) - own)


def _share(wanted: Sequence[str], named: Sequence[str]) -> float:
    """The share of the wanted words that are among the named ones, allowing for small differences in spelling."""
    telling = [word for word in wanted if word not in _NOISE] or list(wanted)
    if not telling:
        return 0.0
    return sum(1.0 for word in telling if difflib.get_close_matches(word, named, n=1, cutoff=0.84)) / len(telling)


def _words(text: str) -> list[str]:
    """Words of ``text``, lower case, without diacritics: "Beyoncé — Déjà Vu" gives beyonce, deja, vu."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.findall(r"\w+", plain.replace("'", "").replace("’", ""))
