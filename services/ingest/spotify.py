"""Spotify's catalog through spotipy, on behalf of the application (client credentials) or of one of Spotify's users.
Everything here blocks: callers run it in threads.
"""

from __future__ import annotations

import copy
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.exceptions import SpotifyException, SpotifyOauthError
from spotipy.oauth2 import SpotifyClientCredentials

from kit.errors import AppError, Code
from kit.log import get_logger
from services.ingest.songs import Collection, Skipped, Song, one_line

__all__ = [
    "SpotifyCatalog",
    "TokenRefused",
    "accounts_base",
    "api_base",
    "credentials_missing",
    "credentials_refused",
    "is_credential_error",
    "spotify_failure",
]

_TOKEN_PATH = "/api/token"  # noqa: S105 (an address)
_PAGE_SIZE = 50
_SEARCH_LIMIT = 1000
_TRY_COUNT = 4
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 401, 403, 404, 429
_MISSING = frozenset({400, _FORBIDDEN, _NOT_FOUND})
_CREDENTIAL_ERRORS = frozenset({"invalid_client", "unauthorized_client", "invalid_grant", "invalid_request"})
_ID = re.compile(r"[0-9A-Za-z]{1,64}")
T = TypeVar("T")
log = get_logger()
logging.getLogger("spotipy").setLevel(logging.CRITICAL)  # we tell of failures ourselves


class TokenRefused(Exception):
    """Spotify does not take the token of a user."""


