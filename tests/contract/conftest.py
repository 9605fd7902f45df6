"""The real servers behind the adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.servers.mongodb import TOPOLOGIES, mongodb
from tests.servers.nats import NatsServer
from tests.servers.s3 import SERVERS, S3Server


@pytest_asyncio.fixture(scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """One broker for the whole run; tests keep apart by the subjects and durables they use."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    await server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session", params=TOPOLOGIES)
def mongodb_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server, or replica set, for the whole run. Tests use a database each."""
    with mongodb(tmp_path_factory.mktemp("mongodb"), TOPOLOGIES[request.param]) as url:
        yield url


@pytest.fixture(scope="session", params=SERVERS)
def s3_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Each S3 server that is installed, for the whole run. Tests use a bucket each."""
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield server
