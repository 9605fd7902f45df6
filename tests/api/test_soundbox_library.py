"""The shared library of clips: lists, search, counts, categories, radio, and what was played."""

import json
import re
from typing import Any

import httpx
import pytest
from stories import listener, made

from tests.stacks import Stack

ROW_KEYS = {
    "id", "filename", "prompt", "model", "duration", "is_loop", "quality_score", "spectrogram", "upvotes", "downvotes",
    "category", "user_id", "created_at",
}  # fmt: skip
HISTORY_KEYS = {
    "filename", "prompt", "model", "duration", "loop", "rating", "created", "quality_score", "quality_issues",
    "spectrogram", "user_id",
}  # fmt: skip
PROMPTS = {
    "cello": ("Zyxomma cello over a LO-FI beat", "music"),
    "cafe": ("zyxomma café guitar", "music"),
    "rain": ("zyxomma rain on leaves", "audio"),
    "magic": ("zyxomma magic spell", "magnet-audio"),
}
UNKNOWN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def maker() -> str:
    return listener("maker")


@pytest.fixture(scope="module")
def clips(box: httpx.Client, maker: str) -> dict[str, str]:
    """Ids of clips, oldest first. All of their prompts have a word that no other has."""
    return {
        name: made(box, prompt, model=model, user_id=maker, duration=2 if name == "cello" else 1)
        for name, (prompt, model) in PROMPTS.items()
    }


def listed(box: httpx.Client, clips: dict[str, str], **parameters: Any) -> list[str]:
    names = {job_id: name for name, job_id in clips.items()}
    items = box.get("/api/library", params={"per_page": 100, **parameters}).json()["items"]
    return [names[item["id"]] for item in items if item["id"] in names]


def names_of(answer: httpx.Response, clips: dict[str, str]) -> list[str]:
    assert answer.status_code == 200, answer.text
    names = {job_id: name for name, job_id in clips.items()}
    return [names[track["id"]] for track in answer.json()["tracks"] if track["id"] in names]


# ------------------------------------------------------------------------------------------------------------- library


def test_a_row_has_all_that_is_documented(box: httpx.Client, clips: dict[str, str], maker: str) -> None:
    row = box.get(f"/api/library/{clips['cello']}").json()
    assert set(row) >= ROW_KEYS
    assert (row["id"], row["filename"], row["spectrogram"]) == (
        clips["cello"],
        f"{clips['cello']}.wav",
        f"{clips['cello']}.png",
    )
    assert (row["prompt"], row["model"]) == PROMPTS["cello"]
    assert (row["duration"], row["is_loop"], row["user_id"]) == (2, 0, maker)
    assert (row["upvotes"], row["downvotes"]) == (0, 0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row["created_at"])
    assert {"strings", "lofi"} <= set(json.loads(row["category"]))


def test_the_library_is_paged(box: httpx.Client, clips: dict[str, str]) -> None:
    first = box.get("/api/library", params={"search": "zyxomma", "per_page": 3}).json()
    assert [len(first["items"]), first["total"], first["page"], first["pages"], first["per_page"]] == [3, 4, 1, 2, 3]
    assert set(first["items"][0]) >= ROW_KEYS
    second = box.get("/api/library", params={"search": "zyxomma", "per_page": 3, "page": 2}).json()
    assert [item["id"] for item in first["items"] + second["items"]] == list(reversed(clips.values()))
    beyond = box.get("/api/library", params={"search": "zyxomma", "page": 9}).json()
    assert (beyond["items"], beyond["total"], beyond["page"]) == ([], 4, 9)
    nothing = box.get("/api/library", params={"search": "nosuchwordatall"}).json()
    assert nothing == {"items": [], "total": 0, "page": 1, "pages": 0, "per_page": 20}


