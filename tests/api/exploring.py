"""What the state machines share: how they run, and members of the platform who are new in each example."""

import contextlib
from collections.abc import Callable, Iterator

import httpx
import hypothesis
import pytest
from browser import Browser, token_of
from hypothesis import stateful
from hypothesis import strategies as st
from published import Document

from tests.stacks import Stack

Length = tuple[int, int]
"""How many examples, and how many steps each has."""

MOSTLY = st.sampled_from([True, True, True, False])

LENGTHS = [pytest.param((2, 25), id="short"), pytest.param((30, 30), id="long", marks=pytest.mark.campaign)]


def explore(machine: Callable[[], stateful.RuleBasedStateMachine], length: Length) -> None:
    """Run a state machine. The short form always takes the same steps; the long one tries others each time."""
    examples, steps = length
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=examples < 10,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    stateful.run_state_machine_as_test(machine, settings=settings)


class Member(httpx.Client):
    """A client with a token of a new account. What it is answered has to be as the document says."""

    def __init__(self, stack: Stack, document: Document) -> None:
        super().__init__(base_url=stack.base_url, timeout=120, event_hooks={"response": [document.hold]})
        with Browser(stack.base_url) as browser:
            assert browser.register().status_code == 302
            self.headers["Authorization"] = f"Bearer {token_of(browser)}"


@contextlib.contextmanager
def members(stack: Stack, document: Document, count: int) -> Iterator[list[Member]]:
    """Open the clients of new accounts."""
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(Member(stack, document)) for _ in range(count)]
