"""The stock client from the npm registry, unmodified, under Node."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_process import GatewayProcess
from phoenix_client import DEADLINE_SECONDS
from stories import ANALYSE, analysed, encoded, song, started, upload

from tests.stacks import Stack

FOLDER = Path(__file__).parents[1] / "channels"
SEARCH_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
NODE = shutil.which("node", path=SEARCH_PATH)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """Node with a WebSocket that can be relied on, and the client."""
    usable = NODE is not None and (FOLDER.parent / "node_modules" / "phoenix").is_dir()
    if usable:
        version = subprocess.run([str(NODE), "--version"], check=True, capture_output=True, text=True).stdout
        usable = int(version.removeprefix("v").partition(".")[0]) >= 22
    if not usable:
        pytest.skip("`make test` installs Node and the client")


class StockClient:
    """The driver of ``tests/channels``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._write, self._read = process.stdin, process.stdout

    def do(self, *step: Any) -> None:
        self._write.write(json.dumps(step).encode() + b"\n")

    async def next(self) -> list[Any]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            seen: list[Any] = json.loads(await self._read.readline())
        return seen

    async def ended(self, topic: str) -> list[list[Any]]:
        """What comes until the topic's job has ended."""
        seen = [await self.next()]
        while seen[-1][2:3] not in (["job:completed"], ["job:failed"]):
            seen.append(await self.next())
            assert seen[-1][1] == topic
        return seen


@contextlib.asynccontextmanager
async def stock_client() -> AsyncIterator[StockClient]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(NODE), "follow.mjs", cwd=FOLDER, stdin=pipe, stdout=pipe, limit=2**20
    )
    try:
        yield StockClient(process)
    finally:
        # Killing it would leave Node behind where what was started is a launcher of Node's.
        process.stdin.close()
        await process.wait()


def address(base_url: str) -> str:
    return base_url.replace("http", "ws", 1) + "/socket"  # to which the client adds the rest


@pytest.mark.parametrize("way", ["params", "authToken"])
async def test_the_stock_client_follows_a_job(stack: Stack, admin: httpx.Client, way: str) -> None:
    topic = f"jobs:{started(admin, ANALYSE, upload(admin, encoded(song(4.0)))['id'])}"
    async with stock_client() as client:
        options = {"params": {"token": stack.token}} if way == "params" else {"authToken": stack.token}
        client.do("connect", address(stack.base_url), options)
        assert await client.next() == ["open"]
        client.do("join", topic)
        assert await client.next() == ["joined", topic]
        seen = await client.ended(topic)
        assert [event for _, _, event, _ in seen] == ["job:progress"] * (len(seen) - 1) + ["job:completed"]
        assert (seen[-2][3]["status"], seen[-2][3]["progress"]) == ("completed", 100)
        client.do("push", topic, "ping")
        assert await client.next() == ["reply", topic, "ok"]
        client.do("leave", topic)
        assert await client.next() == ["left", topic]
        client.do("join", topic)
        assert await client.next() == ["joined", topic]
        assert [event for _, _, event, _ in await client.ended(topic)] == ["job:progress", "job:completed"]


async def test_the_stock_client_comes_back_after_a_restart(stack: Stack, admin: httpx.Client) -> None:
    job_id = analysed(admin, upload(admin, encoded(song(1.0)))["id"])["id"]
    topic = f"jobs:{job_id}"
    with GatewayProcess(stack) as gateway:
        async with stock_client() as client:
            client.do("connect", address(gateway.base_url), {"params": {"token": stack.token}})
            assert await client.next() == ["open"]
            client.do("join", topic)
            assert await client.next() == ["joined", topic]
            await client.ended(topic)
            gateway.stop()
            assert await client.next() == ["close", 1012]
            gateway.start()
            while (seen := await client.next())[0] == "close":
                pass
            assert seen == ["open"]
            assert await client.next() == ["joined", topic]
            assert [event for _, _, event, _ in await client.ended(topic)] == ["job:progress", "job:completed"]