@pytest.mark.parametrize(("parameters", "page", "per_page"), [
    ({"page": "x", "per_page": "many"}, 1, 20), ({"page": "", "per_page": ""}, 1, 20),
    ({"page": "0", "per_page": "0"}, 1, 1), ({"page": "-3", "per_page": "1000"}, 1, 100),
    ({"page": "9" * 30, "per_page": "1.5"}, 10_000, 20), ({"page": "nan", "per_page": "true"}, 1, 20),
])  # fmt: skip
def test_numbers_of_a_query_are_taken_as_well_as_they_can_be(
    box: httpx.Client, parameters: dict[str, str], page: int, per_page: int
) -> None:
    answer = box.get("/api/library", params=parameters)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["page"], answer.json()["per_page"]) == (page, per_page)


def test_filters_hold_together(box: httpx.Client, clips: dict[str, str], maker: str) -> None:
    assert listed(box, clips, user_id=maker) == ["magic", "rain", "cafe", "cello"]
    assert listed(box, clips, user_id=maker, model="music") == ["cafe", "cello"]
    assert listed(box, clips, user_id=maker, model="magnet-audio") == ["magic"]
    assert listed(box, clips, user_id=maker, model="voice") == ["magic", "rain", "cafe", "cello"]  # no such model
    assert listed(box, clips, user_id=maker, category="strings") == ["cello"]
    assert listed(box, clips, user_id=maker, category="%' OR 1=1") == ["magic", "rain", "cafe", "cello"]
    assert listed(box, clips, user_id=listener("nobody")) == []
    assert listed(box, clips, user_id=maker, model="music", search="rain") == []


def test_clips_are_filtered_by_their_length(box: httpx.Client, clips: dict[str, str], maker: str) -> None:
    assert listed(box, clips, user_id=maker, min_duration=2) == ["cello"]
    assert listed(box, clips, user_id=maker, max_duration=1) == ["magic", "rain", "cafe"]


def test_what_is_searched_for_may_be_an_id(box: httpx.Client, clips: dict[str, str]) -> None:
    hit = box.get("/api/library", params={"search": clips["rain"]}).json()
    assert ([item["id"] for item in hit["items"]], hit["total"], hit["id_search"]) == ([clips["rain"]], 1, True)
    miss = box.get("/api/library", params={"search": UNKNOWN}).json()
    assert (miss["items"], miss["total"], miss["pages"], miss["id_search"]) == ([], 0, 0, True)


def test_the_library_is_sorted(box: httpx.Client, clips: dict[str, str], maker: str) -> None:
    for name, votes in {"cello": (1, 1), "cafe": (1, -1, -1), "rain": (1,)}.items():
        for vote in votes:
            body = {"vote": vote, "user_id": listener()}
            assert box.post(f"/api/library/{clips[name]}/vote", json=body).status_code == 200
    assert listed(box, clips, user_id=maker, sort="popular") == ["cafe", "cello", "rain", "magic"]
    assert listed(box, clips, user_id=maker, sort="rating") == ["cello", "rain", "magic", "cafe"]
    for sort in ("recent", "", "sideways"):
        assert listed(box, clips, user_id=maker, sort=sort) == ["magic", "rain", "cafe", "cello"]
    assert names_of(box.get("/api/radio/top-rated", params={"count": 50}), clips) == ["cello", "rain", "cafe"]


def test_a_new_clip_is_counted(box: httpx.Client, clips: dict[str, str], maker: str) -> None:
    before = [box.get(path).json() for path in ("/api/library/counts", "/api/stats")]
    categories = box.get("/api/library/category-counts", params={"model": "audio"}).json()
    assert before[0]["total"] == before[0]["music"] + before[0]["audio"] == before[1]["total_generations"]
    made(box, "zyxomma thunder", model="audio", user_id=listener())
    after = [box.get(path).json() for path in ("/api/library/counts", "/api/stats")]
    assert [after[0][key] - before[0][key] for key in ("total", "music", "audio")] == [1, 0, 1]
    keys = ("total_generations", "generations", "music", "audio")
    assert [after[1][key] - before[1][key] for key in keys] == [1, 1, 0, 1]
    assert after[1]["votes"] == after[1]["total_votes"] >= after[1]["feedback"]
    assert after[1]["categories"] == {"music": 77, "audio": 61}
    counted = box.get("/api/library/category-counts", params={"model": "audio"}).json()
    assert counted["thunder"] == categories["thunder"] + 1
    assert (len(counted), len(box.get("/api/library/category-counts", params={"model": "music"}).json())) == (61, 77)
    assert len(box.get("/api/library/category-counts").json()) == 135


