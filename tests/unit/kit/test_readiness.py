"""The readiness checks of a component."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from soundwright.kit import readiness
from soundwright.kit.errors import AppError, Code
from soundwright.kit.readiness import Readiness
from tests.waiting import until


class Store:
    """A dependency that can be taken away, and counts how often it is asked."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        await self.answers.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_ROUND_SECONDS", 0.01)
    monkeypatch.setattr(readiness, "_DEADLINE_SECONDS", 0.05)


@contextlib.asynccontextmanager
async def watched(store: Store) -> AsyncIterator[Readiness]:
    checks = Readiness(asyncio.Event())
    checks.add("store", store.check)
    async with checks.running():
        checks.started()
        await until(lambda: checks.report()["ready"])
        yield checks


async def test_a_component_is_not_ready_before_its_first_check() -> None:
    stopping = asyncio.Event()
    checks = Readiness(stopping)
    checks.add("store", Store().check)
    assert checks.report()["failing"] == ["starting", "store"]
    async with checks.running():
        checks.started()
        await until(lambda: checks.report()["ready"])
        stopping.set()
        assert checks.report()["failing"] == ["stopping"]


async def test_a_failing_dependency_is_reported_with_its_sentence_until_it_is_back() -> None:
    store = Store()
    async with watched(store) as checks:
        store.error = AppError(Code.UNAVAILABLE, "STORE_UNAVAILABLE", "The store does not answer.")
        await until(lambda: not checks.report()["ready"])
        report = checks.report()
        assert report["failing"] == ["store"]
        assert (report["checks"]["store"]["ok"], report["checks"]["store"]["reason"]) == (
            False,
            "The store does not answer.",
        )
        await until(lambda: checks.report()["checks"]["store"]["status_seconds"] > 0.05)
        store.error = None
        await until(lambda: checks.report()["ready"])
        assert checks.report()["checks"]["store"]["reason"] == ""


async def test_the_reason_of_an_unknown_error_has_no_details() -> None:
    store = Store()
    async with watched(store) as checks:
        store.error = RuntimeError("mongodb://user:password@host")
        await until(lambda: not checks.report()["ready"])
        assert checks.report()["checks"]["store"]["reason"] == (
            "The check failed with RuntimeError. The log has the details."
        )


async def test_a_check_that_hangs_is_reported_and_not_repeated() -> None:
    store = Store()
    async with watched(store) as checks:
        store.answers.clear()
        await until(lambda: not checks.report()["ready"])
        asked = store.asked
        await until(lambda: checks.report()["checks"]["store"]["check_seconds"] > 0.2)
        assert store.asked == asked
        store.answers.set()
        await until(lambda: checks.report()["ready"])


async def test_listeners_learn_whether_the_component_is_ready() -> None:
    store = Store()
    told: list[bool] = []

    async def listener(ready: bool) -> None:
        told.append(ready)

    async with watched(store) as checks:
        checks.listen(listener)
        store.error = AppError(Code.UNAVAILABLE, "STORE_UNAVAILABLE", "The store does not answer.")
        await until(lambda: False in told)
        assert told[-1] is False
