"""The document store of a stack, a MongoDB-compatible server, dies while jobs run and returns over the same data."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import kill, restarted
from work import FRAME_COUNT, SETTINGS, Work

from soundwright_client.local import Stack, running
from tests.servers.mongodb import MongodbServer
from tests.waiting import eventually

pytestmark = pytest.mark.campaign


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongodbServer]:
    with contextlib.closing(MongodbServer(tmp_path_factory.mktemp("database") / "mongodb")) as server:
        server.start()
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, database: MongodbServer) -> Iterator[Stack]:
    settings = {**SETTINGS, "SOUNDWRIGHT_DOCS_URL": f"{database.url}/library"}
    with running(tmp_path_factory.mktemp("chaos"), settings) as started:
        yield started


def test_a_job_ends_once_when_the_database_is_killed_and_started_again(
    stack: Stack, work: Work, database: MongodbServer, song: Path
) -> None:
    track_id = work.upload(song)
    job_id = work.separate(track_id)
    work.until_in_mid_job(job_id)
    database.close()
    with stack.client() as client:
        answer = client.get(f"/api/tracks/{track_id}")
        assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
    database.start()
    later_id = work.separate(track_id)
    work.assert_completed_once(job_id, frame_count=FRAME_COUNT)
    work.assert_completed_once(later_id, frame_count=FRAME_COUNT)


def test_a_library_that_starts_without_its_database_says_so_and_serves_when_it_is_there(
    stack: Stack, work: Work, database: MongodbServer
) -> None:
    database.close()
    log = stack.data_dir / "stack.log"
    start = log.stat().st_size
    dead = kill(stack, "library")
    eventually(lambda: "The document store does not answer" in log.read_text()[start:], "the log names the reason")
    database.start()
    restarted(stack, dead, "library")
