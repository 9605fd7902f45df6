"""Spotify as the platform sees it: tokens for applications and for users, and the part of the Web API that reads the
catalog.

Beside them its short links and its pictures, which in earnest live on other hosts.
"""

import base64
import hashlib
import json
import secrets
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from tests.simulators.server import Handler, Simulator

CLIENT_ID, CLIENT_SECRET = "an-application", "its-secret"


@dataclass(frozen=True)
class _Grant:
    """What somebody has given an application leave to, until the code for it is redeemed."""

    subject: str
    redirect_uri: str
    challenge: str
    scope: str


class SpotifySimulator(Simulator):
    """A catalog, empty at first, and users.

    Attributes:
        seen: path and query of every request to the Web API, in order.
        failures: answers that the next requests to the Web API get instead: (status, headers).
        token_failures: the same for requests for tokens: statuses.
        token_answers: bodies that the next requests for tokens get instead.
        token_count: tokens given out.
        user_token_count: those of them that stand for users.
        users: profiles by id.
        visitor: id of the user who is logged in in every browser; empty: whoever comes refuses.
        lifetime_seconds: of tokens for users.
        rotating: whether a refresh token serves once, and the answer has the next one.
        scopes: what was asked for, each time.
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
        self.token_answers: deque[str] = deque()
        self.token_count = 0
        self.user_token_count = 0
        self.users: dict[str, dict[str, Any]] = {}
        self.visitor = ""
        self.lifetime_seconds = 3600
        self.rotating = False
        self.scopes: list[str] = []
        self._tokens: dict[str, str] = {}  # and whose they are; empty: the application's
        self._grants: dict[str, _Grant] = {}
        self._refresh_tokens: dict[str, str] = {}
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
        self,
        spotify_id: str,
        name: str,
        entries: list[Any],
        *,
        word: str = "track",
        embedded: bool = True,
        only_for: str = "",
    ) -> None:
        """A playlist; ``word`` is what an entry calls its track: "track", or "item" as since 2026. ``embedded``: it comes
        with its first page. ``only_for``: the user to whom alone it is shown."""
        self.playlists[spotify_id] = {
            "name": name,
            "entries": entries,
            "word": word,
            "embedded": embedded,
            "only_for": only_for,
        }

    def add_user(self, subject: str, name: str, email: str = "") -> None:
        """A user, who is the one in every browser from now on. Without an address, Spotify tells none."""
        self.users[subject] = {"id": subject, "display_name": name, "type": "user"} | (
            {"email": email} if email else {}
        )
        self.visitor = subject

    def expire_tokens(self) -> None:
        """No token that was given out is good any more, whatever was said about its lifetime."""
        with self._lock:
            self._tokens.clear()

    def revoke(self, subject: str) -> None:
        """The user takes back what they gave leave to."""
        with self._lock:
            self._refresh_tokens = {token: whose for token, whose in self._refresh_tokens.items() if whose != subject}
            self._tokens = {token: whose for token, whose in self._tokens.items() if whose != subject}

    def token(self, subject: str = "") -> str:
        with self._lock:
            self.token_count += 1
            self.user_token_count += bool(subject)
            token = f"token-{self.token_count}-{secrets.token_hex(8)}"
            self._tokens[token] = subject
            return token

    def knows(self, token: str) -> bool:
        with self._lock:
            return token in self._tokens

    def owner(self, token: str) -> str:
        """Whose token it is; empty: the application's."""
        with self._lock:
            return self._tokens.get(token, "")

    def given(self) -> dict[str, str]:
        """All tokens for users that are good now, and whose they are."""
        with self._lock:
            return {token: whose for token, whose in (self._tokens | self._refresh_tokens).items() if whose}

    def grant(self, query: dict[str, str]) -> str:
        """A code for what the visitor's browser came with."""
        with self._lock:
            code = f"code-{len(self.scopes)}"
            self.scopes.append(query["scope"])
            self._grants[code] = _Grant(self.visitor, query["redirect_uri"], query["code_challenge"], query["scope"])
            return code

    def redeem(self, form: dict[str, str]) -> dict[str, Any] | None:
        """Tokens for a code, which serves once, or for a refresh token; None for one that is worth nothing."""
        with self._lock:
            if form["grant_type"] == "refresh_token":
                subject = self._refresh_tokens.get(form.get("refresh_token", ""), "")
                if self.rotating:
                    self._refresh_tokens.pop(form.get("refresh_token", ""), None)
                scope, with_refresh = "", self.rotating
            else:
                grant = self._grants.pop(form.get("code", ""), None)
                digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                if grant is None or (grant.redirect_uri, grant.challenge) != (form.get("redirect_uri"), challenge):
                    return None
                subject, scope, with_refresh = grant.subject, grant.scope, True
        if not subject:
            return None
        answer = {"access_token": self.token(subject), "token_type": "Bearer", "expires_in": self.lifetime_seconds}
        if with_refresh:
            with self._lock:
                answer["refresh_token"] = f"refresh-{secrets.token_hex(8)}"
                self._refresh_tokens[answer["refresh_token"]] = subject
        return answer | ({"scope": scope} if scope else {})


