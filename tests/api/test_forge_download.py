"""Downloads in the forge dialect: from a link to a track in the library, with a simulated Spotify and media site."""

import contextlib
import io
import itertools
from pathlib import Path
from typing import Any

import httpx
import mutagen
import psutil
import pytest
from stories import encoded, finished, song, upload

from tests.broken_media import jpeg
from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import CLIENT_SECRET, SpotifySimulator
from tests.stacks import Stack
from tests.waiting import eventually

JPEG = jpeg(1000, 500)
SECONDS = 3.0
SONG = encoded(song(SECONDS))
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def quiet(spotify: SpotifySimulator, site: MediaSite) -> None:
    spotify.failures.clear()
    site.found = []
    site.underway.clear()
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
    track = track_of(client, created)
    assert (track["id"], track["status"], track["download_status"]) == (created["track_id"], "pending", "failed")
    assert (track["download_error_code"], track["download_error"]) == (job["error_code"], job["error"])
    return job["error_code"], job["error"]


def track_of(client: httpx.Client, created: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(f"/api/tracks/{created['track_id']}")
    assert answer.status_code == 200, answer.text
    track: dict[str, Any] = answer.json()["data"]
    return track


def pending_ids(client: httpx.Client) -> set[str]:
    """Return the ids of the caller's newest tracks without audio."""
    answer = client.get("/api/tracks", params={"status": "pending", "page_size": 100})
    assert {track["status"] for track in answer.json()["data"]} <= {"pending"}
    return {track["id"] for track in answer.json()["data"]}


def stalling_song(spotify: SpotifySimulator, site: MediaSite) -> str:
    """Add a song whose download does not end by itself, and return its Spotify id."""
    spotify_id = new_song(spotify, site)
    _, _, _, address = site.found[-1]
    site.stalling(address.removeprefix(site.url), encoded(song(30.0)), "audio/wav")
    return spotify_id


def tags_of(content: bytes) -> Any:
    return mutagen.File(io.BytesIO(content))


def test_a_link_becomes_a_track(admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite) -> None:
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
        "id": created["job_id"], "track_id": created["track_id"], "status": "completed", "progress": 100,
        "message": None, "quality": "high", "output_path": track["file_path"], "file_size": track["file_size"],
        "error": None, "error_code": None,
    }  # fmt: skip
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
    cover = admin.get(track["cover_path"])
    assert cover.headers["content-type"] == "image/jpeg"
    assert cover.headers["x-content-type-options"] == "nosniff"
    assert cover.content.startswith(b"\xff\xd8\xff")
    assert len(cover.content) < len(JPEG)
    listed = next(job for job in admin.get("/api/jobs").json()["data"] if job["id"] == created["job_id"])
    assert (listed["job_type"], listed["track_id"]) == ("download", created["track_id"])
    # From now on the catalog knows that it is here.
    assert admin.get(f"/api/spotify/track/{spotify_id}").json()["data"]["id"] == created["track_id"]


def test_slow_sites_do_not_hold_up_other_downloads(
    admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite
) -> None:
    slow = [start(admin, f"spotify:track:{stalling_song(spotify, site)}") for _ in range(2)]
    eventually(lambda: {track_of(admin, each)["download_status"] for each in slow} == {"downloading"})
    completed(admin, start(admin, f"spotify:track:{new_song(spotify, site)}"))
    assert {track_of(admin, each)["download_status"] for each in slow} == {"downloading"}
    for each in slow:
        assert admin.delete(f"/api/jobs/{each['job_id']}").status_code == 204


NO_AUDIO = (
    "filename", "file_path", "file_size", "content_type", "content_sha256", "container", "codec", "sample_rate_hz",
    "channel_count", "frame_count", "download_error", "download_error_code",
)  # fmt: skip


def test_the_track_is_there_at_once_and_shows_its_download(
    admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite
) -> None:
    spotify_id = stalling_song(spotify, site)
    created = start(admin, f"spotify:track:{spotify_id}")
    track = track_of(admin, created)
    song = admin.get(f"/api/spotify/track/{spotify_id}").json()["data"]
    assert [track[name] for name in ("title", "artist", "album", "album_art_url", "duration", "spotify_url")] == [
        song[name] for name in ("title", "artist", "album", "album_art_url", "duration", "spotify_url")
    ]
    assert (track["id"], track["status"], track["source"]) == (created["track_id"], "pending", "spotify")
    assert (track["download_job_id"], track["spotify_id"]) == (created["job_id"], spotify_id)
    assert track["download_status"] in ("queued", "downloading")
    assert [track[name] for name in NO_AUDIO] == [None] * len(NO_AUDIO)
    assert track["id"] in pending_ids(admin)
    assert track["id"] in {found["id"] for found in admin.get("/api/tracks").json()["data"]}
    downloaded = admin.get("/api/tracks", params={"status": "downloaded", "page_size": 100}).json()["data"]
    assert track["id"] not in {found["id"] for found in downloaded}
    eventually(lambda: track_of(admin, created)["download_status"] == "downloading")

    assert site.underway.wait(60)
    admin.delete(f"/api/jobs/{created['job_id']}")
    assert failure(admin, created) == ("CANCELLED", "cancelled")
    assert track["id"] in pending_ids(admin)


