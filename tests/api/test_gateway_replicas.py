"""Two gateways in front of one platform: any of them serves any request, and limits hold together."""

# Calls over HTTP are short, and nothing else is to be done meanwhile.
# ruff: noqa: ASYNC212

import io
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import websockets
from browser import Browser, registered, token_of
from gateway_process import GatewayProcess
from phoenix_client import Phoenix, socket_url
from stories import encoded, song, upload

from tests.stacks import Stack
from tests.waiting import eventually

LIMIT = 9


@pytest.fixture(scope="module")
def gateways(stack: Stack) -> Iterator[list[str]]:
    """The addresses of two gateways with the same settings."""
    settings = {
        "rate_pages_per_minute": "100000",
        "rate_polling_per_minute": "100000",
        "rate_normal_per_minute": str(LIMIT),
        "rate_heavy_per_minute": "100000",
    }
    with GatewayProcess(stack, **settings) as one, GatewayProcess(stack, **settings) as two:
        yield [one.base_url, two.base_url]


def test_both_gateways_together_allow_a_caller_the_limit(stack: Stack, gateways: list[str]) -> None:
    for _ in range(3):  # again if a minute ends in between
        with Browser(stack.base_url) as browser:
            registered(browser)
            token = token_of(browser)
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
            answers = [client.get(f"{gateways[number % 2]}/api/tracks") for number in range(LIMIT + 6)]
        if len({answer.headers["x-ratelimit-reset"] for answer in answers}) == 1:
            break
    else:
        pytest.fail("three minutes ended during a few requests")
    assert sorted(answer.status_code for answer in answers) == [200] * LIMIT + [429] * 6
    left = [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
    assert left == [*range(LIMIT - 1, -1, -1), 0, 0, 0, 0, 0, 0]


def test_a_session_and_its_csrf_token_are_valid_at_both_gateways(gateways: list[str]) -> None:
    one, two = gateways
    with Browser(one) as browser:
        registered(browser)
        page = browser.get(f"{two}/users/settings", follow_redirects=False)
        assert page.status_code == 200
        secret = browser.token()
        answer = browser.post(f"{two}/users/log-out", data={"_csrf_token": secret, "_method": "delete"})
        assert answer.status_code == 302, answer.text
        assert browser.get(f"{one}/users/settings", follow_redirects=False).status_code == 302


async def test_sockets_of_both_gateways_follow_a_job(stack: Stack, admin: httpx.Client, gateways: list[str]) -> None:
    track_id = upload(admin, encoded(song(5.0)))["id"]
    answer = admin.post("/api/analysis/analyze", json={"track_id": track_id, "features": ["tempo"]})
    topic = f"jobs:{answer.json()['data']['job_id']}"
    async with (
        websockets.connect(socket_url(gateways[0], vsn="2.0.0", token=stack.token)) as one,
        websockets.connect(socket_url(gateways[1], vsn="2.0.0", token=stack.token)) as two,
    ):
        for socket in (one, two):
            assert (await Phoenix(socket).join(topic))["status"] == "ok"
        for socket in (one, two):
            assert (await Phoenix(socket).follow(topic))[-1][0] == "job:completed"


def test_a_gateway_that_stops_finishes_a_running_upload(stack: Stack) -> None:
    with GatewayProcess(stack, drain_seconds="60") as gateway:
        stopping = threading.Thread(target=gateway.stop)

        class SlowFile(io.BytesIO):
            """A file in whose middle the gateway is stopped."""

            def read(self, size: int | None = -1) -> bytes:
                if self.tell() and not stopping.ident:
                    stopping.start()
                    eventually(lambda: not gateway.accepts())
                    time.sleep(3.5)  # longer than servers wait for requests that need not end
                return super().read(size)

        answer = httpx.post(
            f"{gateway.base_url}/api/tracks",
            files={"file": ("song.wav", SlowFile(encoded(song(3.0))))},
            headers={"Authorization": f"Bearer {stack.token}"},
            timeout=60,
        )
        assert answer.status_code == 201, answer.text
        assert stopping.ident, "the gateway was stopped during the upload"
        stopping.join()
