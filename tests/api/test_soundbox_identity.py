"""Who is who in the soundbox dialect: names that clients give, tokens, and neither."""

import uuid

import httpx
from stories import asked, ended, listener, made

from tests.stacks import Stack


def test_a_name_is_what_a_client_says(box: httpx.Client) -> None:
    name = listener("Zoë 👩\u200d🎤")
    clip = made(box, "slow cello", user_id=f"  {name}\0\n\u202e ")
    assert box.get(f"/api/library/{clip}").json()["user_id"] == name
    [item] = box.get("/api/library", params={"user_id": name}).json()["items"]
    assert item["id"] == clip
    long = listener() + "x" * 200
    clip = made(box, "slow cello", user_id=long)
    assert box.get(f"/api/library/{clip}").json()["user_id"] == long[:100]


def test_a_caller_without_a_name_is_known_by_address(box: httpx.Client) -> None:
    clip = made(box, "slow cello")
    name = box.get(f"/api/library/{clip}").json()["user_id"]
    assert name == box.get(f"/api/library/{made(box, 'slow cello', user_id=None)}").json()["user_id"]
    assert "127.0.0.1" not in name
    suggested = box.post(f"/api/library/{clip}/suggest-tag", json={"category": "jazz"}).json()
    assert suggested["success"] is True
    assert box.get(f"/api/library/{clip}/tag-suggestions").json()["user_suggestions"] == ["jazz"]
    assert box.request("DELETE", f"/api/library/{clip}").json() == {"success": True}


def test_no_name_is_an_account(stack: Stack, box: httpx.Client, admin: httpx.Client) -> None:
    """Somebody who gives an account's id as their name is still a stranger to it."""
    clip = made(admin, "an administrator's cello")
    owner = admin.get(f"/api/library/{clip}").json()["user_id"]
    assert str(uuid.UUID(owner)) == owner
    for name in (owner, f"anon:{owner}", "admin", "service", "library"):
        assert box.request("DELETE", f"/api/library/{clip}", json={"user_id": name}).status_code == 403
    box.post(f"/api/favorites/{clip}", json={"user_id": owner})
    assert admin.post("/api/favorites/check", json={"generation_ids": [clip]}).json()[clip] is False
    # Its clips are found by its id all the same.
    assert clip in {item["id"] for item in box.get("/api/library", params={"user_id": owner}).json()["items"]}


def test_a_token_is_its_account_and_nobody_else(admin: httpx.Client, other: httpx.Client) -> None:
    accepted = asked(other, "slow cello", duration=1)
    assert ended(other, accepted["job_id"])["status"] == "completed"
    owner = other.get(f"/api/library/{accepted['job_id']}").json()["user_id"]
    assert other.post(f"/api/favorites/{accepted['job_id']}", json={"user_id": owner}).json()["success"] is True
    listed = other.get("/api/favorites").json()
    assert accepted["job_id"] in [clip["id"] for clip in listed["items"]]
    vote = f"/api/library/{accepted['job_id']}/vote"
    assert other.post(vote, json={"vote": 1}).json()["user_vote"] == 1
    calls = [
        other.post(vote, json={"vote": 1, "user_id": "somebody"}),
        other.post("/generate", json={"prompt": "slow cello", "user_id": "somebody"}),
        other.get("/api/favorites", params={"user_id": "somebody"}),
        other.get("/api/radio/favorites", params={"user_id": "somebody"}),
        other.request("DELETE", f"/api/library/{accepted['job_id']}", json={"user_id": "somebody"}),
        other.post("/api/playlists", json={"name": "x", "user_id": "somebody"}),
        other.get("/api/history/votes", params={"user_id": "somebody"}),
    ]
    assert [answer.status_code for answer in calls] == [403] * len(calls)
    assert all("user_id" in answer.json()["error"] for answer in calls)
    # Others do not learn how the job of an account is going, but the clip is everybody's.
    assert admin.get(f"/job/{accepted['job_id']}").status_code == 404
    assert admin.get(f"/api/library/{accepted['job_id']}").status_code == 200
    # Whose clips one looks for is no claim to be them.
    assert other.get("/api/library", params={"user_id": "somebody"}).status_code == 200
    assert other.get("/history", params={"user_id": "somebody"}).json() == []


def test_the_name_of_another_guest_opens_deletes_and_cancels_nothing(stack: Stack, box: httpx.Client) -> None:
    """The library shows names. What a guest made takes the secret of its creator: a cookie, or a header for scripts."""
    name = listener()
    clip = made(box, "slow cello", user_id=name)
    playlist = box.post("/api/playlists", json={"name": "mine", "user_id": name}).json()["id"]
    assert box.get(f"/api/library/{clip}").json()["user_id"] == name
    with httpx.Client(base_url=stack.soundbox_url, timeout=120) as thief:
        made(thief, "a clip of their own", user_id=name)
        for headers in ({}, {"X-Soundwright-Creator": "x" * 43}):
            thief.headers.update(headers)
            answers = [
                thief.request("DELETE", f"/api/library/{clip}", json={"user_id": name}),
                thief.get(f"/api/playlists/{playlist}", params={"user_id": name}),
                thief.get(f"/api/radio/playlist/{playlist}", params={"user_id": name}),
                thief.request("DELETE", f"/api/playlists/{playlist}", json={"user_id": name}),
            ]
            assert [answer.status_code for answer in answers] == [403, 404, 404, 404]
            listed = thief.get("/api/playlists", params={"user_id": name}).json()["playlists"]
            assert playlist not in {one["id"] for one in listed}
    assert box.get(f"/api/playlists/{playlist}", params={"user_id": name}).status_code == 200
    assert box.request("DELETE", f"/api/library/{clip}", json={"user_id": name}).json() == {"success": True}


def test_a_script_without_cookies_sends_its_secret_as_a_header(stack: Stack) -> None:
    name = listener()
    url = f"{stack.soundbox_url}/api/playlists"
    answer = httpx.post(url, json={"name": "mine", "user_id": name})
    secret, playlist = answer.headers["x-soundwright-creator"], answer.json()["id"]
    assert httpx.get(f"{url}/{playlist}", params={"user_id": name}).status_code == 404
    headers = {"X-Soundwright-Creator": secret}
    answer = httpx.get(f"{url}/{playlist}", params={"user_id": name}, headers=headers)
    assert (answer.status_code, answer.json()["is_owner"]) == (200, True)
    assert "x-soundwright-creator" not in answer.headers


def test_the_identity_of_an_address_cannot_be_claimed(stack: Stack, box: httpx.Client) -> None:
    clip = made(box, "slow cello")
    name = box.get(f"/api/library/{clip}").json()["user_id"]
    assert clip in {item["id"] for item in box.get("/api/library", params={"user_id": name}).json()["items"]}
    with httpx.Client(base_url=stack.soundbox_url, timeout=120) as thief:
        for body in ({"user_id": name}, {"user_id": name.removeprefix("address:")}, None):
            assert thief.request("DELETE", f"/api/library/{clip}", json=body).status_code == 403
    assert box.request("DELETE", f"/api/library/{clip}").json() == {"success": True}
