"""Live channels: who may open a socket, what it is told about jobs, and who is shown the door."""

# Calls over HTTP are short, and nothing else is to be done meanwhile.
# ruff: noqa: ASYNC210, ASYNC212

import base64
import re
import uuid
from typing import Any

import httpx
import pytest
import websockets
from phoenix_client import Phoenix, opened, refused, socket_url
from stories import ANALYSE, encoded, finished, listener, made, song, started, upload

from tests.stacks import Stack

PASSWORD = "correct horse battery"


def analysis(client: httpx.Client, seconds: float = 1.0) -> tuple[str, str]:
    """Ids of a new track and of a job that analyses it."""
    track_id = upload(client, encoded(song(seconds)))["id"]
    return track_id, started(client, ANALYSE, track_id, features=["tempo"])


def token_of(client: httpx.Client) -> str:
    return str(client.headers["authorization"]).removeprefix("Bearer ")


def account(stack: Stack) -> tuple[str, str]:
    """The token of a new account, and its mail address."""
    email = f"{uuid.uuid4().hex}@example.org"
    return stack.create_account(email), email


def set_status(admin: httpx.Client, email: str, status: str) -> None:
    user = admin.get("/api/admin/users", params={"search": email}).json()["data"][0]
    answer = admin.patch(f"/api/admin/users/{user['id']}", json={"status": status})
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def done(admin: httpx.Client) -> tuple[str, str]:
    """Track and job of an analysis that is completed."""
    track_id, job_id = analysis(admin)
    finished(admin, f"/api/jobs/{job_id}")
    return track_id, job_id


# ------------------------------------------------------------------------------------------------------------ following


@pytest.mark.topology("cluster")
async def test_a_job_is_followed_from_the_snapshot_to_its_end(stack: Stack, admin: httpx.Client) -> None:
    track_id, job_id = analysis(admin, 20.0)
    async with opened(stack, stack.token) as socket:
        phoenix = Phoenix(socket)
        assert await phoenix.join(f"jobs:{job_id}") == {"status": "ok", "response": {}}
        told = await phoenix.follow(f"jobs:{job_id}")
        assert await phoenix.quiet()
    progress = [payload for event, payload in told if event == "job:progress"]
    assert [event for event, _ in told[:-1]] == ["job:progress"] * len(progress)
    assert all(set(payload) == {"job_id", "status", "progress", "message"} for payload in progress)
    shown = [payload["progress"] for payload in progress]
    assert shown == sorted(shown)
    assert [payload["status"] for payload in progress].count("completed") == 1
    assert (progress[-1]["status"], shown[-1]) == ("completed", 100)
    assert told[-1] == (
        "job:completed",
        {
            "job_id": job_id,
            "job_type": "analysis",
            "track_id": track_id,
            "result": {"output_path": f"/export/analysis/{track_id}", "file_size": None},
        },
    )
    assert admin.get(f"/export/analysis/{track_id}").status_code == 200


@pytest.mark.topology("cluster")
async def test_several_listen_and_one_hears_of_several(stack: Stack, admin: httpx.Client) -> None:
    jobs = [analysis(admin)[1] for _ in range(3)]
    async with opened(stack, stack.token) as one, opened(stack, stack.token) as other:
        sockets = [Phoenix(one), Phoenix(other)]
        for phoenix in sockets:
            for job_id in jobs:
                await phoenix.send(f"jobs:{job_id}", "phx_join")
        for phoenix in sockets:
            ends = set()
            while len(ends) < len(jobs):
                _, _, topic, event, payload = await phoenix.next()
                if event == "job:completed":
                    assert topic == f"jobs:{payload['job_id']}"
                    assert topic not in ends
                    ends.add(topic)


# ------------------------------------------------------------------------------------------------------- who may open


def hidden(token: str) -> list[str]:
    encoded_token = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    return ["phoenix", f"base64url.bearer.phx.{encoded_token}"]


async def test_a_token_comes_in_three_ways(stack: Stack, done: tuple[str, str]) -> None:
    bearer = {"Authorization": f"Bearer {stack.token}"}
    for ways, subprotocol in (
        ({"token": stack.token}, None),
        ({"additional_headers": bearer}, None),
        ({"subprotocols": hidden(stack.token)}, "phoenix"),
    ):
        async with opened(stack, **ways) as socket:
            assert socket.subprotocol == subprotocol
            assert (await Phoenix(socket).join(f"jobs:{done[1]}"))["status"] == "ok"


async def test_a_token_that_does_not_count_is_refused_although_access_is_open(stack: Stack) -> None:
    url = socket_url(stack.base_url, vsn="2.0.0")
    wrong = "x" * 43
    assert await refused(f"{url}&token={wrong}") == 403
    assert await refused(f"{url}&token=%00%F0%9F") == 403
    assert await refused(url, subprotocols=hidden(wrong)) == 403
    assert await refused(url, subprotocols=["phoenix", "base64url.bearer.phx.*"]) == 403
    assert await refused(url, additional_headers={"Authorization": f"Bearer {wrong}"}) == 403
    assert await refused(url, additional_headers={"Authorization": f"Basic {stack.token}"}) == 403
    assert await refused(url) == 101


async def test_other_versions_and_paths_are_refused(stack: Stack) -> None:
    for vsn in ("3.0.0", "2", "x"):
        assert await refused(socket_url(stack.base_url, vsn=vsn, token=stack.token)) == 403
    base = stack.base_url.replace("http", "ws", 1)
    for path in ("/socket", "/socket/websocket/x", "/api/tracks"):
        assert await refused(f"{base}{path}?vsn=2.0.0&token={stack.token}") == 403
    assert httpx.get(f"{stack.base_url}/socket/websocket").status_code == 404