class _Handler(Handler):
    simulator: SpotifySimulator

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))
        if urlsplit(self.path).path != "/api/token":
            self._json(404, {"error": "not_found"})
        elif self.simulator.token_failures:
            self._json(self.simulator.token_failures.popleft(), {"error": "server_error"})
        elif self.simulator.token_answers:
            self.answer(200, self.simulator.token_answers.popleft().encode(), "application/json")
        elif form.get("grant_type") not in ("client_credentials", "authorization_code", "refresh_token"):
            self._json(400, {"error": "unsupported_grant_type"})
        elif self.headers.get("Authorization") != _basic(CLIENT_ID, CLIENT_SECRET):
            self._json(400, {"error": "invalid_client", "error_description": "Invalid client secret"})
        elif form["grant_type"] == "client_credentials":
            self._json(200, {"access_token": self.simulator.token(), "token_type": "Bearer", "expires_in": 3600})
        elif (answer := self.simulator.redeem(form)) is None:
            self._json(400, {"error": "invalid_grant", "error_description": "Invalid code or refresh token"})
        else:
            self._json(200, answer)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        head, _, rest = parts.path.lstrip("/").partition("/")
        if head == "short":
            status, target = self.simulator.short_links.get(rest, (404, ""))
            body = b"" if status != 200 else f"<html><script>location='{target}'</script>".encode()
            self.answer(status, body, "text/html", **({"Location": target} if 300 <= status < 400 else {}))
        elif head == "authorize":
            self._authorize(dict(parse_qsl(parts.query)))
        elif head == "image":
            picture = self.simulator.pictures.get(rest)
            self.answer(200 if picture else 404, picture or b"", "image/jpeg")
        elif head == "v1":
            self.simulator.seen.append(self.path.removeprefix("/v1"))
            if self.simulator.failures:
                status, headers = self.simulator.failures.popleft()
                self._json(status, {"error": {"status": status, "message": "as the test wants it"}}, **headers)
            elif not self.simulator.knows(self._bearer):
                self._json(401, {"error": {"status": 401, "message": "The access token expired"}})
            else:
                self._catalog(unquote(rest).rstrip("/").split("/"), parse_qs(parts.query))
        else:
            self._json(404, {"error": "not_found"})

    @property
    def _bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _authorize(self, query: dict[str, str]) -> None:
        """The page on which users give leave, if it asked them: the browser goes straight back."""
        whole = {"client_id": CLIENT_ID, "response_type": "code", "code_challenge_method": "S256"}
        named = ("redirect_uri", "code_challenge", "scope", "state")
        if any(query.get(name) != value for name, value in whole.items()) or not all(map(query.get, named)):
            self._json(400, {"error": "invalid_request"})
            return
        outcome = {"code": self.simulator.grant(query)} if self.simulator.visitor else {"error": "access_denied"}
        target = f"{query['redirect_uri']}?{urlencode({**outcome, 'state': query['state']})}"
        self.answer(302, Location=target)

    def _catalog(self, path: list[str], query: dict[str, list[str]]) -> None:
        simulator = self.simulator
        limit, offset = int(query.get("limit", ["50"])[0]), int(query.get("offset", ["0"])[0])
        user = simulator.owner(self._bearer)
        match path:
            case ["me"] if user:
                self._json(200, simulator.users[user])
            case ["playlists", spotify_id, *_] if simulator.playlists.get(spotify_id, {}).get("only_for") not in (
                None,
                "",
                user,
            ):
                self._json(404, {"error": {"status": 404, "message": "Resource not found"}})
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
