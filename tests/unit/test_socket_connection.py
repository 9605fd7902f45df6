"""A WebSocket of the gateway, without a server."""

from __future__ import annotations

import gc
import warnings
from unittest.mock import Mock

from services.gateway.channels.connection import Closing, Socket


async def test_a_socket_that_is_closed_before_it_runs_begins_no_work() -> None:
    handler, receive, send = Mock(), Mock(), Mock()
    socket = Socket(Mock(), handler, Mock(), receive, send)
    socket.close(Closing(4001, "revoked"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert (await socket.run()).reason == "revoked"
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert (receive.called, send.called, handler.close.call_count) == (False, False, 1)
