"""The Spotify catalog: pages, skipped entries and errors."""

from typing import Any

import pytest
from library_fixture import raises_error

from soundwright.kit.errors import AppError, Code
from soundwright.services.ingest.songs import Song
from soundwright.services.ingest.spotify import SpotifyCatalog
from tests.simulators.spotify import CLIENT_ID, CLIENT_SECRET, SpotifySimulator


def catalog(spotify: SpotifySimulator, **changes: Any) -> SpotifyCatalog:
    settings: dict[str, Any] = {
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "accounts_url": spotify.url,
        "api_url": f"{spotify.url}/v1", "timeout_seconds": 60.0, "call_limit_seconds": 60.0, "collection_limit": 1000,
    }  # fmt: skip
    return SpotifyCatalog(**{**settings, **changes})


def refusal(catalog: SpotifyCatalog, spotify_id: str = "one") -> AppError:
    with pytest.raises(AppError) as caught:
        catalog.track(spotify_id)
    assert CLIENT_SECRET not in caught.value.message
    return caught.value


def test_get_a_track(spotify: SpotifySimulator) -> None:
    spotify.add_track("one", "Blinding Lights", ["The Weeknd", "Somebody"], 200.04)
    assert catalog(spotify).track("one") == Song(
        spotify_id="one", title="Blinding Lights", artists=("The Weeknd", "Somebody"), album="Album",
        album_artist="The Weeknd", cover_url=f"{spotify.url}/image/cover",  # the largest image
        duration_seconds=200.04, url="https://open.spotify.com/track/one", isrc="USUG11904206", track_number=9,
        disc_number=1, release_date="2020-03-20",
    )  # fmt: skip


def test_names_are_sanitized(spotify: SpotifySimulator) -> None:
    spotify.add_track("one", " A\tB\r\nC\x00\u202e ", ["x" * 2000], 1.0)
    track = catalog(spotify).track("one")
    assert (track.title, track.artist) == ("A B C", "x" * 500)


@pytest.mark.parametrize("api", ["", "/", "/v1", "/v1/"])
@pytest.mark.parametrize("accounts", ["", "/", "/api/token"])
def test_base_urls_with_and_without_a_path(spotify: SpotifySimulator, api: str, accounts: str) -> None:
    spotify.add_track("one", "Title", ["Artist"], 1.0)
    addresses = {"api_url": spotify.url + api, "accounts_url": spotify.url + accounts}
    assert catalog(spotify, **addresses).track("one").title == "Title"


def test_all_pages_of_an_album_are_read(spotify: SpotifySimulator) -> None:
    tracks = [spotify.add_track(f"t{n}", f"Song {n}", ["Artist"], 100.0 + n) for n in range(123)]
    spotify.add_album("album", "All of it", tracks)
    found = catalog(spotify).collection("album", "album")
    assert (found.kind, found.id, found.name, found.truncated) == ("album", "album", "All of it", False)
    assert [song.spotify_id for song in found.songs] == [f"t{n}" for n in range(123)]
    # The tracks of an album response do not contain the album; it is added.
    assert {song.album for song in found.songs} == {"All of it"}
    assert {song.cover_url for song in found.songs} == {f"{spotify.url}/image/cover"}
    assert [path.partition("?")[0] for path in spotify.seen] == ["/albums/album", *["/albums/album/tracks/"] * 2]


@pytest.mark.parametrize("word", ["track", "item"])
def test_all_pages_of_a_playlist_are_read_in_both_formats(spotify: SpotifySimulator, word: str) -> None:
    entries = [{word: spotify.add_track(f"t{n}", f"Song {n}", ["Artist"], 100.0)} for n in range(260)]
    spotify.add_playlist("list", "Mine", entries, word=word)
    found = catalog(spotify).collection("playlist", "list")
    assert (found.kind, found.name) == ("playlist", "Mine")
    assert [song.spotify_id for song in found.songs] == [f"t{n}" for n in range(260)]


@pytest.mark.parametrize("count", [0, 1, 60])
def test_a_playlist_response_without_its_first_page(spotify: SpotifySimulator, count: int) -> None:
    entries = [{"track": spotify.add_track(f"t{n}", f"Song {n}", ["Artist"], 100.0)} for n in range(count)]
    spotify.add_playlist("list", "Mine", entries, embedded=False)
    assert len(catalog(spotify).collection("playlist", "list").songs) == count


def test_unavailable_entries_are_skipped_with_a_reason(spotify: SpotifySimulator) -> None:
    good = spotify.add_track("good", "Good", ["Artist"], 100.0)
    entries = [
        {"track": {**good, "id": None, "name": "From my disk"}, "is_local": True}, {"track": None}, None,
        {"track": good}, {"track": {**good, "type": "episode", "name": "SocketHandler"}},
        {"track": {**good, "is_playable": False, "name": "Gone"}},
    ]  # fmt: skip
    spotify.add_playlist("list", "Mine", entries)
    found = catalog(spotify).collection("playlist", "list")
    assert [song.spotify_id for song in found.songs] == ["good"]
    skipped = [(1, "From my disk"), (2, ""), (3, ""), (5, "SocketHandler"), (6, "Gone")]
    assert [(each.position, each.title) for each in found.skipped] == skipped
    for place, word in ((0, "local"), (1, "available"), (3, "episode")):
        assert word in found.skipped[place].reason


