"""Speed of the search with a large catalog (list, search, count, sample), compared with a naive query of SQLite.

python -m dev.bench.catalog [--documents 100000] [--repeats 200] [--naive-repeats 3] [--docs-url mongodb://host:port/database]

It measures the embedded store, or an empty database of another one.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
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

from soundwright.kit.infra import open_docs
from soundwright.kit.ports import Doc, Docs
from soundwright.kit.settings import Settings
from soundwright.services.gateway.dialects.soundbox.model_names import MODELS
from soundwright.services.library.catalog.categories import CATEGORIES as CATEGORIES_OF_FAMILIES
from soundwright.services.library.catalog.documents import CLIPS, COLLECTIONS, clip_doc
from soundwright.services.library.catalog.records import Clip, ClipFilter, ClipSort
from soundwright.services.library.catalog.store import CatalogStore

SORTS = tuple(ClipSort)
NAIVE_ORDERS = {
    ClipSort.RECENT: ("create_time",),
    ClipSort.POPULAR: ("vote_total", "create_time"),
    ClipSort.RATING: ("vote_balance", "create_time"),
}
PAGE_SIZE = 20
CATEGORIES = sorted({category for family in CATEGORIES_OF_FAMILIES.values() for category in family})
OWNERS = [f"owner-{number}" for number in range(2000)]
_START = 1_700_000_000.0
_WRITERS = 16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000, help="how many clips (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=200, help="of each query (default: %(default)s)")
    parser.add_argument("--naive-repeats", type=int, default=3, help="of each naive query (default: %(default)s)")
    parser.add_argument("--docs-url", default="", help="an empty database (default: a temporary SQLite file)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="catalog-bench-") as folder:
        asyncio.run(measure(Path(folder), options))
    return 0


async def measure(folder: Path, options: argparse.Namespace) -> None:
    started = time.perf_counter()
    rng = random.Random(1)
    library = folder / "library.db"
    docs = open_docs(Settings(docs_url=options.docs_url or f"sqlite://{library}"))
    store = CatalogStore(docs)
    naive = sqlite3.connect(folder / "naive.db")
    naive.execute("CREATE TABLE clips (id TEXT PRIMARY KEY, body TEXT)")
    clips = [clip_doc(clip) for clip in random_clips(rng, options.documents)]
    plain = [{key: value for key, value in doc.items() if key != "terms"} for doc in clips]
    with naive:
        naive.executemany("INSERT INTO clips VALUES (?, ?)", [(doc["id"], json.dumps(doc)) for doc in plain])
    if options.docs_url:
        await store.prepare()
        await insert_all(docs, clips)
    else:
        for collection in COLLECTIONS:
            await docs.ensure(dataclasses.replace(collection, indexes=()))
        fill(library, [(doc["id"], json.dumps(doc)) for doc in clips])
    filled = time.perf_counter()
    await store.prepare()
    print(
        f"Wrote {options.documents} clips of {average_bytes(naive):.0f} bytes in {filled - started:.0f} s. Built their"
        f" indexes in {time.perf_counter() - filled:.0f} s.\n"
    )
    print(
        "| query | p50, ms | p95, ms | CPU p50, ms | CPU p95, ms | naive p50, ms | ratio of p50 |\n"
        "|---|---:|---:|---:|---:|---:|---:|"
    )
    for title, made in queries(options.documents).items():
        ours = [await seconds(store, made(rng)) for _ in range(options.repeats)]
        theirs = [naive_seconds(naive, made(rng)) for _ in range(options.naive_repeats)]
        (middle, cpu_middle), (high, cpu_high) = np.percentile(ours, (50, 95), axis=0) * 1000
        naive_middle = np.median(theirs) * 1000
        row = f"{middle:.1f} | {high:.1f} | {cpu_middle:.1f} | {cpu_high:.1f} | {naive_middle:.0f}"
        row += f" | {naive_middle / middle:.0f}"
        print(f"| {title} | {row} |", flush=True)
    inserts = [await insert_seconds(docs, clip) for clip in random_clips(rng, options.repeats)]
    print(
        f"\nInserting a clip takes {np.median(inserts) * 1000:.1f} ms (p50), including its terms and a flush to disk."
    )
    print(
        f"\n{options.repeats} repetitions with varying parameters ({options.naive_repeats} of the naive query) through"
        " the store of the catalog, one at a time. The naive query scans every"
        " document with `json_extract`, `LIKE '%word%'` and `ORDER BY` in a table without further indexes. `LIKE` also"
        " matches parts of words."
    )
    naive.close()
    await docs.close()


# ----------------------------------------------------------------------------------------------------------- the clips


def random_clips(rng: random.Random, count: int) -> Iterator[Clip]:
    vocabulary = words()
    # Zipf's law: the n-th word of a language occurs about 1/n times as often as the first.
    weights = np.cumsum([1 / (rank + 3) for rank in range(len(vocabulary))]).tolist()
    for _ in range(count):
        prompt = rng.choices(vocabulary, cum_weights=weights, k=rng.randint(5, 15))
        if rng.random() < 0.5:
            prompt.insert(rng.randrange(len(prompt)), "melody")
        if rng.random() < 0.1:
            prompt.insert(rng.randrange(len(prompt)), "lo-fi")
        up, down = (int(rng.expovariate(0.5)) for _ in range(2))
        doc_id = f"{rng.getrandbits(128):032x}"
        yield Clip(
            id=doc_id,
            owner_id=OWNERS[int(rng.paretovariate(0.7)) % len(OWNERS)],
            prompt=" ".join(prompt),
            model=rng.choices(MODELS, (60, 25, 10, 5))[0],
            categories=rng.sample(CATEGORIES, rng.randint(1, 5)),
            create_time=_START + rng.randrange(30_000_000),
            upvote_count=up,
            downvote_count=down,
            play_count=int(rng.expovariate(0.05)),
            listener_count=3,
            duration_seconds=float(rng.choice((8, 8, 8, 15, 30, 60, 120))),
            is_loop=rng.random() < 0.2,
            seed=rng.getrandbits(31),
            quality_score=rng.randint(40, 100),
            engine="procedural",
            engine_model="composer-1",
            sample_rate_hz=32_000,
            channel_count=2,
            audio_blob_key=f"generations/{doc_id}/1/audio.wav",
            spectrogram_blob_key=f"generations/{doc_id}/1/spectrogram.png",
            audio_size_bytes=1_024_044,
            priority="standard",
        )


def words() -> list[str]:
    """Return five thousand invented words."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    return [first + second for first in syllables for second in syllables] + [f"{word}n" for word in syllables[:100]]


