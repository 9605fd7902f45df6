"""What listeners say about clips: votes, favorites, suggestions of categories."""

import json

import httpx
import pytest
from stories import listener, made

UNKNOWN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def clip(box: httpx.Client) -> str:
    """A clip that some tests leave as they found it."""
    return made(box, "calm cello", user_id=listener())


@pytest.fixture
def fresh(box: httpx.Client) -> str:
    """A clip that nobody has said anything about, in the category strings alone."""
    return made(box, "slow cello", user_id=listener())


def test_a_vote_replaces_the_one_before_with_all_its_feedback(box: httpx.Client, fresh: str) -> None:
    voter = listener("voter")
    path = f"/api/library/{fresh}"
    up = {"vote": 1, "user_id": voter, "feedback_reasons": ["great_quality", " loops_well "], "notes": "between us",
          "suggested_model": None}  # fmt: skip
    assert box.post(f"{path}/vote", json=up).json() == {"success": True, "upvotes": 1, "downvotes": 0, "user_vote": 1}
    other = {"vote": -1, "user_id": listener(), "feedback_reasons": ["too_short"], "suggested_model": "audio"}
    assert box.post(f"{path}/vote", json=other).json()["downvotes"] == 1
    feedback = box.get(f"{path}/feedback")
    assert feedback.json() == {
        "positive_reasons": {"great_quality": 1, "loops_well": 1},
        "negative_reasons": {"too_short": 1},
        "total_votes": 2,
        "positive": {"great_quality": 1, "loops_well": 1},
        "negative": {"too_short": 1},
        "reclassify": {"music": 0, "audio": 1},
    }
    down = box.post(f"{path}/vote", json={"vote": -1, "user_id": voter}).json()
    assert (down["upvotes"], down["downvotes"], down["user_vote"]) == (0, 2, -1)
    assert box.get(f"{path}/feedback").json()["positive_reasons"] == {}
    back = box.post(f"{path}/vote", json={"vote": 0, "user_id": voter}).json()
    assert (back["upvotes"], back["downvotes"], back["user_vote"]) == (0, 1, 0)
    row = box.get(path)
    assert (row.json()["upvotes"], row.json()["downvotes"]) == (0, 1)
    assert "between us" not in row.text + feedback.text


def test_votes_on_several_clips_are_read_at_once(box: httpx.Client, fresh: str, clip: str) -> None:
    voter = listener("voter")
    box.post(f"/api/library/{fresh}/vote", json={"vote": -1, "user_id": voter})
    body = {"user_id": voter, "generation_ids": [fresh, clip, "abc123", UNKNOWN]}
    votes = box.post("/api/library/votes", json=body).json()
    assert votes == {fresh: -1, clip: 0, "abc123": 0, UNKNOWN: 0, "votes": {fresh: -1}}
    body["user_id"] = listener()
    assert box.post("/api/library/votes", json=body).json()[fresh] == 0, "somebody else's vote"
    history = box.get("/api/history/votes", params={"user_id": voter}).json()
    assert [(cast["id"], cast["vote"]) for cast in history["history"]] == [(fresh, -1)]
    assert (history["limit"], history["offset"], history["has_more"]) == (50, 0, False)


def test_favorites_are_added_checked_and_removed(box: httpx.Client, fresh: str, clip: str) -> None:
    fan = listener("fan")
    user = {"user_id": fan}
    added = [box.post(f"/api/favorites/{name}", json=user).json() for name in (clip, fresh, fresh)]
    assert [answer["was_new"] for answer in added] == [True, True, False]
    assert {answer["success"] and answer["favorited"] for answer in added} == {True}
    checked = box.post("/api/favorites/check", json={**user, "generation_ids": [fresh, clip, UNKNOWN, "x"]}).json()
    assert checked == {fresh: True, clip: True, UNKNOWN: False, "x": False, "favorites": [fresh, clip]}
    page = box.get("/api/favorites", params={**user, "per_page": 1}).json()
    assert ([item["id"] for item in page["items"]], page["total"], page["pages"]) == ([fresh], 2, 2)
    assert page["items"][0]["favorited_at"] >= page["items"][0]["created_at"]
    assert box.get("/api/favorites", params={**user, "model": "audio"}).json()["total"] == 0
    removed = [
        box.request("DELETE", f"/api/favorites/{fresh}", json=user).json(),
        box.delete(f"/api/favorites/{fresh}", params=user).json(),
    ]
    assert [answer["was_removed"] for answer in removed] == [True, False]
    assert {(answer["success"], answer["favorited"]) for answer in removed} == {(True, False)}
    assert [item["id"] for item in box.get("/api/favorites", params=user).json()["items"]] == [clip]


@pytest.mark.topology("cluster")
def test_three_listeners_who_agree_change_a_category(box: httpx.Client, fresh: str) -> None:
    path = f"/api/library/{fresh}"
    users = [listener() for _ in range(3)]
    before = json.loads(box.get(path).json()["category"])
    assert "jazz" not in before
    for count, user in enumerate(users[:2], 1):
        answer = box.post(f"{path}/suggest-tag", json={"category": "jazz", "user_id": user}).json()
        assert answer == {
            "success": True,
            "message": f"Suggestion recorded. {count}/3 users have suggested this category.",
            "current_votes": count,
            "threshold": 3,
            "consensus_reached": False,
            "action": "add",
        }
    twice = box.post(f"{path}/suggest-tag", json={"category": "jazz", "user_id": users[0]})
    assert (twice.status_code, twice.json()["success"]) == (400, False)
    suggested = box.get(f"{path}/tag-suggestions", params={"user_id": users[0]}).json()
    assert (suggested["suggestions"], suggested["user_suggestions"]) == ({"jazz": 2}, ["jazz"])
    assert (suggested["current_categories"], suggested["threshold"]) == (before, 3)
    third = box.post(f"{path}/suggest-tag", json={"category": "jazz", "user_id": users[2]}).json()
    assert (third["success"], third["consensus_reached"]) == (True, True)
    assert (third["message"], third["new_categories"]) == ("Category applied! Consensus reached.", [*before, "jazz"])
    assert json.loads(box.get(path).json()["category"]) == [*before, "jazz"]
    assert box.get(f"{path}/tag-suggestions").json()["suggestions"] == {"jazz": 3}
    late = box.post(f"{path}/suggest-tag", json={"category": "jazz", "user_id": listener()})
    assert (late.status_code, late.json()["success"]) == (400, False)
    # Three may take it away again.
    for user in users:
        body = {"category": "jazz", "user_id": user, "action": "remove"}
        answer = box.post(f"{path}/suggest-tag", json=body).json()
    assert (answer["consensus_reached"], answer["action"]) == (True, "remove")
    assert json.loads(box.get(path).json()["category"]) == before


def test_a_suggestion_can_be_withdrawn(box: httpx.Client, fresh: str) -> None:
    path = f"/api/library/{fresh}"
    body = {"category": "jazz", "user_id": listener()}
    box.post(f"{path}/suggest-tag", json=body)
    assert box.post(f"{path}/cancel-tag", json=body).json()["success"] is True
    assert box.get(f"{path}/tag-suggestions").json()["suggestions"] == {}
    again = box.post(f"{path}/cancel-tag", json=body)
    assert (again.status_code, again.json()["error"]) == (400, "Suggestion not found")


def test_what_nobody_made_has_no_suggestions(box: httpx.Client) -> None:
    for name in (UNKNOWN, "abc123"):
        answer = box.get(f"/api/library/{name}/tag-suggestions")
        assert (answer.status_code, answer.json()) == (404, {"error": "Generation not found"})
