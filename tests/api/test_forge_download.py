"""Downloads in the forge dialect: from a link to a track in the library, with a simulated Spotify and media site."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import httpx
import mutagen
import psutil
import pytest
from stories import encoded, eventually, finished, song

from demo.stack import Stack
from tests.files import files_below
from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import CLIENT_SECRET, SpotifySimulator

JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 100
SECONDS = 3.0
SONG = encoded(song(SECONDS))
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def quiet(spotify: SpotifySimulator, site: MediaSite) -> None:
    spotify.failures.clear()
    site.found = []
    spotify.pictures["cover"] = JPEG


def new_song(spotify: SpotifySimulator, site: MediaSite, content: bytes = SONG, **more: Any) -> str:
    """A song that is in the catalog and that the search finds; its Spotify id."""
    number = next(_numbers)
    spotify.add_track(f"song{number}", f"Tune {number}", ["The Band"], SECONDS, **more)
    address = site.file(f"/tunes/{number}.wav", content, "audio/wav")
    site.found.append((f"Tune {number}", "The Band", SECONDS, address))
    return f"song{number}"


def start(
    client: httpx.Client, url: str, quality: str | None = None, status: int = 201, **headers: str
) -> dict[str, Any]:
    body = {"url": url} | ({"quality": quality} if quality else {})
    answer = client.post("/api/download/track", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    created: dict[str, Any] = answer.json()["data"]
    return created


def completed(client: httpx.Client, created: dict[str, Any]) -> dict[str, Any]:
    job = finished(client, f"/api/download/job/{created['job_id']}")
    assert job["status"] == "completed", job
    return job


def failure(client: httpx.Client, created: dict[str, Any]) -> tuple[str, str]:
    job = finished(client, f"/api/download/job/{created['job_id']}")
    assert (job["status"], job["output_path"], job["file_size"]) == ("failed", None, None)
    assert client.get(f"/api/tracks/{created['track_id']}").status_code == 404
    return job["error_code"], job["error"]


def tags_of(content: bytes) -> Any:
    return mutagen.File(io.BytesIO(content))


def test_from_a_link_to_a_track(admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite) -> None:
    spotify_id = new_song(spotify, site)
    created = start(admin, f"https://open.spotify.com/intl-de/track/{spotify_id}?si=1")
    title = spotify.tracks[spotify_id]["name"]
    entry = {"job_id": created["job_id"], "track_id": created["track_id"], "status": "queued", "title": title}
    assert created == {
        "type": "track", "name": title, **entry, "jobs": [entry], "skipped": [], "truncated": False,
    }  # fmt: skip
    job = completed(admin, created)
    track = admin.get(f"/api/tracks/{created['track_id']}").json()["data"]
    assert job == {
        "id": created["job_id"],
        "track_id": created["track_id"],
        "status": "completed",
        "progress": 100,
        "message": None,
        "quality": "high",
        "output_path": track["file_path"],
        "file_size": track["file_size"],
        "error": None,
        "error_code": None,
    }
    assert (track["title"], track["artist"], track["album"]) == (title, "The Band", "Album")
    assert (track["source"], track["container"], track["sample_rate_hz"]) == ("spotify", "mp3", 44100)
    song = admin.get(f"/api/spotify/track/{spotify_id}").json()["data"]
    assert track["spotify_id"] == spotify_id
    assert [track[name] for name in ("spotify_url", "album_art_url")] == [song["spotify_url"], song["album_art_url"]]
    assert track["duration_seconds"] == pytest.approx(SECONDS, abs=0.001)
    assert (track["filename"], track["warnings"]) == (f"The Band - {title}.mp3", [])
    content = admin.get(job["output_path"]).content
    assert len(content) == job["file_size"]
    tags = tags_of(content)
    assert tags.info.bitrate == pytest.approx(320_000, rel=0.02)
    assert [str(tags[name]) for name in ("TIT2", "TPE1", "TALB", "TRCK", "TSRC")] == [
        title, "The Band", "Album", "9", "USUG11904206",
    ]  # fmt: skip
    assert tags.tags.getall("APIC")[0].data == JPEG
    listed = next(job for job in admin.get("/api/jobs").json()["data"] if job["id"] == created["job_id"])
    assert (listed["job_type"], listed["track_id"]) == ("download", created["track_id"])
    # From now on the catalog knows that it is here.
    assert admin.get(f"/api/spotify/track/{spotify_id}").json()["data"]["id"] == created["track_id"]


def test_the_same_track_twice_is_one_track(
    admin: httpx.Client, other: httpx.Client, spotify: SpotifySimulator, site: MediaSite
) -> None:
    spotify_id = new_song(spotify, site)
    first = start(admin, f"spotify:track:{spotify_id}")
    completed(admin, first)
    before = admin.get("/api/tracks").json()["meta"]["total_count"]
    site.seen.clear()
    second = start(admin, f"https://open.spotify.com/track/{spotify_id}", quality="lossless")
    assert second["track_id"] == first["track_id"]
    assert completed(admin, second)["output_path"].endswith(".mp3")
    assert site.seen == []
    assert admin.get("/api/tracks").json()["meta"]["total_count"] == before
    # Somebody else gets a track of his own.
    theirs = start(other, f"spotify:track:{spotify_id}")
    assert theirs["track_id"] != first["track_id"]
    completed(other, theirs)
    assert other.get(f"/api/tracks/{theirs['track_id']}").status_code == 200
    assert admin.get(f"/api/tracks/{theirs['track_id']}").status_code == 404


@pytest.mark.parametrize(("quality", "container", "bit_rate"), [("lossless", "flac", None), ("low", "mp3", 128_000)])
def test_quality(
    admin: httpx.Client,
    spotify: SpotifySimulator,
    site: MediaSite,
    quality: str,
    container: str,
    bit_rate: int | None,
) -> None:
    created = start(admin, f"spotify:track:{new_song(spotify, site)}", quality)
    job = completed(admin, created)
    assert job["quality"] == quality
    track = admin.get(f"/api/tracks/{created['track_id']}").json()["data"]
    assert (track["container"], track["frame_count"]) == (container, round(SECONDS * 44100))
    tags = tags_of(admin.get(job["output_path"]).content)
    if bit_rate is None:
        assert (tags["title"], tags.pictures[0].data) == ([track["title"]], JPEG)
    else:
        assert tags.info.bitrate == pytest.approx(bit_rate, rel=0.02)


def test_an_album_gives_a_job_for_each_track(admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite) -> None:
    ids = [new_song(spotify, site) for _ in range(3)]
    entries = [{"track": spotify.tracks[spotify_id]} for spotify_id in ids]
    spotify.add_playlist("downloads", "Mine", [entries[0], {"track": None}, *entries[1:], entries[0]])
    answer = admin.post("/api/spotify/import", json={"url": "spotify:playlist:downloads", "quality": "low"})
    created = answer.json()["data"]
    assert (answer.status_code, created["type"], created["name"]) == (201, "playlist", "Mine")
    assert [entry["position"] for entry in created["skipped"]] == [2]
    # A song that is twice in a playlist is one track.
    assert [job["title"] for job in created["jobs"]] == [spotify.tracks[spotify_id]["name"] for spotify_id in ids]
    assert (created["job_id"], created["track_id"]) == (created["jobs"][0]["job_id"], created["jobs"][0]["track_id"])
    for job in created["jobs"]:
        completed(admin, job)
        assert admin.get(f"/api/tracks/{job['track_id']}").json()["data"]["title"] == job["title"]


def test_more_than_is_allowed_at_a_time_is_refused_as_a_whole(admin: httpx.Client, spotify: SpotifySimulator) -> None:
    tracks = [spotify.add_track(f"crowd{n}", f"Crowd {n}", ["Nobody"], 1.0) for n in range(21)]
    spotify.add_album("crowd", "Crowd", tracks)
    before = admin.get("/api/jobs").json()["meta"]["total_count"]
    answer = admin.post("/api/download/track", json={"url": "spotify:album:crowd"})
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_PENDING")
    assert admin.get("/api/jobs").json()["meta"]["total_count"] == before


def test_a_playlist_with_nothing_to_get(admin: httpx.Client, spotify: SpotifySimulator) -> None:
    spotify.add_playlist("nothing", "Mine", [{"track": None}])
    answer = admin.post("/api/download/track", json={"url": "spotify:playlist:nothing"})
    assert (answer.status_code, answer.json()["code"]) == (422, "NOTHING_TO_DOWNLOAD")


def test_a_direct_link_keeps_what_the_file_says_of_itself(admin: httpx.Client, site: MediaSite, tmp_path: Path) -> None:
    path = tmp_path / "tagged.flac"
    path.write_bytes(encoded(song(2.0), "FLAC"))
    file = mutagen.File(path)
    file["title"], file["artist"], file["album"] = "Own / title", "Own artist", "Own album"
    file.save()
    created = start(admin, site.file("/direct/some%20name.flac", path.read_bytes(), "audio/flac"), "lossless")
    assert (created["type"], created["name"]) == ("link", None)
    completed(admin, created)
    track = admin.get(f"/api/tracks/{created['track_id']}").json()["data"]
    assert (track["title"], track["artist"], track["album"]) == ("Own / title", "Own artist", "Own album")
    assert (track["source"], track["container"]) == ("import", "flac")
    assert track["filename"] == "Own artist - Own - title.flac"
    assert start(admin, f"{site.url}/direct/some%20name.flac#part")["track_id"] == created["track_id"]


def test_a_link_that_says_nothing_is_named_after_its_address(admin: httpx.Client, site: MediaSite) -> None:
    created = start(admin, site.file("/direct/My%20Song.wav", SONG, "audio/wav"))
    completed(admin, created)
    track = admin.get(f"/api/tracks/{created['track_id']}").json()["data"]
    assert (track["title"], track["artist"], track["filename"]) == ("My Song", None, "My Song.mp3")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "not a link"}, 400, "invalid_url"),
        ({"url": "ftp://example.org/a.mp3"}, 400, "invalid_url"),
        ({"url": "file:///etc/passwd"}, 400, "invalid_url"),
        ({"url": "https://user:secret@example.org/a.mp3"}, 400, "invalid_url"),
        ({"url": "https://open.spotify.com/artist/x"}, 400, "invalid_url"),
        ({"url": "spotify:track:unknown"}, 404, "spotify_error"),
        ({"url": "http://127.0.0.1/a.mp3"}, 422, "ADDRESS_REFUSED"),
        ({"url": "http://0x7f000001/a.mp3"}, 422, "ADDRESS_REFUSED"),
        ({"url": "http://[::ffff:10.0.0.1]/a.mp3"}, 422, "ADDRESS_REFUSED"),
        ({"url": "http://169.254.169.254/latest/meta-data/"}, 422, "ADDRESS_REFUSED"),
        ({"url": "http://localhost:4000/files/x"}, 422, "ADDRESS_REFUSED"),
        ({"url": "spotify:track:x", "quality": "best"}, 422, "VALIDATION_ERROR"),
        ({}, 422, "VALIDATION_ERROR"),
    ],
)
@pytest.mark.parametrize("path", ["/api/download/track", "/api/spotify/import"])
def test_refusals_at_once(admin: httpx.Client, path: str, body: dict[str, str], status: int, code: str) -> None:
    answer = admin.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert "secret" not in answer.text


def test_failures_of_the_job(admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite) -> None:
    lost = new_song(spotify, site)
    site.found = []
    html = b"<!doctype html><title>Log in</title>" * 200
    links = {
        site.redirect("/fail/redirect.mp3", "http://localhost:4000/"): "ADDRESS_REFUSED",
        site.file("/fail/page.mp3", html, "text/html"): "MEDIA_UNSUPPORTED",
        site.file("/fail/sound.mp3", html, "audio/mpeg"): "AUDIO_UNREADABLE",
        site.status("/fail/gone.mp3", 404): "MEDIA_UNAVAILABLE",
        f"spotify:track:{lost}": "NO_MATCH",
    }
    started = {start(admin, url)["job_id"]: (url, reason) for url, reason in links.items()}
    for job_id, (url, reason) in started.items():
        job = admin.get(f"/api/download/job/{job_id}").json()["data"]
        assert failure(admin, {"job_id": job_id, **job})[0] == reason, url
    # What failed may be tried again: that is a new job.
    new = start(admin, f"spotify:track:{lost}")
    assert new["job_id"] not in started
    assert failure(admin, new)[0] == "NO_MATCH"


def test_a_site_that_was_down_for_a_moment_is_asked_again(admin: httpx.Client, site: MediaSite) -> None:
    url = site.status("/down.wav", 503)
    created = start(admin, url)
    eventually(lambda: "/down.wav" in site.seen)
    eventually(lambda: admin.get(f"/api/download/job/{created['job_id']}").json()["data"]["status"] == "queued")
    site.file("/down.wav", SONG, "audio/wav")
    completed(admin, created)


def fetching(stack: Stack) -> list[psutil.Process]:
    """Fetching processes of the stack."""
    found = []
    for process in psutil.Process(stack.process_id).children(recursive=True):
        try:
            if "services.ingest.fetch.child" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_cancelling_leaves_no_process_and_no_file(stack: Stack, admin: httpx.Client, site: MediaSite) -> None:
    url = site.stalling("/stalling.wav", encoded(song(30.0)), "audio/wav")
    created = start(admin, url)
    assert site.underway.wait(30)
    eventually(lambda: admin.get(f"/api/download/job/{created['job_id']}").json()["data"]["status"] == "downloading")
    assert len(fetching(stack)) == 1
    scratch = stack.data_dir / "scratch" / "ingest"
    eventually(lambda: any(path.name == "media" for path in files_below(scratch)))
    # The same link again, while it is under way, is the same job.
    again = start(admin, url, status=200)
    assert (again["job_id"], again["track_id"]) == (created["job_id"], created["track_id"])
    assert admin.delete(f"/api/jobs/{created['job_id']}").status_code == 204
    assert failure(admin, created) == ("CANCELLED", "cancelled")
    eventually(lambda: fetching(stack) == [])
    eventually(lambda: files_below(scratch) == [])
    assert [path for path in files_below(stack.data_dir / "blobs") if created["track_id"] in str(path)] == []


def test_the_same_idempotency_key_is_the_same_job(
    admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite
) -> None:
    url = f"spotify:track:{new_song(spotify, site)}"
    key = {"Idempotency-Key": "download-1"}
    created = start(admin, url, **key)
    completed(admin, created)
    again = start(admin, url, status=200, **key)
    assert (again["job_id"], again["status"]) == (created["job_id"], "completed")
    answer = admin.post("/api/download/track", json={"url": url, "quality": "low"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_logs_hold_no_secret(stack: Stack, admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite) -> None:
    url = site.status("/secret.mp3", 404) + "?signature=0123456789"
    failure(admin, start(admin, url))
    start(admin, f"spotify:track:{new_song(spotify, site)}")
    log = (stack.data_dir / "stack.log").read_text()
    assert "MEDIA_UNAVAILABLE" in log
    for secret in (CLIENT_SECRET, "Bearer token-", "socks5h://fetch:", "signature=0123456789"):
        assert secret not in log
