"""Stories of bringing songs in."""

import concurrent.futures
import uuid

import httpx
import pytest
from stories import SEPARATE, analysed, encoded, finished, separated, song, started, upload

from tests.broken_media import jpeg
from tests.stacks import Stack
from tests.waiting import eventually


def stored_files(stack: Stack) -> set[str]:
    """Every file in the store, also half-written ones."""
    return {*stack.stored(), *map(str, stack.unfinished())}


@pytest.mark.topology("embedded", "cluster")
def test_a_song_comes_in_is_listed_and_comes_back_unchanged(admin: httpx.Client) -> None:
    content = encoded(song())
    track = upload(admin, content, "My Song.wav", artist="The\r\nBand", album="\x1bFirst\u202e")
    assert (track["title"], track["artist"], track["album"]) == ("My Song", "The Band", "First")
    assert (track["duration_seconds"], track["duration"]) == (3.0, 3)
    assert (track["sample_rate_hz"], track["channel_count"], track["frame_count"]) == (44100, 2, 132300)
    assert (track["container"], track["codec"], track["file_size"]) == ("wav", "pcm_s16le", len(content))
    assert admin.get(f"/api/tracks/{track['id']}").json() == {"data": track}
    listed = admin.get("/api/tracks", params={"page_size": 1}).json()
    assert listed["data"] == [track]
    assert (listed["meta"]["page"], listed["meta"]["page_size"]) == (1, 1)
    assert listed["meta"]["total_count"] == listed["meta"]["total_pages"] >= 1
    whole = admin.get(track["file_path"])
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "audio/wav")
    part = admin.get(track["file_path"], headers={"Range": "bytes=44-143"})
    assert (part.status_code, part.content) == (206, content[44:144])
    assert part.headers["content-range"] == f"bytes 44-143/{len(content)}"
    assert admin.head(track["file_path"]).headers["content-length"] == str(len(content))


@pytest.mark.topology("embedded", "cluster")
def test_a_repeated_upload_returns_the_first_track(stack: Stack, admin: httpx.Client, other: httpx.Client) -> None:
    def send(client: httpx.Client, content: bytes) -> httpx.Response:
        return client.post("/api/tracks", files={"file": ("song.wav", content)}, headers=headers)

    headers = {"Idempotency-Key": str(uuid.uuid4())}
    content = encoded(song(0.5))
    first = send(admin, content)
    assert first.status_code == 201, first.text
    stored, count = stored_files(stack), admin.get("/api/tracks").json()["meta"]["total_count"]
    again = send(admin, content)
    assert (again.status_code, again.json()) == (200, first.json())
    another_file = send(admin, encoded(song(0.5, seed=1)))
    assert (another_file.status_code, another_file.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert stored_files(stack) == stored
    assert admin.get("/api/tracks").json()["meta"]["total_count"] == count
    # The key of another caller is another key, and that of a deleted track is free again.
    assert send(other, content).status_code == 201
    assert admin.delete(f"/api/tracks/{first.json()['data']['id']}").status_code == 204
    recreated = send(admin, content)
    assert recreated.status_code == 201
    assert admin.get(recreated.json()["data"]["file_path"]).content == content


@pytest.mark.topology("embedded", "cluster")
def test_simultaneous_uploads_with_one_key_create_one_track(stack: Stack, admin: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    contents = [encoded(song(0.5, seed=seed % 2)) for seed in range(6)]
    before = stored_files(stack)

    def send(content: bytes) -> httpx.Response:
        return admin.post("/api/tracks", files={"file": ("song.wav", content)}, headers=headers)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, contents))
    [created] = [answer for answer in answers if answer.status_code == 201]
    track = created.json()["data"]
    winner = admin.get(track["file_path"]).content
    for answer, content in zip(answers, contents, strict=True):
        if content == winner:
            assert answer.json()["data"]["id"] == track["id"], answer.text
        else:
            assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len(stored_files(stack) - before) == 2  # the recording and its waveform


# ------------------------------------------------------------------------------------------------- change and delete