def fill(library: Path, bodies: list[tuple[str, str]]) -> None:
    """Write the documents as the embedded store does, but without a flush after each one."""
    with sqlite3.connect(library) as connection:
        connection.executemany("INSERT INTO clips (id, revision, body) VALUES (?, 1, ?)", bodies)
    connection.close()


async def insert_all(docs: Docs, clips: list[Doc]) -> None:
    """Insert the documents, several at a time."""
    left = iter(clips)

    async def insert() -> None:
        for doc in left:
            await docs.insert(CLIPS.name, doc)

    await asyncio.gather(*(insert() for _ in range(_WRITERS)))


def average_bytes(naive: sqlite3.Connection) -> float:
    return float(naive.execute("SELECT avg(length(body)) FROM clips").fetchone()[0])


# --------------------------------------------------------------------------------------------------------- the queries


@dataclass(frozen=True)
class Query:
    """One query. ``page`` counts from 1."""

    ask: str = "find"
    model: str = ""
    category: str = ""
    owner: str = ""
    text: str = ""
    seconds: float = 0.0
    sort: ClipSort = ClipSort.RECENT
    page: int = 1
    exclude: tuple[str, ...] = ()


def queries(count: int) -> dict[str, Callable[[random.Random], Query]]:
    pages = count // PAGE_SIZE
    vocabulary = words()

    def owner(rng: random.Random) -> str:
        return OWNERS[int(rng.paretovariate(0.7)) % len(OWNERS)]

    def two_words(rng: random.Random) -> str:
        return f"{rng.choice(vocabulary[:20])} {rng.choice(vocabulary[20:500])}"

    def excluded(rng: random.Random) -> tuple[str, ...]:
        return tuple(f"{rng.getrandbits(128):032x}" for _ in range(100))

    return {
        "newest, page 1": lambda rng: Query(),
        "any order, page 200": lambda rng: Query(sort=rng.choice(SORTS), page=200),
        "any order, any page": lambda rng: Query(sort=rng.choice(SORTS), page=rng.randint(1, pages)),
        "any order, one of the last pages": lambda rng: Query(sort=rng.choice(SORTS), page=pages - rng.randrange(9)),
        "model, any order, page 1": lambda rng: Query(model=rng.choice(MODELS), sort=rng.choice(SORTS)),
        "model, any order, page 200": lambda rng: Query(model=rng.choice(MODELS), sort=rng.choice(SORTS), page=200),
        "category, any order, page 1 to 100": lambda rng: Query(
            category=rng.choice(CATEGORIES), sort=rng.choice(SORTS), page=rng.randint(1, 100)
        ),
        "owner, any order, page 1 to 3": lambda rng: Query(
            owner=owner(rng), sort=rng.choice(SORTS), page=rng.randint(1, 3)
        ),
        "rare word, any order, page 1": lambda rng: Query(text=rng.choice(vocabulary[-1000:]), sort=rng.choice(SORTS)),
        "word of half the clips, any order, page 1": lambda rng: Query(text="melody", sort=rng.choice(SORTS)),
        "word of half the clips, any order, any page": lambda rng: Query(
            text="melody", sort=rng.choice(SORTS), page=rng.randint(1, pages // 2)
        ),
        "beginning of words, any order, page 1": lambda rng: Query(
            "prefix", text=rng.choice(vocabulary)[:2], sort=rng.choice(SORTS)
        ),
        "two words, any order, page 200": lambda rng: Query(text=two_words(rng), sort=rng.choice(SORTS), page=200),
        "`lo-fi`, model, category, any order, page 1": lambda rng: Query(
            model=rng.choice(MODELS), category=rng.choice(CATEGORIES), text="lo-fi", sort=rng.choice(SORTS)
        ),
        "word of half the clips, a minute or more, any order, page 1": lambda rng: Query(
            text="melody", seconds=60.0, sort=rng.choice(SORTS)
        ),
        "10 at random": lambda rng: Query("sample"),
        "10 at random, model, half the clips' word, 100 excluded": lambda rng: Query(
            "sample", model=rng.choice(MODELS), text="melody", exclude=excluded(rng)
        ),
        "10 at random of a minute or more": lambda rng: Query("sample", seconds=60.0),
        "numbers by family and category": lambda rng: Query("tally"),
    }


async def seconds(store: CatalogStore, query: Query) -> tuple[float, float]:
    """Ask a query. Return the seconds of wall-clock time, and of CPU time of this process."""
    started, cpu_started = time.perf_counter(), time.process_time()
    chosen = ClipFilter(
        query.model, query.text, query.ask == "prefix", query.category, query.owner, min_duration_seconds=query.seconds
    )
    match query.ask:
        case "sample":
            await store.sample_clips(chosen, 10, query.exclude, None)
        case "tally":
            await store.count_by_category()
        case _:
            await store.list_clips(chosen, query.sort, PAGE_SIZE * (query.page - 1), PAGE_SIZE)
    return time.perf_counter() - started, time.process_time() - cpu_started


async def insert_seconds(docs: Docs, clip: Clip) -> float:
    started = time.perf_counter()
    await docs.insert(CLIPS.name, clip_doc(clip))
    return time.perf_counter() - started


def naive_seconds(naive: sqlite3.Connection, query: Query) -> float:
    started = time.perf_counter()
    conditions, values = ["true"], list[Any]()
    for condition, value in (
        ("json_extract(body, '$.model') LIKE ?", query.model and f"%{query.model}"),
        ("json_extract(body, '$.categories') LIKE ?", query.category and f'%"{query.category}"%'),
        ("json_extract(body, '$.owner_id') = ?", query.owner),
        ("json_extract(body, '$.duration_seconds') >= ?", query.seconds),
    ):
        if value:
            conditions.append(condition)
            values.append(value)
    if query.text:
        conditions.append(" OR ".join("json_extract(body, '$.prompt') LIKE ?" for _ in query.text.split()))
        values += [f"%{word}%" for word in query.text.split()]
    if query.exclude:
        conditions.append(f"id NOT IN ({', '.join('?' * len(query.exclude))})")
        values += query.exclude
    where = " AND ".join(f"({condition})" for condition in conditions)
    by = ", ".join(f"json_extract(body, '$.{field}') DESC" for field in NAIVE_ORDERS[query.sort])
    sql = {
        "find": f"SELECT body FROM clips WHERE {where} ORDER BY {by}, id DESC"
        f" LIMIT {PAGE_SIZE} OFFSET {PAGE_SIZE * (query.page - 1)}",
        "sample": f"SELECT body FROM clips WHERE {where} ORDER BY random() LIMIT 10",
        "tally": "SELECT json_extract(body, '$.model'), category.value, count(*)"
        " FROM clips, json_each(body, '$.categories') AS category GROUP BY 1, 2",
    }["find" if query.ask == "prefix" else query.ask]
    rows = naive.execute(sql, values).fetchall()
    if query.ask != "tally":
        _ = [json.loads(body) for (body,) in rows]
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
