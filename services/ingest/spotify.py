"""Reads the Spotify catalog with spotipy, on behalf of the application (client credentials) or of a Spotify user.

All methods block. Callers run them in threads.
"""

import copy
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import requests

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.text import one_line
from soundwright.services.ingest.songs import Collection, Skipped, Song

if TYPE_CHECKING:  # slow to import, and only installations with credentials need it
    import spotipy
    from spotipy.exceptions import SpotifyException

_TOKEN_PATH = "/api/token"  # noqa: S105 (an address)
_PAGE_SIZE = 50
_SEARCH_LIMIT = 1000
_ATTEMPT_LIMIT = 4
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 401, 403, 404, 429
_NOT_FOUND_STATUSES = frozenset({400, _FORBIDDEN, _NOT_FOUND})
_CREDENTIAL_ERRORS = frozenset({"invalid_client", "unauthorized_client", "invalid_grant", "invalid_request"})
_ID = re.compile(r"[0-9A-Za-z]{1,64}")
T = TypeVar("T")
log = get_logger()
logging.getLogger("spotipy").setLevel(logging.CRITICAL)  # this module reports failures itself


class TokenRefused(Exception):
    """Spotify does not accept the token of a user."""


class SpotifyCatalog:
    """Reads tracks, albums and playlists. All methods raise ``SPOTIFY_ERROR`` and ``SPOTIFY_UNAUTHORIZED``."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        accounts_url: str,
        api_url: str,
        timeout_seconds: float,
        call_limit_seconds: float,
        collection_limit: int,
    ) -> None:
        """
        Args:
            client_id, client_secret: the credentials of the application. If empty, all calls raise
                ``SPOTIFY_UNAUTHORIZED``.
            accounts_url: the base URL of Spotify's accounts service.
            api_url: the base URL of the Web API. Without a path, version 1 is used.
            collection_limit: the maximum number of entries of an album or playlist.
        """
        self._call_limit_seconds = call_limit_seconds
        self._collection_limit = collection_limit
        self._client: spotipy.Spotify | None = None
        self._lock = threading.Lock()
        self._api_url = api_base(api_url)
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace the token
        self._by_user = False
        if client_id and client_secret:
            from spotipy.cache_handler import MemoryCacheHandler
            from spotipy.oauth2 import SpotifyClientCredentials

            self._tokens = MemoryCacheHandler()  # not in a file, which others could read
            auth = SpotifyClientCredentials(
                client_id, client_secret, requests_session=self._session, requests_timeout=timeout_seconds,
                cache_handler=self._tokens,
            )  # fmt: skip
            auth.OAUTH_TOKEN_URL = accounts_base(accounts_url) + _TOKEN_PATH
            self._client = self._create_client(auth_manager=auth)

    def for_user(self, access_token: str) -> "SpotifyCatalog":
        """Return a catalog that acts for a user. Its methods also raise :class:`TokenRefused`."""
        user_catalog = copy.copy(self)
        user_catalog._client, user_catalog._by_user = self._create_client(auth=access_token), True
        return user_catalog

    def _create_client(self, **auth: Any) -> "spotipy.Spotify":
        import spotipy

        client = spotipy.Spotify(requests_session=self._session, requests_timeout=self._timeout_seconds, **auth)
        client.prefix = f"{self._api_url}/"
        return client

    def collection(self, kind: str, spotify_id: str) -> Collection:
        """Return a track, album or playlist with its songs. ``kind`` is track, album or playlist."""
        if kind == "track":
            song = self.track(spotify_id)
            return Collection("track", song.spotify_id, song.title, (song,))
        return self._album(spotify_id) if kind == "album" else self._playlist(spotify_id)

    def track(self, spotify_id: str) -> Song:
        if not _ID.fullmatch(spotify_id):
            raise errors.SPOTIFY_NOT_FOUND()
        item = self._call(lambda client: client.track(spotify_id))
        return _song(item, item.get("album") or {})

    def search(self, query: str, limit: int, offset: int) -> tuple[list[Song], int]:
        """Search tracks. Return a page of the results and their total count.

        Raises ``VALIDATION_ERROR`` for results after the first 1000, which Spotify does not return.
        """
        if offset + limit > _SEARCH_LIMIT:
            problem = f"is after the first {_SEARCH_LIMIT} results"
            sentence = f"Spotify returns only the first {_SEARCH_LIMIT} results. Use a more specific search."
            raise errors.invalid("page", problem, sentence)
        response = self._call(lambda client: client.search(query, limit=limit, offset=offset, type="track"))
        page = response.get("tracks") or {}
        items = [item for item in page.get("items") or [] if item and item.get("id")]
        return [_song(item, item.get("album") or {}) for item in items], int(page.get("total") or len(items))

    def _album(self, spotify_id: str) -> Collection:
        album = self._call(lambda client: client.album(spotify_id))
        songs: list[Song] = []
        skipped: list[Skipped] = []

        def page(offset: int) -> dict[str, Any]:
            return self._call(lambda client: client.album_tracks(spotify_id, limit=_PAGE_SIZE, offset=offset))

        entries = _Entries(album.get("tracks") or {}, page, self._collection_limit)
        for position, item in enumerate(entries, start=1):
            _add_entry(position, item, album, songs, skipped)
        return Collection("album", spotify_id, _text(album, "name"), tuple(songs), tuple(skipped), entries.truncated)

    def _playlist(self, spotify_id: str) -> Collection:
        playlist = self._call(lambda client: client.playlist(spotify_id, additional_types=("track",)))
        # Since 2026, the fields are named "items" and "item" instead of "tracks" and "track".
        field = "items" if "items" in playlist else "tracks"
        songs: list[Song] = []
        skipped: list[Skipped] = []

        def page(offset: int) -> dict[str, Any]:
            return self._call(
                lambda client: client._get(f"playlists/{spotify_id}/{field}", limit=_PAGE_SIZE, offset=offset)
            )

        entries = _Entries(playlist.get(field) or {}, page, self._collection_limit)
        for position, entry in enumerate(entries, start=1):
            item = (entry or {}).get("item") or (entry or {}).get("track") or {}
            is_local = (entry or {}).get("is_local") or item.get("is_local")
            _add_entry(position, {**item, "is_local": is_local}, item.get("album") or {}, songs, skipped)
        name = _text(playlist, "name")
        return Collection("playlist", spotify_id, name, tuple(songs), tuple(skipped), entries.truncated)

    def _call(self, request: "Callable[[spotipy.Spotify], T]") -> T:
        """Send a request. Retry it while Spotify is unavailable and time remains. Renew an expired token once."""
        client = self._client
        if client is None:
            raise errors.SPOTIFY_UNAUTHORIZED()
        from spotipy.exceptions import SpotifyException, SpotifyOauthError

        deadline = time.monotonic() + self._call_limit_seconds
        renewed = False
        for attempt in range(1, _ATTEMPT_LIMIT + 1):
            delay_seconds = 0.25 * 2**attempt
            try:
                response = request(client)
            except SpotifyOauthError as error:
                if is_credential_error(error.error):
                    raise credentials_refused(error) from None
                failure = spotify_failure(0)
            except SpotifyException as error:
                if int(error.http_status) == _UNAUTHORIZED:
                    self._renew_token(error, renewed)
                    renewed = True
                    continue
                failure = _api_failure(error)
                delay_seconds = failure.meta.get("retry_after", delay_seconds)
            except requests.exceptions.RequestException:
                failure = spotify_failure(0)
            else:
                if isinstance(response, dict):
                    return response
                failure = spotify_failure(0)
            if attempt == _ATTEMPT_LIMIT or time.monotonic() + delay_seconds > deadline:
                log.warning("spotify.failed", error=failure.message, attempts=attempt)
                raise failure
            time.sleep(delay_seconds)
        raise spotify_failure(0)

    def _renew_token(self, error: Exception, renewed: bool) -> None:
        """Forget the refused token, so that the next request gets another one, unless that was done already."""
        if self._by_user:
            raise TokenRefused from None
        if renewed:
            raise credentials_refused(error) from None
        with self._lock:
            self._tokens.token_info = None


class _Entries:
    """Iterates over the entries of a collection page by page, up to a limit."""

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
            # Use the offset, not the URL of the next page, which would ignore the configured ``api_url``.
            if not items or (offset >= int(page.get("total") or 0) and not page.get("next")):
                return
            page = self._page(offset)


def _add_entry(position: int, item: Any, album: dict[str, Any], songs: list[Song], skipped: list[Skipped]) -> None:
    """Append an entry to ``songs``, or to ``skipped`` with the reason."""
    item = item or {}
    if item.get("is_local"):
        reason = "A local file of the playlist's owner, which is not on Spotify."
    elif item.get("type", "track") != "track":
        reason = "A podcast episode, not a song."
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


def _retry_after_seconds(error: "SpotifyException") -> float:
    value = str((error.headers or {}).get("Retry-After", ""))
    return float(value) if value.isdigit() else 1.0


def accounts_base(accounts_url: str) -> str:
    return accounts_url.rstrip("/").removesuffix(_TOKEN_PATH)


def api_base(api_url: str) -> str:
    """Return the base URL of the Web API. Without a path, use version 1."""
    base = api_url.rstrip("/")
    return base if urlsplit(base).path else f"{base}/v1"


def is_credential_error(error: object) -> bool:
    """Return whether an error of a token endpoint (RFC 6749, 5.2) means that the credentials are wrong."""
    return isinstance(error, str) and error in _CREDENTIAL_ERRORS


def _api_failure(error: Any) -> AppError:
    """Return the error for an answer of Spotify's API, which may succeed later.

    Raises ``SPOTIFY_ERROR``: there is no such object.
    """
    status = int(error.http_status)
    if status in _NOT_FOUND_STATUSES:
        raise errors.SPOTIFY_NOT_FOUND() from None
    if status != _TOO_MANY:
        return spotify_failure(status)
    seconds = math.ceil(_retry_after_seconds(error))
    return errors.SPOTIFY_BUSY(retry_after=seconds, details={"retry_after": seconds})


def spotify_failure(status: int) -> AppError:
    """Return the error for a response with this HTTP status; 0 for no response or an invalid one."""
    if status == _TOO_MANY:
        return errors.SPOTIFY_BUSY()
    return errors.SPOTIFY_AWAY()


def credentials_refused(error: Exception) -> AppError:
    """Log and return the error for refused credentials of the application."""
    log.error("spotify.credentials_refused", kind=type(error).__name__)
    return errors.SPOTIFY_UNAUTHORIZED(
        "Spotify does not accept the credentials of this installation. Ask the operator to check them."
    )
