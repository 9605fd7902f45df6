"""The real servers behind the adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.nats_server import NatsServer


@pytest_asyncio.fixture(scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """One broker for the whole run; tests keep apart by the subjects and durables they use."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    await server.start()
    yield server
    server.kill()
