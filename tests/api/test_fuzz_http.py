"""Hostile requests to every route of the document, new routes included. ``make fuzz`` runs the long forms."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest
from attacks import INJECTED, MARKUP, attacks, corpus, send
from fuzzing import Callers, belongings_of, found_in, fuzz
from published import Document
from stories import encoded, song

from tests.health import health_watched, summary
from tests.simulators.media_site import MediaSite
from tests.stacks import Stack

SEED = 14
log = logging.getLogger(__name__)
pytestmark = pytest.mark.usefixtures("nothing_crashes")


@pytest.fixture(scope="module")
def callers(stack: Stack) -> Iterator[Callers]:
    opened = Callers(stack.base_url, stack.token)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def belongings(stack: Stack, callers: Callers, site: MediaSite) -> dict[str, str]:
    content = encoded(song(0.5))
    return belongings_of(callers, stack.base_url, content, site.file("/hook", b"", "text/plain"))


@pytest.fixture
def canary() -> Iterator[socket.socket]:
    """A server of this machine that the platform must not call."""
    with socket.create_server(("127.0.0.2", 0)) as listening:
        listening.setblocking(False)
        yield listening


def assert_sound(problems: list[str], health: list[float]) -> None:
    log.info("/health: answers | median | p99 | longest, ms: %s", summary(health))
    assert not problems, "\n".join(problems[:100])
    assert max(health) < float("inf"), "/health did not answer"


@pytest.mark.parametrize("count", [8, pytest.param(10_000, marks=pytest.mark.campaign)])
def test_requests_that_follow_or_violate_the_document_get_the_answers_that_it_promises(
    stack: Stack, document: Document, callers: Callers, belongings: Mapping[str, str], count: int
) -> None:
    with health_watched(stack.base_url) as health:
        sent, problems = fuzz(stack.base_url, document, callers, belongings, count, SEED)
    log.info("%d requests", sent)
    assert sent >= count
    assert_sound(problems, health)


@pytest.mark.parametrize("each", [1, pytest.param(10, marks=pytest.mark.campaign)])
def test_hostile_parameters_are_refused_or_harmless(
    stack: Stack, document: Document, callers: Callers, belongings: Mapping[str, str], canary: socket.socket, each: int
) -> None:
    texts = corpus(f"http://127.0.0.2:{canary.getsockname()[1]}/")
    problems, statuses = [], Counter[int]()
    with health_watched(stack.base_url) as health:
        for number, attack in enumerate(attacks(document, texts, belongings, each)):
            name = callers.names[number // each % 2]
            credentials = callers.headers(name, attack.route, document.operations[attack.route])
            answer = send(stack.base_url, attack, credentials)
            statuses[answer.status_code] += 1
            route = document.route_at(attack.route.split(" ")[0], attack.path)
            found = found_in(document, route, answer)
            if str(stack.data_dirs[0]) in answer.text:
                found.append("it shows a path of the host")
            if "html" in answer.headers.get("content-type", "") and MARKUP in answer.text:
                found.append("the page contains the markup")
            if INJECTED in answer.headers or "evil.example" in answer.headers.get("location", ""):
                found.append(f"the headers are {answer.headers}")
            problems += [f"{attack} ({name}): {each_problem}" for each_problem in found]
    log.info("%d requests, statuses %s", statuses.total(), dict(sorted(statuses.items())))
    assert_sound(problems, health)
    with pytest.raises(BlockingIOError):  # nobody called
        canary.accept()
