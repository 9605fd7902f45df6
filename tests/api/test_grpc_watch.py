"""WatchJob against a running stack."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from grpc_calls import address, call
from stories import encoded, song, upload

from soundwright.kit.rpc.errors import error_from_rpc
from soundwright.library.v1 import job_pb2, library_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2 as pb
from tests.simulators.lalalai import LalalaiSimulator
from tests.stacks import Stack

DEADLINE = 120.0
JOBS = library_service_pb2_grpc.JobServiceStub


@pytest.fixture(scope="module")
def track_id(admin: httpx.Client) -> str:
    return str(upload(admin, encoded(song(40.0)))["id"])


def separate(client: httpx.Client, track_id: str, **fields: str) -> str:
    answer = client.post("/api/processing/separate", json={"track_id": track_id, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["job_id"])


@contextlib.asynccontextmanager
async def watching(stack: Stack, job_id: str, token: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address(stack, "library")) as channel:
        yield JOBS(channel).WatchJob(
            pb.WatchJobRequest(job_id=job_id), metadata=(("authorization", f"Bearer {token}"),), timeout=DEADLINE
        )


async def watched(stack: Stack, job_id: str, token: str) -> list[pb.WatchJobResponse]:
    async with watching(stack, job_id, token) as states:
        return [state async for state in states]


async def _rest(states: Any) -> AsyncIterator[pb.WatchJobResponse]:
    """Yield what a stream sends after its first read()."""
    while (state := await states.read()) is not grpc.aio.EOF:
        yield state


@pytest.mark.topology("cluster")
async def test_watchers_see_the_life_of_a_job(stack: Stack, admin: httpx.Client, track_id: str) -> None:
    job_id = await asyncio.to_thread(separate, admin, track_id, model="dsp")
    first, second = await asyncio.gather(*(watched(stack, job_id, stack.token) for _ in range(2)))
    for states in (first, second):
        assert {state.job.id for state in states} == {job_id}
        numbers = [state.job.state for state in states]
        assert numbers == sorted(numbers)  # queued, running, succeeded
        assert numbers[-1] == job_pb2.JOB_STATE_SUCCEEDED
        assert job_pb2.JOB_STATE_RUNNING in numbers
        ratios = [state.job.progress_ratio for state in states]
        assert ratios == sorted(ratios)
        assert any(0 < ratio < 1 for ratio in ratios)
        assert {output.name for output in states[-1].job.result.outputs} == {"vocals", "drums", "bass", "other"}
        assert all(before != after for before, after in itertools.pairwise(states))
    request = pb.GetJobRequest(job_id=job_id)
    assert first[-1].job == (await call(stack, "library", JOBS, "GetJob", request, stack.token)).job
    assert await watched(stack, job_id, stack.token) == [first[-1]]


@pytest.mark.topology("cluster")
async def test_a_suspension_ends_a_watch(stack: Stack, admin: httpx.Client, lalalai: LalalaiSimulator) -> None:
    lalalai.held = True
    token = await asyncio.to_thread(stack.create_account, "watch-suspended@example.org")
    with stack.client(token) as client:
        track = await asyncio.to_thread(upload, client, encoded(song(0.5)))
        job_id = await asyncio.to_thread(separate, client, track["id"], engine="lalalai")
    async with watching(stack, job_id, token) as states:
        first = await states.read()
        assert first.job.id == job_id
        path = f"/api/admin/users/{first.job.owner_id}"
        await asyncio.to_thread(lambda: admin.patch(path, json={"status": "suspended"}).raise_for_status())
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            [state async for state in _rest(states)]
    error = error_from_rpc(failure.value)
    assert error is not None
    assert error.reason == "ACCOUNT_SUSPENDED"
    assert (await asyncio.to_thread(admin.delete, f"/api/admin/jobs/{job_id}")).status_code == 204
    lalalai.held = False
