"""More than a gateway serves: what must hold at any speed."""

import asyncio
from collections import Counter

import httpx
import pytest
from gateway_process import GatewayProcess

from tests.stacks import Stack
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("nothing_crashes")


async def flooded(url: str, token: str, connections: int, requests: int) -> Counter[int]:
    """Send requests over many connections at once. Return how many had each status; 0: the connection ended without one."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=120) as client:

        async def status() -> int:
            try:
                return (await client.get(url)).status_code
            except httpx.TransportError:
                return 0

        return Counter(await asyncio.gather(*(status() for _ in range(requests))))


def test_too_many_requests_are_refused_and_others_served_afterwards(stack: Stack) -> None:
    with GatewayProcess(stack, rate_normal_per_minute="30", connection_address_limit="20") as gateway:
        statuses = asyncio.run(flooded(f"{gateway.base_url}/api/tracks", stack.token, 10, 100))
        assert set(statuses) == {200, 429}
        assert 30 <= statuses[200] <= 60  # a minute may end meanwhile
        # The refusal of a connection can be lost, because it does not wait for the request.
        refused = asyncio.run(flooded(f"{gateway.base_url}/health", stack.token, 40, 40))
        assert set(refused) <= {0, 200, 429}
        assert 0 < refused[200] <= 20
        eventually(lambda: healthy(gateway.base_url), "another client is served")


def healthy(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/health", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False
