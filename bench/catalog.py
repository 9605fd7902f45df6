"""How fast the embedded store lists, searches, counts and draws from a large catalog, beside the naive query.

python -m bench.catalog [--documents 100000] [--repeats 200] [--naive-repeats 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.adapters.docs_sqlite import SqliteDocs
from kit.ports import AtLeast, Collection, Contains, Doc, Docs, Index

GENERATIONS = Collection(
    "generations",
    (
        Index(("create_time",)),
        Index(("vote_total", "create_time")),
        Index(("vote_balance", "create_time")),
        Index(("duration_seconds",)),
        Index(("categories", "create_time"), each="categories"),
    ),
    text="prompt",
    tallies=(("model",), ("owner_id",), ("model", "categories")),
)
RECENT, POPULAR, RATING = ("create_time",), ("vote_total", "create_time"), ("vote_balance", "create_time")
SORTS = (RECENT, POPULAR, RATING)
PAGE_SIZE = 20
MODELS = ("music", "audio", "magnet-music", "magnet-audio")
CATEGORIES = [f"category-{number}" for number in range(135)]
OWNERS = [f"owner-{number}" for number in range(2000)]
_START = 1_700_000_000.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000, help="how many clips (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=200, help="of each query (default: %(default)s)")
    parser.add_argument("--naive-repeats", type=int, default=3, help="of each naive query (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="catalog-bench-") as folder:
        asyncio.run(measure(Path(folder), options))
    return 0


async def measure(folder: Path, options: argparse.Namespace) -> None:
    started = time.perf_counter()
    rng = random.Random(1)
    docs = SqliteDocs(folder / "library.db")
    await docs.ensure(Collection(GENERATIONS.name))
    naive = sqlite3.connect(folder / "naive.db")
    naive.execute("CREATE TABLE generations (id TEXT PRIMARY KEY, body TEXT)")
    fill(folder / "library.db", naive, generations(rng, options.documents))
    filled = time.perf_counter()
    await docs.ensure(GENERATIONS)  # as when an existing library gets these
    print(
        f"{options.documents} clips of {average_bytes(naive):.0f} bytes written in {filled - started:.0f} s; indexes,"
        f" words and tallies built from them in {time.perf_counter() - filled:.0f} s.\n"
    )
    print(
        "| query | p50, ms | p95, ms | naive p50, ms | naive p95, ms | ratio of p50 |\n|---|---:|---:|---:|---:|---:|"
    )
    for title, made in queries(options.documents).items():
        ours = [await seconds(docs, made(rng)) for _ in range(options.repeats)]
        theirs = [naive_seconds(naive, made(rng)) for _ in range(options.naive_repeats)]
        middle, high = np.percentile(ours, (50, 95)) * 1000
        naive_middle, naive_high = np.percentile(theirs, (50, 95)) * 1000
        row = f"{middle:.1f} | {high:.1f} | {naive_middle:.0f} | {naive_high:.0f} | {naive_middle / middle:.0f}"
        print(f"| {title} | {row} |", flush=True)
    inserts = [await insert_seconds(docs, doc) for doc in generations(rng, options.repeats)]
    print(
        f"\nA new clip takes {np.median(inserts) * 1000:.1f} ms with its words and tallies (p50, a flush to disk in it)."
    )
    print(
        f"\n{options.repeats} repetitions with changing parameters ({options.naive_repeats} of the naive query) through"
        " the store's own interface, one at a time. Naive: every document is looked at with `json_extract`, `LIKE"
        " '%word%'` and `ORDER BY`, in a table with nothing but a key; a bare `LIKE` also finds parts of words."
    )
    naive.close()
    await docs.close()


# ----------------------------------------------------------------------------------------------------------- the clips


def generations(rng: random.Random, count: int) -> Iterator[Doc]:
    vocabulary = words()
    # The n-th word of a language comes about 1/n times as often as the first.
    weights = np.cumsum([1 / (rank + 3) for rank in range(len(vocabulary))]).tolist()
    for _ in range(count):
        prompt = rng.choices(vocabulary, cum_weights=weights, k=rng.randint(5, 15))
        if rng.random() < 0.5:
            prompt.insert(rng.randrange(len(prompt)), "melody")
        if rng.random() < 0.1:
            prompt.insert(rng.randrange(len(prompt)), "lo-fi")
        up, down = (int(rng.expovariate(0.5)) for _ in range(2))
        doc_id = f"{rng.getrandbits(128):032x}"
        yield {
            "id": doc_id,
            "owner_id": OWNERS[int(rng.paretovariate(0.7)) % len(OWNERS)],
            "prompt": " ".join(prompt),
            "model": rng.choices(MODELS, (60, 25, 10, 5))[0],
            "categories": rng.sample(CATEGORIES, rng.randint(1, 5)),
            "create_time": _START + rng.randrange(30_000_000),
            "vote_total": up + down,
            "vote_balance": up - down,
            "upvote_count": up,
            "downvote_count": down,
            "play_count": int(rng.expovariate(0.05)),
            "listener_count": 3,
            "duration_seconds": float(rng.choice((8, 8, 8, 15, 30, 60, 120))),
            "is_loop": rng.random() < 0.2,
            "seed": rng.getrandbits(31),
            "quality_score": rng.randint(40, 100),
            "quality_issues": [],
            "quality_accepted": True,
            "retry_count": 0,
            "engine": "procedural",
            "engine_model": "composer-1",
            "degraded": False,
            "sample_rate_hz": 32_000,
            "channel_count": 2,
            "audio_blob_key": f"generations/{doc_id}/1/audio.wav",
            "spectrogram_blob_key": f"generations/{doc_id}/1/spectrogram.png",
            "audio_size_bytes": 1_024_044,
            "continued_from_id": "",
            "priority": "standard",
            "rating": None,
        }


def words() -> list[str]:
    """Five thousand made-up words."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    return [first + second for first in syllables for second in syllables] + [f"{word}n" for word in syllables[:100]]


