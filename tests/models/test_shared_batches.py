"""Batches that several jobs share, and their size."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from soundwright.kit.errors import AppError, Code
from soundwright.services.separation.engines.networks.batch_size import OUT_OF_MEMORY, BatchSize
from soundwright.services.separation.engines.networks.shared_batches import Rows, SharedBatches
from soundwright.services.separation.service import Samples
from tests.waiting import DEADLINE_SECONDS, eventually


class Device:
    """A network that doubles its inputs, one row for each stem, and records its batches.

    The first batch waits for :attr:`gate`, so that callers queue behind it.
    """

    def __init__(self, size: int = 4, capacity: int = 100) -> None:
        self.batches: list[tuple[list[float], Rows]] = []
        self.gate, self.began = threading.Event(), threading.Event()
        self.capacity = capacity
        self.poison = float("nan")
        self.shared = SharedBatches(self._infer, BatchSize(size))
        self._pool = ThreadPoolExecutor(8)

    def _infer(self, inputs: Samples, rows: Rows) -> Samples:
        self.batches.append(([float(each.flat[0]) for each in inputs], rows))
        self.began.set()
        assert self.gate.wait(DEADLINE_SECONDS)
        if len(inputs) > self.capacity:
            raise AppError(Code.UNAVAILABLE, OUT_OF_MEMORY, "Too little memory.")
        if self.poison in inputs:
            raise ValueError("poison")
        outputs = np.stack([2 * inputs, 3 * inputs], axis=1)
        return outputs if rows is None else outputs[:, list(rows)]

    def submit(self, numbers: list[float], rows: Rows = None, frame_count: int = 2) -> Future[list[Any]]:
        """Run items in a thread of their own, and return when they wait."""
        inputs = np.array(numbers, np.float32)[:, None, None] * np.ones((1, 1, frame_count), np.float32)
        before = len(self.shared._waiting) + len(self.batches)
        future = self._pool.submit(lambda: np.concatenate(list(self.shared.run(inputs, rows)))[:, :, 0, 0].tolist())
        eventually(lambda: len(self.shared._waiting) + len(self.batches) > before)
        return future


@pytest.mark.parametrize(
    ("capacity", "batches"),
    [(100, [[1], [2, 3, 4, 5], [6]]), (1, [[1], [2, 3, 4, 5], [2, 3], [2], [3], [4], [5], [6]])],
)
def test_items_of_several_callers_share_a_batch_that_is_halved_if_it_does_not_fit(
    capacity: int, batches: list[list[float]]
) -> None:
    device = Device(capacity=capacity)
    first = device.submit([1])
    others = [device.submit([2, 3]), device.submit([4]), device.submit([5, 6])]
    device.gate.set()
    assert first.result(DEADLINE_SECONDS) == [[2, 3]]
    assert [each.result(DEADLINE_SECONDS) for each in others] == [[[4, 6], [6, 9]], [[8, 12]], [[10, 15], [12, 18]]]
    assert [numbers for numbers, _ in device.batches] == batches


def test_items_of_other_shapes_or_stems_have_batches_of_their_own() -> None:
    device = Device()
    first = device.submit([1])
    others = [device.submit([2], (1,)), device.submit([3], frame_count=5), device.submit([4], (1,))]
    device.gate.set()
    assert first.result(DEADLINE_SECONDS) == [[2, 3]]
    assert [each.result(DEADLINE_SECONDS) for each in others] == [[[6]], [[6, 9]], [[12]]]
    assert device.batches == [([1], None), ([2, 4], (1,)), ([3], None)]


def test_an_error_ends_the_callers_of_its_batch_only() -> None:
    device = Device(size=1)
    device.poison = 3
    first = device.submit([1])
    others = [device.submit([3]), device.submit([4])]
    device.gate.set()
    assert first.result(DEADLINE_SECONDS) == [[2, 3]]
    with pytest.raises(ValueError, match="poison"):
        others[0].result(DEADLINE_SECONDS)
    assert others[1].result(DEADLINE_SECONDS) == [[8, 12]]


def test_items_of_a_caller_that_stops_are_not_computed() -> None:
    device = Device(size=1)
    device.gate.set()
    outputs = device.shared.run(np.ones((3, 1, 2), np.float32), None)
    next(outputs)
    outputs.close()  # type: ignore[attr-defined]
    assert not device.shared._waiting
    assert device.submit([7]).result(DEADLINE_SECONDS) == [[14, 21]]
    assert [numbers for numbers, _ in device.batches] == [[1], [7]]


def test_a_batch_begins_with_one_segment_and_grows_to_what_fits() -> None:
    size = BatchSize()
    assert size.limit == 1
    size.measured(1, 1000 * (1 << 20), 10_000 * (1 << 20))
    assert size.limit == 7
    size.measured(7, 3500 * (1 << 20), 8_000 * (1 << 20))
    assert size.limit == 11


@pytest.mark.parametrize(("used", "free", "limit"), [(1, 1 << 40, 16), (1 << 30, 0, 1), (0, 0, 1)])
def test_the_size_of_a_batch_has_limits(used: int, free: int, limit: int) -> None:
    size = BatchSize()
    size.measured(1, used, free)
    assert size.limit == limit


def test_a_batch_size_that_the_operator_set_stays() -> None:
    size = BatchSize(3)
    size.measured(1, 1, 1 << 40)
    assert size.limit == 3


def test_a_batch_that_did_not_fit_limits_all_later_ones() -> None:
    size = BatchSize()
    size.measured(1, 1, 1 << 40)
    size.halve(16)
    assert size.limit == 8
    size.measured(8, 8, 1 << 40)
    assert size.limit == 8
    size.halve(1)
    assert size.limit == 1
