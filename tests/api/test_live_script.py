"""The script of our pages, as it is, under Node, with a stand-in for the page around it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, registered
from gateway_process import GatewayProcess
from phoenix_client import DEADLINE_SECONDS
from stories import finished
from test_channels_npm import NODE
from test_live_pages import HOSTILE, Page, page_of, started, uploaded

from tests.stacks import Stack

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "services" / "gateway" / "web" / "assets" / "live.js"
pytestmark = pytest.mark.skipif(NODE is None, reason="`make test` installs Node")


@pytest.fixture(scope="module")
def ann(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


class OpenPage:
    """A page with its script, in a browser of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._write, self._read = process.stdin, process.stdout
        self.word = ""
        self.elements: dict[str, str] = {}

    def do(self, step: Any) -> None:
        self._write.write(json.dumps(step).encode() + b"\n")

    async def next(self) -> list[Any]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            seen: list[Any] = json.loads(await self._read.readline())
        if seen[0] == "page":
            self.word, self.elements = seen[1], dict(seen[2])
        return seen

    async def until(self, element_id: str, words: str) -> None:
        while words not in self.elements.get(element_id, ""):
            await self.next()

    async def says(self, word: str) -> None:
        while self.word != word:
            await self.next()


def elements_of(page: Page) -> dict[str, str]:
    """The cards of a page, as they are written in it, in their order."""
    places = [page.html.index(f'<li class="card" id="{card}"') for card in page.cards]
    ends = [*places[1:], page.html.index('</ul>\n<p class="empty"')] if places else []
    return {card: page.html[start:end].strip() for card, start, end in zip(page.cards, places, ends, strict=True)}


@contextlib.asynccontextmanager
async def opened(browser: Browser, path: str) -> AsyncIterator[OpenPage]:
    page = page_of(browser, path)
    (list_id,) = [value for value in page.all("ul", "id") if value in ("jobs", "tracks")]
    elements = elements_of(page)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(NODE), "live_page.mjs", cwd=ROOT / "tests" / "channels", stdin=pipe, stdout=pipe, limit=2**20
    )
    shown = OpenPage(process)
    shown.do(
        {
            "script": str(SCRIPT),
            "page": f"{str(browser.base_url).rstrip('/')}{path}",
            "cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items()),
            "list": list_id,
            "live": page.all("ul", "data-live")[0],
            "elements": list(elements.items()),
        }
    )
    try:
        yield shown
    finally:
        assert process.stdin is not None
        process.stdin.close()  # which ends it; killing it would leave Node behind where this is a launcher of Node's
        await process.wait()


async def test_a_row_comes_and_is_replaced_until_the_page_is_as_after_a_reload(ann: Browser) -> None:
    track_id = uploaded(ann, HOSTILE)
    before = started(ann, "analysis/analyze", track_id)
    finished(ann, f"/api/jobs/{before}")
    async with opened(ann, "/jobs") as shown:
        await shown.says("Live")
        assert list(shown.elements) == [f"job-{before}"]
        job_id = started(ann, "processing/separate", track_id)
        await shown.until(f"job-{job_id}", "Completed")
        assert list(shown.elements) == [f"job-{job_id}", f"job-{before}"]
        assert shown.elements == elements_of(page_of(ann, "/jobs"))


async def test_what_plays_is_left_alone_until_it_pauses(ann: Browser) -> None:
    track_id = uploaded(ann, "Playing")
    key = f"track-{track_id}"
    async with opened(ann, "/tracks") as shown:
        await shown.says("Live")
        shown.do(["play", key])
        job_id = started(ann, "processing/separate", track_id)
        finished(ann, f"/api/jobs/{job_id}")
        while (seen := await shown.next())[:2] != ["heard", key] or "vocals" not in seen[2]:
            pass
        shown.do(["look"])
        await shown.next()
        assert "vocals" not in shown.elements[key]
        shown.do(["pause", key])
        await shown.until(key, f"/jobs/{job_id}/files/vocals")
        assert shown.elements == elements_of(page_of(ann, "/tracks"))


async def test_it_comes_back_after_a_restart_and_makes_up_for_what_it_missed(stack: Stack, ann: Browser) -> None:
    with GatewayProcess(stack) as gateway, Browser(gateway.base_url) as browser:
        browser.cookies = ann.cookies
        track_id = uploaded(ann, "Missed")
        async with opened(browser, "/tracks") as shown:
            await shown.says("Live")
            gateway.stop()
            await shown.says("Reconnecting")
            assert ann.delete(f"/api/tracks/{track_id}", headers={"x-csrf-token": ann.token()}).status_code == 204
            new = uploaded(ann, "New")
            gateway.start()
            await shown.says("Live")
            await shown.until(f"track-{new}", "New")
            assert f"track-{track_id}" not in shown.elements
            assert shown.elements == elements_of(page_of(ann, "/tracks"))