def test_a_failed_download_is_repeated_with_the_tracks_id(
    admin: httpx.Client, other: httpx.Client, spotify: SpotifySimulator, site: MediaSite
) -> None:
    url = site.status("/retried.wav", 404)
    created = start(admin, url, "low")
    assert failure(admin, created)[0] == "MEDIA_UNAVAILABLE"
    assert track_of(admin, created)["title"] == "retried"
    site.file("/retried.wav", SONG, "audio/wav")

    def refused(client: httpx.Client, **body: str) -> tuple[int, str]:
        answer = client.post("/api/download/track", json=body)
        return answer.status_code, answer.json()["code"]

    assert refused(admin, track_id=created["track_id"], url=url) == (422, "VALIDATION_ERROR")
    assert refused(other, track_id=created["track_id"]) == (404, "TRACK_NOT_FOUND")
    assert refused(admin, track_id="no-uuid") == (404, "TRACK_NOT_FOUND")
    uploaded = upload(admin, SONG)
    assert refused(admin, track_id=uploaded["id"]) == (422, "NOT_DOWNLOADED")
    answer = admin.post("/api/download/track", json={"track_id": created["track_id"]})
    again = answer.json()["data"]
    assert (answer.status_code, again["type"], again["track_id"]) == (201, "link", created["track_id"])
    assert again["job_id"] != created["job_id"]
    job = completed(admin, again)
    assert (job["quality"], track_of(admin, created)["container"]) == ("low", "mp3")
    assert tags_of(admin.get(job["output_path"]).content).info.bitrate == pytest.approx(128_000, rel=0.02)