class SpotifyCatalog:
    """Tracks, albums and playlists.

    Args:
        client_id, client_secret: of the application; empty: every call is refused with ``SPOTIFY_UNAUTHORIZED``.
        accounts_url, api_url: where Spotify, or something that speaks like it, answers; without a path of its own,
            ``api_url`` means version 1 there.
        timeout_seconds: for one request.
        patience_seconds: how long one call may take with all its pauses and repetitions.
        collection_limit: entries of an album or playlist that are read.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        accounts_url: str,
        api_url: str,
        timeout_seconds: float,
        patience_seconds: float,
        collection_limit: int,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._collection_limit = collection_limit
        self._client: spotipy.Spotify | None = None
        self._tokens = MemoryCacheHandler()  # a file of them would be readable by others
        self._lock = threading.Lock()
        self._api_url = api_base(api_url)
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace the token
        self._by_user = False
        if client_id and client_secret:
            auth = SpotifyClientCredentials(
                client_id, client_secret, requests_session=self._session, requests_timeout=timeout_seconds,
                cache_handler=self._tokens,
            )  # fmt: skip
            auth.OAUTH_TOKEN_URL = accounts_base(accounts_url) + _TOKEN_PATH
            self._client = self._connected(auth_manager=auth)

    def for_user(self, access_token: str) -> SpotifyCatalog:
        """The same catalog as the user with this token may see it. Its calls raise :class:`TokenRefused`, too."""
        theirs = copy.copy(self)
        theirs._client, theirs._by_user = self._connected(auth=access_token), True
        return theirs

    def _connected(self, **auth: Any) -> spotipy.Spotify:
        client = spotipy.Spotify(requests_session=self._session, requests_timeout=self._timeout_seconds, **auth)
        client.prefix = f"{self._api_url}/"
        return client

    def collection(self, kind: str, spotify_id: str) -> Collection:
        """A track, album or playlist with all its songs.

        Raises:
            AppError: ``SPOTIFY_ERROR``, ``SPOTIFY_UNAUTHORIZED``.
        """
        if kind == "track":
            song = self.track(spotify_id)
            return Collection("track", song.spotify_id, song.title, (song,))
        return self._album(spotify_id) if kind == "album" else self._playlist(spotify_id)

    def track(self, spotify_id: str) -> Song:
        if not _ID.fullmatch(spotify_id):
            raise _missing()
        found = self._ask(lambda client: client.track(spotify_id))
        return _song(found, found.get("album") or {})

    def search(self, query: str, limit: int, offset: int) -> tuple[list[Song], int]:
        """Tracks that fit ``query``, and how many there are in all.

        Raises:
            AppError: ``VALIDATION_ERROR`` behind the first thousand, of which Spotify shows no more; else as
                :meth:`collection`.
        """
        if offset + limit > _SEARCH_LIMIT:
            raise AppError(
                Code.UNPROCESSABLE,
                "VALIDATION_ERROR",
                f"Spotify shows the first {_SEARCH_LIMIT} results of a search. Use more words.",
                {"details": {"page": [f"lies behind the first {_SEARCH_LIMIT} results"]}},
            )
        found = self._ask(lambda client: client.search(query, limit=limit, offset=offset, type="track"))
        page = found.get("tracks") or {}
        items = [item for item in page.get("items") or [] if item and item.get("id")]
        return [_song(item, item.get("album") or {}) for item in items], int(page.get("total") or len(items))

    def _album(self, spotify_id: str) -> Collection:
        album = self._ask(lambda client: client.album(spotify_id))
        songs: list[Song] = []
        skipped: list[Skipped] = []

        def page(offset: int) -> dict[str, Any]:
            return self._ask(lambda client: client.album_tracks(spotify_id, limit=_PAGE_SIZE, offset=offset))

        entries = _Entries(album.get("tracks") or {}, page, self._collection_limit)
        for position, item in enumerate(entries, start=1):
            _sort_in(position, item, album, songs, skipped)
        return Collection("album", spotify_id, _text(album, "name"), tuple(songs), tuple(skipped), entries.truncated)

    def _playlist(self, spotify_id: str) -> Collection:
        playlist = self._ask(lambda client: client.playlist(spotify_id, additional_types=("track",)))
        # Since 2026 the entries are called "items" and what they hold "item"; before, "tracks" and "track".
        word = "items" if "items" in playlist else "tracks"
        songs: list[Song] = []
        skipped: list[Skipped] = []

        def page(offset: int) -> dict[str, Any]:
            return self._ask(
                lambda client: client._get(f"playlists/{spotify_id}/{word}", limit=_PAGE_SIZE, offset=offset)
            )

        entries = _Entries(playlist.get(word) or {}, page, self._collection_limit)
        for position, entry in enumerate(entries, start=1):
            item = (entry or {}).get("item") or (entry or {}).get("track") or {}
            local = (entry or {}).get("is_local") or item.get("is_local")
            _sort_in(position, {**item, "is_local": local}, item.get("album") or {}, songs, skipped)
        name = _text(playlist, "name")
        return Collection("playlist", spotify_id, name, tuple(songs), tuple(skipped), entries.truncated)

    def _ask(self, call: Callable[[spotipy.Spotify], T]) -> T:
        """One call, repeated while Spotify is busy or away and there is time left; a stale token is replaced once."""
        client = self._client
        if client is None:
            raise credentials_missing()
        deadline = time.monotonic() + self._patience_seconds
        renewed = False
        for attempt in range(1, _TRY_COUNT + 1):
            pause = 0.25 * 2**attempt
            try:
                answer = call(client)
            except SpotifyOauthError as error:
                if is_credential_error(error.error):
                    raise credentials_refused(error) from None
                failure = spotify_failure(0)
            except SpotifyException as error:
                status = int(error.http_status)
                if status == _UNAUTHORIZED and self._by_user:
                    raise TokenRefused from None
                if status == _UNAUTHORIZED and not renewed:
                    renewed = True
                    with self._lock:
                        self._tokens.token_info = None
                    continue
                if status == _UNAUTHORIZED:
                    raise credentials_refused(error) from None
                if status in _MISSING:
                    raise _missing() from None
                failure = spotify_failure(status)
                if status == _TOO_MANY:
                    pause = _retry_after_seconds(error)
                    wait = {"retry_after": math.ceil(pause)}
                    failure.meta.update({**wait, "details": wait})
            except requests.exceptions.RequestException:
                failure = spotify_failure(0)
            else:
                if isinstance(answer, dict):
                    return answer
                failure = spotify_failure(0)
            if attempt == _TRY_COUNT or time.monotonic() + pause > deadline:
                log.warning("spotify.failed", error=failure.message, attempts=attempt)
                raise failure
            time.sleep(pause)
        raise spotify_failure(0)


class _Entries:
    """The entries of a collection, page after page, up to a limit."""

    def __init__(self, first: dict[str, Any], page: Callable[[int], dict[str, Any]], limit: int) -> None:
        self._first = first
        self._page = page
        self._limit = limit
        self.truncated = False

    def __iter__(self) -> Iterator[Any]:
        page, offset = (self._first if "items" in self._first else self._page(0)), 0
        while True:
            items = page.get("items") or []
            for item in items:
                if offset == self._limit:
                    self.truncated = True
                    return
                offset += 1
                yield item
            # Not by the address of the next page, which would lead away from an operator's own api_url.
            if not items or (offset >= int(page.get("total") or 0) and not page.get("next")):
                return
            page = self._page(offset)


def _sort_in(position: int, item: Any, album: dict[str, Any], songs: list[Song], skipped: list[Skipped]) -> None:
    """Add ``item`` to the songs, or to what is left out with the reason why."""
    item = item or {}
    if item.get("is_local"):
        reason = "A local file of the playlist's owner, which Spotify does not have."
    elif item.get("type", "track") != "track":
        reason = "Not music: an episode of a show."
    elif not item.get("id") or not item.get("name") or item.get("is_playable") is False:
        reason = "No longer available on Spotify."
    else:
        songs.append(_song(item, album))
        return
    skipped.append(Skipped(position, _text(item, "name"), reason))


def _song(item: dict[str, Any], album: dict[str, Any]) -> Song:
    spotify_id = _text(item, "id")
    images = [image for image in album.get("images") or [] if isinstance(image, dict) and image.get("url")]
    return Song(
        spotify_id=spotify_id,
        title=_text(item, "name"),
        artists=_names(item) or _names(album),
        album=_text(album, "name"),
        album_artist=", ".join(_names(album)),
        cover_url=_text(max(images, key=lambda image: image.get("width") or 0), "url") if images else "",
        duration_seconds=float(item.get("duration_ms") or 0) / 1000,
        url=_text(item.get("external_urls") or {}, "spotify") or f"https://open.spotify.com/track/{spotify_id}",
        isrc=_text(item.get("external_ids") or {}, "isrc"),
        track_number=int(item.get("track_number") or 0),
        disc_number=int(item.get("disc_number") or 0),
        release_date=_text(album, "release_date"),
    )


def _names(item: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_text(artist, "name") for artist in item.get("artists") or [] if artist and artist.get("name"))


def _text(item: dict[str, Any], key: str) -> str:
    return one_line(str(item.get(key) or ""))


def _retry_after_seconds(error: SpotifyException) -> float:
    value = str((error.headers or {}).get("Retry-After", ""))
    return float(value) if value.isdigit() else 1.0


def accounts_base(accounts_url: str) -> str:
    """What addresses of Spotify's accounts service begin with."""
    return accounts_url.rstrip("/").removesuffix(_TOKEN_PATH)


