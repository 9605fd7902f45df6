"""The contract of every search adapter (kit.ports.Search)."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import re
import uuid
from collections import Counter
from collections.abc import Callable
from itertools import count, product
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.adapters.mongo import search as mongo_search
from kit.adapters.mongo import search_counts
from kit.adapters.mongo.search import MongoSearch
from kit.adapters.sqlite import search as sqlite_search
from kit.ports import Search, SearchEntry, SearchIndex, SearchPage, SearchQuery
from tests.contract.stores import OpenSearch, on_mongodb, open_store
from tests.servers.mongodb import TOPOLOGIES, database_url
from tests.waiting import until

MADE, VOTES, LONG = ("made",), ("votes", "made"), ("seconds",)
CLIPS = SearchIndex(
    "clips", facets=("model", "genre"), orders=(MADE, VOTES, LONG), counted=(("model",), ("model", "genre"))
)
EVERYTHING = SearchQuery()


def clip(number: int, text: str = "", *, revision: int = 1, **fields: Any) -> SearchEntry:
    """Return an entry; ``fields`` are facet values and sort keys."""
    facets = {facet: fields.pop(facet) for facet in CLIPS.facets if facet in fields}
    keys = {"made": number, "votes": 0, "seconds": 1.5, **fields}
    return SearchEntry(f"c{number:03}", revision, text, facets, keys)


async def put(search: Search, *entries: SearchEntry) -> int:
    return await search.put("clips", entries)


async def page(search: Search, query: SearchQuery = EVERYTHING, **options: Any) -> SearchPage:
    return await search.find("clips", query, **{"order": MADE, "limit": 100_000, **options})


async def found(search: Search, text: str = "", **conditions: Any) -> list[int]:
    """Return the numbers of the clips that match, and check that the total agrees."""
    result = await page(search, SearchQuery(text, **conditions))
    assert result.total == len(result.ids)
    return [int(doc_id[1:]) for doc_id in result.ids]


# -------------------------------------------------------------------------------------------- a model of the contract

WORDS = ["lo", "fi", "rain"]
ENTRIES = st.builds(
    lambda words, sign, model, genres, votes, made, seconds: SearchEntry(
        "", 0, sign.join(words), {"model": model, "genre": genres}, {"made": made, "votes": votes, "seconds": seconds}
    ),
    st.lists(st.sampled_from(WORDS), max_size=4),
    st.sampled_from([" ", "-", ", "]),
    st.sampled_from([("music",), ("audio",), ()]),
    st.lists(st.sampled_from(["pop", "jazz", "folk"]), max_size=4),
    st.integers(-1, 2),
    st.integers(0, 3),
    st.sampled_from([0.5, 1.0, 2.0]),
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 15), st.one_of(st.none(), ENTRIES, ENTRIES, ENTRIES)), min_size=8, max_size=40
)
QUERIES = st.builds(
    SearchQuery,
    st.sampled_from(["", "rain", "lo-fi", "rain fi", "fi-lo-fi", "r", "none f", "fi-l", "none", "!"]),
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={"model": st.sampled_from(["music", "voice"]), "genre": st.sampled_from(["pop", "jazz"])},
    ),
    st.fixed_dictionaries({}, optional={"made": st.integers(0, 4), "seconds": st.sampled_from([0.75, 2.0])}),
    st.fixed_dictionaries({}, optional={"made": st.integers(0, 4), "seconds": st.sampled_from([0.5, 1.75])}),
    st.one_of(st.none(), st.none(), st.lists(st.sampled_from(["c000", "c003", "c009", "nobody"]), max_size=4)),
    st.lists(st.sampled_from(["c000", "c001", "c009", "nobody"]), max_size=3),
)


def matches(entry: SearchEntry, query: SearchQuery) -> bool:
    words = " " + " ".join(re.findall("[a-z]+", entry.text)) + " "
    wanted = [f" {' '.join(found)} " for part in query.text.split() if (found := re.findall("[a-z]+", part))]
    if query.prefix and wanted:
        wanted.append(wanted[-1][:-1])
    return (
        (not query.text or any(phrase in words for phrase in wanted))
        and all(value in entry.facets[facet] for facet, value in query.facets.items())
        and all(entry.sort_keys[key] >= least for key, least in query.minimums.items())
        and all(entry.sort_keys[key] <= greatest for key, greatest in query.maximums.items())
        and (query.only_ids is None or entry.id in query.only_ids)
        and entry.id not in query.exclude_ids
    )


def counted(entries: list[SearchEntry], facets: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    return dict(Counter(row for entry in entries for row in product(*(set(entry.facets[facet]) for facet in facets))))


# SQLite reads a page from the index of its order, or sorts. Here it decides, always sorts and always reads.
STEPS = {"sqlite": sqlite_search._FETCH_STEPS, "sqlite that sorts": 0, "sqlite that walks": 1_000_000}


@pytest.fixture(params=[*STEPS, *TOPOLOGIES])
def docs_url(
    request: pytest.FixtureRequest,
    mongodb_servers: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    if request.param in STEPS:
        monkeypatch.setattr(sqlite_search, "_FETCH_STEPS", STEPS[request.param])
        return f"sqlite://{tmp_path / 'library.db'}"
    return database_url(mongodb_servers(request.param), f"test_{uuid.uuid4().hex}")


@pytest_asyncio.fixture
async def search(open_search: OpenSearch) -> Search:
    search = open_search()
    assert await search.ensure(CLIPS) is False
    await search.complete("clips")
    return search


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example begins by emptying the store
)
@given(
    changes=CHANGES,
    query=QUERIES,
    order=st.sampled_from(CLIPS.orders),
    descending=st.booleans(),
    step=st.integers(1, 4),
)
async def test_after_any_changes_every_query_returns_what_the_model_returns(
    search: Search,
    changes: list[tuple[int, SearchEntry | None]],
    query: SearchQuery,
    order: tuple[str, ...],
    descending: bool,
    step: int,
) -> None:
    await search.remove("clips", (await page(search)).ids)  # of the example before
    there: dict[str, SearchEntry] = {}
    for revision, (number, fields) in enumerate(changes):
        doc_id = f"c{number:03}"
        if fields is None:
            await search.remove("clips", [doc_id])
            there.pop(doc_id, None)
        else:
            there[doc_id] = dataclasses.replace(fields, id=doc_id, revision=revision)
            await put(search, there[doc_id])

    expected = [
        entry.id
        for entry in sorted(
            there.values(), key=lambda e: ([e.sort_keys[key] for key in order], e.id), reverse=descending
        )
        if matches(entry, query)
    ]
    pages = [
        await page(search, query, order=order, descending=descending, limit=step, offset=start)
        for start in range(0, len(there) + step, step)
    ]
    assert [doc_id for part in pages for doc_id in part.ids] == expected
    assert {part.total for part in pages} == {len(expected)}
    drawn = await search.sample("clips", query, step)
    assert len(drawn) == len(set(drawn)) == min(step, len(expected))
    assert set(drawn) <= set(expected)
    for facets in CLIPS.counted:
        assert await search.facet_counts("clips", facets) == counted(list(there.values()), facets)


# --------------------------------------------------------------------------------------------------------- words


async def test_words_match_whole_and_folded_and_joined_words_match_as_phrases(search: Search) -> None:
    texts = (
        "Soft piano, lo-fi beat",
        "guitar: Lo Fi",
        "hi-fi lo and hi",
        "lofi and fi",
        "Drum-n-bass/piano",
        "n bass; drum n",
        "Noël in der Straße σίσυφος Łódź",
        "ナイト 🌙 2024",
        "I don't say e\u0301",
        "1️⃣ ❤️sun",
    )
    await put(search, *(clip(number, text) for number, text in enumerate(texts)))
    expected: dict[str, list[int]] = {
        "": list(range(10)),
        " \t\n ": list(range(10)),
        "piano": [0, 4],
        "PIANO": [0, 4],
        "pian": [],
        "pianos": [],
        "*iano": [],
        "piano guitar": [0, 1, 4],
        "guitar piano guitar": [0, 1, 4],
        "lo-fi": [0, 1],
        "LO–FI": [0, 1],
        "lo_fi": [0, 1],
        "fi-lo": [2],
        "lo fi": [0, 1, 2, 3],
        "lofi": [3],
        "drum-n-bass": [4],
        "n-bass": [4, 5],
        "drum-n": [4, 5],
        "noel": [6],
        "NOËL": [6],
        "noe\u0308l": [6],
        "strasse": [6],
        "ΣΊΣΥΦΟΣ": [6],
        "lodz": [6],
        "ｐｉａｎｏ": [0, 4],
        "ナイト": [7],
        "🌙": [],
        "🌙 piano": [0, 4],
        "piano🌙guitar": [],
        "2024": [7],
        "e": [8],
        "don't": [8],
        "dont": [],
        "1": [9],
        "sun": [9],
    }
    assert {text: await found(search, text) for text in expected} == expected


async def test_the_last_word_may_be_the_beginning_of_a_word(search: Search) -> None:
    texts = ("drums, lo-fi", "Drum and bass", "dry Noël", "fi lofi", "ナイトクルーズ", "x" * 200)
    await put(search, *(clip(number, text, model=("drag",)) for number, text in enumerate(texts)))
    expected: dict[str, list[int]] = {
        "dru": [0, 1],
        "DRÜ ": [0, 1],
        "d": [0, 1, 2],
        "drums": [0],
        "drumss": [],
        "rums": [],
        "dra": [],
        "dru bas": [1],
        "bas dru": [0, 1],
        "bass dru bass": [1],
        "noe": [2],
        "lo-f": [0],
        "lo-l": [],
        "l-fi": [],
        "lo": [0, 3],
        "dru !": [0, 1],
        "d*": [0, 1, 2],
        "ナイト": [4],
        "x" * 64: [5],
        "x" * 65: [5],
        "x" * 200: [5],
        "x" * 201: [],
        "rain-" + "x" * 65: [],
        "!": [],
        "": [0, 1, 2, 3, 4, 5],
    }
    assert {text: await found(search, text, prefix=True) for text in expected} == expected
    assert await found(search, "x" * 64) == []


async def test_query_languages_mean_nothing(search: Search) -> None:
    await put(search, clip(0, "rain"), clip(1, "wind"))
    signs = ['"', "*", "^", "-", "--", "()", "{}", ":", "!?.,;", "\x00", "🎵🎵", "❤️", "\\", "%", "_", "\ud800"]
    others = ["NEAR(", "OR", "NOT", "AND", "' OR 1=1 --", "title:rain -x", "$text", "words:rain", "a" * 5000]
    for text in signs:
        assert await found(search, text) == [], text
        assert await search.sample("clips", SearchQuery(text), 1) == []
    for text in others:
        assert await found(search, text) == [], text
    for text in ('"rain', "rain*", "^rain", "\x00rain", "-rain", "rain:", "NEAR( rain", "rain OR wet", "❤️ rain"):
        assert await found(search, text) == [0], text


async def test_long_texts_and_long_queries(search: Search) -> None:
    await put(search, clip(0, "rain " * 2000), clip(1, "r" * 5000), clip(2, "a\x00b \ud800"), clip(3))
    assert await found(search, "rain") == [0]
    assert await found(search, "r" * 5000) == [1]
    assert await found(search, "a-b") == [2]
    many = [f"w{number}" for number in range(100_000)]
    assert await found(search, " ".join(["rain", *many])) == [0]
    assert await found(search, "-".join(many)) == []
    assert await found(search, "-".join(["rain"] * 60)) == [0]


# -------------------------------------------------------------------------------------------------------- entries


async def test_an_entry_is_replaced_by_a_higher_revision_only(search: Search) -> None:
    assert await put(search, clip(0, "rain", revision=3, model=("music",), votes=5), clip(1, "rain", votes=4)) == 2
    assert await put(search, clip(0, "wind", revision=3), clip(0, "snow", revision=2)) == 0
    assert [await found(search, text) for text in ("rain", "wind", "snow")] == [[0, 1], [], []]
    changed = clip(0, "wind", revision=4, model=("audio",), votes=3)
    assert await put(search, changed, clip(1, "snow", revision=1)) == 1
    assert [await found(search, text) for text in ("rain", "wind")] == [[1], [0]]
    assert await found(search, facets={"model": "music"}) == []
    assert await found(search, facets={"model": "audio"}) == [0]
    assert (await page(search, order=VOTES)).ids == ["c000", "c001"]
    assert await search.facet_counts("clips", ("model",)) == {("audio",): 1}


async def test_facet_values_are_compared_whole_and_exactly(search: Search) -> None:
    odd = ["po", "pop", "Pop", "pop rock", 'po"p', "anon:1/ä", "", "%", "\ud800"]
    await put(search, *(clip(number, genre=(value,)) for number, value in enumerate(odd)))
    for number, value in enumerate(odd):
        assert await found(search, facets={"genre": value}) == [number], value
    assert await found(search, facets={"model": "pop"}) == []
    assert await found(search, "pop") == []
    counts = await search.facet_counts("clips", ("model",))
    assert counts == {}


async def test_what_the_index_does_not_define_is_refused(search: Search) -> None:
    await put(search, clip(0))
    refused: list[Callable[[], Any]] = [
        lambda: search.find("other", EVERYTHING, order=MADE),
        lambda: search.find("clips", EVERYTHING, order=("seconds", "made")),
        lambda: search.find("clips", SearchQuery(facets={"title": "x"}), order=MADE),
        lambda: search.find("clips", SearchQuery(minimums={"title": 1}), order=MADE),
        lambda: search.find("clips", SearchQuery(maximums={"title": 1}), order=MADE),
        lambda: search.sample("clips", SearchQuery(facets={"title": "x"}), 1),
        lambda: search.facet_counts("clips", ("genre",)),
        lambda: search.put("clips", [clip(1, title=1), dataclasses.replace(clip(2), sort_keys={"made": 1})]),
        lambda: search.put("clips", [dataclasses.replace(clip(2), facets={"title": ("x",)})]),
    ]
    for call in refused:
        with pytest.raises(ValueError):
            await call()
    for name in ("a b", 'a"', "a;b", "", "a.b"):
        for index in (SearchIndex(name, (), ()), SearchIndex("fine", (), ((name,),))):
            with pytest.raises(ValueError):
                await search.ensure(index)
    assert await found(search) == [0]


async def test_concurrent_writers_lose_no_entry_and_no_count(search: Search, open_search: OpenSearch) -> None:
    other = open_search()
    await other.ensure(CLIPS)
    await asyncio.gather(
        *(
            put((search, other)[number % 2], clip(number, "rain", model=("music",), genre=("pop",)))
            for number in range(30)
        )
    )
    assert await other.facet_counts("clips", ("model", "genre")) == {("music", "pop"): 30}
    assert await found(search, "rain", facets={"genre": "pop"}) == list(range(30))


async def test_counts_are_those_of_now_whoever_changed_the_entries(search: Search, open_search: OpenSearch) -> None:
    other = open_search()
    await other.ensure(CLIPS)

    async def expect(total: int, counts: dict[tuple[str, ...], int]) -> None:
        for one in (search, other):
            assert await one.facet_counts("clips", ("model",)) == counts
            assert (await page(one)).total == total

    await expect(0, {})
    await put(search, clip(0, model=("music",)), clip(1, model=("music",)))
    await expect(2, {("music",): 2})
    await put(other, clip(1, revision=2, model=("audio",)))
    await expect(2, {("music",): 1, ("audio",): 1})
    await other.remove("clips", ["c000"])
    await expect(1, {("audio",): 1})
    await put(search, clip(1, revision=1, model=("music",)))  # an old revision changes nothing
    await expect(1, {("audio",): 1})
    await put(search, clip(1, revision=4, model=("voice",)), clip(1, revision=3, model=("audio",)))
    await expect(1, {("voice",): 1})
    await put(other, *(clip(number) for number in range(2, 150)))
    await expect(149, {("voice",): 1})


# ------------------------------------------------------------------------------------------------------- samples


async def test_a_sample_of_all_entries_is_in_random_order(search: Search) -> None:
    await put(search, *(clip(number, "rain") for number in range(5)))
    for query in (EVERYTHING, SearchQuery("rain")):
        assert await search.sample("clips", query, 0) == []
        assert len({tuple(await search.sample("clips", query, 5)) for _ in range(20)}) > 1, query


async def test_the_few_that_are_left_of_many_are_drawn(search: Search) -> None:
    await put(search, *map(clip, range(60)))
    await search.remove("clips", [f"c{number:03}" for number in range(58)])
    drawn = [await search.sample("clips", EVERYTHING, 1) for _ in range(30)]
    assert {len(ids) for ids in drawn} == {1}
    assert {doc_id for ids in drawn for doc_id in ids} == {"c058", "c059"}


@pytest.mark.parametrize(
    "query", [EVERYTHING, SearchQuery("rain", facets={"model": "music"}), SearchQuery(minimums={"seconds": 1})]
)
async def test_every_entry_is_drawn_as_often_at_every_place(search: Search, query: SearchQuery) -> None:
    def one(number: int) -> SearchEntry:
        return clip(number, "rain", model=("music",))

    await put(search, *map(one, range(8)), *map(one, range(50, 60)))
    # These leave gaps, and the numbers that are left are unevenly spread.
    await search.remove("clips", ["c003", *(f"c{number:03}" for number in range(50, 60))])
    await put(search, one(9), *([] if query == EVERYTHING else [clip(8, "sun", seconds=0)]))
    places: list[Counter[str]] = [Counter(), Counter(), Counter()]
    rounds = 400
    for _ in range(rounds):
        drawn = await search.sample("clips", query, 3)
        assert len(set(drawn)) == 3
        for place, doc_id in zip(places, drawn, strict=True):
            place[doc_id] += 1
    for place in places:
        assert len(place) == 8
        deviation = sum((times - rounds / 8) ** 2 / (rounds / 8) for times in place.values())
        assert deviation < 42  # chi-square of 7 degrees of freedom: exceeded once in two million


# ---------------------------------------------------------------------------------------------------- definitions


async def test_an_index_is_incomplete_until_it_is_completed(open_search: OpenSearch) -> None:
    first, second = open_search(), open_search()
    assert await first.ensure(CLIPS) is False
    await put(first, clip(0, "rain"))
    assert await second.ensure(CLIPS) is False  # a second process, or the first one after a crash
    assert await found(second, "rain") == [0]
    await first.complete("clips")
    assert await second.ensure(CLIPS) is True
    assert await found(second, "rain") == [0]


@pytest.mark.parametrize(
    "changed",
    [
        {"facets": ("model", "genre", "mood")},
        {"orders": (MADE, LONG)},
        {"counted": (("model",),)},
    ],
)
async def test_a_changed_definition_empties_the_index(search: Search, changed: dict[str, Any]) -> None:
    await put(search, clip(0, "rain", model=("music",)))
    new = dataclasses.replace(CLIPS, **changed)
    assert await search.ensure(new) is False
    assert await found(search) == []
    assert await search.facet_counts("clips", ("model",)) == {}
    await put(search, clip(1, "rain", model=("music",)))
    await search.complete("clips")
    assert await search.ensure(new) is True
    assert await found(search, "rain") == [1]


async def test_indexes_are_apart(search: Search) -> None:
    await search.ensure(dataclasses.replace(CLIPS, name="songs"))
    await search.put("songs", [clip(5, "rain")])
    await put(search, clip(0, "rain"))
    assert await found(search, "rain") == [0]
    assert (await search.find("songs", SearchQuery("rain"), order=MADE)).ids == ["c005"]


@pytest.mark.parametrize("docs_url", ["sqlite", *TOPOLOGIES], indirect=True)
async def test_a_process_that_is_killed_while_it_writes_leaves_an_index_that_fits(
    docs_url: str, search: Search
) -> None:
    context = multiprocessing.get_context("spawn")
    answered = context.Value("i", 0)
    process = context.Process(target=change_without_end, args=(docs_url, answered))
    process.start()
    await until(lambda: answered.value >= 60 or not process.is_alive(), "the process writes")
    process.kill()
    await asyncio.to_thread(process.join, 120)
    await until(lambda: _fits(search), "the index fits")  # a server may still do the last command of the dead process
    assert (await page(search)).total >= answered.value // 3 >= 20


async def test_a_frequent_word_is_found_as_it_is_now(open_search: OpenSearch) -> None:
    """Many matches are cached. Changes through this connection and another one show at once."""
    search, other = open_search(), open_search()
    for one in (search, other):
        await one.ensure(CLIPS)
    await put(search, *(clip(number, "rain", votes=0) for number in range(1, 1501)))

    async def newest() -> tuple[int, list[str]]:
        result = await page(search, SearchQuery("rain"), descending=True, limit=2)
        return result.total, result.ids

    assert await newest() == (1500, ["c1500", "c1499"])
    await put(other, clip(1501, "rain"))
    assert await newest() == (1501, ["c1501", "c1500"])
    await put(search, clip(1500, "snow", revision=2))
    assert await newest() == (1500, ["c1501", "c1499"])
    await other.remove("clips", ["c1501"])
    assert await newest() == (1499, ["c1499", "c1498"])
    await put(search, clip(1, "rain", revision=2, made=9000))
    assert await newest() == (1499, ["c001", "c1499"])


async def _fits(search: Search) -> bool:
    """Return whether the total, the words and the counts agree about the entries of :func:`change_without_end`."""
    everything = await page(search)
    suns, winds = await found(search, "sun"), await found(search, "wind-and-rain")
    expected = {key: count for key, count in ((("music",), len(suns)), (("audio",), len(winds))) if count}
    return len(suns) + len(winds) == everything.total and await search.facet_counts("clips", ("model",)) == expected


def change_without_end(docs_url: str, answered: Synchronized[int]) -> None:
    """Put two entries, replace one and remove the other, again and again, and count the answers."""

    async def work() -> None:
        search = open_store(docs_url).search
        await search.ensure(CLIPS)
        for number in count(step=2):
            await put(
                search, *(clip(n, "sun and rain", model=("music",), genre=("pop",)) for n in (number, number + 1))
            )
            await put(search, clip(number, "wind and rain", revision=2, model=("audio",)))
            await search.remove("clips", [clip(number + 1).id])
            answered.value += 3

    asyncio.run(work())


@pytest.mark.parametrize("docs_url", ["sqlite", *TOPOLOGIES], indirect=True)
async def test_a_new_format_empties_the_index(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(search, clip(0, "rain"))
    for module in (sqlite_search, mongo_search):
        monkeypatch.setattr(module, "_FORMAT", module._FORMAT + 1)
    assert await search.ensure(CLIPS) is False
    assert await found(search) == []


# --------------------------------------------------------------------------------------------------- only MongoDB


@on_mongodb
async def test_a_page_of_all_entries_counts_only_what_changed(
    search: MongoSearch, monkeypatch: pytest.MonkeyPatch
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


@on_mongodb
async def test_a_writer_that_died_makes_the_total_wrong_for_a_short_time_only(
    search: MongoSearch, monkeypatch: pytest.MonkeyPatch
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