def test_each_model_has_categories(box: httpx.Client) -> None:
    music = box.get("/api/categories/music").json()
    assert (len(music["categories"]), music["categories"]["drum_and_bass"], music["categories"]["80s"]) == (
        77,
        "Drum And Bass",
        "80S",
    )
    assert music["categories_with_counts"]["ambient"]["display"] == "Ambient"
    assert len(box.get("/api/categories/audio").json()["categories"]) == 61
    for model in ("voice", "MUSIC", "x" * 1000):
        answer = box.get(f"/api/categories/{model}")
        assert (answer.status_code, answer.json()) == (400, {"error": "Invalid model type"})


def test_history_is_a_bare_list(box: httpx.Client, clips: dict[str, str], maker: str) -> None:
    history = box.get("/history", params={"user_id": maker}).json()
    assert [entry["filename"] for entry in history] == [f"{job_id}.wav" for job_id in reversed(clips.values())]
    assert set(history[0]) >= HISTORY_KEYS
    assert (history[0]["loop"], history[0]["rating"], history[0]["user_id"]) == (False, None, maker)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", history[0]["created"])
    assert [entry["model"] for entry in box.get("/history", params={"user_id": maker, "model": "music"}).json()] == [
        "music",
        "music",
    ]
    assert len(box.get("/history", params={"limit": 2}).json()) == 2


def test_a_rating_is_everybodys(box: httpx.Client, clips: dict[str, str], maker: str) -> None:
    name = f"{clips['cafe']}.wav"
    for rating in (4, 2, None):
        assert box.post("/rate", json={"filename": name, "rating": rating}).json() == {"success": True}
        [entry] = [
            entry for entry in box.get("/history", params={"user_id": maker}).json() if entry["filename"] == name
        ]
        assert entry["rating"] == rating


@pytest.mark.topology("embedded", "cluster")
def test_a_deleted_clip_is_gone_everywhere(stack: Stack, box: httpx.Client, admin: httpx.Client) -> None:
    owner, fan = listener("owner"), listener("fan")
    clip = made(box, "xylotomy", user_id=owner)
    box.post(f"/api/favorites/{clip}", json={"user_id": fan})
    refused = box.request("DELETE", f"/api/library/{clip}", json={"user_id": fan})
    assert (refused.status_code, list(refused.json())) == (403, ["error"])
    assert box.request("DELETE", f"/api/library/{clip}", json={"user_id": owner}).json() == {"success": True}
    for path in (f"/api/library/{clip}", f"/audio/{clip}.wav", f"/spectrogram/{clip}.png", f"/download/{clip}.wav"):
        assert (box.get(path).status_code, box.get(path).json()) == (404, {"error": "Not found"})
    assert box.get("/api/library", params={"search": "xylotomy"}).json()["total"] == 0
    assert box.get("/api/favorites", params={"user_id": fan}).json()["total"] == 0
    again = made(box, "xylotomy", user_id=owner)
    assert admin.delete(f"/api/library/{again}").json() == {"success": True}


# --------------------------------------------------------------------------------------------------------------- radio


def test_shuffle_plays_none_twice(box: httpx.Client, clips: dict[str, str]) -> None:
    answer = box.get("/api/radio/shuffle", params={"search": "zyxomma", "model": "music", "count": 50})
    assert sorted(names_of(answer, clips)) == ["cafe", "cello"]
    assert answer.json()["filters"] == {"model": "music", "search": "zyxomma"}
    assert set(answer.json()["tracks"][0]) >= ROW_KEYS
    orders = {tuple(names_of(box.get("/api/radio/shuffle", params={"search": "zyxomma"}), clips)) for _ in range(20)}
    assert len(orders) > 1, "it is always the same order"
    assert len(box.get("/api/radio/shuffle", params={"count": "2"}).json()["tracks"]) == 2
    long = box.get("/api/radio/shuffle", params={"search": "zyxomma", "min_duration": 2})
    assert names_of(long, clips) == ["cello"]