def api_base(api_url: str) -> str:
    """What addresses of the Web API begin with: version 1, unless the address says otherwise."""
    base = api_url.rstrip("/")
    return base if urlsplit(base).path else f"{base}/v1"


def is_credential_error(error: object) -> bool:
    """Whether this error of a token endpoint (RFC 6749, 5.2) speaks of the application, not of the moment."""
    return isinstance(error, str) and error in _CREDENTIAL_ERRORS


def spotify_failure(status: int) -> AppError:
    """What to say of an answer with this HTTP status; 0: of none, or of one that cannot be read."""
    if status == _TOO_MANY:
        return AppError(
            Code.RATE_LIMITED, "SPOTIFY_ERROR", "Spotify takes no more requests of ours for a while. Try again later."
        )
    return AppError(Code.UNAVAILABLE, "SPOTIFY_ERROR", "Spotify does not answer as it should. Try again in a minute.")


def _missing() -> AppError:
    return AppError(
        Code.NOT_FOUND,
        "SPOTIFY_ERROR",
        "Spotify has nothing under this link, or does not show it to applications. Check that it exists and is public.",
    )


def credentials_missing() -> AppError:
    return AppError(
        Code.NOT_PROVISIONED,
        "SPOTIFY_UNAUTHORIZED",
        "Spotify credentials are not configured. Ask the operator to set SOUNDWRIGHT_SPOTIFY_CLIENT_ID and _SECRET.",
    )


def credentials_refused(error: Exception) -> AppError:
    log.error("spotify.credentials_refused", kind=type(error).__name__)
    return AppError(
        Code.NOT_PROVISIONED,
        "SPOTIFY_UNAUTHORIZED",
        "Spotify does not accept the credentials of this installation. Ask the operator to check them.",
    )
