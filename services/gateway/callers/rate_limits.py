"""Rate limits: fixed windows of one minute per caller and class, shared by all gateways.

The broker counts the requests. While it does not answer, each gateway counts its own (ADR 0029).
"""

import asyncio
import enum
import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Scope

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Bus, Clock

CHARGE_MORE = "soundwright.charge_more"
"""The key in the scope of the function that counts more requests of the caller."""

_COUNT_SECONDS = 0.5  # a request does not wait longer for the broker
_LOCAL_SECONDS = 5.0  # after an error of the broker, count locally for this time
_DIGEST_CHARS = 32
_WINDOW_SECONDS = 60
log = get_logger()


class RateClass(enum.StrEnum):
    """Classes of requests. Each class has its own limit, so that requests of one class do not use up another."""

    NORMAL = "normal"
    HEAVY = "heavy"
    POLLING = "polling"
    FILES = "files"
    REPORTS = "reports"
    PAGES = "pages"


@dataclass
class Allowance:
    """The state of a caller's window after one request."""

    limit: int
    remaining: int
    reset_time: int
    """When the window ends, in seconds since 1970."""
    retry_after_seconds: int
    """0 if the request is allowed."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that each response to a limited request has."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset_time),
        ]


class RateLimiter:
    """Counts requests per caller and class.

    Args:
        limits: requests per minute, by class.
        bus: returns the bus, or None if there is no connection yet.
        window_limit: maximum number of windows in memory. Beyond it, the oldest window is dropped, so that a flood of new
            identities cannot exhaust the memory.
        count_seconds: how long a request waits for the broker. Then this process counts locally.
    """

    def __init__(
        self,
        limits: Mapping[RateClass, int],
        clock: Clock,
        bus: Callable[[], Bus | None] = lambda: None,
        window_limit: int = 50_000,
        count_seconds: float = _COUNT_SECONDS,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._counts = _SharedCounts(bus, clock, window_limit, count_seconds)

    def is_exhausted(self, identity: str, rate_class: RateClass) -> bool:
        """Return whether this process knows that ``identity`` is over its limit. Costs no round trip to the broker."""
        return self._counts.known(self._key(identity, rate_class)) >= self._limits[rate_class]

    async def take(self, identity: str, rate_class: RateClass) -> Allowance:
        """Count one request of ``identity`` if its limit allows it."""
        return await self._take(identity, rate_class, 1)

    async def take_cost(self, identity: str, rate_class: RateClass, count: int) -> Allowance:
        """Count so many requests more after one, if the limit allows all. At most, they are all the other requests of a minute."""
        return await self._take(identity, rate_class, min(count, self._limits[rate_class] - 1))

    async def _take(self, identity: str, rate_class: RateClass, count: int) -> Allowance:
        limit, window = self._limits[rate_class], self._counts.window(self._key(identity, rate_class))
        # A caller who is known to be over the limit costs no round trip to the broker.
        allowed = window.count + count <= limit and await self._counts.add(window, count) <= limit
        return Allowance(
            limit=limit,
            remaining=max(0, limit - window.count),
            reset_time=math.ceil(window.end_time),
            retry_after_seconds=0 if allowed else max(1, math.ceil(window.end_time - self._clock.now())),
        )

    def _key(self, identity: str, rate_class: RateClass) -> str:
        # Gateways with another limit count by themselves.
        return f"{rate_class}/{self._limits[rate_class]}/{identity}"

    def __len__(self) -> int:
        """Return the number of windows in memory."""
        return len(self._counts.windows)


@dataclass
class _Window:
    """A window of one key.

    Attributes:
        count: the largest known number of requests, including those that are being counted.
        waiting: the requests that the broker counts together after those that it counts now.
    """

    start_time: float
    end_time: float
    counter: str
    count: int = 0
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: "_Batch | None" = None


class _Batch:
    """Requests of one window that the broker counts together.

    Attributes:
        total: the sum at the broker after all of them; 0 if it did not answer.
    """

    total: asyncio.Task[int]

    def __init__(self) -> None:
        self.size = 0


class _SharedCounts:
    """Counters of the broker, and their latest known values.

    The windows of a key follow each other without gaps, and all processes compute the same ones. They begin at another
    second for each key, so that not all callers start a new window at the same time.
    """

    def __init__(self, bus: Callable[[], Bus | None], clock: Clock, window_limit: int, count_seconds: float) -> None:
        self._bus = bus
        self._clock = clock
        self._window_limit = window_limit
        self._count_seconds = count_seconds
        self._local_until = 0.0
        self._shared = True
        self.windows: OrderedDict[str, _Window] = OrderedDict()  # by key, oldest first

    async def add(self, window: _Window, amount: int) -> int:
        """Count requests in a window, and return how many it has after them."""
        window.count += amount  # before the wait, so that concurrent requests see it
        own = window.count
        shared = await self._count(window, amount)
        # The broker knows at least the requests of this process, unless it restarted.
        window.count = max(window.count, shared)
        return max(own, shared)

    async def _count(self, window: _Window, amount: int) -> int:
        """Add to the counter of a window. Return the sum after this request; 0 if the broker does not answer.

        Requests that arrive while the broker counts others share the next message. Each still gets its own sum.
        """
        batch = window.waiting
        if batch is None:
            batch = window.waiting = _Batch()
            batch.total = asyncio.create_task(self._send(window, batch))
        batch.size += amount
        own = batch.size
        total = await asyncio.shield(batch.total)  # a request that ends early does not stop the others
        return max(0, total - batch.size + own)

    async def _send(self, window: _Window, batch: _Batch) -> int:
        async with window.counting:
            window.waiting = None
            return await self._increment(window.counter, batch.size)

    async def _increment(self, counter: str, amount: int) -> int:
        """Add to a counter of the broker. Return 0 if the broker does not answer."""
        now = self._clock.now()
        bus = self._bus()
        if bus is None or self._local_until - _LOCAL_SECONDS <= now < self._local_until:
            return 0
        try:
            async with asyncio.timeout(self._count_seconds):
                count = await bus.increment(counter, amount)
        except (AppError, TimeoutError) as error:
            self._local_until = now + _LOCAL_SECONDS
            if self._shared:
                log.warning(
                    "rate_limits.local", reason=error.reason if isinstance(error, AppError) else "BROKER_UNAVAILABLE"
                )
            self._shared = False
            return 0
        if not self._shared:
            log.info("rate_limits.shared")
        self._shared = True
        return count

    def known(self, key: str) -> int:
        """Return the known number of requests in the current window of a key."""
        window, now = self.windows.get(key), self._clock.now()
        return window.count if window is not None and window.start_time <= now < window.end_time else 0

    def window(self, key: str) -> _Window:
        now = self._clock.now()
        window = self.windows.get(key)
        if window is not None and window.start_time <= now < window.end_time:
            return window
        self._forget(now)
        shift = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) % _WINDOW_SECONDS
        start = (now - shift) // _WINDOW_SECONDS * _WINDOW_SECONDS + shift
        counter = hashlib.sha256(f"{key}\n{start:.0f}".encode()).hexdigest()[:_DIGEST_CHARS]
        window = self.windows[key] = _Window(start, start + _WINDOW_SECONDS, counter)
        self.windows.move_to_end(key)
        return window

    def _forget(self, now: float) -> None:
        """Drop windows that have ended, and the oldest one if there are too many."""
        while self.windows:
            oldest = next(iter(self.windows.values()))
            if oldest.start_time <= now < oldest.end_time and len(self.windows) < self._window_limit:
                return
            self.windows.popitem(last=False)


async def charge(scope: Scope, request_count: int) -> None:
    """Count the request of ``scope`` as so many requests. If its limit is smaller, it counts as all requests of a minute.

    Raises ``RATE_LIMITED``.
    """
    if request_count <= 1 or CHARGE_MORE not in scope:
        return
    allowance: Allowance = await scope[CHARGE_MORE](request_count - 1)
    if seconds := allowance.retry_after_seconds:
        raise errors.RATE_LIMITED(
            (
                f"This counts as {request_count} requests, and {allowance.limit} are allowed per minute. Try again in {seconds} "
                "seconds."
            ),
            details={"retry_after": seconds},
        )
