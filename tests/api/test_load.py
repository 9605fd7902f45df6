"""Short forms of ``make load``: what must hold at any speed."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from gateway_process import GatewayProcess

from tests.load.overload import flooded
from tests.load.sockets import held
from tests.load.uploads import REFUSALS, uploaded
from tests.stacks import Stack

pytestmark = pytest.mark.usefixtures("nothing_crashes")
SOCKETS = 40
UPLOADS = 12


def test_uploads_at_the_same_time_are_stored_or_refused(stack: Stack) -> None:
    answers, lost = asyncio.run(uploaded(stack, UPLOADS))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, *REFUSALS}
    assert statuses[201] > 0
    assert lost == []


def test_idle_sockets_stay_open(stack: Stack) -> None:
    _, alive = asyncio.run(held(stack, SOCKETS, 0))
    assert alive == SOCKETS


def test_too_many_requests_are_refused_and_others_served_afterwards(stack: Stack) -> None:
    with GatewayProcess(stack, rate_normal_per_minute="30", connection_address_limit="20") as gateway:
        answers, recovery_seconds = flooded(gateway.base_url, "/api/tracks", stack.token, 10, 10)
        statuses = Counter(answer.status for answer in answers)
        assert set(statuses) == {200, 429}
        assert 30 <= statuses[200] <= 60  # a minute may end meanwhile
        assert recovery_seconds < 60
        # The refusal of a connection can be lost, because it does not wait for the request.
        refused = Counter(answer.status for answer in flooded(gateway.base_url, "/health", stack.token, 40, 1)[0])
        assert set(refused) <= {0, 200, 429}
        assert 0 < refused[200] <= 20
