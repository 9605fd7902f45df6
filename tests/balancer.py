"""A load balancer for httpx clients in the process of a test."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from unittest import mock

import httpx

__all__ = ["Balancer"]

_REQUEST_SECONDS = 300.0


class Balancer:
    """Sends each request for a port of the stack to the next gateway. Other requests stay as they are.

    Args:
        gateways: for each port of the stack, the ports of all gateways, in the same order.
    """

    def __init__(self, gateways: Mapping[int, Sequence[int]]) -> None:
        self._gateways = gateways
        self._turns = itertools.count()
        self._removed: Collection[int] = ()
        self._running: Counter[int] = Counter()  # requests by port of a gateway
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def request(self, port: int) -> Iterator[int]:
        """Yield the port that a request for ``port`` goes to. The request ends with the block."""
        own_port = self._begin(port)
        try:
            yield own_port
        finally:
            self._end(own_port)

    @contextlib.contextmanager
    def without(self, number: int) -> Iterator[None]:
        """Send no requests to a gateway during the block, which begins when its running requests have ended."""
        with self._changed:
            self._removed = [ports[number] for ports in self._gateways.values()]
            idle = self._changed.wait_for(
                lambda: not any(map(self._running.__getitem__, self._removed)), _REQUEST_SECONDS
            )
            assert idle, "a request of a gateway does not end"
        try:
            yield
        finally:
            self._removed = ()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Balance the requests of all httpx clients during the block. Their ``Host`` headers and cookies stay the same."""
        original = httpx.HTTPTransport.handle_request

        def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            own_port = self._begin(request.url.port or 0)
            url = request.url.copy_with(port=own_port or None)
            moved = httpx.Request(
                request.method, url, headers=request.headers.raw, stream=request.stream, extensions=request.extensions
            )
            try:
                response = original(transport, moved)
            except BaseException:
                self._end(own_port)
                raise
            assert isinstance(response.stream, httpx.SyncByteStream)
            response.stream = _Stream(response.stream, lambda: self._end(own_port))
            return response

        with mock.patch.object(httpx.HTTPTransport, "handle_request", handle):
            yield

    def _begin(self, port: int) -> int:
        with self._changed:
            choices = [own_port for own_port in self._gateways.get(port, [port]) if own_port not in self._removed]
            own_port = choices[next(self._turns) % len(choices)]
            self._running[own_port] += 1
        return own_port

    def _end(self, own_port: int) -> None:
        with self._changed:
            self._running[own_port] -= 1
            self._changed.notify_all()


class _Stream(httpx.SyncByteStream):
    """The body of a response. Calls ``on_close`` when the client has read it."""

    def __init__(self, body: httpx.SyncByteStream, on_close: Callable[[], None]) -> None:
        self._body = body
        self._on_close = on_close

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body

    def close(self) -> None:
        try:
            self._body.close()
        finally:
            self._on_close()