def test_a_track_without_audio_is_refused_where_audio_is_needed(
    stack: Stack, admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite
) -> None:
    created = start(admin, f"spotify:track:{stalling_song(spotify, site)}")
    track_id = created["track_id"]
    form = {"track_id": (None, track_id), "manifest": (None, "{}")}
    answers = [
        admin.post("/api/processing/separate", json={"track_id": track_id, "model": "dsp"}),
        admin.post("/api/analysis/analyze", json={"track_id": track_id}),
        admin.post("/api/daw/export", files=form),
        admin.get(f"/export/stems/{track_id}"),
        admin.get(f"/export/analysis/{track_id}"),
        admin.get(f"/files/downloads/{track_id}/the-band-tune.mp3"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (409, "AUDIO_NOT_READY"), answer.request.url
        assert "download" in answer.json()["message"]
    # Deleting the track cancels the download.
    assert admin.delete(f"/api/tracks/{track_id}").status_code == 204
    assert admin.get(f"/api/tracks/{track_id}").status_code == 404
    job = finished(admin, f"/api/download/job/{created['job_id']}")
    assert (job["status"], job["error"]) == ("failed", "cancelled")
    assert admin.get(f"/api/tracks/{track_id}").status_code == 404
    assert [key for key in stack.stored() if track_id in key] == []


def test_an_album_gives_a_job_for_each_track(admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite) -> None:
    ids = [new_song(spotify, site) for _ in range(2)]
    entries = [{"track": spotify.tracks[spotify_id]} for spotify_id in ids]
    spotify.add_playlist("downloads", "Mine", [entries[0], {"track": None}, entries[1], entries[0]])
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


def test_a_playlist_with_nothing_to_get_is_refused(admin: httpx.Client, spotify: SpotifySimulator) -> None:
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


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "not a link"}, 400, "invalid_url"),
        ({"url": "file:///etc/passwd"}, 400, "invalid_url"),
        ({"url": "https://user:secret@example.org/a.mp3"}, 400, "invalid_url"),
        ({"url": "spotify:track:unknown"}, 404, "spotify_error"),
        ({"url": "http://127.0.0.1/a.mp3"}, 422, "ADDRESS_REFUSED"),
        ({"url": "http://169.254.169.254/latest/meta-data/"}, 422, "ADDRESS_REFUSED"),
        ({"url": "spotify:track:x", "quality": "best"}, 422, "VALIDATION_ERROR"),
    ],
)
def test_a_link_that_cannot_be_downloaded_is_refused_at_once(
    admin: httpx.Client, body: dict[str, str], status: int, code: str
) -> None:
    answer = admin.post("/api/download/track", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert "secret" not in answer.text


def test_a_site_that_was_down_for_a_moment_is_asked_again(admin: httpx.Client, site: MediaSite) -> None:
    url = site.status("/down.wav", 503)
    created = start(admin, url)
    eventually(lambda: "/down.wav" in site.seen)
    eventually(lambda: admin.get(f"/api/download/job/{created['job_id']}").json()["data"]["status"] == "queued")
    site.file("/down.wav", SONG, "audio/wav")
    completed(admin, created)


def fetching(stack: Stack) -> list[psutil.Process]:
    """Fetching processes of the stack: forks of fork servers."""
    found = []
    for process in stack.processes():
        with contextlib.suppress(psutil.Error):
            parent = process.parent()
            if parent and process.cmdline()[-1:] == parent.cmdline()[-1:] == ["confined"]:
                found.append(process)
    return found


@pytest.mark.topology("embedded", "cluster")
def test_cancelling_leaves_no_process_and_no_file(stack: Stack, admin: httpx.Client, site: MediaSite) -> None:
    url = site.stalling("/stalling.wav", encoded(song(30.0)), "audio/wav")
    created = start(admin, url)
    assert site.underway.wait(60)
    eventually(lambda: admin.get(f"/api/download/job/{created['job_id']}").json()["data"]["status"] == "downloading")
    assert len(fetching(stack)) == 1
    eventually(lambda: any(path.name == "media" for path in stack.scratch("ingest")))
    # The same link again, while it is under way, is the same job.
    again = start(admin, url, status=200)
    assert (again["job_id"], again["track_id"]) == (created["job_id"], created["track_id"])
    assert admin.delete(f"/api/jobs/{created['job_id']}").status_code == 204
    assert failure(admin, created) == ("CANCELLED", "cancelled")
    eventually(lambda: fetching(stack) == [])
    eventually(lambda: stack.scratch("ingest") == [])
    assert [key for key in stack.stored() if created["track_id"] in key] == []
    assert stack.unfinished() == []


def test_the_same_idempotency_key_is_the_same_job(
    admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite
) -> None:
    url = f"spotify:track:{stalling_song(spotify, site)}"
    key = {"Idempotency-Key": "download-1"}
    created = start(admin, url, **key)
    assert start(admin, url, status=200, **key)["job_id"] == created["job_id"]
    answer = admin.post("/api/download/track", json={"url": f"{site.url}/another.wav"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    admin.delete(f"/api/jobs/{created['job_id']}")


def test_logs_hold_no_secret(stack: Stack, admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite) -> None:
    url = site.status("/secret.mp3", 404) + "?signature=0123456789"
    failure(admin, start(admin, url))
    start(admin, f"spotify:track:{new_song(spotify, site)}")
    log = stack.log()
    assert "MEDIA_UNAVAILABLE" in log
    for secret in (CLIENT_SECRET, "Bearer token-", "socks5h://fetch:", "signature=0123456789"):
        assert secret not in log


def look(client: httpx.Client, url: str, status: int = 200) -> dict[str, Any]:
    answer = client.post("/api/download/preview", json={"url": url})
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_link_is_looked_into_before_it_is_downloaded(
    admin: httpx.Client, spotify: SpotifySimulator, site: MediaSite
) -> None:
    spotify_id = new_song(spotify, site)
    found = look(admin, f"https://open.spotify.com/track/{spotify_id}?si=x")["data"]
    (entry,) = found["entries"]
    assert (found["type"], found["entry_count"], found["truncated"]) == ("track", 1, False)
    assert (entry["artist"], entry["duration_seconds"], entry["track_id"]) == ("The Band", SECONDS, None)
    url = site.file("/preview/Blue%20Hour.wav", SONG, "audio/wav")
    entry = look(admin, url)["data"]["entries"][0]
    assert (entry["title"], entry["url"], entry["track_id"], entry["problem"]) == ("Blue Hour", url, None, None)
    assert admin.get("/api/tracks", params={"q": "Blue Hour"}).json()["data"] == []


def test_what_is_no_public_recording_cannot_be_looked_into(admin: httpx.Client, site: MediaSite) -> None:
    with MediaSite() as private:
        secret = private.file("/secret.wav", SONG, "audio/wav")
        assert look(admin, site.redirect("/sent-on", secret), 422)["code"] == "ADDRESS_REFUSED"
        assert private.seen == []
    page = site.file("/page", b"<html><title>No song</title></html>", "text/html")
    assert look(admin, page, 422)["code"] == "MEDIA_UNSUPPORTED"
    assert look(admin, "file:///etc/passwd", 400)["code"] == "invalid_url"