def test_a_track_is_changed_and_stays_so(admin: httpx.Client) -> None:
    content = encoded(song(0.2))
    track = upload(admin, content, "draft.wav")
    path = f"/api/tracks/{track['id']}"
    said = (track["bpm"], track["key"], track["tags"], track["status"], track["stem_count"])
    assert said == (None, None, [], "downloaded", 0)
    new = {
        "title": "Nachtlied 🌙",
        "artist": "Zoë",
        "album": "Live",
        "bpm": 97.5,
        "key": "bb minor",
        "tags": ["a", "b", "A"],
        "corrections": {
            "bar_one_seconds": 0.1,
            "chords": [{"start_seconds": 0.0, "end_seconds": 0.1, "label": "F#m7/E"}],
            "lyrics": "[00:00.10]Stille",
        },
    }
    answer = admin.patch(path, json={**new, "id": "x", "status": "analyzed", "owner_id": "me"})
    assert answer.status_code == 200, answer.text
    changed = answer.json()["data"]
    expected = {**track, **new, "key": "A# minor", "tags": ["a", "b"]}
    moving = ("file_path", "updated_at")
    assert {k: v for k, v in changed.items() if k not in moving} == {
        k: v for k, v in expected.items() if k not in moving
    }
    assert admin.get(path).json() == {"data": changed}
    # Whoever plays it goes on.
    for address in (track["file_path"], changed["file_path"]):
        assert admin.get(address).content == content
    form = admin.patch(path, data={"bpm": "", "key": "", "tags": "rain, snow", "title": "Form"}).json()["data"]
    assert (form["title"], form["bpm"], form["key"], form["tags"]) == ("Form", None, None, ["rain", "snow"])
    assert form["artist"] == "Zoë"
    cleared = admin.patch(
        path, json={"artist": None, "album": "", "tags": None, "bpm": None, "key": None, "corrections": None}
    ).json()["data"]
    assert (cleared["artist"], cleared["album"], cleared["tags"], cleared["corrections"]) == (None, None, [], None)
    wrong = admin.patch(
        path,
        json={
            "corrections": {"bar_one_seconds": None, "chords": [{"start_seconds": 0, "end_seconds": 1, "label": "H"}]}
        },
    )
    assert (wrong.status_code, list(wrong.json()["details"])) == (422, ["corrections"])
    assert admin.patch(path, content=b"tags[]=x&tags[]=y", headers=FORM).json()["data"]["tags"] == ["x", "y"]


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.topology("embedded", "cluster")
def test_many_tracks_are_changed_and_deleted_with_one_request(admin: httpx.Client, other: httpx.Client) -> None:
    first, second, third = (upload(admin, encoded(song(0.5)), f"{name}.wav")["id"] for name in ("A", "B", "C"))
    foreign, foreign_too = (upload(other, encoded(song(0.5)), "D.wav")["id"] for _ in range(2))
    changes = [
        {"track_id": first.upper(), "title": "First", "bpm": 120},
        {"track_id": second, "title": "Second", "key": "H major", "bpm": 9000},
        {"track_id": foreign, "title": "Mine"},
        {"track_id": third},
    ]
    asked = {"changes": changes, "deletions": [str(uuid.uuid4()), "no ID", foreign_too.replace("-", "")]}
    answer = admin.post("/api/tracks/batch", json=asked)
    assert answer.status_code == 200, answer.text
    batch = answer.json()["data"]
    assert (batch["completed"], batch["failed"]) == (1, 6)
    codes = [(each["track_id"], each["status"], each["error_code"]) for each in batch["results"]]
    assert codes == [
        (first.upper(), "completed", None),
        (second, "failed", "VALIDATION_ERROR"),
        (foreign, "failed", "TRACK_NOT_FOUND"),
        (third, "failed", "VALIDATION_ERROR"),
        *((each, "failed", "TRACK_NOT_FOUND") for each in asked["deletions"]),
    ]
    changed, invalid, *_ = batch["results"]
    assert changed["track"] == admin.get(f"/api/tracks/{first}").json()["data"]
    assert (changed["track"]["title"], changed["track"]["bpm"], changed["error"]) == ("First", 120, None)
    assert (set(invalid["details"]), invalid["track"]) == ({"bpm", "key"}, None)
    assert admin.get(f"/api/tracks/{second}").json()["data"]["title"] == "B"
    assert [other.get(f"/api/tracks/{each}").json()["data"]["title"] for each in (foreign, foreign_too)] == ["D", "D"]
    batch = admin.post("/api/tracks/batch", json={"deletions": [first, second, third]}).json()["data"]
    assert (batch["completed"], batch["failed"]) == (3, 0)
    assert [admin.get(f"/api/tracks/{each}").status_code for each in (first, second, third)] == [404] * 3


