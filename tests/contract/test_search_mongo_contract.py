"""The MongoDB search keeps what every search promises."""

from __future__ import annotations

from typing import Any

import pytest
from test_search_contract import CLIPS, SearchContract, clip, found, page, put

from kit.adapters.mongo import search as mongo_search
from kit.adapters.mongo import search_counts
from kit.adapters.mongo.search import MongoSearch
from kit.ports import Search
from tests.contract.search_stores import MongoSearchStore


class TestMongoSearch(MongoSearchStore, SearchContract):
    async def test_new_format_empties_the_index(self, search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
        await put(search, clip(0, "rain"))
        monkeypatch.setattr(mongo_search, "_FORMAT", mongo_search._FORMAT + 1)
        assert await search.ensure(CLIPS) is False
        assert await found(search) == []

    async def test_a_page_of_all_entries_counts_only_what_changed(
        self, search: MongoSearch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await put(search, *(clip(number) for number in range(200)))
        assert (await page(search)).total == 200
        counted = recorded_counts(monkeypatch, search)
        assert (await page(search)).total == 200
        assert counted == []
        await put(search, clip(7, "rain", revision=2))  # it is no new entry
        assert (await page(search)).total == 200
        assert counted == []
        await put(search, clip(200))
        assert (await page(search)).total == 201
        assert counted == [search_counts.part_of("c200")]

    async def test_a_writer_that_died_makes_the_total_wrong_for_a_short_time_only(
        self, search: MongoSearch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await put(search, *(clip(number) for number in range(100)))
        assert (await page(search)).total == 100
        await search._collection("clips").delete_one({"_id": "c000"})  # its second increment is missing
        assert (await page(search)).total == 100
        counted = recorded_counts(monkeypatch, search)
        monkeypatch.setattr(search_counts, "_CACHE_SECONDS", 0.0)
        totals = [(await page(search)).total for _ in range(search_counts._PART_COUNT)]
        assert totals[-1] == 99
        assert len(counted) == len(totals), "a query counts one part because of its age"


def recorded_counts(monkeypatch: pytest.MonkeyPatch, search: MongoSearch) -> list[str]:
    """Return a list that receives each combination that is counted from now on."""
    counted: list[str] = []
    entries = search._collection("clips")

    class Recording:
        def __getattr__(self, name: str) -> Any:
            return getattr(entries, name)

        async def count_documents(self, conditions: dict[str, Any]) -> int:
            counted.append(conditions["combinations"])
            return int(await entries.count_documents(conditions))

    monkeypatch.setattr(search._counts["clips"], "_entries", Recording())
    return counted