def log_in(stack: Stack) -> str:
    """The session cookie of somebody who has just registered."""
    email = f"{uuid.uuid4().hex}@example.org"

    def post(path: str, **fields: str) -> None:
        field = re.search(r'name="_csrf_token" value="([^"]+)"', browser.get(path).text)
        assert field is not None
        form = {"_csrf_token": field[1]} | {f"user[{name}]": value for name, value in fields.items()}
        assert browser.post(path, data=form).status_code in (302, 303)

    with httpx.Client(base_url=stack.base_url) as browser:
        post("/users/register", email=email, password=PASSWORD, password_confirmation=PASSWORD)
        post("/users/log-in", email=email, password=PASSWORD)
        return f"soundwright_session={browser.cookies['soundwright_session']}"


async def test_a_session_counts_only_from_our_own_pages(stack: Stack) -> None:
    cookie = log_in(stack)
    with httpx.Client(base_url=stack.base_url, headers={"Cookie": cookie}) as browser:
        page = browser.get("/users/settings").text
        field = re.search(r'name="csrf-token" content="([^"]+)"', page) or re.search(
            r'name="_csrf_token" value="([^"]+)"', page
        )
        assert field is not None
        browser.headers["x-csrf-token"] = field[1]
        job_id = analysis(browser)[1]
    foreign = stack.base_url.replace("127.0.0.1", "127.0.0.2")
    for origin, status in ((stack.base_url, "ok"), (foreign, "error"), (None, "error")):
        headers = {"Cookie": cookie}
        async with opened(stack, additional_headers=headers, origin=origin) as socket:
            answer = await Phoenix(socket).join(f"jobs:{job_id}")
            assert answer["status"] == status, origin
            if status == "error":
                assert answer["response"] == {"reason": "unauthorized"}
    for origin in ("null", "https://elsewhere.example"):  # their pages may not even come without the session
        with pytest.raises(websockets.exceptions.InvalidStatus) as refusal:
            async with opened(stack, additional_headers={"Cookie": cookie}, origin=origin):
                pass
        assert refusal.value.response.status_code == 403


# ------------------------------------------------------------------------------------------------------- who may join


async def test_only_the_owner_joins_a_job(stack: Stack, admin: httpx.Client, other: httpx.Client) -> None:
    owned = analysis(other)[1]
    with httpx.Client(base_url=stack.base_url, timeout=60) as anonymous:
        clip = made(anonymous, "slow cello", user_id=listener())
    token, email = account(stack)
    callers = {"owner": token_of(other), "administrator": stack.token, "stranger": token, "anonymous": ""}
    for name, caller in callers.items():
        async with opened(stack, caller) as socket:
            phoenix = Phoenix(socket)
            answer = await phoenix.join(f"jobs:{owned}")
            if name == "owner":
                assert answer["status"] == "ok"
                await phoenix.follow(f"jobs:{owned}")
            else:
                # An administrator is a stranger like any other here, as over HTTP.
                assert answer == {"status": "error", "response": {"reason": "unauthorized"}}, name
            for unknown in (str(uuid.uuid4()), "x", "", "../x", "*"):
                assert (await phoenix.join(f"jobs:{unknown}"))["response"] == {"reason": "not_found"}
            assert (await phoenix.join("tracks:1"))["response"] == {"reason": "unmatched topic"}
            # Whose it is cannot be told apart, so a clip of somebody without a name is everybody's, as over HTTP.
            assert (await phoenix.join(f"jobs:{clip}"))["status"] == "ok"
            told = await phoenix.follow(f"jobs:{clip}")
            assert told[-1][1]["job_id"] == clip
            assert told[-1][1]["result"]["output_path"] == f"/audio/{clip}.wav"
            assert await phoenix.quiet()
    set_status(admin, email, "suspended")
    assert await refused(socket_url(stack.base_url, vsn="2.0.0", token=token)) == 403


@pytest.mark.topology("cluster")
async def test_whoever_is_suspended_is_thrown_out_and_others_stay(stack: Stack, admin: httpx.Client) -> None:
    token, email = account(stack)
    async with opened(stack, token) as socket, opened(stack, stack.token) as bystander:
        assert await Phoenix(socket).quiet()
        set_status(admin, email, "suspended")
        assert await Phoenix(socket).closed() == 1008
        assert await Phoenix(bystander).quiet()


@pytest.mark.topology("cluster")
async def test_a_revoked_token_ends_its_sockets(stack: Stack) -> None:
    token, _ = account(stack)
    async with opened(stack, token) as socket:
        with stack.client(token) as client:
            tokens: list[dict[str, Any]] = client.get("/api/tokens").json()["data"]
            assert client.delete(f"/api/tokens/{tokens[0]['id']}").status_code == 204
        assert await Phoenix(socket).closed() == 1008


async def test_no_token_gets_into_the_log(stack: Stack) -> None:
    secret = "secret" + "x" * 37
    assert await refused(socket_url(stack.base_url, vsn="2.0.0", token=secret)) == 403
    assert secret not in stack.log()


# ------------------------------------------------------------------------------------------------------------- misuse


async def test_frames_that_are_no_messages_close_the_socket(stack: Stack) -> None:
    for frame, code in (
        ("no JSON", 1007),
        ("[1,2]", 1007),
        (b"\x00", 1003),
        ('["1","1","phoenix","heartbeat",{"x":"' + "x" * 65_536 + '"}]', 1009),
    ):
        async with opened(stack, stack.token) as socket:
            await socket.send(frame)
            assert await Phoenix(socket).closed() == code
    async with opened(stack, stack.token) as socket:
        assert await Phoenix(socket).quiet()
