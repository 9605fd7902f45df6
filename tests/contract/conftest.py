"""The real servers behind the adapters, and connections to the stores on them."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.ports import Docs
from tests.contract.stores import OpenDocs, open_store
from tests.servers.fault_proxy import FaultProxy, fault_proxy
from tests.servers.mongodb import TOPOLOGIES, database_url, mongodb
from tests.servers.nats import NatsServer
from tests.servers.s3 import SERVERS, S3Server
from tests.waiting import DEADLINE_SECONDS

OpenBus = Callable[..., Awaitable[NatsBus]]


@pytest_asyncio.fixture(scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """One broker for the whole run; tests keep apart by the subjects and durables they use."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    await server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture
async def own_nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A broker of the test's own, which is not started yet."""
    server = NatsServer(tmp_path)
    yield server
    server.kill()


@pytest_asyncio.fixture
async def open_bus() -> AsyncIterator[OpenBus]:
    """Connect to a broker. All connections are closed after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(url: str, wait_seconds: float = DEADLINE_SECONDS, **options: Any) -> NatsBus:
            bus = await NatsBus.connect(url, name="test", timeout_seconds=wait_seconds, **options)
            stack.push_async_callback(bus.close)
            return bus

        yield open_one


@pytest.fixture(scope="session")
def mongodb_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A function that returns the URL of the server, or replica set, of a topology. Each is started once for the whole run."""
    with contextlib.ExitStack() as stack:

        @cache
        def url(topology: str) -> str:
            return stack.enter_context(mongodb(tmp_path_factory.mktemp("mongodb"), TOPOLOGIES[topology]))

        yield url


@pytest.fixture(scope="session", params=TOPOLOGIES)
def mongodb_url(request: pytest.FixtureRequest, mongodb_servers: Callable[[str], str]) -> str:
    """Each server, or replica set. Tests use a database each."""
    return mongodb_servers(request.param)


@pytest.fixture(scope="session", params=SERVERS)
def s3_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Each S3 server that is installed, for the whole run. Tests use a bucket each."""
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture(scope="session")
def faults() -> Iterator[FaultProxy]:
    with fault_proxy() as running:
        yield running


@pytest.fixture(params=["sqlite", *TOPOLOGIES])
def docs_url(request: pytest.FixtureRequest, mongodb_servers: Callable[[str], str], tmp_path: Path) -> str:
    """The URL of an empty document store of each kind."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path / 'new folder' / 'library.db'}"
    return database_url(mongodb_servers(request.param), f"test_{uuid.uuid4().hex}")


@pytest_asyncio.fixture
async def open_docs(docs_url: str) -> AsyncIterator[OpenDocs]:
    """Open another connection to the same store. All are closed after the test."""
    async with contextlib.AsyncExitStack() as stack:

        def connect() -> Docs:
            docs = open_store(docs_url)
            stack.push_async_callback(_close, docs)
            return docs

        yield connect


async def _close(docs: Docs) -> None:
    with contextlib.suppress(RuntimeError):  # the test closed it already
        await docs.close()