def test_a_separation_and_an_analysis_show_on_the_track(admin: httpx.Client) -> None:
    track = upload(admin, encoded(song(2.0)))
    path = f"/api/tracks/{track['id']}"
    for work, word in (
        (lambda: separated(admin, track["id"]), "processed"),
        (lambda: analysed(admin, track["id"], "tempo", "key"), "analyzed"),
    ):
        work()
        assert admin.get(path).json()["data"]["status"] == word
        for status in {"downloaded", word, "all"}:
            found = admin.get("/api/tracks", params={"status": status}).json()["data"]
            assert track["id"] in [one["id"] for one in found], status
    told, measured = admin.get(path).json()["data"], admin.get(f"/api/analysis/{track['id']}").json()["data"]
    assert told["stem_count"] == 4
    assert (told["bpm"], told["key"]) == (pytest.approx(measured["tempo"], abs=0.01), measured["key"])


@pytest.mark.topology("embedded", "cluster")
def test_a_deleted_track_is_gone_with_all_that_belongs_to_it(stack: Stack, admin: httpx.Client) -> None:
    before = stored_files(stack)
    track = upload(admin, encoded(song(1.0)))
    job, analysis = separated(admin, track["id"]), analysed(admin, track["id"], "tempo")
    # The recording, the mix and four stems, and their waveforms.
    assert len(stored_files(stack) - before) == 12
    path = f"/api/tracks/{track['id']}"
    answer = admin.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert stored_files(stack) == before
    gone = [path, track["file_path"], f"/api/analysis/{track['id']}", f"/export/stems/{track['id']}"]
    gone += [f"/export/analysis/{track['id']}", job["stems"][0]["download_url"], job["stems"][0]["file_path"]]
    for address in gone:
        assert admin.get(address).status_code == 404, address
    for again in (admin.delete(path), admin.patch(path, json={"title": "x"})):
        assert (again.status_code, again.json()["code"]) == (404, "TRACK_NOT_FOUND")
    refused = admin.post("/api/processing/separate", json={"track_id": track["id"], "model": "dsp"})
    assert (refused.status_code, refused.json()["code"]) == (404, "TRACK_NOT_FOUND")
    listed = admin.get("/api/tracks", params={"page_size": 100}).json()["data"]
    assert track["id"] not in [one["id"] for one in listed]
    history = admin.get("/api/jobs", params={"track_id": track["id"]}).json()["data"]
    assert {one["id"]: one["status"] for one in history} == {job["id"]: "completed", analysis["id"]: "completed"}


@pytest.mark.topology("embedded", "cluster")
def test_a_deletion_ends_the_work_on_the_track(stack: Stack, admin: httpx.Client) -> None:
    before = stored_files(stack)
    track = upload(admin, encoded(song(20.0)))
    jobs = [started(admin, SEPARATE, track["id"], model="dsp") for _ in range(3)]
    eventually(lambda: admin.get(f"/api/jobs/{jobs[0]}").json()["data"]["status"] == "processing")
    assert admin.delete(f"/api/tracks/{track['id']}").status_code == 204
    for job_id in jobs:
        job = finished(admin, f"/api/jobs/{job_id}")
        assert (job["status"], job["error"], job["error_code"]) == ("failed", "cancelled", "CANCELLED")
    eventually(lambda: stored_files(stack) == before)


# --------------------------------------------------------------------------------------------------------------- lists


@pytest.fixture(scope="module")
def albums(other: httpx.Client) -> dict[str, str]:
    """Tracks with a word that nothing else has; the ids by title."""
    content = {seconds: encoded(song(seconds)) for seconds in (0.2, 0.3, 0.4)}
    tracks = [
        ("Quxmond Blue", "Zoë", 0.3, {"bpm": 120, "tags": ["Lo-Fi", "quxtag"]}),
        ("Another quxmond", "abel", 0.4, {"bpm": 90, "key": "A minor"}),
        ("quxmond 100% %_*", "", 0.2, {"tags": ["quxtag"]}),
    ]
    found = {}
    for title, artist, seconds, said in tracks:
        track = upload(other, content[seconds], title=title, artist=artist, album="Quxalbum")
        assert other.patch(f"/api/tracks/{track['id']}", json=said).status_code == 200
        found[title] = track["id"]
    return found


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"search": "QUXMOND"}, [2, 1, 0]),
        ({"q": "quxm", "search": "blue"}, [0]),
        ({"q": "zoe quxm"}, [0]),
        ({"q": 'quxm" OR "'}, []),
        ({"q": "quxm \x00'"}, [2, 1, 0]),
        ({"q": "quxm", "sort": "oldest"}, [0, 1, 2]),
        ({"q": "quxm", "sort": "title", "order": "desc"}, [0, 2, 1]),
        ({"q": "quxm", "sort": "artist"}, [1, 0, 2]),
        ({"q": "quxm", "sort": "duration"}, [1, 0, 2]),
        ({"album": "quxalbum", "artist": "ABEL"}, [1]),
        ({"album": "quxalbum", "tag": "lo-fi"}, [0]),
        ({"album": "quxalbum", "key": "a minor", "bpm_min": "90", "bpm_max": "119.9"}, [1]),
        ({"album": "quxalbum", "source": "manual", "status": "downloaded"}, [2, 1, 0]),
        ({"album": "quxalbum", "status": "analyzed"}, []),
    ],
)
def test_a_list_is_searched_filtered_and_sorted(
    other: httpx.Client, albums: dict[str, str], parameters: dict[str, str], expected: list[int]
) -> None:
    answer = other.get("/api/tracks", params=parameters)
    assert answer.status_code == 200, answer.text
    ids = list(albums.values())
    assert [track["id"] for track in answer.json()["data"]] == [ids[number] for number in expected]
    assert answer.json()["meta"]["total_count"] == len(expected)


