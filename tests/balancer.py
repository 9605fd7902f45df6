"""A load balancer for httpx clients in the process of a test."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from unittest import mock

import httpx


@contextlib.contextmanager
def balanced(gateways: Mapping[int, Sequence[int]]) -> Iterator[None]:
    """Send each request of httpx clients for a port of the stack to the next gateway. Their ``Host`` headers and cookies stay the same.

    Args:
        gateways: for each port of the stack, the ports of all gateways.
    """
    original = httpx.HTTPTransport.handle_request
    turns = itertools.count()

    def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        ports = gateways.get(request.url.port or 0)
        if ports:
            url = request.url.copy_with(port=ports[next(turns) % len(ports)])
            request = httpx.Request(
                request.method, url, headers=request.headers.raw, stream=request.stream, extensions=request.extensions
            )
        return original(transport, request)

    with mock.patch.object(httpx.HTTPTransport, "handle_request", handle):
        yield
