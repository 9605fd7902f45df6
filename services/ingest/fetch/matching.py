"""Chooses the search result that matches a wanted recording.

Imports only the standard library, for the child process.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DURATION_TOLERANCE_SECONDS = 10.0
_SIMILARITY_FLOORS = (0.45, 0.45, 0.8)  # minimum similarity if the length matches, is unknown, or differs
_OTHER_VERSION_COST = 0.35
_TELLING_LETTERS = 4
# Words that mark another version of a song, unless the wanted title contains them.
_OTHER_VERSIONS = frozenset(
    {
        "8d", "acapella", "acoustic", "bootleg", "chipmunk", "concert", "cover", "covered", "instrumental",
        "karaoke", "live", "mashup", "mix", "nightcore", "parody", "piano", "preview", "reaction", "remake",
        "remix", "remixed", "reverb", "review", "session", "slowed", "snippet", "speed", "sped", "tribute",
        "tutorial", "unplugged"
    }
)  # fmt: skip
# Words that do not distinguish recordings.
_NOISE = frozenset(
    {
        "audio", "feat", "featuring", "ft", "hd", "hq", "lyric", "lyrics", "music", "official", "the", "topic",
        "vevo", "video", "visualizer", "with"
    }
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """The recording to search for."""

    title: str
    artists: Sequence[str]
    duration_seconds: float


@dataclass(frozen=True)
class Candidate:
    """A search result. ``duration_seconds`` is None if unknown."""

    url: str
    title: str
    channel: str
    duration_seconds: float | None


def rank(wanted: Wanted, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the matching candidates, best first: by length, then by title and artist.

    Live versions, covers, remixes and similar versions rank lower, unless the wanted title names them. Candidates with
    another title are excluded, and so are candidates of another length that do not name both title and artist. Ties
    keep the order of the search.
    """
    places: list[tuple[int, float, Candidate]] = []
    for candidate in candidates:
        score, length = similarity(wanted, candidate), _length_class(wanted, candidate)
        if score >= _SIMILARITY_FLOORS[length]:
            merit = score - _OTHER_VERSION_COST * _is_other(wanted, candidate)
            places.append((length, -round(merit, 3), candidate))
    return [candidate for *_, candidate in sorted(places, key=lambda place: place[:2])]


def similarity(wanted: Wanted, candidate: Candidate) -> float:
    """Return how much of the wanted title and artist the candidate names, 0 to 1. The title has twice the weight."""
    named = _words(f"{candidate.title} {candidate.channel}")
    title = _share(_words(wanted.title), named)
    artist = max((_artist_share(_words(name), named) for name in wanted.artists), default=1.0)
    return (2 * title + artist) / 3


def _artist_share(wanted: Sequence[str], named: Sequence[str]) -> float:
    """Return :func:`_share` for an artist. Also matches channel names in one word, such as "TheWeekndVEVO"."""
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
    """Return the share of the wanted words that are in ``named``, tolerating small differences in spelling."""
    telling = [word for word in wanted if word not in _NOISE] or list(wanted)
    if not telling:
        return 0.0
    return sum(1.0 for word in telling if difflib.get_close_matches(word, named, n=1, cutoff=0.84)) / len(telling)


def _words(text: str) -> list[str]:
    """Return the words of ``text`` in lower case without diacritics: "Beyoncé — Déjà Vu" gives beyonce, deja, vu."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.findall(r"\w+", plain.replace("'", "").replace("’", ""))