@pytest.mark.parametrize(("count", "truncated"), [(70, False), (71, True), (500, True)])
def test_collections_are_truncated_at_the_limit(spotify: SpotifySimulator, count: int, truncated: bool) -> None:
    tracks = [spotify.add_track(f"t{n}", f"Song {n}", ["Artist"], 100.0) for n in range(count)]
    spotify.add_album("album", "Long", tracks)
    found = catalog(spotify, collection_limit=70).collection("album", "album")
    assert (len(found.songs), found.truncated) == (70, truncated)
    assert len(spotify.seen) <= 3


def test_search(spotify: SpotifySimulator) -> None:
    for n in range(30):
        spotify.add_track(f"t{n}", f"Night {n}", ["Artist"], 100.0)
    spotify.add_track("day", "Day", ["Artist"], 100.0)
    songs, total = catalog(spotify).search("night", limit=10, offset=20)
    assert ([song.spotify_id for song in songs], total) == ([f"t{n}" for n in range(20, 30)], 30)


def test_search_is_limited_to_1000_results(spotify: SpotifySimulator) -> None:
    assert catalog(spotify).search("night", limit=50, offset=950) == ([], 0)
    with raises_error("VALIDATION_ERROR", Code.UNPROCESSABLE) as caught:
        catalog(spotify).search("night", limit=50, offset=1000)
    assert list(caught.value.meta["details"]) == ["page"]


def test_the_token_is_reused_and_renewed_when_it_expired(spotify: SpotifySimulator) -> None:
    spotify.add_track("one", "Title", ["Artist"], 1.0)
    asked = catalog(spotify)
    for _ in range(3):
        asked.track("one")
    assert spotify.token_count == 1
    spotify.expire_tokens()
    assert asked.track("one").title == "Title"
    assert spotify.token_count == 2


@pytest.mark.parametrize(
    ("changes", "seen"),
    [({"client_id": ""}, (0, 0)), ({"client_secret": ""}, (0, 0)), ({"client_secret": "wrong"}, (0, 0)), ({}, (2, 2))],
)
def test_missing_and_refused_credentials(
    spotify: SpotifySimulator, changes: dict[str, str], seen: tuple[int, int]
) -> None:
    spotify.failures.extend([(401, {}), (401, {})])  # a new token that is refused
    error = refusal(catalog(spotify, **changes))
    assert (error.code, error.reason) == (Code.NOT_PROVISIONED, "SPOTIFY_UNAUTHORIZED")
    assert (len(spotify.seen), spotify.token_count) == seen
    assert "" not in changes.values() or "SOUNDWRIGHT_SPOTIFY_CLIENT_ID" in error.message


@pytest.mark.parametrize("spotify_id", ["unknown", "../playlists/x", "a/b", "", "a" * 65])
def test_missing_items(spotify: SpotifySimulator, spotify_id: str) -> None:
    error = refusal(catalog(spotify), spotify_id)
    assert (error.code, error.reason) == (Code.NOT_FOUND, "SPOTIFY_ERROR")
    assert all(path.startswith("/tracks/unknown") for path in spotify.seen)


def test_a_playlist_that_applications_cannot_read(spotify: SpotifySimulator) -> None:
    spotify.failures.append((403, {}))
    with raises_error("SPOTIFY_ERROR", Code.NOT_FOUND):
        catalog(spotify).collection("playlist", "private")


def test_a_short_retry_after_is_waited_for(spotify: SpotifySimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("soundwright.services.ingest.spotify.time.sleep", pauses.append)
    spotify.add_track("one", "Title", ["Artist"], 1.0)
    spotify.failures.extend([(429, {"Retry-After": "3"}), (503, {}), (429, {"Retry-After": "2"})])
    assert catalog(spotify).track("one").title == "Title"
    assert pauses == [3.0, 1.0, 2.0]


def test_a_long_retry_after_is_returned_to_the_caller(spotify: SpotifySimulator) -> None:
    spotify.failures.append((429, {"Retry-After": "86400"}))
    error = refusal(catalog(spotify))
    assert (error.code, error.reason) == (Code.RATE_LIMITED, "SPOTIFY_ERROR")
    assert error.meta["retry_after"] == 86400
    assert len(spotify.seen) == 1


def test_retries_end_at_the_time_limit(spotify: SpotifySimulator) -> None:
    spotify.failures.extend([(500, {})] * 20)
    error = refusal(catalog(spotify, call_limit_seconds=2.0))
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "SPOTIFY_ERROR")
    assert 1 < len(spotify.seen) <= 4


def test_an_unavailable_accounts_service_is_transient(spotify: SpotifySimulator) -> None:
    spotify.add_track("one", "Title", ["Artist"], 1.0)
    spotify.token_failures.append(503)
    assert catalog(spotify).track("one").title == "Title"
    spotify.token_failures.extend([503] * 20)
    assert refusal(catalog(spotify, call_limit_seconds=1.0)).code is Code.UNAVAILABLE


def test_an_unreachable_server() -> None:
    with SpotifySimulator() as gone:
        pass
    error = refusal(catalog(gone, call_limit_seconds=0.5))
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "SPOTIFY_ERROR")


def test_invalid_responses(spotify: SpotifySimulator) -> None:
    spotify.tracks["one"] = []  # type: ignore[assignment]
    assert refusal(catalog(spotify, call_limit_seconds=0.5)).code is Code.UNAVAILABLE
    spotify.tracks["one"] = {"id": "one", "name": None, "artists": None, "album": None, "duration_ms": None}
    assert catalog(spotify).track("one").artists == ()
