"""What the metrics count."""

import contextlib
import dataclasses
import functools
import sys
import types
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
from library_fixture import opened
from prometheus_client import REGISTRY
from prometheus_client.samples import Sample

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.compute import EngineProcesses, Report
from soundwright.kit.errors import AppError, Code
from soundwright.kit.measured import measured
from soundwright.kit.metrics import model_label
from soundwright.kit.ports import Blobs
from soundwright.services.library.jobs.queue_metrics import QueueMetrics
from soundwright.services.library.jobs.service import Job, JobState, Priority

MIB = 2**20


def samples(metric: str) -> list[Sample]:
    return [sample for family in REGISTRY.collect() for sample in family.samples if sample.name == metric]


def operations(store: str) -> dict[tuple[str, str], float]:
    """Return how often each operation of a store had each outcome."""
    return {
        (sample.labels["operation"], sample.labels["outcome"]): sample.value
        for sample in samples("soundwright_store_duration_seconds_count")
        if sample.labels["store"] == store
    }


async def test_operations_of_the_file_store_are_measured_by_outcome(tmp_path: Path) -> None:
    name = uuid.uuid4().hex
    blobs = measured(FileBlobs(tmp_path), Blobs, name)
    await blobs.prepare()
    async with blobs.write("a/b") as writer:
        await writer.write(b"12345")
    with pytest.raises(ZeroDivisionError):
        async with blobs.write("a/c"):
            raise ZeroDivisionError
    assert [chunk async for chunk in blobs.read("a/b", 1, 3)] == [b"234"]
    assert {key async for key, _ in blobs.scan("a/")} == {"a/b"}
    async with blobs.local("a/b") as path:
        assert path.read_bytes() == b"12345"
    with pytest.raises(AppError):
        async with blobs.local("missing"):
            raise AssertionError
    assert await blobs.stat("missing") is None
    assert str(tmp_path) in blobs.locate("a/b")
    assert operations(name) == {
        ("prepare", "ok"): 1,
        ("write", "ok"): 4,  # two entries and two exits
        ("read", "ok"): 1,
        ("scan", "ok"): 1,
        ("local", "ok"): 2,
        ("local", "refused"): 1,
        ("stat", "ok"): 1,
    }


class Faulty(Protocol):
    """A port with one operation."""

    async def answer(self, error: BaseException) -> None: ...


class FaultyStore:
    async def answer(self, error: BaseException) -> None:
        raise error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (AppError(Code.NOT_FOUND, "X", "x"), "refused"),
        (AppError(Code.UNAVAILABLE, "X", "x"), "failed"),
        (ValueError(), "failed"),
        (GeneratorExit(), "cancelled"),
    ],
)
async def test_a_failure_of_the_store_differs_from_its_refusal(error: BaseException, outcome: str) -> None:
    name = uuid.uuid4().hex
    store = measured(FaultyStore(), Faulty, name)
    with contextlib.suppress(BaseException):
        await store.answer(error)
    assert operations(name) == {("answer", outcome): 1}


def job(number: int, kind: str, state: JobState, priority: Priority, create_time: float) -> Job:
    return Job(
        id=f"j{number}", kind=kind, owner_id="ann", track_id="", state=state, priority=priority, spec=None,
        attempt_limit=3, queue="s", correlation_id="c", create_time=create_time, fingerprint="f",
    )  # fmt: skip


async def test_depth_and_age_of_a_queue_are_those_of_its_queued_jobs(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        now = world.clock.now()
        for number, (kind, state, priority, age) in enumerate(
            [
                ("analysis", JobState.QUEUED, Priority.FREE, 40.0),
                ("analysis", JobState.QUEUED, Priority.FREE, 90.0),
                ("analysis", JobState.QUEUED, Priority.ADMIN, 5.0),
                ("analysis", JobState.RUNNING, Priority.FREE, 500.0),
                ("analysis", JobState.SUCCEEDED, Priority.FREE, 900.0),
                ("export", JobState.QUEUED, Priority.FREE, 7.0),
            ]
        ):
            await world.jobs.insert(job(number, kind, state, priority, now - age))
        metrics = QueueMetrics(world.jobs, ["analysis", "export", "generation"], world.clock)
        await metrics.update()

        def values(metric: str) -> dict[tuple[str, str], float]:
            found = {(sample.labels["kind"], sample.labels["priority"]): sample.value for sample in samples(metric)}
            assert len(found) == 3 * len(Priority)
            return {labels: value for labels, value in found.items() if value}

        assert values("soundwright_jobs_queued") == {
            ("analysis", "free"): 2, ("analysis", "admin"): 1, ("export", "free"): 1
        }  # fmt: skip
        assert values("soundwright_job_oldest_queued_age_seconds") == {
            ("analysis", "free"): 90, ("analysis", "admin"): 5, ("export", "free"): 7
        }  # fmt: skip
        for number in range(6):
            queued = await world.jobs.get(f"j{number}")
            assert queued is not None
            await world.jobs.replace(dataclasses.replace(queued, state=JobState.CANCELLED))
        await metrics.update()
        assert values("soundwright_jobs_queued") == values("soundwright_job_oldest_queued_age_seconds") == {}


def test_names_of_models_are_bounded() -> None:
    labels = {model_label(f"model-of-somebody-{number}") for number in range(500)}
    assert len(labels) <= 101
    assert "other" in labels


def _hold(_engine: object, _report: Report, *, held: int, peak: int) -> None:
    """Hold GPU memory, as far as this process can tell: it runs without a GPU."""
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        memory_reserved=lambda device: held if device == 1 else 0,
        max_memory_reserved=lambda device: peak if device == 1 else 0,
        get_device_properties=lambda device: types.SimpleNamespace(total_memory=(4 + 4 * device) * MIB),
    )
    sys.modules["torch"] = types.SimpleNamespace(cuda=cuda)  # type: ignore[assignment]


def nothing() -> None:
    """Build no engine."""


@contextlib.asynccontextmanager
async def pool(name: str) -> AsyncIterator[EngineProcesses[None]]:
    processes = EngineProcesses(name, 1, nothing)
    try:
        yield processes
    finally:
        processes.close()


async def test_gpu_memory_is_that_of_the_engine_processes_that_live() -> None:
    name = uuid.uuid4().hex

    def memory() -> dict[str, float]:
        metrics = ("engine_gpu_memory", "engine_gpu_memory_peak", "gpu_memory")
        return {
            metric: sample.value
            for metric in metrics
            for sample in samples(f"soundwright_{metric}_bytes")
            if sample.labels["pool"] == name
        }

    async with pool(name) as processes:
        await processes.run(functools.partial(_hold, held=2 * MIB, peak=5 * MIB))
        assert memory() == {
            "engine_gpu_memory": 2 * MIB, "engine_gpu_memory_peak": 5 * MIB, "gpu_memory": 8 * MIB
        }  # fmt: skip
        await processes.run(functools.partial(_hold, held=1 * MIB, peak=6 * MIB))
        assert memory()["engine_gpu_memory"] == 1 * MIB
        assert memory()["engine_gpu_memory_peak"] == 6 * MIB
    assert memory() == {"engine_gpu_memory": 0, "engine_gpu_memory_peak": 0, "gpu_memory": 8 * MIB}
