"""Spotify's catalog in the forge dialect, with a simulator in Spotify's place."""

import re
from typing import Any

import httpx
import pytest

from tests.simulators.spotify import SpotifySimulator

ID = "4uLU6hMCjMI75M1A2tKUQC"


@pytest.fixture(autouse=True)
def track(spotify: SpotifySimulator) -> dict[str, Any]:
    spotify.failures.clear()
    spotify.short_links["AbC1"] = (307, f"https://open.spotify.com/track/{ID}?si=1")
    spotify.short_links["AbC2"] = (302, f"{spotify.url}/short/AbC1")
    spotify.short_links["Page"] = (200, f"https://open.spotify.com/track/{ID}")
    spotify.short_links["Loop"] = (302, f"{spotify.url}/short/Loop")
    spotify.short_links["In"] = (302, "http://169.254.169.254/latest/meta-data/")
    return spotify.add_track(ID, "Blinding Lights", ["The Weeknd", "Somebody"], 200.04)


def fetch(client: httpx.Client, url: str) -> httpx.Response:
    return client.post("/api/spotify/fetch", json={"url": url})


def test_a_track_as_the_contract_shows_it(admin: httpx.Client, spotify: SpotifySimulator) -> None:
    answer = fetch(admin, f"https://open.spotify.com/track/{ID}")
    assert answer.status_code == 200
    assert answer.json() == {
        "data": {
            "type": "track",
            "track": {
                "id": None,  # it is not in the library yet
                "spotify_id": ID,
                "title": "Blinding Lights",
                "artist": "The Weeknd, Somebody",
                "artists": ["The Weeknd", "Somebody"],
                "album": "Album",
                "album_artist": "The Weeknd",
                "album_art_url": f"{spotify.url}/image/cover",
                "duration": 200,
                "duration_seconds": 200.04,
                "spotify_url": f"https://open.spotify.com/track/{ID}",
                "isrc": "USUG11904206",
                "track_number": 9,
                "disc_number": 1,
                "release_date": "2020-03-20",
            },
        }
    }
    assert answer.headers["x-ratelimit-limit"]


@pytest.mark.parametrize(
    "url",
    [f"spotify:track:{ID}", "https://spotify.link/AbC1", "https://spotify.link/AbC2?_p=1", "https://spotify.link/Page"],
)
def test_every_form_of_a_link_leads_to_its_track(admin: httpx.Client, url: str) -> None:
    assert fetch(admin, url).json()["data"]["track"]["spotify_id"] == ID


def test_an_album_and_a_playlist_are_read_to_their_end(admin: httpx.Client, spotify: SpotifySimulator) -> None:
    tracks = [spotify.add_track(f"many{n}", f"Song {n}", ["Artist"], 100.0) for n in range(120)]
    spotify.add_album("album1", "All of it", tracks)
    local = {"track": {**tracks[0], "id": None, "name": "From my disk"}, "is_local": True}
    spotify.add_playlist("list1", "Mine", [local, *({"track": track} for track in tracks), {"track": None}])
    album = fetch(admin, "https://open.spotify.com/album/album1").json()["data"]
    assert (album["type"], album["name"], album["skipped"]) == ("album", "All of it", [])
    assert [track["spotify_id"] for track in album["tracks"]] == [f"many{n}" for n in range(120)]
    playlist = fetch(admin, "spotify:playlist:list1").json()["data"]
    assert (playlist["type"], playlist["name"], playlist["truncated"]) == ("playlist", "Mine", False)
    assert [track["title"] for track in playlist["tracks"]] == [f"Song {n}" for n in range(120)]
    assert [(entry["position"], entry["title"]) for entry in playlist["skipped"]] == [(1, "From my disk"), (122, None)]
    assert all(entry["reason"] for entry in playlist["skipped"])


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("https://example.org/track/1", 400, "invalid_url"),
        ("https://open.spotify.com/artist/1", 400, "invalid_url"),
        ("not a link", 400, "invalid_url"),
        ("https://open.spotify.com/track/unknown", 404, "spotify_error"),
        ("https://open.spotify.com/playlist/unknown", 404, "spotify_error"),
        ("https://spotify.link/Loop", 503, "spotify_error"),
        ("https://spotify.link/None", 503, "spotify_error"),
        ("https://spotify.link/In", 422, "ADDRESS_REFUSED"),
        ("", 422, "VALIDATION_ERROR"),
    ],
)
def test_links_that_spotify_does_not_have_are_refused(admin: httpx.Client, url: str, status: int, code: str) -> None:
    answer = fetch(admin, url)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert re.fullmatch(r"\S.*\S", body["error"])
    assert body["message"].endswith(".")


def test_credentials_that_spotify_does_not_take_are_unauthorized(
    admin: httpx.Client, spotify: SpotifySimulator
) -> None:
    spotify.failures.extend([(401, {}), (401, {})])
    answer = fetch(admin, f"spotify:track:{ID}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unauthorized")
    assert fetch(admin, f"spotify:track:{ID}").status_code == 200


def test_a_long_pause_is_passed_on(admin: httpx.Client, spotify: SpotifySimulator) -> None:
    spotify.failures.append((429, {"Retry-After": "3600"}))
    answer = fetch(admin, f"spotify:track:{ID}")
    assert (answer.status_code, answer.json()["code"]) == (429, "spotify_error")
    assert (answer.headers["retry-after"], answer.json()["retry_after"]) == ("3600", 3600)


def test_a_search_is_paged(admin: httpx.Client, spotify: SpotifySimulator) -> None:
    for n in range(12):
        spotify.add_track(f"search{n}", f"Zebra {n}", ["Quagga"], 100.0)
    answer = admin.get("/api/spotify/search", params={"q": "zebra quagga", "page": 2, "page_size": 5})
    assert answer.status_code == 200
    assert [track["spotify_id"] for track in answer.json()["data"]] == [f"search{n}" for n in range(5, 10)]
    assert answer.json()["meta"] == {"page": 2, "page_size": 5, "total_count": 12, "total_pages": 3}
    assert len(admin.get("/api/spotify/search", params={"q": "zebra"}).json()["data"]) == 10
    assert admin.get("/api/spotify/search", params={"q": "nothing like it"}).json()["data"] == []


def test_a_track_is_found_by_its_id(admin: httpx.Client) -> None:
    answer = admin.get(f"/api/spotify/track/{ID}")
    assert answer.status_code == 200
    assert answer.json() == {"data": fetch(admin, f"spotify:track:{ID}").json()["data"]["track"]}
    for unknown in ("unknown", "a-b", "%2e%2e", "a" * 65, "x:y"):
        answer = admin.get(f"/api/spotify/track/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "spotify_error"), unknown
