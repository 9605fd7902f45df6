"""What a browser is told of a list: enough to show it as it is, and no more than it can take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soundwright.library.v1 import events_pb2, job_pb2, track_pb2

from kit.errors import AppError, Code
from kit.identity import Principal, require_principal
from services.gateway.socket import MalformedMessage
from services.gateway.web.cards import Card, JobCard, job_card, track_card
from services.gateway.web.live import LiveList, Screen

ANN = Principal("ann", "user")
NEVER = 1e6


def card(number: int, title: str = "") -> JobCard:
    job = job_pb2.Job(id=str(number), kind=job_pb2.JOB_KIND_GENERATION, spec_json=json.dumps({"prompt": title or "x"}))
    return job_card(job, None)


def told(screen: Screen, wanted: Sequence[Card]) -> list[dict[str, Any]]:
    """Everything that is said until the browser shows ``wanted``."""
    messages = []
    while (message := screen.step(wanted)) is not None:
        messages.append(message)
        assert len(messages) <= len(wanted) + 1
    return messages


def applied(page: dict[str, str], messages: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The elements of a page, in their order, after these messages."""
    for message in messages:
        if "list" in message:
            page = {key: html for key, html in page.items() if key in message["ids"]}
        elif message["id"] not in page:
            keys = list(page)
            at = 0 if message.get("prepend") == "jobs" else keys.index(message["after"]) + 1
            page = dict.fromkeys([*keys[:at], message["id"], *keys[at:]], message["html"]) | page
        else:
            page[message["id"]] = message["html"]
    return page


def page_of(cards: Sequence[Card]) -> dict[str, str]:
    return {card.element_id: card.html for card in cards}


# ------------------------------------------------------------------------------------------------------------- screen


numbers = st.sets(st.integers(0, 30), max_size=8).map(lambda chosen: sorted(chosen, reverse=True))
titles = st.sampled_from(["a", "b"])
lists = st.lists(st.tuples(numbers, titles), min_size=1, max_size=6)


@given(numbers, lists)
def test_a_browser_ends_up_with_what_a_reload_shows(at_first: list[int], then: list[tuple[list[int], str]]) -> None:
    screen, page = Screen("jobs"), page_of([card(number, "old") for number in at_first])
    for wanted_numbers, title in then:
        wanted = [card(number, title if number % 2 else "same") for number in wanted_numbers]
        page = applied(page, told(screen, wanted))
        assert list(page.items()) == list(page_of(wanted).items())
        assert told(screen, wanted) == []


def test_only_what_changes_is_said() -> None:
    screen = Screen("jobs")
    one, two, three = card(1), card(2), card(3)
    assert [sorted(message) for message in told(screen, [two, one])] == [
        ["ids", "list"], ["html", "id", "prepend"], ["after", "html", "id"],
    ]  # fmt: skip
    changed = card(1, "other")
    assert told(screen, [two, changed]) == [{"id": "job-1", "html": changed.html}]
    assert told(screen, [three, two, changed]) == [{"id": "job-3", "html": three.html, "prepend": "jobs"}]
    assert told(screen, [three, changed]) == [{"list": "jobs", "ids": ["job-3", "job-1"]}]


def test_whatever_is_in_a_card_is_text() -> None:
    hostile = "</li><script>\"'&{{1}}"
    track = track_pb2.Track(id="t", title=hostile, artist=hostile, album=hostile)
    job = job_pb2.Job(
        id="j",
        kind=job_pb2.JOB_KIND_SEPARATION,
        state=job_pb2.JOB_STATE_SUCCEEDED,
        result=job_pb2.JobResult(outputs=[job_pb2.AudioOutput(job_id="j", name=f"../{hostile}")]),
    )
    failed = job_pb2.Job(id="j", state=job_pb2.JOB_STATE_FAILED, error=job_pb2.JobError(message=hostile))
    running = job_pb2.Job(id="j", state=job_pb2.JOB_STATE_RUNNING, progress_message=hostile)
    shown = [track_card(track, []), job_card(job, track), job_card(failed, None), job_card(running, track)]
    for one in shown:
        assert "<script" not in one.html
        assert one.html.count("</li>") == 1 + one.html.count("<li>")
        assert "&lt;/li&gt;&lt;script&gt;&#34;&#39;&amp;{{1}}" in one.html
    assert 'href="/jobs/j/files/..%2F%3C%2Fli%3E%3Cscript%3E%22%27%26%7B%7B1%7D%7D"' in shown[1].html