def test_what_was_played_does_not_come_next(box: httpx.Client, clips: dict[str, str]) -> None:
    parameters = {"search": "zyxomma", "count": 20, "model": "music"}
    played = f"{clips['cello']},, nonsense ,{clips['rain']}"
    assert names_of(box.get("/api/radio/next", params={**parameters, "exclude": played}), clips) == ["cafe"]
    everything = ",".join(clips.values())
    empty = box.get("/api/radio/next", params={**parameters, "exclude": everything})
    assert (empty.status_code, empty.json()["tracks"]) == (200, [])
    assert len(box.get("/api/radio/next").json()["tracks"]) == 5


def test_new_clips_come_newest_first(box: httpx.Client, clips: dict[str, str]) -> None:
    answer = box.get("/api/radio/new", params={"count": 50, "hours": 1})
    assert names_of(answer, clips) == ["magic", "rain", "cafe", "cello"]
    assert answer.json()["source"] == "new"


def test_favorites_on_the_radio(box: httpx.Client, clips: dict[str, str]) -> None:
    fan = listener("fan")
    for name in ("cello", "rain"):
        box.post(f"/api/favorites/{clips[name]}", json={"user_id": fan})
    answer = box.get("/api/radio/favorites", params={"user_id": fan})
    assert sorted(names_of(answer, clips)) == ["cello", "rain"]
    assert answer.json()["source"] == "favorites"
    assert names_of(box.get("/api/radio/favorites", params={"user_id": fan, "model": "audio"}), clips) == ["rain"]
    nobody = box.get("/api/radio/favorites")
    assert (nobody.status_code, nobody.json()) == (400, {"error": "user_id required"})


def test_a_station_plays_its_clips(box: httpx.Client, clips: dict[str, str]) -> None:
    stations = box.get("/api/radio").json()["stations"]
    assert {"ambient", "lofi", "retro", "piano", "happy", "dreamy", "favorites", "trending", "top-rated", "new",
            "shuffle"} == set(stations)  # fmt: skip
    for station in stations:
        answer = box.get("/api/radio", params={"station": station, "limit": 50, "user_id": listener()})
        assert (answer.status_code, answer.json()["station"]) == (200, station)
    lofi = box.get("/api/radio", params={"station": "lofi", "limit": 50}).json()["queue"]
    assert clips["cello"] in {track["id"] for track in lofi}
    assert clips["rain"] not in {track["id"] for track in lofi}
    assert box.get("/api/radio", params={"station": "polka"}).status_code == 400


# ----------------------------------------------------------------------------------------------------------- playlists


