"""Budgets of calls with an API token, as over HTTP: calls per minute of an account, and refused calls of an address."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from google.protobuf.message import Message

from soundwright.access.v1 import access_pb2
from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.rpc.descriptors import descriptor_of
from soundwright.kit.rpc.tokens import KnownCredentials

_MINUTE_SECONDS = 60.0


@dataclass(frozen=True)
class RateLimits:
    """Calls per minute.

    Attributes:
        heavy: those of an account that proto/ calls heavy.
        calls: all others of an account.
        refused: calls of an address with unknown tokens.
    """

    heavy: int = 10
    calls: int = 1200
    refused: int = 60


class Budgets:
    """Counts the calls of this process in windows of a minute."""

    def __init__(self, limits: RateLimits, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._now = now
        self._known = KnownCredentials(now)
        self._minute = 0
        self._counts: dict[str, int] = {}

    @contextlib.contextmanager
    def guess(self, address: str, credential: str) -> Iterator[None]:
        """Count the look-up of a credential in the block, unless it is valid, or was valid lately.

        Raises ``RATE_LIMITED`` if too many credentials from this address were unknown.
        """
        key, is_known, is_unknown = f"refused:{address}", credential in self._known, False
        if not is_known:
            self._take(key, self._limits.refused, 1)  # before the look-up: guesses may come all at once
        try:
            yield
            self._known.add(credential)
        except AppError as error:
            is_unknown = error.code is Code.UNAUTHENTICATED
            self._known.discard(credential)
            raise
        finally:
            if not is_known and not is_unknown and self._counts.get(key):
                self._counts[key] -= 1

    def take(self, account_id: str, method: str, request: Message) -> None:
        """Count a call of an account. Raises ``RATE_LIMITED``."""
        if _is_heavy(method):
            count = max(1, len(getattr(request, "track_ids", ())))
            self._take(f"heavy:{account_id}", self._limits.heavy, min(count, self._limits.heavy))
        else:
            self._take(f"calls:{account_id}", self._limits.calls, 1)

    def _take(self, key: str, limit: int, count: int) -> None:
        now = self._now()
        if now // _MINUTE_SECONDS != self._minute:
            self._minute, self._counts = int(now // _MINUTE_SECONDS), {}
        total = self._counts.get(key, 0) + count
        if total > limit:
            seconds = int(_MINUTE_SECONDS - now % _MINUTE_SECONDS) + 1
            raise errors.RATE_LIMITED(
                f"Too many calls: {limit} are allowed per minute. Try again in {seconds} seconds.", retry_after=seconds
            )
        self._counts[key] = total


@functools.cache
def _is_heavy(method: str) -> bool:
    return bool(descriptor_of(method).GetOptions().Extensions[access_pb2.heavy])