def fill(library: Path, naive: sqlite3.Connection, docs: Iterator[Doc]) -> None:
    """Write the documents as the store would, yet without a flush after each."""
    bodies = [(doc["id"], json.dumps(doc)) for doc in docs]
    with sqlite3.connect(library) as connection:
        connection.executemany("INSERT INTO generations (id, revision, body) VALUES (?, 1, ?)", bodies)
    connection.close()
    with naive:
        naive.executemany("INSERT INTO generations VALUES (?, ?)", bodies)


def average_bytes(naive: sqlite3.Connection) -> float:
    return float(naive.execute("SELECT avg(length(body)) FROM generations").fetchone()[0])


# --------------------------------------------------------------------------------------------------------- the queries


@dataclass(frozen=True)
class Query:
    """One question; ``page`` counts from 1, in full pages."""

    ask: str = "find"
    where: tuple[tuple[str, Any], ...] = ()
    text: str = ""
    sort: tuple[str, ...] = RECENT
    page: int = 1
    exclude: tuple[str, ...] = ()


def queries(count: int) -> dict[str, Callable[[random.Random], Query]]:
    pages = count // PAGE_SIZE
    vocabulary = words()

    def by_model(rng: random.Random) -> tuple[str, Any]:
        return "model", rng.choice(MODELS)

    def by_category(rng: random.Random) -> tuple[str, Any]:
        return "categories", Contains(rng.choice(CATEGORIES))

    def by_owner(rng: random.Random) -> tuple[str, Any]:
        return "owner_id", OWNERS[int(rng.paretovariate(0.7)) % len(OWNERS)]

    def two_words(rng: random.Random) -> str:
        return f"{rng.choice(vocabulary[:20])} {rng.choice(vocabulary[20:500])}"

    def excluded(rng: random.Random) -> tuple[str, ...]:
        return tuple(f"{rng.getrandbits(128):032x}" for _ in range(100))

    return {
        "newest, page 1": lambda rng: Query(),
        "any order, page 200": lambda rng: Query(sort=rng.choice(SORTS), page=200),
        "any order, any page": lambda rng: Query(sort=rng.choice(SORTS), page=rng.randint(1, pages)),
        "any order, one of the last pages": lambda rng: Query(sort=rng.choice(SORTS), page=pages - rng.randrange(9)),
        "model, any order, page 1": lambda rng: Query(where=(by_model(rng),), sort=rng.choice(SORTS)),
        "model, any order, page 200": lambda rng: Query(where=(by_model(rng),), sort=rng.choice(SORTS), page=200),
        "category, any order, page 1 to 100": lambda rng: Query(
            where=(by_category(rng),), sort=rng.choice(SORTS), page=rng.randint(1, 100)
        ),
        "owner, any order, page 1 to 3": lambda rng: Query(
            where=(by_owner(rng),), sort=rng.choice(SORTS), page=rng.randint(1, 3)
        ),
        "rare word, any order, page 1": lambda rng: Query(text=rng.choice(vocabulary[-1000:]), sort=rng.choice(SORTS)),
        "word of half the clips, any order, page 1": lambda rng: Query(text="melody", sort=rng.choice(SORTS)),
        "word of half the clips, any order, any page": lambda rng: Query(
            text="melody", sort=rng.choice(SORTS), page=rng.randint(1, pages // 2)
        ),
        "two words, any order, page 200": lambda rng: Query(text=two_words(rng), sort=rng.choice(SORTS), page=200),
        "`lo-fi`, model, category, any order, page 1": lambda rng: Query(
            where=(by_model(rng), by_category(rng)), text="lo-fi", sort=rng.choice(SORTS)
        ),
        "number of all": lambda rng: Query("count"),
        "number with model and category": lambda rng: Query("count", where=(by_model(rng), by_category(rng))),
        "number with two words and model": lambda rng: Query("count", where=(by_model(rng),), text=two_words(rng)),
        "10 at random": lambda rng: Query("sample"),
        "10 at random, model, half the clips' word, 100 excluded": lambda rng: Query(
            "sample", where=(by_model(rng),), text="melody", exclude=excluded(rng)
        ),
        "10 at random of a minute or more": lambda rng: Query("sample", where=(("duration_seconds", AtLeast(60)),)),
        "numbers by model and category": lambda rng: Query("tally"),
    }


async def seconds(docs: Docs, query: Query) -> float:
    started = time.perf_counter()
    where = dict(query.where)
    match query.ask:
        case "find":
            offset = PAGE_SIZE * (query.page - 1)
            await docs.find(
                GENERATIONS.name,
                where,
                text=query.text,
                sort=query.sort,
                descending=True,
                limit=PAGE_SIZE,
                offset=offset,
            )
        case "count":
            await docs.count(GENERATIONS.name, where, text=query.text)
        case "sample":
            await docs.sample(GENERATIONS.name, where, text=query.text, count=10, exclude=query.exclude)
        case _:
            await docs.tally(GENERATIONS.name, ("model", "categories"))
    return time.perf_counter() - started


async def insert_seconds(docs: Docs, doc: Doc) -> float:
    started = time.perf_counter()
    await docs.insert(GENERATIONS.name, doc)
    return time.perf_counter() - started


def naive_seconds(naive: sqlite3.Connection, query: Query) -> float:
    started = time.perf_counter()
    conditions, values = ["true"], list[Any]()
    for field, condition in query.where:
        extracted = f"json_extract(body, '$.{field}')"
        match condition:
            case Contains(value):
                conditions.append(f"{extracted} LIKE ?")
                values.append(f'%"{value}"%')
            case AtLeast(value):
                conditions.append(f"{extracted} >= ?")
                values.append(value)
            case _:
                conditions.append(f"{extracted} = ?")
                values.append(condition)
    if query.text:
        conditions.append(" OR ".join("json_extract(body, '$.prompt') LIKE ?" for _ in query.text.split()))
        values += [f"%{word}%" for word in query.text.split()]
    if query.exclude:
        conditions.append(f"id NOT IN ({', '.join('?' * len(query.exclude))})")
        values += query.exclude
    where = " AND ".join(f"({condition})" for condition in conditions)
    by = ", ".join(f"json_extract(body, '$.{field}') DESC" for field in query.sort)
    sql = {
        "find": f"SELECT body FROM generations WHERE {where} ORDER BY {by}, id DESC"
        f" LIMIT {PAGE_SIZE} OFFSET {PAGE_SIZE * (query.page - 1)}",
        "count": f"SELECT count(*) FROM generations WHERE {where}",
        "sample": f"SELECT body FROM generations WHERE {where} ORDER BY random() LIMIT 10",
        "tally": "SELECT json_extract(body, '$.model'), category.value, count(*)"
        " FROM generations, json_each(body, '$.categories') AS category GROUP BY 1, 2",
    }[query.ask]
    rows = naive.execute(sql, values).fetchall()
    if query.ask in ("find", "sample"):
        _ = [json.loads(body) for (body,) in rows]
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
