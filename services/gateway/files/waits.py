"""Requests that wait for what a job makes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

from fastapi import Request
from starlette.responses import Response

from soundwright.services.gateway.files.pending_files import PendingFiles
from soundwright.services.gateway.files.reencoding import ConvertedResponse
from soundwright.services.gateway.settings import ConversionLimits
from soundwright.services.gateway.wire.disconnects import cancel_on_disconnect

WAIT_LIMIT_SECONDS = 20
"""How long a request waits before its response begins. Proxies end silent requests after 30 seconds or more."""

LOOK_SECONDS = 0.5
"""Pause between two looks at what a job makes."""

_LIMITS = ConversionLimits(caller_count=16, caller_bytes=1, total_count=100, total_bytes=1)
_now = time.monotonic
T = TypeVar("T")


class Waits:
    """The requests of this process that wait."""

    def __init__(self) -> None:
        self._pending = PendingFiles(_LIMITS)

    async def until(
        self, request: Request, look: Callable[[], Awaitable[T]], is_enough: Callable[[T], bool], seconds: int
    ) -> T:
        """Look again and again, for at most this time, until it is enough. Return what was seen last."""
        end = _now() + seconds
        found = await look()
        if is_enough(found) or not seconds:
            return found

        async def last() -> T:
            seen = found
            while not is_enough(seen) and _now() < end:
                await asyncio.sleep(LOOK_SECONDS)
                seen = await look()
            return seen

        waiting = self._pending.reserve(request.scope, 0)
        try:
            return await cancel_on_disconnect(request, last())
        finally:
            self._pending.release(waiting)

    def streamed(
        self, request: Request, content: AsyncIterator[bytes], status: int, headers: Mapping[str, str]
    ) -> Response:
        """Return a response that waits between its parts."""
        waiting = self._pending.reserve(request.scope, 0)

        async def clean_up() -> None:
            self._pending.release(waiting)

        response = ConvertedResponse(content, headers, clean_up)
        response.status_code = status
        return response
