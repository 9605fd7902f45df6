from __future__ import annotations

import pytest

from services.separation.engines.networks.batch_size import BatchSize

MIB = 1 << 20


def test_it_begins_with_one_segment_and_grows_to_what_fits() -> None:
    size = BatchSize()
    assert size.limit == 1
    size.measured(1, 1000 * MIB, 10_000 * MIB)
    assert size.limit == 7
    size.measured(7, 3500 * MIB, 8_000 * MIB)
    assert size.limit == 11


@pytest.mark.parametrize(("used", "free", "limit"), [(1, 1 << 40, 16), (1 << 30, 0, 1), (0, 0, 1)])
def test_it_has_limits(used: int, free: int, limit: int) -> None:
    size = BatchSize()
    size.measured(1, used, free)
    assert size.limit == limit


def test_a_number_that_the_operator_set_stays() -> None:
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