def test_a_playlist_keeps_its_owners_order(box: httpx.Client, clips: dict[str, str]) -> None:
    owner = listener("owner")
    created = box.post("/api/playlists", json={"name": "  Rainy days ", "description": "", "user_id": owner})
    assert created.status_code == 201, created.text
    path = f"/api/playlists/{created.json()['id']}"
    assert re.fullmatch("pl_[0-9a-f]{12}", created.json()["id"])
    assert (created.json()["name"], created.json()["user_id"]) == ("Rainy days", owner)
    for name in ("cello", "rain", "cafe"):
        added = box.post(f"{path}/tracks", json={"generation_id": clips[name], "user_id": owner})
        assert added.json()["success"] is True, added.text
    twice = box.post(f"{path}/tracks", json={"generation_id": clips["rain"], "user_id": owner})
    assert (twice.status_code, twice.json()) == (400, {"error": "Track already in playlist"})
    order = [clips[name] for name in ("cafe", "cello", "rain")]
    assert box.put(f"{path}/reorder", json={"track_order": order, "user_id": owner}).json() == {"success": True}
    assert box.put(f"{path}/reorder", json={"track_order": order[:2], "user_id": owner}).status_code == 400
    removed = box.request("DELETE", f"{path}/tracks/{clips['cello']}", json={"user_id": owner})
    assert removed.json() == {"success": True}
    playlist = box.get(path, params={"user_id": owner}).json()
    assert [track["id"] for track in playlist["tracks"]] == [clips["cafe"], clips["rain"]]
    assert (playlist["track_count"], playlist["duration"], playlist["is_owner"]) == (2, 2, True)
    assert [track["position"] for track in playlist["tracks"]] == [0, 1]
    radio = box.get(f"/api/radio/playlist/{playlist['id']}", params={"user_id": owner}).json()
    assert ([track["id"] for track in radio["tracks"]], radio["source"]) == ([clips["cafe"], clips["rain"]], "playlist")
    assert (radio["playlist_id"], radio["playlist_name"]) == (playlist["id"], "Rainy days")
    shuffled = {"user_id": owner, "shuffle": "true"}
    answers = [box.get(f"/api/radio/playlist/{playlist['id']}", params=shuffled).json() for _ in range(20)]
    assert len({tuple(track["id"] for track in answer["tracks"]) for answer in answers}) == 2
    assert box.put(path, json={"name": "Dry days", "is_public": True, "user_id": owner}).status_code == 200
    seen = box.get(path, params={"user_id": listener()}).json()
    assert (seen["name"], seen["is_owner"]) == ("Dry days", False)
    own = box.get("/api/playlists", params={"user_id": owner}).json()["playlists"]
    assert [entry["id"] for entry in own] == [playlist["id"]]
    assert box.request("DELETE", path, json={"user_id": owner}).json() == {"success": True}
    assert box.get(path, params={"user_id": owner}).json() == {"error": "Playlist not found"}


# --------------------------------------------------------------------------------------------------------------- plays


def test_plays_are_counted(box: httpx.Client, maker: str) -> None:
    clip = made(box, "zyxomma played often", user_id=listener())
    once = made(box, "zyxomma played once", user_id=listener())
    fan = listener("fan")
    plays = [
        ({"user_id": fan, "source": "radio"}, (1, 1)),
        ({"user_id": fan, "source": "radio"}, (2, 1)),
        ({"user_id": listener(), "source": "library"}, (3, 2)),
        ({"session_id": listener("session")}, (4, 3)),
    ]
    for body, counts in plays:
        answer = box.post(f"/api/track/{clip}/play", json=body).json()
        assert (answer["play_count"], answer["unique_plays"]) == counts, body
    assert box.post(f"/api/track/{once}/play", json={"user_id": fan}).json()["play_count"] == 1
    stats = box.get(f"/api/track/{clip}/stats").json()
    assert (stats["play_count"], stats["unique_plays"]) == (4, 3)
    assert (stats["by_source"]["radio"], stats["by_source"]["library"], sum(stats["daily"].values())) == (2, 1, 4)
    for path in ("/api/trending", "/api/most-played"):
        tracks = box.get(path, params={"limit": 100}).json()["tracks"]
        plays_by_id = {track["id"]: track["plays"] for track in tracks}
        assert (plays_by_id[clip], plays_by_id[once]) == (4, 1)
        assert sorted(plays_by_id.values(), reverse=True) == list(plays_by_id.values())
    assert box.get("/api/trending", params={"hours": "99999"}).status_code == 200
    history = box.get("/api/history/plays", params={"user_id": fan}).json()
    assert [(play["id"], play["source"]) for play in history["history"]] == [
        (once, None),
        (clip, "radio"),
        (clip, "radio"),
    ]
    part = box.get("/api/history/plays", params={"user_id": fan, "limit": 1, "offset": 1}).json()
    assert ([play["id"] for play in part["history"]], part["limit"], part["offset"], part["has_more"]) == (
        [clip],
        1,
        1,
        True,
    )
    row = box.get(f"/api/library/{clip}").json()
    assert (row["play_count"], row["unique_plays"]) == (4, 3)
    assert box.get("/api/radio", params={"station": "trending", "limit": 50}).json()["queue"][0]["play_count"] >= 4
