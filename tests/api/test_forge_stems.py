"""Stories of players: what a track has to play, its segments and its waveforms."""

import io
import math
import struct
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from stories import RATE_HZ, decoded, encoded, finished, separated, song, upload

from tests.stacks import Stack

SECONDS = 11.3
SONG = encoded(song(SECONDS))
FRAMES = round(SECONDS * RATE_HZ)
PIXELS = math.ceil(FRAMES / 256)


def listed(client: httpx.Client, track: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(f"/api/tracks/{track['id']}/stems")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def played(client: httpx.Client, stem: dict[str, Any]) -> np.ndarray:
    """The samples of all segments."""
    parts = []
    for index in range(stem["segment_count"]):
        answer = client.get(f"/api/stems/{stem['id']}/segments/{index}")
        assert answer.status_code == 200, answer.text
        assert int(answer.headers["content-length"]) == len(answer.content)
        parts.append(decoded(answer.content))
    assert {len(part) for part in parts[:-1]} <= {stem["segment_frame_count"]}
    return np.concatenate(parts)


def drawn(samples: np.ndarray, pixel_frames: int = 256) -> list[tuple[int, int]]:
    """What a waveform of samples [frames, channels] shows."""
    extremes = [
        (part.min(), part.max())
        for part in (samples[start : start + pixel_frames] for start in range(0, len(samples), pixel_frames))
    ]
    values = np.clip(np.rint(np.array(extremes) * 128), -128, 127).astype(int)
    return [(int(low), int(high)) for low, high in values]


def pixels(data: bytes) -> list[tuple[int, int]]:
    return list(struct.iter_unpack("<bb", data[24:]))


@pytest.fixture(scope="module")
def track(admin: httpx.Client) -> dict[str, Any]:
    track = upload(admin, SONG)
    assert listed(admin, track) == {"mix": None, "stems": [], "separations": []}
    track["job_id"] = separated(admin, track["id"], format="flac")["id"]
    return track


@pytest.fixture(scope="module")
def stems(admin: httpx.Client, track: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = listed(admin, track)
    return {stem["stem_type"]: stem for stem in [*found["stems"], found["mix"]]}


def test_the_stems_and_the_mix_fit_each_other(
    admin: httpx.Client, track: dict[str, Any], stems: dict[str, dict[str, Any]]
) -> None:
    assert list(stems) == ["drums", "bass", "other", "vocals", "mix"]
    for stem in stems.values():
        assert (stem["sample_rate_hz"], stem["frame_count"], stem["channel_count"]) == (RATE_HZ, FRAMES, 2)
        assert (stem["segment_frame_count"], stem["segment_count"]) == (5 * RATE_HZ, 3)
        assert (stem["track_id"], stem["processing_job_id"]) == (track["id"], track["job_id"])
    # The mix is no stem: lists, archives and counts have four.
    job = admin.get(f"/api/processing/job/{track['job_id']}").json()["data"]
    assert job["stems"] == [stem for name, stem in stems.items() if name != "mix"]
    assert admin.get(f"/api/tracks/{track['id']}").json()["data"]["stem_count"] == 4
    # It is the recording, to the last bit of its 16.
    content = admin.get(stems["mix"]["file_path"]).content
    assert content == admin.get(stems["mix"]["download_url"]).content
    assert soundfile.info(io.BytesIO(content)).subtype == "PCM_16"
    np.testing.assert_array_equal(decoded(content), decoded(SONG))
    # The song is long enough to say how fast its model is.
    models = {model["name"]: model for model in admin.get("/api/processing/models").json()["data"]["models"]}
    assert models["dsp"]["measured_speed"] > 0


def test_the_segments_together_are_the_stem(admin: httpx.Client, stems: dict[str, dict[str, Any]]) -> None:
    for stem in stems.values():
        np.testing.assert_array_equal(played(admin, stem), decoded(admin.get(stem["download_url"]).content))


def test_a_segment_is_cached_until_it_changes(admin: httpx.Client, stems: dict[str, dict[str, Any]]) -> None:
    path = f"/api/stems/{stems['bass']['id']}/segments/"
    first = admin.get(path + "0")
    assert first.headers["cache-control"] == "private, max-age=86400"
    etag = first.headers["etag"]
    assert etag not in (
        admin.get(path + "1").headers["etag"],
        admin.get(path.replace("bass", "drums")).headers.get("etag"),
    )
    again = admin.get(path + "0", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert admin.get(path + "1", headers={"If-None-Match": etag}).status_code == 200
    # It is made for each request, so it has no parts.
    whole = admin.get(path + "0", headers={"Range": "bytes=0-99"})
    assert (whole.status_code, whole.headers["accept-ranges"], whole.content) == (200, "none", first.content)
    head = admin.head(path + "0")
    assert (head.status_code, head.headers["etag"], head.content) == (200, etag, b"")
    assert "content-length" not in head.headers, "the segment was not made"


def test_a_segment_behind_the_end_is_not_found(admin: httpx.Client, stems: dict[str, dict[str, Any]]) -> None:
    for index in ("3", "9" * 4000):
        answer = admin.get(f"/api/stems/{stems['bass']['id']}/segments/{index}")
        assert (answer.status_code, answer.json()["code"]) == (404, "SEGMENT_NOT_FOUND")
        assert answer.json()["message"] == "The recording has the segments 0 to 2."


def test_an_archive_is_no_recording(admin: httpx.Client, track: dict[str, Any]) -> None:
    export = admin.post("/api/export/stems", json={"track_id": track["id"]}).json()["data"]["job_id"]
    assert finished(admin, f"/api/export/job/{export}")["status"] == "completed"
    for what in ("segments/0", "waveform", "waveform?samples_per_pixel=1024"):
        answer = admin.get(f"/api/stems/{uuid.uuid5(uuid.UUID(export), 'stems')}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (404, "FILE_NOT_FOUND")


def test_a_waveform_shows_the_extremes_of_the_stem(admin: httpx.Client, stems: dict[str, dict[str, Any]]) -> None:
    for stem in stems.values():
        samples = decoded(admin.get(stem["download_url"]).content)
        answer = admin.get(f"/api/stems/{stem['id']}/waveform")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
        assert struct.unpack_from("<iIiiIi", answer.content) == (2, 1, RATE_HZ, 256, PIXELS, 1)
        assert np.abs(np.array(pixels(answer.content)) - np.array(drawn(samples))).max() <= 1
        for pixel_frames in (512, 16_384, 1 << 24):
            coarse = admin.get(f"/api/stems/{stem['id']}/waveform", params={"samples_per_pixel": pixel_frames})
            assert struct.unpack_from("<iIiiIi", coarse.content)[3:5] == (
                pixel_frames,
                math.ceil(FRAMES / pixel_frames),
            )
            assert np.abs(np.array(pixels(coarse.content)) - np.array(drawn(samples, pixel_frames))).max() <= 1


@pytest.mark.topology("embedded", "cluster")
def test_an_upload_has_a_waveform_until_it_is_deleted(stack: Stack, admin: httpx.Client) -> None:
    track = upload(admin, SONG)
    path = f"/api/tracks/{track['id']}/waveform"
    samples = decoded(SONG)
    for pixel_frames in (256, 16_384):
        answer = admin.get(path, params={"samples_per_pixel": pixel_frames})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
        assert np.abs(np.array(pixels(answer.content)) - np.array(drawn(samples, pixel_frames))).max() <= 1
    assert len(stack.stored(f"tracks/{track['id']}/")) == 2
    assert admin.delete(f"/api/tracks/{track['id']}").status_code == 204
    assert stack.stored(f"tracks/{track['id']}/") == []
    assert admin.get(path).json()["code"] == "TRACK_NOT_FOUND"


@pytest.mark.topology("embedded", "cluster")
def test_a_waveform_is_cached_and_has_parts(admin: httpx.Client, stems: dict[str, dict[str, Any]]) -> None:
    path = f"/api/stems/{stems['vocals']['id']}/waveform"
    whole = admin.get(path)
    assert (whole.headers["accept-ranges"], whole.headers["cache-control"]) == ("bytes", "private, max-age=86400")
    part = admin.get(path, headers={"Range": "bytes=24-123", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[24:124])
    assert part.headers["content-range"] == f"bytes 24-123/{24 + 2 * PIXELS}"
    assert admin.get(path, headers={"Range": "bytes=999999999-"}).status_code == 416
    coarse = admin.get(path, params={"samples_per_pixel": 4096})
    assert (coarse.status_code, coarse.headers["accept-ranges"]) == (200, "none")
    assert coarse.headers["etag"] != whole.headers["etag"]
    for answer, query in ((whole, {}), (coarse, {"samples_per_pixel": 4096})):
        again = admin.get(path, params=query, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert admin.head(path, params=query).headers["etag"] == answer.headers["etag"]


@pytest.mark.topology("embedded", "cluster")
def test_a_waveform_that_is_missing_is_computed_once_it_is_asked_for(
    stack: Stack, admin: httpx.Client, track: dict[str, Any], stems: dict[str, dict[str, Any]]
) -> None:
    path = f"/api/stems/{stems['drums']['id']}/waveform"
    before = admin.get(path).content
    [key] = [key for key in stack.stored("stems/") if track["job_id"] in key and key.endswith("drums.flac.dat")]
    stack.delete(key)  # as if an earlier version had made the stem
    assert (admin.head(path).status_code, key in stack.stored("stems/")) == (200, False)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: admin.get(path), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    contents = {answer.content for answer in answers}
    assert len(contents) == 1
    # It is that of the stored samples, which were rounded.
    assert pixels(contents.pop()) == drawn(decoded(admin.get(stems["drums"]["download_url"]).content))
    assert len(before) == len(stack.read(key))
    coarse = admin.get(path, params={"samples_per_pixel": 1024})
    assert coarse.status_code == 200


@pytest.mark.topology("embedded", "cluster")
def test_nothing_is_left_of_a_deleted_track(stack: Stack, admin: httpx.Client) -> None:
    track = upload(admin, encoded(song(1.0)))
    job_id = separated(admin, track["id"], format="flac")["id"]
    found = listed(admin, track)
    [stem, *_], mix = found["stems"], found["mix"]
    names = {key.rpartition("/")[2] for key in stack.stored("stems/") if job_id in key and "/live/" not in key}
    audio = {f"{name}.flac" for name in ("drums", "bass", "other", "vocals", "mix")}
    assert names == audio | {f"{name}.dat" for name in audio}
    # A file that was lost is not found.
    [key] = [key for key in stack.stored("stems/") if job_id in key and key.endswith(f"{stem['stem_type']}.flac")]
    stack.delete(key)
    stack.delete(f"{key}.dat")
    paths = [f"/api/stems/{stem['id']}/{what}" for what in ("segments/0", "waveform", "spectrogram/0")]
    exports = [
        f"/export/stem/{stem['id']}?format=wav24",
        *(f"/export/{what}/{track['id']}" for what in ("stems", "project")),
    ]
    for path in (*paths, *exports):
        answer = admin.get(path)
        assert (path, answer.json()["code"]) == (path, "FILE_NOT_FOUND")
        assert (path, admin.head(path).status_code) == (path, answer.status_code)
    assert admin.delete(f"/api/tracks/{track['id']}").status_code == 204
    assert [key for key in stack.stored() if job_id in key or track["id"] in key] == []
    for what in ("segments/0", "waveform"):
        assert admin.get(f"/api/stems/{mix['id']}/{what}").json()["code"] == "STEM_NOT_FOUND"


def test_an_earlier_separation_stays_for_comparison(admin: httpx.Client) -> None:
    mine, other = (upload(admin, encoded(song(1.0))) for _ in range(2))
    ids = [separated(admin, mine["id"], format=encoding)["id"] for encoding in ("wav32f", "flac")]
    latest = listed(admin, mine)
    assert [one["id"] for one in latest["separations"]] == ids[::-1]
    assert latest["separations"][0]["model"] == "dsp"
    assert latest["separations"][0]["stem_types"] == [stem["stem_type"] for stem in latest["stems"]]
    path = f"/api/tracks/{mine['id']}/stems"
    earlier = admin.get(path, params={"separation_id": ids[0]}).json()["data"]
    assert {stem["processing_job_id"] for stem in [*earlier["stems"], earlier["mix"]]} == {ids[0]}
    assert {stem["processing_job_id"] for stem in latest["stems"]} == {ids[1]}
    exact, rounded = (played(admin, data["stems"][0]) for data in (earlier, latest))
    assert 0 < np.abs(exact - rounded).max() < 2**-22, "floats against 24 bits"
    for unknown in (str(uuid.uuid4()), "x", separated(admin, other["id"])["id"]):
        answer = admin.get(path, params={"separation_id": unknown})
        assert (answer.status_code, answer.json()["code"]) == (404, "JOB_NOT_FOUND")

    form = {"track_id": mine["id"], "manifest": '{"format": "flac", "stems": [{"name": "drums"}]}'}
    flac = admin.post("/api/daw/export", files={name: (None, text) for name, text in form.items()})
    assert (flac.status_code, flac.headers["content-type"]) == (200, "audio/flac")
    assert ".flac" in flac.headers["content-disposition"]
    assert soundfile.info(io.BytesIO(flac.content)).subtype == "PCM_24"
    assert np.array_equal(decoded(flac.content), rounded)
    form |= {"separation_id": ids[0], "manifest": '{"format": "wav32f", "stems": [{"name": "drums"}]}'}
    assert np.array_equal(
        decoded(admin.post("/api/daw/export", files={n: (None, t) for n, t in form.items()}).content), exact
    )
    form |= {"separation_id": str(uuid.uuid4())}
    assert admin.post("/api/daw/export", files={n: (None, t) for n, t in form.items()}).status_code == 404


def test_a_spectrogram_has_tiles_of_any_resolution(
    stack: Stack, admin: httpx.Client, track: dict[str, Any], stems: dict[str, dict[str, Any]]
) -> None:
    path = f"/api/stems/{stems['mix']['id']}/spectrogram"
    assert [admin.head(f"{path}/{tile}").status_code for tile in (0, 1)] == [200, 404]
    assert [key for key in stack.stored("stems/") if track["job_id"] in key and key.endswith(".mel")] == []
    answer = admin.get(f"{path}/0")
    assert answer.status_code == 200, answer.text
    columns = np.frombuffer(answer.content, np.uint8).reshape(-1, 64)
    assert len(columns) == 1 + FRAMES // 2048
    assert columns.max() > 128, "louder than -45 dB"
    coarse = admin.get(f"{path}/0", params={"columns_per_pixel": 128})
    assert np.array_equal(
        np.frombuffer(coarse.content, np.uint8), columns[:128].max(axis=0).tolist() + columns[128:].max(axis=0).tolist()
    )
    again = admin.get(f"{path}/0", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, admin.head(f"{path}/0").headers["etag"]) == (304, answer.headers["etag"])
    beyond = admin.get(f"{path}/1")
    assert (beyond.status_code, beyond.json()["code"]) == (404, "SEGMENT_NOT_FOUND")
    assert admin.get(f"{path}/0", params={"columns_per_pixel": 3}).status_code == 422
    assert admin.get(f"/api/stems/{uuid.uuid4()}/spectrogram/0").json()["code"] == "STEM_NOT_FOUND"
