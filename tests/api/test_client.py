"""The Python client against a running stack, as docs/CLIENT.md describes it."""

import asyncio
import doctest
import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest
from published import Document
from stories import encoded, song, upload

from soundwright_client import ApiError, AsyncClient, Client, JobFailed, JobTimeout, types
from soundwright_client.local import free_ports
from tests.stacks import Stack

MANUAL = Path(__file__).parents[2] / "docs" / "CLIENT.md"
RECORDS = {
    "Track": types.Track,
    "Stem": types.Stem,
    "Job": types.JobRecord,
    "JobResult": types.JobResult,
    "Clip": types.Clip,
    "SeparationModel": types.SeparationModel,
    "SeparationPlan": types.Plan,
}


def test_the_manual_works_as_printed(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("song.wav").write_bytes(encoded(song(2.0)))
    Path("data").mkdir()
    # An account of its own, so that the lists of the manual have only what the manual made.
    Path("data", "admin-token").write_text(stack.create_account("manual@example.org"))
    text = MANUAL.read_text().replace("http://127.0.0.1:4000", stack.base_url)
    parts = doctest.DocTestParser().get_doctest(text, {}, "CLIENT.md", str(MANUAL), 0)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE).run(
        parts, out=said.append, clear_globs=False
    )
    parts.globs["client"].close()
    assert (result.attempted > 20, result.failed) == (True, 0), "".join(said)


def test_the_records_have_the_fields_of_the_published_document(document: Document) -> None:
    schemas = document.tree["components"]["schemas"]
    for name, record in RECORDS.items():
        known = set(_properties(schemas, schemas[name]))
        assert set(record.model_fields) - known == set(), name


def _properties(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    parts = [schemas[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in schema.get("allOf", [])]
    found: dict[str, Any] = dict(schema.get("properties", {}))
    for part in parts:
        found |= _properties(schemas, part)
    return found


@pytest.fixture
def quick_only_by_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses of polling longer than a test may take."""
    for name in ("_sync_client", "_async_client"):
        monkeypatch.setattr(f"soundwright_client.{name}.polling_pauses", lambda: itertools.repeat(3600.0))
        monkeypatch.setattr(f"soundwright_client.{name}.CHANNEL_PAUSE_SECONDS", 3600.0)


@pytest.mark.usefixtures("quick_only_by_channels")
@pytest.mark.timeout(60)
async def test_the_channel_of_a_job_ends_the_wait_for_it(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(encoded(song(20.0)))
    async with AsyncClient(stack.base_url, stack.token) as client:
        track = await client.upload(tmp_path / "song.wav")
        seen: list[str] = []
        job = await (await client.separate(track, model="dsp")).wait(lambda job: seen.append(job.status))
    assert (job.status, seen[-1], len(seen) > 1) == ("completed", "completed", True)
    with Client(stack.base_url, stack.token) as client_of_threads:
        again = await asyncio.to_thread(lambda: client_of_threads.separate(track.id, model="dsp").wait())
    assert again.status == "completed"


async def test_without_channels_a_job_is_polled(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(encoded(song(1.0)))
    async with AsyncClient(stack.base_url, stack.token) as client:
        track = await client.upload(tmp_path / "song.wav")
        client.server = f"http://127.0.0.1:{free_ports(1)[0]}"  # of the channels alone
        seen: list[str] = []
        job = await (await client.separate(track, model="dsp")).wait(lambda job: seen.append(job.status))
    assert (job.status, len(seen) > 1) == ("completed", True)


async def test_a_job_is_followed_and_cancelled_without_blocking(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(encoded(song(60.0)))
    seen: list[int] = []
    async with AsyncClient(stack.base_url, stack.token) as client:
        track = await client.upload(tmp_path / "long.wav", progress=lambda done, size: seen.append(done))
        assert seen == sorted(seen)
        assert seen[-1] == (tmp_path / "long.wav").stat().st_size
        jobs = [await client.separate(track, model="dsp") for _ in range(2)]
        with pytest.raises(JobTimeout):
            await jobs[1].wait(timeout_seconds=0)
        for job in reversed(jobs):
            await job.cancel()
        with pytest.raises(JobFailed) as failure:
            await jobs[1].wait()
        assert (failure.value.code, failure.value.job.id) == ("CANCELLED", jobs[1].id)
        await jobs[1].cancel()  # has no effect
        again = await jobs[1].retry()
        assert next(iter([each.id async for each in client.jobs(track_id=track.id)])) == again.id != jobs[1].id
        await again.cancel()
        await client.delete_track(track.id)


def test_lists_go_on_over_pages_and_keys_make_repeated_calls_one(
    stack: Stack, admin: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(encoded(song(1.0, seed=41)))
    with Client(stack.base_url, stack.create_account("pages@example.org")) as client:
        ids = [client.upload(tmp_path / "a.wav", title=f"page {number}").id for number in range(3)]
        assert [each.id for each in client.tracks(page_size=1, sort="oldest")] == ids
        first, second = (client.separate(ids[0], model="dsp", idempotency_key="once") for _ in range(2))
        assert first.id == second.id
        with pytest.raises(ApiError) as refusal:
            client.separate(ids[0], model="nope")
        assert (refusal.value.status, refusal.value.code) == (422, "VALIDATION_ERROR")
        assert "dsp" in refusal.value.message
        with pytest.raises(ApiError) as unknown:
            client.track(f"{ids[0]}/stems")
        assert unknown.value.status == 404
        foreign = upload(admin, encoded(song(1.0)))["id"]
        with pytest.raises(ApiError) as hidden:
            client.delete_track(foreign)
        assert hidden.value.code == "TRACK_NOT_FOUND"
