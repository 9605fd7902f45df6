"""Spotify as the platform sees it: tokens for applications, and the part of the Web API that reads the catalog.

Beside them its short links and its pictures, which in earnest live on other hosts.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import deque
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.simulators.server import Handler, Simulator

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "SpotifySimulator"]

CLIENT_ID, CLIENT_SECRET = "an-application", "its-secret"


class SpotifySimulator(Simulator):
    """A catalog, empty at first.

    Attributes:
        seen: path and query of every request to the Web API, in order.
        failures: answers that the next requests to the Web API get instead: (status, headers).
        token_failures: the same for requests for tokens.
        token_count: tokens given out.
    """

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.tracks: dict[str, dict[str, Any]] = {}
        self.albums: dict[str, dict[str, Any]] = {}
        self.playlists: dict[str, dict[str, Any]] = {}
        self.short_links: dict[str, tuple[int, str]] = {}
        self.pictures: dict[str, bytes] = {}
        self.seen: list[str] = []
        self.failures: deque[tuple[int, dict[str, str]]] = deque()
        self.token_failures: deque[int] = deque()
        self.token_count = 0
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    @property
    def settings(self) -> dict[str, str]:
        """What makes a stack use this simulator."""
        return {
            "SOUNDWRIGHT_SPOTIFY_CLIENT_ID": CLIENT_ID,
            "SOUNDWRIGHT_SPOTIFY_CLIENT_SECRET": CLIENT_SECRET,
            "SOUNDWRIGHT_SPOTIFY_ACCOUNTS_URL": self.url,
            "SOUNDWRIGHT_SPOTIFY_API_URL": f"{self.url}/v1",
            "SOUNDWRIGHT_SPOTIFY_SHORT_URL": f"{self.url}/short",
        }

    def add_track(self, spotify_id: str, title: str, artists: list[str], seconds: float, **more: Any) -> dict[str, Any]:
        """A track of the album "Album", with a picture."""
        self.pictures.setdefault("cover", b"")
        track = {
            "id": spotify_id,
            "type": "track",
            "name": title,
            "artists": [{"name": name, "type": "artist"} for name in artists],
            "album": {
                "name": "Album",
                "artists": [{"name": artists[0]}],
                "release_date": "2020-03-20",
                "images": [
                    {"url": f"{self.url}/image/small", "width": 64},
                    {"url": f"{self.url}/image/cover", "width": 640},
                ],
            },
            "duration_ms": round(seconds * 1000),
            "track_number": 9,
            "disc_number": 1,
            "external_ids": {"isrc": "USUG11904206"},
            "external_urls": {"spotify": f"https://open.spotify.com/track/{spotify_id}"},
            "is_local": False,
            **more,
        }
        self.tracks[spotify_id] = track
        return track

    def add_album(self, spotify_id: str, name: str, tracks: list[dict[str, Any]]) -> None:
        """An album of these tracks, which inside it do not name it again."""
        images = tracks[0]["album"]["images"] if tracks else []
        items = [{key: value for key, value in track.items() if key != "album"} for track in tracks]
        self.albums[spotify_id] = {"name": name, "artists": [{"name": "Various"}], "images": images, "entries": items}

    def add_playlist(
        self, spotify_id: str, name: str, entries: list[Any], *, word: str = "track", embedded: bool = True
    ) -> None:
        """A playlist; ``word`` is what an entry calls its track: "track", or "item" as since 2026. ``embedded``: it comes
        with its first page."""
        self.playlists[spotify_id] = {"name": name, "entries": entries, "word": word, "embedded": embedded}

    def expire_tokens(self) -> None:
        """No token that was given out is good any more, whatever was said about its lifetime."""
        with self._lock:
            self._tokens.clear()

    def token(self) -> str:
        with self._lock:
            self.token_count += 1
            token = f"token-{self.token_count}"
            self._tokens.add(token)
            return token

    def knows(self, token: str) -> bool:
        with self._lock:
            return token in self._tokens


class _Handler(Handler):
    simulator: SpotifySimulator

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        if urlsplit(self.path).path != "/api/token":
            self._json(404, {"error": "not_found"})
        elif self.simulator.token_failures:
            self._json(self.simulator.token_failures.popleft(), {"error": "server_error"})
        elif form.get("grant_type") != ["client_credentials"]:
            self._json(400, {"error": "unsupported_grant_type"})
        elif self.headers.get("Authorization") != _basic(CLIENT_ID, CLIENT_SECRET):
            self._json(400, {"error": "invalid_client", "error_description": "Invalid client secret"})
        else:
            self._json(200, {"access_token": self.simulator.token(), "token_type": "Bearer", "expires_in": 3600})

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        head, _, rest = parts.path.lstrip("/").partition("/")
        if head == "short":
            status, target = self.simulator.short_links.get(rest, (404, ""))
            body = b"" if status != 200 else f"<html><script>location='{target}'</script>".encode()
            self.answer(status, body, "text/html", **({"Location": target} if 300 <= status < 400 else {}))
        elif head == "image":
            picture = self.simulator.pictures.get(rest)
            self.answer(200 if picture else 404, picture or b"", "image/jpeg")
        elif head == "v1":
            self.simulator.seen.append(self.path.removeprefix("/v1"))
            if self.simulator.failures:
                status, headers = self.simulator.failures.popleft()
                self._json(status, {"error": {"status": status, "message": "as the test wants it"}}, **headers)
            elif not self.simulator.knows(self.headers.get("Authorization", "").removeprefix("Bearer ")):
                self._json(401, {"error": {"status": 401, "message": "The access token expired"}})
            else:
                self._catalog(unquote(rest).rstrip("/").split("/"), parse_qs(parts.query))
        else:
            self._json(404, {"error": "not_found"})

    def _catalog(self, path: list[str], query: dict[str, list[str]]) -> None:
        simulator = self.simulator
        limit, offset = int(query.get("limit", ["50"])[0]), int(query.get("offset", ["0"])[0])
        match path:
            case ["tracks", spotify_id] if spotify_id in simulator.tracks:
                self._json(200, simulator.tracks[spotify_id])
            case ["albums", spotify_id] if spotify_id in simulator.albums:
                album = dict(simulator.albums[spotify_id])
                self._json(200, {**album, "id": spotify_id, "tracks": self._page(album.pop("entries"), 50, 0)})
            case ["albums", spotify_id, "tracks"] if spotify_id in simulator.albums:
                self._json(200, self._page(simulator.albums[spotify_id]["entries"], limit, offset))
            case ["playlists", spotify_id] if spotify_id in simulator.playlists:
                playlist = simulator.playlists[spotify_id]
                place = "items" if playlist["word"] == "item" else "tracks"
                page = self._page(playlist["entries"], 100, 0)
                if not playlist["embedded"]:
                    page = {"href": f"{simulator.url}/v1/playlists/{spotify_id}/{place}", "total": page["total"]}
                self._json(200, {"id": spotify_id, "name": playlist["name"], place: page})
            case ["playlists", spotify_id, place] if spotify_id in simulator.playlists:
                playlist = simulator.playlists[spotify_id]
                if place != ("items" if playlist["word"] == "item" else "tracks"):
                    self._json(403, {"error": {"status": 403, "message": "Forbidden"}})
                else:
                    self._json(200, self._page(playlist["entries"], limit, offset))
            case ["search"]:
                words = query["q"][0].lower().split()
                found = [
                    track
                    for track in simulator.tracks.values()
                    if all(word in json.dumps([track["name"], track["artists"]]).lower() for word in words)
                ]
                self._json(200, {"tracks": self._page(found, limit, offset)})
            case _:
                self._json(404, {"error": {"status": 404, "message": "Resource not found"}})

    def _page(self, entries: list[Any], limit: int, offset: int) -> dict[str, Any]:
        # The address of the next page leads elsewhere: who follows it instead of asking here is found out.
        following = "https://api.spotify.com/v1/elsewhere" if offset + limit < len(entries) else None
        items = entries[offset : offset + limit]
        return {"items": items, "total": len(entries), "limit": limit, "offset": offset, "next": following}

    def _json(self, status: int, value: Any, **headers: str) -> None:
        self.answer(status, json.dumps(value).encode(), "application/json", **headers)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
