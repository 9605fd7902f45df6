"""The messages that keep a list in a browser current."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soundwright.generation.v1 import jobs_pb2 as generation_pb
from soundwright.library.v1 import events_pb2, job_pb2, track_pb2

from kit.errors import AppError, Code
from kit.security.identity import Principal, require_principal
from kit.worker.kind import pack
from services.gateway.channels import MalformedMessage
from services.gateway.web.cards import Card, JobCard, job_card, track_card
from services.gateway.web.live import LiveList, RenderedList

ANN = Principal("ann", "user")
NEVER = 1e6


def card(number: int, title: str = "") -> JobCard:
    job = job_pb2.Job(
        id=str(number), kind=job_pb2.JOB_KIND_GENERATION, spec=pack(generation_pb.GenerationSpec(prompt=title or "x"))
    )
    return job_card(job, None)


def patches(rendered: RenderedList, wanted: Sequence[Card]) -> list[dict[str, Any]]:
    """Return all messages until the browser shows ``wanted``."""
    messages = []
    while (message := rendered.next_patch(wanted)) is not None:
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


# ------------------------------------------------------------------------------------------------------------- rendered


numbers = st.sets(st.integers(0, 30), max_size=8).map(lambda chosen: sorted(chosen, reverse=True))
titles = st.sampled_from(["a", "b"])
lists = st.lists(st.tuples(numbers, titles), min_size=1, max_size=6)


@given(numbers, lists)
def test_a_browser_ends_up_with_what_a_reload_shows(at_first: list[int], then: list[tuple[list[int], str]]) -> None:
    rendered, page = RenderedList("jobs"), page_of([card(number, "old") for number in at_first])
    for wanted_numbers, title in then:
        wanted = [card(number, title if number % 2 else "same") for number in wanted_numbers]
        page = applied(page, patches(rendered, wanted))
        assert list(page.items()) == list(page_of(wanted).items())
        assert patches(rendered, wanted) == []


def test_only_changes_are_sent() -> None:
    rendered = RenderedList("jobs")
    one, two, three = card(1), card(2), card(3)
    assert [sorted(message) for message in patches(rendered, [two, one])] == [
        ["ids", "list"], ["html", "id", "prepend"], ["after", "html", "id"],
    ]  # fmt: skip
    changed = card(1, "other")
    assert patches(rendered, [two, changed]) == [{"id": "job-1", "html": changed.html}]
    assert patches(rendered, [three, two, changed]) == [{"id": "job-3", "html": three.html, "prepend": "jobs"}]
    assert patches(rendered, [three, changed]) == [{"list": "jobs", "ids": ["job-3", "job-1"]}]


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
    """Records subscriptions."""

    def __init__(self) -> None:
        self.listening: set[tuple[str, Any]] = set()

    def subscribe_owner(self, owner_id: str, listener: Any) -> None:
        self.listening.add((owner_id, listener))

    def unsubscribe_owner(self, owner_id: str, listener: Any) -> None:
        self.listening.discard((owner_id, listener))


@dataclass
class Shelf:
    """A list with scripted content."""

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

    def on_progress(self, event: events_pb2.JobProgressed) -> bool:
        self.known = [card(int(event.job_id), event.progress_message), *self.known[1:]]
        return event.job_id != "99"

    def on_finished(self) -> None:
        return


async def next_json(live: LiveList) -> dict[str, Any]:
    async with asyncio.timeout(20):
        message: dict[str, Any] = json.loads(await live.next_message())
    return message


def progress(job_id: str, message: str) -> events_pb2.JobProgressed:
    return events_pb2.JobProgressed(job_id=job_id, progress_message=message)


async def silent(live: LiveList) -> bool:
    """Return whether the only message is the response to a heartbeat."""
    await live.receive('{"heartbeat":5}')
    return await next_json(live) == {"heartbeat": 5}


async def test_a_slow_browser_gets_only_the_latest_state() -> None:
    feed, shelf = Feed(), Shelf([card(1)])
    live = LiveList(shelf, ANN, feed, NEVER)  # type: ignore[arg-type]
    assert [sorted(await next_json(live)) for _ in range(2)] == [["ids", "list"], ["html", "id", "prepend"]]
    for number in range(1000):
        live.on_progress(progress("1", f"step {number}"))
        await live.receive(f'{{"heartbeat":{number}}}')
    assert await next_json(live) == {"heartbeat": 999}
    assert "step 999" in (await next_json(live))["html"]
    assert await silent(live)
    assert shelf.load_count == 1  # progress of a listed job needs no reload


async def test_new_and_finished_jobs_cause_a_reload() -> None:
    shelf = Shelf([card(1)])
    live = LiveList(shelf, ANN, Feed(), NEVER)  # type: ignore[arg-type]
    for _ in range(2):
        await next_json(live)
    shelf.there = [card(2), card(1)]
    live.on_finished()
    assert (await next_json(live))["id"] == "job-2"
    shelf.there = [card(3), card(2), card(1)]
    live.on_progress(progress("99", ""))
    while (await next_json(live)).get("id") != "job-3":
        pass
    assert shelf.load_count == 3


async def test_a_failed_read_is_repeated() -> None:
    shelf = Shelf([card(1)], failing=True)
    live = LiveList(shelf, ANN, Feed(), 0.01)  # type: ignore[arg-type]
    saying = asyncio.create_task(next_json(live))
    async with asyncio.timeout(20):
        for _ in range(3):
            await shelf.loads.acquire()
    assert not saying.done()  # an empty list would be wrong
    shelf.failing = False
    assert await saying == {"list": "jobs", "ids": ["job-1"]}


async def test_it_is_subscribed_until_it_is_closed() -> None:
    feed = Feed()
    live = LiveList(Shelf(), ANN, feed, NEVER)  # type: ignore[arg-type]
    assert not feed.listening  # a handshake may still be refused
    await next_json(live)
    assert feed.listening == {("ann", live)}
    live.close()
    assert not feed.listening


@pytest.mark.parametrize(
    "text", ["", "1", "[]", "{}", '"heartbeat"', '{"heartbeat":null}', '{"heartbeat":1.5}', "[" * 9999]
)
async def test_messages_other_than_heartbeats_are_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        await LiveList(Shelf(), ANN, Feed(), NEVER).receive(text)  # type: ignore[arg-type]
