"""Links as users give them: every form of Spotify's, and addresses of the web that may be fetched from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

from kit.errors import AppError, Code

__all__ = ["ShortLink", "SpotifyLink", "WebLink", "parse_link", "parse_spotify_link"]

_LIMIT = 2000
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
    """Something in Spotify's catalog; ``kind`` is track, album or playlist."""

    kind: str
    id: str


@dataclass(frozen=True)
class ShortLink:
    """A link of Spotify's short host, which leads to another one."""

    path: str


@dataclass(frozen=True)
class WebLink:
    """An address of the web, in one spelling: the same link is the same recording."""

    url: str
    host: str
    port: int


def parse_link(text: str) -> SpotifyLink | ShortLink | WebLink:
    """
    Raises:
        AppError: ``URL_INVALID`` for what is none of them.
    """
    link = _spotify(text)
    return link if link is not None else _web(text)


def parse_spotify_link(text: str) -> SpotifyLink | ShortLink:
    """
    Raises:
        AppError: ``URL_INVALID`` for any other link.
    """
    link = _spotify(text)
    if link is None:
        raise _invalid(
            "This is no link to a Spotify track, album or playlist. Use one like https://open.spotify.com/track/..."
        )
    return link


def _spotify(text: str) -> SpotifyLink | ShortLink | None:
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


def _web(text: str) -> WebLink:
    parts = _split(text.strip())
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise _invalid("Send a link to Spotify, or one that begins with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise _invalid("Links with a user name or password in them are not fetched. Remove it.")
    if parts.hostname in _HOSTS | _SHORT_HOSTS:
        raise _invalid("Of Spotify, links to tracks, albums and playlists can be used.")
    host = parts.hostname.rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme] == port
    # No fragment: sites do not see it, and yt-dlp would take instructions from it.
    url = urlunsplit((parts.scheme, shown if default else f"{shown}:{port}", parts.path or "/", parts.query, ""))
    return WebLink(url, host, port)


def _split(text: str) -> SplitResult | None:
    """The parts of an address; None for one that is too long, or that two readers might read in two ways."""
    if len(text) > _LIMIT or "\\" in text or any(c.isspace() or not c.isprintable() for c in text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port, parts.hostname  # read now, as they raise when they are read
    except ValueError:
        return None
    return parts


def _invalid(message: str) -> AppError:
    return AppError(Code.INVALID_ARGUMENT, "URL_INVALID", message)
