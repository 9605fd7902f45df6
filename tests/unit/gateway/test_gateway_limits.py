"""Rate limits."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundwright.kit.errors import AppError, Code
from soundwright.services.gateway.callers.rate_limits import CHARGE_MORE, Allowance, RateClass, RateLimiter, charge
from tests.clocks import HandClock
from tests.waiting import DEADLINE_SECONDS

LIMITS = {
    RateClass.NORMAL: 3, RateClass.HEAVY: 1, RateClass.POLLING: 5, RateClass.FILES: 5, RateClass.REPORTS: 2,
    RateClass.PAGES: 5,
}  # fmt: skip


class Broker:
    """The counters of a broker, which may be down or forget them."""

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.calls = 0
        self.down = False

    async def increment(self, counter: str, amount: int = 1) -> int:
        self.calls += 1
        await asyncio.sleep(0)
        if self.down:
            raise AppError(Code.UNAVAILABLE, "BROKER_UNAVAILABLE", "It does not answer.")
        self.counts[counter] += amount
        sum_now = self.counts[counter]
        for _ in range(random.randrange(3)):  # answers overtake each other
            await asyncio.sleep(0)
        return sum_now


def gateways(broker: Any, clock: HandClock, count: int = 2, limits: dict[RateClass, int] = LIMITS) -> list[RateLimiter]:
    return [RateLimiter(limits, clock, lambda: broker, count_seconds=DEADLINE_SECONDS) for _ in range(count)]


async def test_counts_down_then_refuses_until_the_window_ends() -> None:
    clock = HandClock()
    limiter = RateLimiter(LIMITS, clock)
    clock.time = float((await limiter.take("a", RateClass.NORMAL)).reset_time)  # the next window begins
    assert [(await limiter.take("a", RateClass.NORMAL)).remaining for _ in range(3)] == [2, 1, 0]
    end = round(clock.time) + 60
    clock.time += 17.5
    refused = await limiter.take("a", RateClass.NORMAL)
    assert refused.retry_after_seconds == 43
    assert refused.headers == [
        (b"x-ratelimit-limit", b"3"),
        (b"x-ratelimit-remaining", b"0"),
        (b"x-ratelimit-reset", b"%d" % end),
    ]
    clock.time = float(end)
    allowed = await limiter.take("a", RateClass.NORMAL)
    assert (allowed.retry_after_seconds, allowed.remaining, allowed.reset_time) == (0, 2, end + 60)


async def test_callers_and_classes_have_limits_of_their_own() -> None:
    limiter = RateLimiter(LIMITS, HandClock())
    assert (await limiter.take("a", RateClass.HEAVY)).retry_after_seconds == 0
    assert (await limiter.take("a", RateClass.HEAVY)).retry_after_seconds > 0
    assert (await limiter.take("b", RateClass.HEAVY)).retry_after_seconds == 0
    assert (await limiter.take("a", RateClass.NORMAL)).retry_after_seconds == 0


async def test_windows_of_callers_do_not_all_begin_at_the_same_second() -> None:
    limiter = RateLimiter(LIMITS, HandClock())
    ends = {(await limiter.take(f"caller {number}", RateClass.NORMAL)).reset_time for number in range(100)}
    assert len(ends) > 30


async def test_memory_is_bounded_and_old_windows_go() -> None:
    clock = HandClock()
    limiter = RateLimiter(LIMITS, clock, window_limit=10)
    for number in range(1000):
        await limiter.take(f"caller {number}", RateClass.NORMAL)
    assert len(limiter) <= 10
    clock.time += 60
    await limiter.take("last", RateClass.NORMAL)
    assert not limiter.is_exhausted("another", RateClass.NORMAL)
    assert len(limiter) == 1, "a look at a count begins no window"


async def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    clock = HandClock(5000.0)
    limiter = RateLimiter(LIMITS, clock)
    assert (await limiter.take("a", RateClass.HEAVY)).retry_after_seconds == 0
    clock.time = 100.0
    assert (await limiter.take("a", RateClass.HEAVY)).retry_after_seconds == 0


async def test_gateways_that_share_a_broker_allow_the_limit_together() -> None:
    for _ in range(50):
        clock = HandClock()
        limiters = gateways(Broker(), clock, count=3, limits={RateClass.NORMAL: 40})
        calls = [limiters[random.randrange(3)].take("a", RateClass.NORMAL) for _ in range(100)]
        allowances = await asyncio.gather(*calls)
        assert sum(not allowance.retry_after_seconds for allowance in allowances) == 40
        assert {(await limiter.take("a", RateClass.NORMAL)).remaining for limiter in limiters} == {0}


async def test_a_caller_over_the_limit_costs_no_call_to_the_broker() -> None:
    broker = Broker()
    (limiter,) = gateways(broker, HandClock(), count=1)
    for _ in range(10):
        await limiter.take("a", RateClass.NORMAL)
    assert broker.calls == 3


async def test_without_the_broker_each_gateway_applies_the_limit_and_logs_once(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, broker = HandClock(), Broker()
    broker.down = True
    limiters = gateways(broker, clock)
    with caplog.at_level(logging.INFO):
        for limiter in limiters:
            outcomes = [(await limiter.take("a", RateClass.NORMAL)).retry_after_seconds == 0 for _ in range(5)]
            assert outcomes == [True, True, True, False, False]
    assert broker.calls == 2  # one attempt of each
    assert (caplog.text + capsys.readouterr().out).count("rate_limits.local") == 2
    broker.down = False
    clock.time += 60
    assert sum([(await limiters[n % 2].take("a", RateClass.NORMAL)).retry_after_seconds == 0 for n in range(10)]) == 3


async def test_a_broker_that_does_not_answer_holds_up_no_request() -> None:
    class Silent(Broker):
        async def increment(self, counter: str, amount: int = 1) -> int:
            self.calls += 1
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    broker = Silent()
    limiter = RateLimiter(LIMITS, HandClock(), lambda: broker, count_seconds=0.01)
    async with asyncio.timeout(DEADLINE_SECONDS):
        outcomes = [(await limiter.take("a", RateClass.NORMAL)).retry_after_seconds == 0 for _ in range(4)]
    assert outcomes == [True, True, True, False]
    assert broker.calls == 1  # then it counts locally for a while


async def test_a_broker_that_forgets_its_counters_grants_a_gateway_no_second_limit() -> None:
    clock, broker = HandClock(), Broker()
    limiters = gateways(broker, clock)
    for limiter in limiters:
        assert (await limiter.take("a", RateClass.NORMAL)).retry_after_seconds == 0
    broker.counts.clear()
    outcomes = [(await limiters[0].take("a", RateClass.NORMAL)).retry_after_seconds == 0 for _ in range(5)]
    assert sum(outcomes) <= 2


async def test_a_gateway_without_a_connection_counts_by_itself() -> None:
    limiter = RateLimiter(LIMITS, HandClock(), lambda: None)
    assert [(await limiter.take("a", RateClass.REPORTS)).remaining for _ in range(3)] == [1, 0, 0]


async def test_a_request_that_counts_as_several_is_allowed_as_a_whole_or_not_at_all() -> None:
    clock = HandClock()
    limiter = RateLimiter({RateClass.HEAVY: 5}, clock)
    await limiter.take("a", RateClass.HEAVY)
    assert (await limiter.take_cost("a", RateClass.HEAVY, 2)).remaining == 2
    refused = await limiter.take_cost("a", RateClass.HEAVY, 3)
    assert (refused.remaining, refused.retry_after_seconds > 0) == (2, True)
    assert (await limiter.take_cost("a", RateClass.HEAVY, 2)).remaining == 0


async def test_a_request_beyond_a_limit_counts_as_all_requests_of_a_minute() -> None:
    clock = HandClock()
    limiter = RateLimiter({RateClass.HEAVY: 5}, clock)
    await limiter.take("a", RateClass.HEAVY)
    whole = await limiter.take_cost("a", RateClass.HEAVY, 99)
    assert (whole.remaining, whole.retry_after_seconds) == (0, 0)
    await limiter.take("b", RateClass.HEAVY)
    await limiter.take("b", RateClass.HEAVY)
    assert (await limiter.take_cost("b", RateClass.HEAVY, 99)).retry_after_seconds > 0, "it needs a minute of its own"


async def test_a_route_counts_its_request_as_several() -> None:
    asked: list[int] = []

    async def count_more(count: int) -> Allowance:
        asked.append(count)
        return Allowance(limit=5, remaining=0, reset_time=0, retry_after_seconds=7 if len(asked) > 1 else 0)

    scope = {CHARGE_MORE: count_more}
    await charge(scope, 1)
    assert asked == []
    await charge(scope, 3)
    assert asked == [2]
    with pytest.raises(AppError) as refusal:
        await charge(scope, 4)
    assert (refusal.value.reason, refusal.value.http_status) == ("RATE_LIMITED", 429)
    assert refusal.value.meta == {"details": {"retry_after": 7}}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(sorted(RateClass)), st.floats(0, 40)), min_size=1, max_size=80
    )
)
async def test_no_window_ever_allows_more_than_its_limit(calls: list[tuple[str, RateClass, float]]) -> None:
    clock = HandClock()
    limiters = gateways(Broker(), clock)
    allowed: dict[tuple[str, RateClass, int], int] = {}
    for number, (identity, rate_class, pause) in enumerate(calls):
        clock.time += pause
        allowance = await limiters[number % 2].take(identity, rate_class)
        assert 0 <= allowance.remaining < allowance.limit or allowance.retry_after_seconds
        assert clock.time < allowance.reset_time <= clock.time + 61
        if not allowance.retry_after_seconds:
            window = (identity, rate_class, allowance.reset_time)
            allowed[window] = allowed.get(window, 0) + 1
            assert allowed[window] <= LIMITS[rate_class]


async def test_parallel_requests_of_a_caller_share_messages_to_the_broker() -> None:
    broker = Broker()
    one, other = gateways(broker, HandClock(), limits={RateClass.NORMAL: 150})
    takes = [gateway.take("a", RateClass.NORMAL) for gateway in (one, other) for _ in range(100)]
    takes[0].close()  # this one is never made
    taken = await asyncio.gather(*takes[1:])
    allowed = [one.remaining for one in taken if not one.retry_after_seconds]
    assert len(allowed) == 150
    assert sum(broker.counts.values()) == 199
    assert broker.calls <= 10
