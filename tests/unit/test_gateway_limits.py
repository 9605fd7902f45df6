"""Budgets of calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.limits import RateClass, RateLimiter

LIMITS = {
    RateClass.NORMAL: 3,
    RateClass.HEAVY: 1,
    RateClass.POLLING: 5,
    RateClass.FILES: 5,
    RateClass.REPORTS: 2,
    RateClass.PAGES: 5,
}


class Clock:
    def __init__(self, now: float = 1000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


def test_counts_down_then_refuses_until_the_window_ends() -> None:
    clock = Clock()
    limiter = RateLimiter(LIMITS, clock)
    assert [limiter.take("a", RateClass.NORMAL).remaining for _ in range(3)] == [2, 1, 0]
    clock.time += 17.5
    refused = limiter.take("a", RateClass.NORMAL)
    assert refused.retry_after_seconds == 43
    assert refused.headers == {
        "X-RateLimit-Limit": "3",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1060",
        "Retry-After": "43",
    }
    clock.time = 1060.0
    allowed = limiter.take("a", RateClass.NORMAL)
    assert (allowed.retry_after_seconds, allowed.remaining, allowed.reset_time) == (0, 2, 1120)
    assert "Retry-After" not in allowed.headers


def test_callers_and_classes_have_budgets_of_their_own() -> None:
    limiter = RateLimiter(LIMITS, Clock())
    assert limiter.take("a", RateClass.HEAVY).retry_after_seconds == 0
    assert limiter.take("a", RateClass.HEAVY).retry_after_seconds == 60
    assert limiter.take("b", RateClass.HEAVY).retry_after_seconds == 0
    assert limiter.take("a", RateClass.NORMAL).retry_after_seconds == 0


def test_memory_is_bounded_and_old_windows_go() -> None:
    clock = Clock()
    limiter = RateLimiter(LIMITS, clock, window_limit=10)
    for number in range(1000):
        limiter.take(f"caller {number}", RateClass.NORMAL)
    assert len(limiter) <= 10
    clock.time += 60
    limiter.take("last", RateClass.NORMAL)
    assert len(limiter) == 1


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    clock = Clock(5000.0)
    limiter = RateLimiter(LIMITS, clock)
    assert limiter.take("a", RateClass.HEAVY).retry_after_seconds == 0
    clock.time = 100.0
    assert limiter.take("a", RateClass.HEAVY).retry_after_seconds == 0


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(sorted(RateClass)), st.floats(0, 40)), min_size=1, max_size=80
    )
)
def test_no_window_ever_allows_more_than_its_limit(calls: list[tuple[str, RateClass, float]]) -> None:
    clock = Clock()
    limiter = RateLimiter(LIMITS, clock)
    allowed: dict[tuple[str, RateClass, int], int] = {}
    for identity, rate_class, pause in calls:
        clock.time += pause
        allowance = limiter.take(identity, rate_class)
        assert 0 <= allowance.remaining < allowance.limit or allowance.retry_after_seconds
        assert clock.time < allowance.reset_time <= clock.time + 61
        if not allowance.retry_after_seconds:
            window = (identity, rate_class, allowance.reset_time)
            allowed[window] = allowed.get(window, 0) + 1
            assert allowed[window] <= LIMITS[rate_class]
