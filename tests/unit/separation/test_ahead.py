import threading
from collections.abc import Callable, Iterator

import pytest

from soundwright.services.separation.engines.networks.ahead import Passed, in_order

WAIT_SECONDS = 60


def results(work: Callable[[int, Passed], int], items: Iterator[int] | range, worker_count: int) -> list[int]:
    return [result for result in in_order(work, items, worker_count) if result is not None]


@pytest.mark.parametrize("worker_count", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(worker_count: int) -> None:
    second_began = threading.Event()

    def work(item: int, passed: Passed) -> int:
        passed()
        if worker_count > 1 and item == 0:
            assert second_began.wait(WAIT_SECONDS)
        if item:
            second_began.set()
        return item * item

    assert results(work, range(7), worker_count) == [item * item for item in range(7)]


def test_it_yields_none_for_each_part_of_the_work() -> None:
    def work(item: int, passed: Passed) -> int:
        for _ in range(item):
            passed()
        return item

    assert list(in_order(work, range(4), 1)) == [0, None, 1, None, None, 2, None, None, None, 3]


def test_it_reads_no_more_items_than_it_computes_and_one() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            read.append(item)
            yield item

    for result in in_order(lambda item, passed: item, items(), 2):
        assert result is not None
        assert len(read) <= min(result + 4, 100)


def test_the_next_item_is_computed_while_the_caller_uses_a_result() -> None:
    computed = [threading.Event() for _ in range(3)]

    def work(item: int, passed: Passed) -> int:
        computed[item].set()
        return item

    for result in in_order(work, range(3), 1):
        assert result is not None
        assert computed[min(result + 1, 2)].wait(WAIT_SECONDS)


def test_a_closed_iterator_ends_the_work_at_its_next_part() -> None:
    closed, parts = threading.Event(), 0

    def work(item: int, passed: Passed) -> int:
        nonlocal parts
        passed()
        assert closed.wait(WAIT_SECONDS)
        for _ in range(1000):
            parts += 1
            passed()
        return item

    iterator = in_order(work, range(10), 1)
    assert next(iterator) is None
    threading.Timer(0.05, closed.set).start()
    iterator.close()
    assert parts < 1000
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("compute_")]


def test_an_error_of_the_work_reaches_the_caller_after_the_results_before_it() -> None:
    def work(item: int, passed: Passed) -> int:
        if item == 2:
            raise RuntimeError("no memory")
        return item

    iterator = in_order(work, range(5), 2)
    assert [next(iterator), next(iterator)] == [0, 1]
    with pytest.raises(RuntimeError, match="no memory"):
        next(iterator)
