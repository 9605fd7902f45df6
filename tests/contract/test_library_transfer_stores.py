"""Backup and restore between stores of different kinds."""

import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from soundwright.kit import infra
from soundwright.kit.ports import Blobs, Docs
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.transfer import commands
from tests.servers.mongodb import database_url
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, S3Server
from tests.unit.library_data import contents, fill

COUNT = 25


class Library:
    """A library over the stores of its settings."""

    def __init__(self, settings: LibrarySettings) -> None:
        self.settings = settings
        self.docs: Docs = infra.open_docs(settings)
        self.blobs: Blobs = infra.open_blobs(settings)

    async def contents(self) -> dict[str, str]:
        return await contents(self.docs, self.blobs)


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[list[Library]]:
    libraries: list[Library] = []
    yield libraries
    for library in libraries:
        await library.docs.close()
        await library.blobs.close()


@pytest.fixture
def embedded(tmp_path: Path, opened: list[Library]) -> Library:
    opened.append(Library(LibrarySettings(data_dir=tmp_path / uuid.uuid4().hex, secret="the signing key")))
    return opened[-1]


@pytest.fixture
def restored(tmp_path: Path, opened: list[Library]) -> Library:
    opened.append(Library(LibrarySettings(data_dir=tmp_path / uuid.uuid4().hex, secret="the signing key")))
    return opened[-1]


@pytest.fixture
def cluster(tmp_path: Path, opened: list[Library], mongodb_url: str, s3_server: S3Server) -> Library:
    settings = LibrarySettings(
        data_dir=tmp_path / uuid.uuid4().hex,
        secret="the signing key",
        docs_url=database_url(mongodb_url, f"library_{uuid.uuid4().hex}"),
        blobs_url=s3_server.new_bucket(),
        blobs_access_key=ACCESS_KEY,
        blobs_secret_key=SECRET_KEY,
    )
    opened.append(Library(settings))
    return opened[-1]


async def test_a_library_moves_into_a_cluster_and_back(
    embedded: Library, cluster: Library, restored: Library, tmp_path: Path
) -> None:
    await fill(embedded.docs, embedded.blobs, COUNT)
    before = await embedded.contents()
    for source, target in ((embedded, cluster), (cluster, restored)):
        backup = tmp_path / uuid.uuid4().hex
        await commands.back_up(source.settings, backup)
        await commands.restore(target.settings, backup)
        assert await target.contents() == before


async def test_a_backup_that_is_not_of_one_moment_stores_the_results_of_new_jobs_again(
    embedded: Library, cluster: Library, tmp_path: Path
) -> None:
    await fill(cluster.docs, cluster.blobs, 1)
    job = {"revision": 1, "state": "succeeded", "results_pending": None}
    jobs = [{**job, "id": "old", "finish_time": 1.0}, {**job, "id": "new", "finish_time": time.time()}]
    await cluster.docs.load("jobs", jobs)
    await commands.back_up(cluster.settings, tmp_path / "backup")
    await commands.restore(embedded.settings, tmp_path / "backup")
    assert await embedded.docs.get("jobs", "old") == jobs[0]
    assert await embedded.docs.get("jobs", "new") == {**jobs[1], "results_pending": True}
