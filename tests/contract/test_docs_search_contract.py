"""What every document store promises about words, arrays, tallies, random choice and several sort fields (kit.ports.Docs)."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count, product
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.adapters import docs_sqlite_select, docs_sqlite_sets
from kit.adapters.docs_sqlite import SqliteDocs
from kit.errors import AppError
from kit.ports import AllOf, AtLeast, Collection, Contains, Doc, Docs, Index, LessThan, OneOf
from tests.contract.docs_stores import Open, SqliteStore, Store

CLIPS = Collection(
    "clips",
    (
        Index(("made",)),
        Index(("votes", "made")),
        Index(("slug",), unique=True, present="slug"),
        Index(("genres", "made"), each="genres"),
    ),
    text="title",
    tallies=(("model",), ("model", "genres")),
)


def clip(number: int, **fields: Any) -> Doc:
    return {"id": f"c{number:03}", "made": number, **fields}


def ids(docs: list[Doc]) -> list[str]:
    return [doc["id"] for doc in docs]


async def with_titles(docs: Docs, *titles: Any) -> None:
    for number, title in enumerate(titles):
        await docs.insert("clips", clip(number, title=title))


async def found(docs: Docs, text: str, **where: Any) -> list[int]:
    """Numbers of the clips that a search finds, after making sure that it counts as many."""
    numbers = [doc["made"] for doc in await docs.find("clips", where, text=text)]
    assert await docs.count("clips", where, text=text) == len(numbers)
    return numbers


# ---------------------------------------------------------------------------------------- a model of what is promised

WORDS = ["lo", "fi", "rain"]
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.lists(st.sampled_from(WORDS), max_size=4).flatmap(
            lambda words: st.sampled_from([" ", "-", ", "]).map(lambda sign: sign.join(words))
        ),
        "model": st.sampled_from(["music", "audio", None]),
        "genres": st.lists(st.sampled_from(["pop", "jazz", "folk"]), max_size=4),
        "votes": st.sampled_from([None, -1, 0, 2]),
        "made": st.integers(0, 3),
    },
)
CHANGES = st.lists(st.tuples(st.integers(0, 15), st.one_of(st.none(), FIELDS, FIELDS, FIELDS)), min_size=8, max_size=40)
WHERE = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["music", None, OneOf(["music", "audio"]), OneOf([])]),
        "genres": st.sampled_from([Contains("pop"), Contains("none"), AllOf([Contains("pop"), Contains("jazz")])]),
        "votes": st.sampled_from([None, 2, LessThan(2), AtLeast(0)]),
        "made": st.sampled_from([AtLeast(2), LessThan(2), OneOf([0, 1, 2]), AllOf([AtLeast(1), LessThan(3)])]),
    },
)
TEXTS = st.sampled_from(["", "rain", "lo-fi", "rain fi", "fi-lo-fi", "none", "!"])
SORTS = st.sampled_from([("made",), ("votes", "made"), ("votes",), ("model", "votes", "made"), ("id",)])


def meets(doc: Doc, field: str, condition: Any) -> bool:
    value = doc.get(field)
    match condition:
        case OneOf(values):
            return value in values
        case LessThan(bound):
            return value is not None and value < bound
        case AtLeast(bound):
            return value is not None and value >= bound
        case Contains(element):
            return isinstance(value, list) and element in value
        case AllOf(conditions):
            return all(meets(doc, field, one) for one in conditions)
        case _:
            return bool(value == condition)


def has_words(doc: Doc, text: str) -> bool:
    said = " " + " ".join(re.findall("[a-z]+", doc.get("title", ""))) + " "
    wanted = [" ".join(re.findall("[a-z]+", part)) for part in text.split()]
    return not text or any(phrase and f" {phrase} " in said for phrase in wanted)


def chosen(docs: dict[str, Doc], where: dict[str, Any], text: str) -> list[Doc]:
    return [
        doc
        for doc in docs.values()
        if has_words(doc, text) and all(meets(doc, field, condition) for field, condition in where.items())
    ]


def order_of(fields: tuple[str, ...]) -> Callable[[Doc], Any]:
    def key(doc: Doc) -> Any:
        values = [doc.get(field) for field in fields]
        return [((value is not None), value if value is not None else 0) for value in values], doc["id"]

    return key


def tallied(docs: dict[str, Doc], fields: tuple[str, ...]) -> dict[tuple[Any, ...], int]:
    def values(doc: Doc, field: str) -> set[Any]:
        value = doc.get(field)
        return set(value) if isinstance(value, list) else {value}

    return dict(Counter(row for doc in docs.values() for row in product(*(values(doc, field) for field in fields))))


class DocsSearchContract(Store):
    @pytest_asyncio.fixture
    async def docs(self, open_docs: Open) -> Docs:
        docs = await open_docs()
        await docs.ensure(CLIPS)
        return docs

    # ----------------------------------------------------------------------------------------------------- all of it

    @settings(
        max_examples=60,
        deadline=None,
        # One class for every store, and one store for all examples, which begin by emptying it.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(changes=CHANGES, where=WHERE, text=TEXTS, sort=SORTS, descending=st.booleans(), step=st.integers(1, 4))
    async def test_after_any_changes_every_question_is_answered_from_what_is_there(
        self,
        docs: Docs,
        changes: list[tuple[int, Doc | None]],
        where: dict[str, Any],
        text: str,
        sort: tuple[str, ...],
        descending: bool,
        step: int,
    ) -> None:
        for doc in await docs.find("clips", {}, limit=1000):  # of the example before
            assert await docs.delete("clips", doc["id"])
        there: dict[str, Doc] = {}
        for number, fields in changes:
            doc_id = f"c{number:03}"
            if fields is None:
                assert await docs.delete("clips", doc_id) == (there.pop(doc_id, None) is not None)
                continue
            new = {"id": doc_id, **fields}
            if doc_id in there:
                assert await docs.replace("clips", new, there[doc_id]["revision"])
            else:
                await docs.insert("clips", new)
            there[doc_id] = {**new, "revision": there.get(doc_id, {}).get("revision", 0) + 1}

        expected = sorted(chosen(there, where, text), key=order_of(sort), reverse=descending)
        assert await docs.count("clips", where, text=text) == len(expected)

        async def page(**which: Any) -> list[Doc]:
            return await docs.find("clips", where, text=text, sort=sort, descending=descending, limit=step, **which)

        numbered = [doc for start in range(0, len(there) + step, step) for doc in await page(offset=start)]
        assert numbered == expected
        followed: list[Doc] = []
        after = None
        while part := await page(after=after):
            followed += part
            after = (*(part[-1].get(field) for field in sort), part[-1]["id"])
            assert len(followed) <= len(expected)
        assert followed == expected

        excluded = list(there)[::3]
        remaining = [doc["id"] for doc in expected if doc["id"] not in excluded]
        drawn = ids(await docs.sample("clips", where, text=text, count=step, exclude=excluded))
        assert len(drawn) == len(set(drawn)) == min(step, len(remaining))
        assert set(drawn) <= set(remaining)
        for fields in CLIPS.tallies:
            assert await docs.tally("clips", fields) == tallied(there, fields)

    # ---------------------------------------------------------------------------------------------------- conditions

    async def test_conditions(self, docs: Docs) -> None:
        await docs.insert("clips", clip(0, genres=["pop", "jazz", "pop"], tags=["pop"], model="audio", votes=3))
        await docs.insert("clips", clip(1, genres="pop", tags=['po"p', 1], model=None, votes=None, label="c"))
        await docs.insert("clips", clip(2, genres=["pop"], tags="pop", model="music", votes=0, label="a"))
        await docs.insert("clips", clip(3, genres=['po"p', "popular"], model="music", votes=-1))
        await docs.insert("clips", clip(4, genres=[]))
        expectations: list[tuple[dict[str, Any], list[int]]] = [
            ({"genres": Contains("pop")}, [0, 2]),
            ({"genres": Contains("jazz")}, [0]),
            ({"genres": Contains("po")}, []),
            ({"genres": Contains("%")}, []),
            ({"genres": Contains('po"p')}, [3]),
            ({"genres": Contains("")}, []),
            ({"genres": Contains("pop"), "model": "music"}, [2]),
            ({"tags": Contains("pop")}, [0]),
            ({"tags": Contains("p")}, []),
            ({"tags": Contains('po"p')}, [1]),
            ({"nothing": Contains("pop")}, []),
            ({"model": "music"}, [2, 3]),
            ({"model": "Music"}, []),
            ({"model": None}, [1, 4]),
            ({"model": OneOf(["music", "audio"])}, [0, 2, 3]),
            ({"model": OneOf([])}, []),
            ({"model": OneOf(["audio"]), "made": AtLeast(1)}, []),
            ({"made": AtLeast(3)}, [3, 4]),
            ({"made": AtLeast(2.5)}, [3, 4]),
            ({"votes": AtLeast(0)}, [0, 2]),
            ({"model": AtLeast("b")}, [2, 3]),
            ({"model": LessThan("b")}, [0]),
            ({"label": AtLeast("b")}, [1]),
            ({"made": AllOf([AtLeast(1), LessThan(3)])}, [1, 2]),
            ({"genres": AllOf([Contains("pop"), Contains("jazz")])}, [0]),
            ({"genres": AllOf([Contains("pop"), Contains("none")])}, []),
            ({"tags": AllOf([Contains("pop")]), "model": AllOf(["audio", AtLeast("a")])}, [0]),
            ({"made": AllOf([])}, [0, 1, 2, 3, 4]),
        ]
        for where, expected in expectations:
            assert await found(docs, "", **where) == expected, where
            drawn = await docs.sample("clips", where, count=10)
            assert sorted(doc["made"] for doc in drawn) == expected, where

    async def test_hostile_names_are_refused(self, docs: Docs) -> None:
        await with_titles(docs, "rain")
        for name in ("a b", 'a"', "a;b", "", "a.b", "$where", "a\x00b"):
            for where in ({name: Contains("x")}, {name: AtLeast(1)}):
                with pytest.raises(ValueError):
                    await docs.find("clips", where)
                with pytest.raises(ValueError):
                    await docs.sample("clips", where, count=1)
            with pytest.raises(ValueError):
                await docs.find("clips", {}, sort=("made", name))
            for collection in (
                Collection("other", text=name),
                Collection("other", tallies=((name,),)),
                Collection("other", (Index(("made",), each=name),)),
            ):
                with pytest.raises(ValueError):
                    await docs.ensure(collection)
            with pytest.raises(ValueError):
                await docs.tally(name, ("model",))
        assert await docs.count("clips", {}) == 1

    async def test_a_page_begins_at_an_offset_or_after_a_document(self, docs: Docs) -> None:
        with pytest.raises(ValueError):
            await docs.find("clips", {}, sort="made", offset=1, after=(1, "c001"))
        with pytest.raises(ValueError):
            await docs.find("clips", {}, sort=("votes", "made"), after=(1, "c001"))

    # --------------------------------------------------------------------------------------------------------- words

    async def test_words_are_found_whole_and_folded_and_joined_ones_as_phrases(self, docs: Docs) -> None:
        await with_titles(
            docs,
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
        assert {text: await found(docs, text) for text in expected} == expected

    async def test_signs_of_query_languages_mean_nothing(self, docs: Docs) -> None:
        await with_titles(docs, "rain", "wind")
        signs = ['"', "*", "^", "-", "--", "()", "{}", ":", "!?.,;", "\x00", "🎵🎵", "❤️", "\\", "%", "_", "\ud800"]
        others = ["NEAR(", "OR", "NOT", "AND", "' OR 1=1 --", "title:rain -x", "$text", "a" * 5000]
        for text in (*signs, *others):
            assert await found(docs, text) == [], text
            assert await docs.sample("clips", {}, text=text, count=1) == []
        for text in ('"rain', "rain*", "^rain", "\x00rain", "-rain", "rain:", "NEAR( rain", "rain OR wet", "❤️ rain"):
            assert await found(docs, text) == [0], text

    async def test_whatever_text_is_stored_can_be_found_and_changed(self, docs: Docs) -> None:
        odd = ["a\x00b rain", "\ud800 rain", "", "-", 7, None, ["rain"], {"rain": "rain"}, "rain " * 2000, "r" * 5000]
        await with_titles(docs, *odd)
        assert await found(docs, "rain") == [0, 1, 8]
        assert await found(docs, "a-b") == [0]
        assert await found(docs, "r" * 5000) == [9]
        for number in range(len(odd)):
            assert await docs.replace("clips", clip(number, title="wind"), 1)
        assert await found(docs, "rain a-b " + "r" * 5000) == []

    async def test_search_follows_insert_replace_and_delete(self, docs: Docs) -> None:
        await with_titles(docs, "rain on a roof", "rain")
        assert await docs.replace("clips", clip(0, title="wind on a roof"), 1)
        assert [await found(docs, text) for text in ("rain", "wind", "on-a-roof")] == [[1], [0], [0]]
        assert await docs.replace("clips", clip(0, title="sun"), 1) is False
        assert await found(docs, "sun") == []
        assert await docs.replace("clips", clip(0), 2)  # the field is gone
        assert await found(docs, "wind roof") == []
        assert await docs.delete("clips", "c001")
        assert await found(docs, "rain") == []
        await docs.insert("clips", clip(1, title="hail"))
        assert [await found(docs, text) for text in ("rain", "hail")] == [[], [1]]

    async def test_a_refused_document_leaves_no_words_and_no_counts(self, docs: Docs) -> None:
        await docs.insert("clips", clip(0, slug="taken", title="rain", model="music"))
        await docs.insert("clips", clip(1, slug="free", title="wind", model="audio"))
        with pytest.raises(AppError, match="DOC_EXISTS"):
            await docs.insert("clips", clip(2, slug="taken", title="sun", model="music"))
        with pytest.raises(AppError, match="DOC_EXISTS"):
            await docs.replace("clips", clip(1, slug="taken", title="sun", model="music"), 1)
        assert [await found(docs, text) for text in ("sun", "wind")] == [[], [1]]
        assert await docs.tally("clips", ("model",)) == {("music",): 1, ("audio",): 1}

    async def test_words_and_conditions_hold_together(self, docs: Docs) -> None:
        for number in range(8):
            await docs.insert(
                "clips",
                clip(number, title="rain" if number % 2 else "wind", model="music" if number % 4 < 2 else "audio"),
            )
        assert await found(docs, "rain", model="music") == [1, 5]
        assert await found(docs, "rain", model="music", made=AtLeast(2)) == [5]
        assert await found(docs, "wind", id=OneOf(["c000", "c001"])) == [0]

    async def test_words_in_a_collection_without_text_are_refused(self, docs: Docs) -> None:
        await docs.ensure(Collection("plain"))
        await docs.insert("plain", {"id": "a", "title": "rain"})
        assert ids(await docs.find("plain", {}, text=" ")) == ["a"]
        for question in (
            docs.find("plain", {}, text="rain"),
            docs.count("plain", {}, text="rain"),
            docs.sample("plain", {}, text="rain", count=1),
        ):
            with pytest.raises(ValueError):
                await question

    # ------------------------------------------------------------------------------------------------------- tallies

    async def test_tallies_follow_every_change(self, docs: Docs) -> None:
        by_model, by_genre = ("model",), ("model", "genres")
        assert await docs.tally("clips", by_model) == {}
        await docs.insert("clips", clip(0, model="music", genres=["pop", "jazz", "pop"]))
        await docs.insert("clips", clip(1, model="music", genres=["pop"]))
        await docs.insert("clips", clip(2, genres=[]))
        assert await docs.tally("clips", by_model) == {("music",): 2, (None,): 1}
        assert await docs.tally("clips", by_genre) == {("music", "pop"): 2, ("music", "jazz"): 1}
        assert await docs.replace("clips", clip(0, model="audio", genres=["jazz"]), 1)
        assert await docs.replace("clips", clip(0, model="never", genres=["jazz"]), 1) is False
        assert await docs.tally("clips", by_model) == {("music",): 1, ("audio",): 1, (None,): 1}
        assert await docs.tally("clips", by_genre) == {("music", "pop"): 1, ("audio", "jazz"): 1}
        assert await docs.delete("clips", "c001")
        assert await docs.tally("clips", by_genre) == {("audio", "jazz"): 1}
        assert await docs.count("clips", {"model": "audio"}) == 1
        assert await docs.count("clips", {"model": "music"}) == 0

    async def test_what_is_stored_counts_not_how_it_was_given(self, docs: Docs) -> None:
        await docs.insert("clips", clip(0, model=1.0, genres=("pop", "jazz")))
        await docs.insert("clips", clip(1, model=1, genres=["pop"]))
        assert await found(docs, "", genres=Contains("pop"), model=1) == [0, 1]
        assert await docs.tally("clips", ("model", "genres")) == {(1, "pop"): 2, (1, "jazz"): 1}
        assert await docs.replace("clips", clip(0, genres=()), 1)
        assert await docs.delete("clips", "c001")
        assert await found(docs, "", genres=Contains("pop")) == []
        assert await docs.tally("clips", ("model", "genres")) == {}

    async def test_a_tally_that_is_not_kept_is_refused(self, docs: Docs) -> None:
        for fields in (("genres",), ("genres", "model"), ("title",), ()):
            with pytest.raises(ValueError):
                await docs.tally("clips", fields)

    async def test_concurrent_writers_lose_no_count_and_no_word(self, docs: Docs, open_docs: Open) -> None:
        other = await open_docs()
        await asyncio.gather(
            *(
                (docs, other)[number % 2].insert("clips", clip(number, title="rain", model="music", genres=["pop"]))
                for number in range(30)
            )
        )
        assert await other.tally("clips", ("model", "genres")) == {("music", "pop"): 30}
        assert await found(docs, "rain", genres=Contains("pop")) == list(range(30))

    # ------------------------------------------------------------------------------------------------- random choice

    async def test_a_sample_is_exhausted_and_never_repeats(self, docs: Docs) -> None:
        await with_titles(docs, *["rain", "wind"] * 5)
        assert await docs.sample("clips", {}, count=0) == []
        everything = await docs.sample("clips", {}, count=100)
        assert sorted(ids(everything)) == [f"c{number:03}" for number in range(10)]
        assert {doc["revision"] for doc in everything} == {1}
        exclude = [f"c{number:03}" for number in range(0, 10, 2)] + ["nobody", "'", "\x00"]
        assert sorted(ids(await docs.sample("clips", {}, count=5, exclude=exclude))) == [
            f"c{number:03}" for number in range(1, 10, 2)
        ]
        assert await docs.sample("clips", {}, text="wind", count=3, exclude=[*exclude, *ids(everything)]) == []
        assert await docs.sample("clips", {"made": AtLeast(99)}, count=3) == []
        assert len(await docs.sample("clips", {"made": AtLeast(9)}, count=3)) == 1

    async def test_the_few_that_meet_a_condition_are_drawn_from_many(self, docs: Docs) -> None:
        await with_titles(docs, *["rain"] * 25)
        for _ in range(5):
            assert sorted(ids(await docs.sample("clips", {"made": AtLeast(23)}, text="rain", count=3))) == [
                "c023",
                "c024",
            ]

    @pytest.mark.parametrize(
        ("where", "text"), [({}, ""), ({"model": "music"}, "rain"), ({"votes": AtLeast(1)}, ""), ({"votes": 1}, "rain")]
    )
    async def test_every_document_is_drawn_as_often_at_every_place(
        self, docs: Docs, where: dict[str, Any], text: str
    ) -> None:
        for number in range(8):
            await docs.insert("clips", clip(number, title="rain", model="music", votes=1))
        await docs.insert("clips", clip(8, title="sun", model="audio", votes=0))
        await docs.delete("clips", "c003")  # leaves a gap
        await docs.delete("clips", "c008")
        await docs.insert("clips", clip(9, title="rain", model="music", votes=1))
        places: list[Counter[str]] = [Counter(), Counter(), Counter()]
        rounds = 400
        for _ in range(rounds):
            drawn = ids(await docs.sample("clips", where, text=text, count=3))
            assert len(set(drawn)) == 3
            for place, doc_id in zip(places, drawn, strict=True):
                place[doc_id] += 1
        for place in places:
            assert len(place) == 8
            deviation = sum((times - rounds / 8) ** 2 / (rounds / 8) for times in place.values())
            assert deviation < 42  # chi-square of 7 degrees of freedom: exceeded once in two million

    # ------------------------------------------------------------------------------------------------ many sort fields

    async def test_sorts_by_several_fields_then_id_with_nothing_first(self, docs: Docs) -> None:
        for number, (votes, made) in enumerate([(2, 5), (None, 9), (2, 7), (0, 1), (2, 5), (None, 2)]):
            await docs.insert("clips", {"id": f"c{number}", "votes": votes, "made": made})
        rising = ["c5", "c1", "c3", "c0", "c4", "c2"]
        assert ids(await docs.find("clips", {}, sort=("votes", "made"))) == rising
        assert ids(await docs.find("clips", {}, sort=("votes", "made"), descending=True)) == rising[::-1]
        after = (2, 5, "c4")
        assert ids(await docs.find("clips", {}, sort=("votes", "made"), descending=True, after=after)) == rising[3::-1]

    async def test_numbered_pages_reach_from_the_first_to_past_the_last(self, docs: Docs) -> None:
        for number in range(30):
            await docs.insert("clips", clip(number, title="rain" if number % 3 else "wind", votes=number % 4))
        for text in ("", "rain"):
            for descending in (False, True):
                order: dict[str, Any] = {"text": text, "sort": ("votes", "made"), "descending": descending}
                whole = ids(await docs.find("clips", {}, **order))
                assert len(whole) == (20 if text else 30)
                for start in range(0, 36, 4):
                    page = ids(await docs.find("clips", {}, **order, limit=4, offset=start))
                    assert page == whole[start : start + 4], (order, start)

    # -------------------------------------------------------------------------------------------------------- growing

    async def test_a_collection_that_has_documents_gets_words_arrays_and_tallies(self, open_docs: Open) -> None:
        docs, other = await open_docs(), await open_docs()
        await docs.ensure(Collection("clips", (Index(("made",)),)))
        for number in range(20):
            fields = {"title": f"rain {number}", "model": "music", "genres": ["pop"][: number % 2]}
            await docs.insert("clips", clip(number, **fields))
        await docs.replace("clips", clip(0, title="wind"), 1)
        await docs.delete("clips", "c001")
        with pytest.raises(ValueError):
            await docs.find("clips", {}, text="rain")
        await docs.ensure(CLIPS)
        assert await found(other, "rain") == list(range(2, 20))
        assert await found(other, "", genres=Contains("pop")) == list(range(3, 20, 2))
        assert await other.tally("clips", ("model", "genres")) == {("music", "pop"): 9, (None, None): 1}
        assert await other.tally("clips", ("model",)) == {("music",): 18, (None,): 1}
        assert len(await other.sample("clips", {}, count=100)) == 19
        await other.insert("clips", clip(20, title="rain", model="audio"))  # a store that never heard of it
        assert await docs.tally("clips", ("model",)) == {("music",): 18, (None,): 1, ("audio",): 1}
        assert await found(docs, "rain") == list(range(2, 21))

    async def test_more_can_be_asked_for_later_and_nothing_is_counted_twice(self, docs: Docs, open_docs: Open) -> None:
        await docs.insert("clips", clip(0, title="rain", mood="sad", model="music", genres=["pop"]))
        await docs.ensure(CLIPS)
        await docs.ensure(Collection("clips", tallies=(("mood",),)))  # asks for less and more: takes nothing away
        grown = Collection(
            "clips", CLIPS.indexes, text="title", tallies=(*CLIPS.tallies, ("mood",), ("mood", "genres"))
        )
        await docs.ensure(grown)
        await docs.insert("clips", clip(1, title="rain", mood="sad", model="music", genres=["pop"]))
        again = await open_docs()
        await again.ensure(grown)
        for fields, combination in {("model",): ("music",), ("mood", "genres"): ("sad", "pop")}.items():
            assert await again.tally("clips", fields) == {combination: 2}
        assert await found(again, "rain", mood="sad") == [0, 1]

    async def test_another_field_can_become_the_text(self, docs: Docs) -> None:
        await docs.insert("clips", clip(0, title="rain", caption="wind"))
        await docs.ensure(Collection("clips", text="caption"))
        await docs.insert("clips", clip(1, title="rain", caption="wind"))
        assert [await found(docs, text) for text in ("rain", "wind")] == [[], [0, 1]]

    async def test_processes_that_start_at_once_build_everything_once(
        self, opener: Callable[[], Docs], open_docs: Open
    ) -> None:
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(3)
        processes = [context.Process(target=start_and_fill, args=(opener, barrier, part)) for part in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            await asyncio.to_thread(process.join, 60)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        docs = await open_docs()
        assert await found(docs, "rain", genres=Contains("pop")) == list(range(30))
        assert await docs.tally("clips", ("model", "genres")) == {("music", "pop"): 30}

    async def test_a_process_killed_while_it_writes_leaves_words_and_tallies_that_fit_its_documents(
        self, opener: Callable[[], Docs], docs: Docs
    ) -> None:
        context = multiprocessing.get_context("spawn")
        answered = context.Value("i", 0)
        process = context.Process(target=change_without_end, args=(opener, answered))
        process.start()
        async with asyncio.timeout(60):
            while answered.value < 60 and process.is_alive():  # noqa: ASYNC110 (it is another process that counts)
                await asyncio.sleep(0.01)
        process.kill()
        await asyncio.to_thread(process.join, 60)
        there = {doc["id"]: doc for doc in await docs.find("clips", {}, limit=100_000)}
        assert len(there) >= answered.value // 3 >= 20
        for fields in CLIPS.tallies:
            assert await docs.tally("clips", fields) == tallied(there, fields)
        for text in ("rain", "wind-and-rain"):
            assert {doc["id"] for doc in await docs.find("clips", {}, text=text, limit=100_000)} == {
                doc["id"] for doc in chosen(there, {}, text)
            }

    async def test_it_is_all_there_after_opening_again(self, docs: Docs, open_docs: Open) -> None:
        await docs.insert("clips", clip(0, title="lo-fi rain", model="music", genres=["pop"]))
        await docs.close()
        again = await open_docs()
        assert await found(again, "lo-fi", genres=Contains("pop")) == [0]
        assert await again.tally("clips", ("model",)) == {("music",): 1}


def start_and_fill(opener: Callable[[], Docs], barrier: Barrier, part: int) -> None:
    """What one of several processes does: all of them start together, with documents coming in between."""

    async def work() -> None:
        docs = opener()
        await docs.ensure(Collection("clips"))
        for number in range(part * 10, part * 10 + 5):
            await docs.insert("clips", clip(number, title="rain", model="music", genres=["pop"]))
        barrier.wait(60)
        await docs.ensure(CLIPS)
        for number in range(part * 10 + 5, part * 10 + 10):
            await docs.insert("clips", clip(number, title="rain", model="music", genres=["pop"]))
        await docs.close()

    barrier.wait(60)
    asyncio.run(work())


def change_without_end(opener: Callable[[], Docs], answered: Synchronized[int]) -> None:
    """Insert two documents, replace one and delete the other, and so on, counting what was answered."""

    async def work() -> None:
        docs = opener()
        for number in count(step=2):
            fields = {"title": "sun and rain", "model": "music", "genres": ["pop", "jazz"]}
            await docs.insert("clips", clip(number, **fields))
            await docs.insert("clips", clip(number + 1, **fields))
            await docs.replace("clips", clip(number, title="wind and rain", model="audio", genres=["pop"]), 1)
            await docs.delete("clips", clip(number + 1)["id"])
            answered.value += 3

    asyncio.run(work())


class TestSqliteDocs(SqliteStore, DocsSearchContract):
    async def test_a_reader_waits_for_no_writer(self, docs: SqliteDocs) -> None:
        await docs.insert("clips", clip(0, title="rain", model="music"))
        writing, finish = threading.Event(), threading.Event()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM clips")
            writing.set()
            finish.wait(60)

        write = asyncio.create_task(docs._write(work))
        await asyncio.to_thread(writing.wait, 60)
        assert await found(docs, "rain", model="music") == [0]
        assert await docs.get("clips", "c000") is not None
        finish.set()
        await write
        assert await docs.get("clips", "c000") is None

    async def test_the_index_of_an_order_is_walked_for_many_documents(self, docs: SqliteDocs) -> None:
        for number in range(10):
            await docs.insert("clips", clip(number, title="rain", votes=number))
        statements: list[str] = []
        readers = [docs._readers.get() for _ in range(docs._readers.qsize())]
        for reader in readers:
            reader.set_trace_callback(statements.append)
            docs._readers.put(reader)
        await docs.find("clips", {"genres": None}, text="rain", sort=("votes", "made"), descending=True)
        (walk,) = [statement for statement in statements if "ORDER BY votes" in statement or "'$.votes'" in statement]
        rows = await docs._write(lambda connection: connection.execute(f"EXPLAIN QUERY PLAN {walk}").fetchall())
        assert [row[-1] for row in rows] == ["SCAN clips USING INDEX clips_votes_made"]

    async def test_a_library_of_an_earlier_version_is_taken_over(self, docs: SqliteDocs, tmp_path: Path) -> None:
        path = tmp_path / "earlier.db"
        with sqlite3.connect(path) as connection:
            connection.execute(
                "CREATE TABLE clips (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID"
            )
            connection.execute("CREATE INDEX clips_made ON clips (json_extract(body, '$.made'))")
            for number in range(5):
                body = f'{{"id": "c00{number}", "made": {number}, "title": "rain", "slug": "slug-{number}"}}'
                connection.execute("INSERT INTO clips VALUES (?, ?, ?)", (f"c00{number}", number + 1, body))
        connection.close()
        earlier = SqliteDocs(path)
        try:
            await earlier.ensure(CLIPS)
            await earlier.ensure(CLIPS)
            assert await found(earlier, "rain") == [0, 1, 2, 3, 4]
            assert await earlier.get("clips", "c003") == {**clip(3, title="rain", slug="slug-3"), "revision": 4}
            assert ids(await earlier.find("clips", {}, sort="made", descending=True, limit=2)) == ["c004", "c003"]
            with pytest.raises(AppError, match="DOC_EXISTS"):
                await earlier.insert("clips", clip(7, slug="slug-3"))
        finally:
            await earlier.close()


class TestSqliteDocsInSmallMeasures(SqliteStore, DocsSearchContract):
    """The same with limits so small that a few documents fill blocks of sets, are far pages, and are fetched to sort."""

    @pytest.fixture(autouse=True)
    def measures(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(docs_sqlite_sets, "BLOCK_DOCS", 32)
        monkeypatch.setattr(docs_sqlite_sets, "_BITMAP_BYTES", 4)
        monkeypatch.setattr(docs_sqlite_sets, "_BUILD_BLOCKS", 1)
        monkeypatch.setattr(docs_sqlite_select, "_FETCH_STEPS", 0)
        monkeypatch.setattr(docs_sqlite_select, "_FAR", 1)
        monkeypatch.setattr(docs_sqlite_select, "_TRIAL_DOCS", 2)

    # The measures are of this process alone.
    test_processes_that_start_at_once_build_everything_once = None
    test_a_process_killed_while_it_writes_leaves_words_and_tallies_that_fit_its_documents = None