# --------------------------------------------------------------------------------------------------------------- live


class Feed:
    """Who listens to whom."""

    def __init__(self) -> None:
        self.listening: set[tuple[str, Any]] = set()

    def listen_to_owner(self, owner_id: str, listener: Any) -> None:
        self.listening.add((owner_id, listener))

    def leave_owner(self, owner_id: str, listener: Any) -> None:
        self.listening.discard((owner_id, listener))


@dataclass
class Shelf:
    """A list whose content the test decides on."""

    there: list[Card] = field(default_factory=list)
    known: list[Card] = field(default_factory=list)
    failing: bool = False
    load_count: int = 0
    loads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    element_id: str = "jobs"
    page: int = 1
    total_count: int = 0

    async def load(self) -> None:
        assert require_principal() == ANN
        self.load_count += 1
        self.loads.release()
        if self.failing:
            raise AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "Try again.")
        self.known = list(self.there)

    def cards(self) -> Sequence[Card]:
        return self.known

    def hear(self, event: events_pb2.JobProgressed) -> bool:
        self.known = [card(int(event.job_id), event.progress_message), *self.known[1:]]
        return event.job_id != "99"

    def ended(self) -> None:
        return


async def said(live: LiveList) -> dict[str, Any]:
    async with asyncio.timeout(20):
        message: dict[str, Any] = json.loads(await live.next())
    return message


def progress(job_id: str, message: str) -> events_pb2.JobProgressed:
    return events_pb2.JobProgressed(job_id=job_id, progress_message=message)


async def silent(live: LiveList) -> bool:
    """Whether there is nothing to say but the answer to a heartbeat."""
    await live.take('{"heartbeat":5}')
    return await said(live) == {"heartbeat": 5}


async def test_who_reads_slowly_is_told_the_newest_only() -> None:
    feed, shelf = Feed(), Shelf([card(1)])
    live = LiveList(shelf, ANN, feed, NEVER)  # type: ignore[arg-type]
    assert [sorted(await said(live)) for _ in range(2)] == [["ids", "list"], ["html", "id", "prepend"]]
    for number in range(1000):
        live.hear(progress("1", f"step {number}"))
        await live.take(f'{{"heartbeat":{number}}}')
    assert await said(live) == {"heartbeat": 999}
    assert "step 999" in (await said(live))["html"]
    assert await silent(live)
    assert shelf.load_count == 1  # what is heard needs no look


async def test_what_is_new_or_has_ended_makes_it_look_again() -> None:
    shelf = Shelf([card(1)])
    live = LiveList(shelf, ANN, Feed(), NEVER)  # type: ignore[arg-type]
    for _ in range(2):
        await said(live)
    shelf.there = [card(2), card(1)]
    live.ended()
    assert (await said(live))["id"] == "job-2"
    shelf.there = [card(3), card(2), card(1)]
    live.hear(progress("99", ""))
    while (await said(live)).get("id") != "job-3":
        pass
    assert shelf.load_count == 3


async def test_what_cannot_be_read_now_is_read_later() -> None:
    shelf = Shelf([card(1)], failing=True)
    live = LiveList(shelf, ANN, Feed(), 0.01)  # type: ignore[arg-type]
    saying = asyncio.create_task(said(live))
    async with asyncio.timeout(20):
        for _ in range(3):
            await shelf.loads.acquire()
    assert not saying.done()  # an empty list would be wrong
    shelf.failing = False
    assert await saying == {"list": "jobs", "ids": ["job-1"]}


async def test_it_listens_until_it_ends() -> None:
    feed = Feed()
    live = LiveList(Shelf(), ANN, feed, NEVER)  # type: ignore[arg-type]
    assert not feed.listening  # a handshake may still be refused
    await said(live)
    assert feed.listening == {("ann", live)}
    live.end()
    assert not feed.listening


@pytest.mark.parametrize(
    "text", ["", "1", "[]", "{}", '"heartbeat"', '{"heartbeat":null}', '{"heartbeat":1.5}', "[" * 9999]
)
async def test_nothing_but_heartbeats_is_understood(text: str) -> None:
    with pytest.raises(MalformedMessage):
        await LiveList(Shelf(), ANN, Feed(), NEVER).take(text)  # type: ignore[arg-type]
