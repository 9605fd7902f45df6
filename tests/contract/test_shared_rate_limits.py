"""Rate limits of two gateway processes, over a real broker."""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path

from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from tests.servers.nats import NatsServer
from tests.waiting import DEADLINE_SECONDS

ROOT = Path(__file__).parents[2]
MODULE = "tests.contract.test_shared_rate_limits"
LIMIT = 60
REQUESTS = 80
ROUNDS = 10


async def _gateway(url: str, callers: list[str]) -> None:
    """Be a gateway: take the requests of one caller after the other, whenever the test says so, and print how many were allowed."""
    bus = await NatsBus.connect(url, name="gateway")
    limiter = RateLimiter({RateClass.NORMAL: LIMIT}, SystemClock(), lambda: bus, count_seconds=DEADLINE_SECONDS)
    _tell("ready")
    for caller in callers:
        await asyncio.to_thread(sys.stdin.readline)
        taken = await asyncio.gather(*(limiter.take(caller, RateClass.NORMAL) for _ in range(REQUESTS)))
        _tell(sum(not one.retry_after_seconds for one in taken), *{one.reset_time for one in taken})
    await bus.close()


def _tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def test_two_processes_allow_a_caller_the_limit_together(nats_server: NatsServer) -> None:
    callers = [uuid.uuid4().hex for _ in range(ROUNDS)]
    pipe = asyncio.subprocess.PIPE
    gateways = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, nats_server.url, *callers, stdin=pipe, stdout=pipe, cwd=ROOT
        )
        for _ in range(2)
    ]
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for gateway in gateways:
                assert gateway.stdout is not None
                assert await gateway.stdout.readline() == b"ready\n"
            compared = 0
            for _ in callers:
                lines = []
                for gateway in gateways:
                    assert gateway.stdin is not None
                    gateway.stdin.write(b"go\n")
                for gateway in gateways:
                    assert gateway.stdout is not None
                    lines.append([int(word) for word in (await gateway.stdout.readline()).split()])
                (one, *ends), (other, *other_ends) = lines
                if ends == other_ends and len(ends) == 1:  # all requests fell into one window
                    assert one + other == LIMIT
                    compared += 1
            assert compared >= ROUNDS / 2
    finally:
        for gateway in gateways:
            if gateway.returncode is None:
                gateway.kill()
            await gateway.wait()


if __name__ == "__main__":
    asyncio.run(_gateway(sys.argv[1], sys.argv[2:]))
