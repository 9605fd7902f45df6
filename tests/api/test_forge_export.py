"""Exports: the stems of a track in another format, as a stored archive."""

import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC
from mutagen.id3 import ID3
from stories import decoded, encoded, finished, separated, song, upload

from tests.broken_media import by_ffmpeg
from tests.stacks import Stack
from tests.waiting import eventually

STEMS = {"vocals", "drums", "bass", "other"}


def with_stems(client: httpx.Client, seconds: float, title: str = "Song") -> dict[str, Any]:
    track = upload(client, encoded(song(seconds)), title=title)
    separated(client, track["id"], format="flac")
    return track


def started(client: httpx.Client, track: dict[str, Any], encoding: str, key: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/api/export/stems", json={"track_id": track["id"], "format": encoding}, headers=headers)


def exported(client: httpx.Client, track: dict[str, Any], encoding: str) -> dict[str, Any]:
    answer = started(client, track, encoding)
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    assert (data["track_id"], data["format"], data["status"]) == (track["id"], encoding or "flac", "queued")
    return finished(client, f"/api/export/job/{data['job_id']}")


@pytest.fixture(scope="module")
def track(admin: httpx.Client) -> dict[str, Any]:
    return with_stems(admin, 3.0, title="Ünder: a/Song")


@pytest.fixture(scope="module")
def export(admin: httpx.Client, track: dict[str, Any]) -> dict[str, Any]:
    return exported(admin, track, "wav16")


def test_an_archive_holds_every_stem_in_the_format(admin: httpx.Client, export: dict[str, Any]) -> None:
    assert (export["status"], export["progress"], export["error"]) == ("completed", 100, None)
    assert export["download_url"] == f"/export/archive/{export['id']}"
    answer = admin.get(export["download_url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert len(answer.content) == export["file_size"]
    assert "filename*=UTF-8''%C3%9Cnder%20aSong_stems_wav16.zip" in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert set(archive.namelist()) == {f"Ünder aSong - {stem}.wav" for stem in STEMS}
    total = np.zeros_like(song(3.0))
    for member in archive.namelist():
        content = archive.read(member)
        assert soundfile.info(io.BytesIO(content)).subtype == "PCM_16"
        total += decoded(content)
    assert np.max(np.abs(total - song(3.0))) < 2e-3


def test_a_stem_file_is_downloaded_under_its_name(admin: httpx.Client, track: dict[str, Any]) -> None:
    answer = admin.get(exported(admin, track, "stem_mp4")["download_url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mp4")
    assert "filename*=UTF-8''%C3%9Cnder%20aSong.stem.mp4" in answer.headers["content-disposition"]
    assert answer.content[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("format", "files", "filename"),
    [
        ("dawproject", {"project.xml", "metadata.xml", *(f"audio/{stem}.flac" for stem in STEMS)}, "aSong.dawproject"),
        (
            "reaper",
            {"Ünder aSong/Ünder aSong.rpp", *(f"Ünder aSong/{stem}.flac" for stem in STEMS)},
            "aSong_reaper.zip",
        ),
    ],
)
def test_a_project_holds_the_stems_and_names_their_files(
    admin: httpx.Client, other: httpx.Client, track: dict[str, Any], format: str, files: set[str], filename: str
) -> None:
    path = f"/export/project/{track['id']}?format={format}"
    answer = admin.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"].endswith(f"%20{filename}")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert set(archive.namelist()) == files
    text = archive.read(archive.namelist()[0]).decode()
    assert all(f"{stem}.flac" in text for stem in STEMS)
    assert admin.get(f"/export/project/{track['id']}?format=logic").status_code == 422
    assert other.get(path).status_code == 403


def test_an_export_is_a_job_like_any_other(admin: httpx.Client, track: dict[str, Any], export: dict[str, Any]) -> None:
    listed = admin.get("/api/jobs", params={"track_id": track["id"], "type": "export"}).json()["data"]
    assert export["id"] in [job["id"] for job in listed]
    assert {job["job_type"] for job in listed} == {"export"}
    job = admin.get(f"/api/jobs/{export['id']}").json()["data"]
    assert (job["job_type"], job["status"], job["track_id"]) == ("export", "completed", track["id"])
    assert (job["result"]["engine"], job["result"]["model"]) == ("export", "wav16")
    assert "stems" not in job["result"]
    # The stems of the track stay those of its separation.
    assert admin.get(f"/api/tracks/{track['id']}").json()["data"]["stem_count"] == 4
    assert admin.get(f"/api/processing/job/{export['id']}").status_code == 404


def test_downloads_have_the_tags_and_the_cover_of_their_track(admin: httpx.Client) -> None:
    said = {"title": "Song", "artist": "Ünder", "album": "Blue"}
    track = upload(admin, by_ffmpeg(song(0.5), "mp4", "aac", cover=True, tags=said), "song.m4a")
    assert admin.patch(f"/api/tracks/{track['id']}", json={"bpm": 119.6, "key": "A minor"}).status_code == 200
    separated(admin, track["id"], format="flac")
    [stem, *_] = admin.get(f"/api/tracks/{track['id']}/stems").json()["data"]["stems"]
    flac = FLAC(io.BytesIO(admin.get(f"/export/stem/{stem['id']}?format=flac").content))
    title = f"Song ({stem['stem_type']})"
    found = {"title": title, "artist": "Ünder", "album": "Blue", "bpm": "120", "initialkey": "Am"}
    assert {name: values[0] for name, values in flac.tags.items() if name != "encoder"} == found
    [picture] = flac.pictures
    assert picture.data == admin.get(f"/api/tracks/{track['id']}/cover").content

    manifest = json.dumps({"format": "mp3", "speed": 0.5, "semitones": 2, "stems": [{"name": stem["stem_type"]}]})
    form = {"track_id": (None, track["id"]), "manifest": (None, manifest)}
    mp3 = ID3(io.BytesIO(admin.post("/api/daw/export", files=form).content))
    assert {name: str(mp3[name]) for name in ("TIT2", "TPE1", "TALB", "TBPM")} == {
        "TIT2": "Song (mix)", "TPE1": "Ünder", "TALB": "Blue", "TBPM": "60"
    }  # fmt: skip
    assert "TKEY" not in mp3, "it is transposed"
    assert mp3.getall("APIC")[0].data == picture.data


def test_a_track_without_stems_is_refused(admin: httpx.Client) -> None:
    bare = upload(admin, encoded(song(0.5)))
    paths = (f"/export/stems/{bare['id']}", f"/export/project/{bare['id']}")
    for answer in (started(admin, bare, "flac"), *map(admin.get, paths)):
        assert (answer.status_code, answer.json()["code"]) == (404, "NO_STEMS")


def test_an_unknown_format_is_named(admin: httpx.Client, track: dict[str, Any]) -> None:
    answer = started(admin, track, "ogg")
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
    assert answer.json()["details"] == {
        "format": ["is not known; use one of: flac, wav16, wav24, wav32f, mp3, m4a, stem_mp4, stem_mp4_alac"]
    }


def stored(stack: Stack, job_id: str) -> list[str]:
    """The keys of an export's files."""
    return [key for key in stack.stored("exports/") if job_id in key]


@pytest.mark.topology("embedded", "cluster")
def test_the_deletion_of_a_track_removes_its_exports(stack: Stack, admin: httpx.Client) -> None:
    track = with_stems(admin, 5.0)
    done = exported(admin, track, "wav16")
    assert [key.rsplit("/", 1)[1] for key in stored(stack, done["id"])] == ["stems.zip"]
    under_way = started(admin, track, "wav32f").json()["data"]["job_id"]
    assert admin.delete(f"/api/tracks/{track['id']}").status_code == 204
    answer = admin.get(done["download_url"])
    assert (answer.status_code, answer.json()["code"]) == (404, "FILE_NOT_FOUND")
    # Either the deletion ended the other export, or it was quicker. No file stays. That a deletion ends jobs: tests/unit/library/test_track_deletions.py.
    finished(admin, f"/api/jobs/{under_way}")
    for job_id in (done["id"], under_way):
        eventually(lambda job_id=job_id: stored(stack, job_id) == [])
    # The record of the job stays, for history.
    assert admin.get(f"/api/jobs/{done['id']}").json()["data"]["status"] == "completed"
