"""Parses links from users: all forms of Spotify links, and URLs of web pages."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

from soundwright.kit import errors

_URL_LIMIT_CHARS = 2000
_ID = r"[0-9A-Za-z]{1,64}"
_KINDS = "track|album|playlist"
_URI = re.compile(rf"spotify:(?:user:[^:]+:)?(?P<kind>{_KINDS}):(?P<id>{_ID})", re.IGNORECASE)
_PATH = re.compile(
    rf"/+(?:intl-[A-Za-z-]+/+)?(?:embed/+)?(?:user/+[^/]+/+)?(?P<kind>{_KINDS})/+(?P<id>{_ID})/*", re.IGNORECASE
)
_HOSTS = frozenset({"open.spotify.com", "play.spotify.com", "www.spotify.com", "spotify.com"})
_SHORT_HOSTS = frozenset({"spotify.link"})
_SHORT_PATH = re.compile(r"/[0-9A-Za-z]{1,64}/?")


@dataclass(frozen=True)
class SpotifyLink:
    """A link to an item of Spotify's catalog. ``kind`` is track, album or playlist."""

    kind: str
    id: str


@dataclass(frozen=True)
class ShortLink:
    """A short link of Spotify, which redirects to another link."""

    path: str


@dataclass(frozen=True)
class WebLink:
    """The URL of a web page in its canonical form, so that equal links have equal URLs."""

    url: str
    host: str
    port: int


def parse_link(text: str) -> SpotifyLink | ShortLink | WebLink:
    """Parse any supported link. Raises ``URL_INVALID``."""
    link = _parse_spotify(text)
    return link if link is not None else _parse_web(text)


def parse_spotify_link(text: str) -> SpotifyLink | ShortLink:
    """Parse a link to Spotify. Raises ``URL_INVALID``."""
    link = _parse_spotify(text)
    if link is None:
        raise errors.URL_INVALID(
            "This is not a link to a Spotify track, album or playlist. Use a link like "
            "https://open.spotify.com/track/..."
        )
    return link


def _parse_spotify(text: str) -> SpotifyLink | ShortLink | None:
    cleaned = text.strip()
    uri = _URI.fullmatch(cleaned)
    if uri:
        return SpotifyLink(uri["kind"].lower(), uri["id"])
    parts = _split(cleaned if "://" in cleaned else f"https://{cleaned}")
    if parts is None or parts.scheme not in ("http", "https"):
        return None
    if parts.hostname in _SHORT_HOSTS and _SHORT_PATH.fullmatch(parts.path):
        return ShortLink(parts.path.rstrip("/"))
    path = _PATH.fullmatch(parts.path)
    return SpotifyLink(path["kind"].lower(), path["id"]) if parts.hostname in _HOSTS and path else None


def _parse_web(text: str) -> WebLink:
    parts = _split(text.strip())
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.URL_INVALID("Send a link to Spotify, or a link that begins with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise errors.URL_INVALID("The link contains a user name or password. Remove it.")
    if parts.hostname in _HOSTS | _SHORT_HOSTS:
        raise errors.URL_INVALID("Only links to Spotify tracks, albums and playlists are supported.")
    host = parts.hostname.rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    netloc = f"[{host}]" if ":" in host else host
    is_default_port = {"http": 80, "https": 443}[parts.scheme] == port
    # No fragment: servers do not receive it, and yt-dlp would interpret it as options.
    netloc = netloc if is_default_port else f"{netloc}:{port}"
    url = urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))
    return WebLink(url, host, port)


def _split(text: str) -> SplitResult | None:
    """Return the parts of a URL, or None if it is too long or ambiguous (parsers interpret it differently)."""
    if len(text) > _URL_LIMIT_CHARS or "\\" in text or any(c.isspace() or not c.isprintable() for c in text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port, parts.hostname  # both raise ValueError when accessed
    except ValueError:
        return None
    return parts
