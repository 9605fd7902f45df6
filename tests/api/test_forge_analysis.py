"""Stories of measuring songs."""

import io
import math
import uuid
import zipfile
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from stories import decoded, encoded, finished, song, upload


@pytest.fixture(scope="module")
def track(admin: httpx.Client) -> dict[str, Any]:
    return upload(admin, encoded(song(6.0)), title="Measured", artist="Band")


@pytest.fixture(scope="module")
def job(admin: httpx.Client, track: dict[str, Any]) -> dict[str, Any]:
    created = admin.post("/api/analysis/analyze", json={"track_id": track["id"], "features": ["all"]})
    assert created.status_code == 201, created.text
    data = created.json()["data"]
    assert (data["track_id"], data["status"]) == (track["id"], "queued")
    return finished(admin, f"/api/analysis/job/{data['job_id']}")


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers(part)]
    if isinstance(value, list):
        return [number for part in value for number in numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []


def test_an_analysis_gives_the_documented_values(job: dict[str, Any]) -> None:
    assert (job["status"], job["progress"], job["error"]) == ("completed", 100, None)
    result = job["result"]
    assert {"tempo", "key", "energy", "spectral_centroid", "spectral_rolloff", "zero_crossing_rate"} <= set(result)
    assert result["tempo"] == pytest.approx(120, rel=0.04)  # a beat every half second
    assert isinstance(result["key"], str)
    assert 0 < result["energy"] < 1
    assert 0 < result["spectral_centroid"] < result["spectral_rolloff"] < 22050
    assert {"mfcc", "chroma"} <= set(result["features"])
    for feature in ("chords", "sections"):
        assert result[feature]["segments"][0]["start_seconds"] == 0
        assert result[feature]["segments"][-1]["end_seconds"] == pytest.approx(6.0, abs=0.1)
        assert result[feature]["source"] == "mix"
    assert result["chords"]["model"] == "chord-net"
    assert set(result["bars"]["downbeats"]) <= set(result["beats"])
    assert [(each["feature"], each["code"]) for each in result["unavailable"]] == [("vocal_activity", "NO_STEMS")]
    assert all(math.isfinite(number) for number in numbers(result))


def test_the_values_are_kept_with_the_track(admin: httpx.Client, track: dict[str, Any], job: dict[str, Any]) -> None:
    stored = admin.get(f"/api/analysis/{track['id']}").json()["data"]
    assert (stored["track_id"], stored["job_id"]) == (track["id"], job["id"])
    assert job["result"].items() <= stored.items()
    export = admin.get(f"/export/analysis/{track['id']}")
    assert export.headers["content-disposition"] == 'attachment; filename="Measured_analysis.json"'
    midi = admin.get(f"/export/midi/{track['id']}")
    assert (midi.status_code, midi.headers["content-type"]) == (200, "audio/midi")
    assert midi.headers["content-disposition"] == 'attachment; filename="Measured.mid"'
    assert midi.content[:4] == b"MThd"
    beats, path = job["result"]["beats"], f"/api/tracks/{track['id']}"
    assert admin.patch(path, json={"corrections": {"bar_one_seconds": beats[3], "chords": []}}).status_code == 200
    pickup = b"\x00\xff\x58\x04\x03\x02"  # a bar of three quarters at the beginning
    assert (pickup in midi.content, pickup in admin.get(f"/export/midi/{track['id']}").content) == (False, True)
    assert admin.patch(path, json={"corrections": None}).status_code == 200
    assert export.json() == {"track_id": track["id"], "title": "Measured", "artist": "Band", "analysis": job["result"]}


def test_files_for_musicians(
    admin: httpx.Client, other: httpx.Client, track: dict[str, Any], job: dict[str, Any]
) -> None:
    paths = [
        f"/export/chords/{track['id']}.lab",
        f"/export/chords/{track['id']}.cho",
        f"/export/click/{track['id']}.wav",
    ]
    lab, sheet, click = (admin.get(path) for path in paths)
    assert [answer.status_code for answer in (lab, sheet, click)] == [200] * 3, lab.text + sheet.text + click.text[:500]
    assert [answer.headers["content-disposition"] for answer in (lab, sheet, click)] == [
        f'attachment; filename="{name}"' for name in ("Measured_chords.lab", "Measured.cho", "Measured_click.wav")
    ]
    names = [line.split("\t")[2] for line in lab.text.splitlines()]
    assert names == [segment["chord"] for segment in job["result"]["chords"]["segments"]]
    assert sheet.text.startswith("{title: Measured}\n{artist: Band}\n")
    assert decoded(click.content).shape == (6 * 44100, 1)
    head = admin.head(paths[2])
    assert (head.content, head.headers["content-length"]) == (b"", str(len(click.content)))
    assert [other.get(path).status_code for path in paths] == [403] * 3
    rekordbox = f"/export/project/{track['id']}?format=rekordbox"
    answer = admin.get(rekordbox)
    assert answer.headers["content-disposition"] == 'attachment; filename="Measured_rekordbox.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.namelist() == ["Measured/rekordbox.xml", "Measured/Measured.wav"]
    assert archive.read("Measured/Measured.wav") == encoded(song(6.0))
    cues = ElementTree.fromstring(archive.read("Measured/rekordbox.xml")).iter("POSITION_MARK")
    sections = job["result"]["sections"]["segments"]
    assert [(cue.get("Name"), cue.get("Start")) for cue in cues] == [
        (section["label"], f"{section['start_seconds']:.3f}") for section in sections
    ]
    assert other.get(rekordbox).status_code == 403
    fresh = upload(admin, encoded(song(0.2)))
    for path in (f"/export/chords/{fresh['id']}.cho", f"/export/project/{fresh['id']}?format=rekordbox"):
        refused = admin.get(path)
        assert (refused.status_code, refused.json()["code"]) == (404, "ANALYSIS_NOT_FOUND")
    refused = admin.get(f"/export/chords/{fresh['id']}.cho")
    assert '"features": ["tempo", "key", "chords", "bars", "sections"]' in refused.json()["message"]


def test_lyrics_of_the_owner_need_no_analysis(admin: httpx.Client, other: httpx.Client) -> None:
    fresh = upload(admin, encoded(song(3.5)), title="Hymn", artist="Choir")
    path = f"/export/lyrics/{fresh['id']}"
    refused = admin.get(f"{path}.lrc")
    assert (refused.status_code, refused.json()["code"]) == (404, "ANALYSIS_NOT_FOUND")
    assert "corrections" in refused.json()["message"]
    text = "[offset:+500]\n[00:03.50]<00:03.50>Hello <00:04.00>world<00:04.50>\n[00:01.50]First"
    changed = admin.patch(
        f"/api/tracks/{fresh['id']}", json={"corrections": {"bar_one_seconds": None, "chords": [], "lyrics": text}}
    )
    assert changed.json()["data"]["corrections"]["lyrics"] == text
    answers = [admin.get(f"{path}.{form}") for form in ("lrc", "txt")]
    assert [answer.headers["content-disposition"] for answer in answers] == [
        f'attachment; filename="{name}"' for name in ("Hymn.lrc", "Hymn_lyrics.txt")
    ]
    lrc, plain = (answer.text for answer in answers)
    assert lrc == (
        "[ti:Hymn]\n[ar:Choir]\n[length:00:04]\n[00:01.00]First\n[00:03.00]<00:03.00>Hello <00:03.50>world<00:03.50>\n"
    )
    assert plain == "First\nHello world\n"
    assert other.get(f"{path}.lrc").status_code == 403


def test_a_feature_alone_hides_no_others(admin: httpx.Client, track: dict[str, Any], job: dict[str, Any]) -> None:
    created = admin.post("/api/analysis/analyze", data={"track_id": track["id"], "features[]": "energy"}).json()["data"]
    result = finished(admin, f"/api/analysis/job/{created['job_id']}")["result"]
    assert "energy" in result
    assert not {"tempo", "key", "spectral_centroid"} & {name for name, value in result.items() if value is not None}
    known = admin.get(f"/api/analysis/{track['id']}").json()["data"]
    assert known["job_id"] == created["job_id"]
    assert {
        **job["result"],
        **result,
        "features": {**job["result"]["features"], **result["features"]},
    }.items() <= known.items()
    assert admin.get(f"/api/analysis/job/{job['id']}").json()["data"]["result"] == job["result"]
    assert admin.get(f"/export/midi/{track['id']}").status_code == 200


def test_what_is_not_there(
    admin: httpx.Client, other: httpx.Client, track: dict[str, Any], job: dict[str, Any]
) -> None:
    fresh = upload(admin, encoded(song(0.2)))
    for path in (f"/api/analysis/{fresh['id']}", f"/export/analysis/{fresh['id']}", f"/export/midi/{fresh['id']}"):
        assert (admin.get(path).status_code, admin.get(path).json()["code"]) == (404, "ANALYSIS_NOT_FOUND")
    assert "has no notes. Request them with POST /api/analysis/analyze" in admin.get(f"/export/midi/{fresh['id']}").text
    assert admin.get(f"/api/analysis/{uuid.uuid4()}").status_code == 404
    assert other.get(f"/api/analysis/job/{job['id']}").status_code == 403
    assert other.get(f"/export/analysis/{track['id']}").status_code == 403
    assert other.get(f"/export/midi/{track['id']}").status_code == 403