@pytest.mark.topology("embedded", "cluster")
def test_pages_lead_to_each_other(other: httpx.Client, albums: dict[str, str]) -> None:
    seen: list[str] = []
    address = "/api/tracks?q=quxmond&page_size=2&sort=title"
    first = other.get(address)
    assert first.json()["meta"] == {"page": 1, "page_size": 2, "total_count": 3, "total_pages": 2}
    assert list(first.links) == ["next"]
    second = other.get(first.links["next"]["url"])
    assert second.json()["meta"] == {"page": 2, "page_size": 2, "total_count": 3, "total_pages": 2}
    for page in (first, second):
        seen += [track["title"] for track in page.json()["data"]]
    assert seen == sorted(albums, key=str.lower)
    assert list(second.links) == ["prev"]
    assert other.get(second.links["prev"]["url"]).json() == first.json()
    beyond = other.get(address, params={"q": "quxmond", "page": "9", "page_size": "2"})
    assert (beyond.json()["data"], beyond.json()["meta"]["total_pages"]) == ([], 2)
    assert other.get(beyond.links["prev"]["url"]).json() == other.get("/api/tracks?q=quxmond&page=2&page_size=2").json()


def test_a_repeated_request_brings_its_recording_once(stack: Stack, admin: httpx.Client) -> None:
    content = encoded(song(0.5))
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = admin.post("/process", files={"file": ("song.wav", content)}, headers=headers).json()["job_id"]
    count = admin.get("/api/tracks").json()["meta"]["total_count"]
    assert admin.post("/process", files={"file": ("song.wav", content)}, headers=headers).json()["job_id"] == first
    assert admin.get("/api/tracks").json()["meta"]["total_count"] == count
    assert finished(admin, f"/job/{first}")["status"] == "completed"


@pytest.mark.topology("embedded", "cluster")
def test_an_owner_chooses_replaces_and_removes_the_cover(admin: httpx.Client, stack: Stack) -> None:
    uploads = set(stack.stored("uploads/"))
    track = upload(admin, encoded(song(0.5)))
    path = f"/api/tracks/{track['id']}/cover"
    assert (track["cover_path"], admin.get(path).status_code) == (None, 404)
    first = admin.put(path, content=jpeg(1000, 500)).json()["data"]["cover_path"]
    small = admin.get(first)
    assert (small.headers["content-type"], small.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert len(small.content) < len(jpeg(1000, 500))

    refused = admin.put(path, content=b"<svg/>", headers={"content-type": "image/svg+xml"})
    assert (refused.status_code, refused.json()["code"]) == (422, "PICTURE_UNREADABLE")
    assert admin.put(path, content=bytes((10 << 20) + 1)).status_code == 413
    assert admin.put(path, content=iter([bytes(6 << 20)] * 2)).status_code == 413
    assert admin.get(f"/api/tracks/{track['id']}").json()["data"]["cover_path"] == first

    second = admin.put(path, content=jpeg(16, 16)).json()["data"]["cover_path"]
    assert second != first
    assert admin.get(second).content != small.content
    covers = [key for key in stack.stored(f"tracks/{track['id']}") if key.endswith("cover.jpg")]
    assert len(covers) == 1  # the first is gone

    assert admin.delete(path).status_code == admin.delete(path).status_code == 204
    assert admin.get(f"/api/tracks/{track['id']}").json()["data"]["cover_path"] is None
    assert not [key for key in stack.stored(f"tracks/{track['id']}") if key.endswith("cover.jpg")]
    assert set(stack.stored("uploads/")) <= uploads
