"""Finding clips by words, signs and other conditions."""

import asyncio
import dataclasses
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_fixture import ANN, BOB, Library

from soundwright.services.library.catalog.records import ClipFilter, ClipSort


async def fill(library: Library, *prompts: str) -> None:
    """Store a clip for each prompt, oldest first, with its place as the ID."""
    for place, prompt in enumerate(prompts):
        await library.clip(prompt, id=str(place))


async def found(library: Library, search: str, *, prefix: bool = False) -> list[int]:
    """Return the places of the prompts that a search finds."""
    return sorted(map(int, await library.listed(search=search, search_prefix=prefix)))


# --------------------------------------------------------------------------------------------------------- words


async def test_words_match_whole_and_folded_and_joined_words_match_as_phrases(library: Library) -> None:
    await fill(
        library,
        "Soft piano, lo-fi beat", "guitar: Lo Fi", "hi-fi lo and hi", "lofi and fi", "Drum-n-bass/piano", "n bass; drum n",
        "Noël in der Straße σίσυφος Łódź", "sunset 2024", "I don't say e\u0301", "1️⃣ ❤️sun",
    )  # fmt: skip
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
        "drum-n-bass": [4, 5],  # a phrase is found by its pairs of words
        "n-bass": [4, 5],
        "drum-n": [4, 5],
        "noel": [6],
        "NOËL": [6],
        "noe\u0308l": [6],
        "strasse": [6],
        "ΣΊΣΥΦΟΣ": [6],
        "lodz": [6],
        "ｐｉａｎｏ": [0, 4],
        "🌙 piano": [0, 4],
        "piano🌙guitar": [],
        "2024": [7],
        "e": [8],
        "don't": [8],
        "dont": [],
        "1": [9],
        "sun": [9],
    }
    assert {text: await found(library, text) for text in expected} == expected


async def test_the_last_word_may_be_the_beginning_of_a_word(library: Library) -> None:
    await fill(library, "drums, lo-fi", "Drum and bass", "dry Noël", "fi lofi", "model", "x" * 200)
    expected: dict[str, list[int]] = {
        "dru": [0, 1],
        "DRÜ ": [0, 1],
        "d": [0, 1, 2],
        "drums": [0],
        "drumss": [],
        "rums": [],
        "dru bas": [1],
        "bas dru": [0, 1],
        "bass dru bass": [1],
        "noe": [2],
        "lo-f": [0],
        "lo-l": [],
        "l-fi": [],
        "drum-and-b": [1],
        "lo-fi-lo-f": [],
        "lo": [0, 3],
        "dru !": [0, 1],
        "d*": [0, 1, 2],
        "mod": [4],
        "cat": [],  # no facet is a word
        "x" * 64: [5],
        "x" * 200: [5],
        "rain-" + "x" * 65: [],
        "!": [],
        "": [0, 1, 2, 3, 4, 5],
    }
    assert {text: await found(library, text, prefix=True) for text in expected} == expected
    assert await found(library, "xx") == []


async def test_words_inside_chinese_japanese_and_korean_are_found(library: Library) -> None:
    await fill(library, "夜に駆ける YOASOBI", "ナイトクルーズ", "月亮代表我的心", "사랑해요", "月の夜", "夜2024年")
    expected: dict[str, list[int]] = {
        "駆ける": [0],
        "ける": [0],
        "けに": [],
        "夜に駆ける": [0],
        "yoasobi": [0],
        "クルーズ": [1],
        "ｸﾙｰｽﾞ": [1],
        "ナイト": [1],
        "イナ": [],
        "代表": [2],
        "我的心": [2],
        "心": [2],
        "사랑": [3],
        "랑해": [3],
        "요": [3],
        "夜": [0, 4, 5],
        "月": [2, 4],
        "月夜": [],
        "代表 사랑": [2, 3],
        "2024": [5],
        "夜2024": [5],
    }
    assert {text: await found(library, text) for text in expected} == expected
    for search, places in {"夜2": [5], "クル": [1], "月": [2, 4], "代表我": [2]}.items():
        assert await found(library, search, prefix=True) == places


async def test_names_of_signs_are_found_by_signs(library: Library) -> None:
    await fill(library, "!!!", "drum & bass", "★ 🌙", "rain!!!", "!!! (band)")
    expected: dict[str, list[int]] = {
        "!!!": [0, 4], "！！！": [0, 4], "!!": [], "&": [1], "🌙": [2], "★": [2], "🌙 !!!": [0, 2, 4], "rock & roll": [],
        "bass &": [1],
    }  # fmt: skip
    assert {text: await found(library, text) for text in expected} == expected
    assert await found(library, "!!", prefix=True) == [0, 4]


async def test_query_languages_mean_nothing(library: Library) -> None:
    await fill(library, "rain", "wind")
    signs = [
        '"',
        "*",
        "^",
        "-",
        "--",
        "()",
        "{}",
        ":",
        "!?.,;",
        "\x00",
        "🎵🎵",
        "❤️",
        "\\",
        "%",
        "_",
        "\ud800",
        "=model music",
    ]
    others = ["NEAR(", "OR", "NOT", "AND", "' OR 1=1 --", "title:rai -x", "$text", "words:", "a" * 5000]
    for text in (*signs, *others):
        assert await found(library, text) == [], text
        assert await library.catalog.sample(ANN, ClipFilter(search=text), 1, [], False) == []
    for text in ('"rain', "rain*", "^rain", "\x00rain", "-rain", "rain:", "NEAR( rain", "rain OR wet", "❤️ rain"):
        assert await found(library, text) == [0], text


async def test_long_texts_and_long_queries(library: Library) -> None:
    await fill(library, "rain " * 2000, "r" * 5000, "a\x00b", "wind")
    assert await found(library, "rain") == [0]
    assert await found(library, "r" * 5000) == [1]
    assert await found(library, "a-b") == [2]
    many = [f"w{number}" for number in range(100_000)]
    assert await found(library, " ".join(["rain", *many])) == [0]
    assert await found(library, "-".join(many)) == []
    assert await found(library, "-".join(["rain"] * 60)) == [0]


# ------------------------------------------------------------------------------------------- a model of the catalog

WORDS = ["lo", "fi", "rain", "夜", "の"]
CLIPS = st.lists(
    st.fixed_dictionaries({
        "prompt": st.builds(str.join, st.sampled_from([" ", "-", ", "]), st.lists(st.sampled_from(WORDS), max_size=4)),
        "model": st.sampled_from(["music", "magnet-music", "audio"]),
        "owner_id": st.sampled_from(["ann", "bob b"]),
        "create_time": st.integers(0, 3).map(float),
        "duration_seconds": st.sampled_from([0.5, 1.0, 2.0]),
        "categories": st.lists(st.sampled_from(["ambient", "jazz", "metal"]), max_size=3, unique=True),
        "upvote_count": st.integers(0, 2),
        "downvote_count": st.integers(0, 2),
    }),
    min_size=4, max_size=12,
)  # fmt: skip
FILTERS = st.builds(
    ClipFilter,
    model=st.sampled_from(["", "", "music", "audio", "magnet-music"]),
    search=st.sampled_from(
        ["", "", "rain", "lo-fi", "rain fi", "fi-lo-fi", "r", "none f", "fi-l", "none", "!", "夜の"]
    ),
    search_prefix=st.booleans(),
    category=st.sampled_from(["", "", "ambient", "metal"]),
    owner_id=st.sampled_from(["", "", "ann", "bob b"]),
    min_create_time=st.sampled_from([None, None, 1.0, 3.0]),
    min_duration_seconds=st.sampled_from([0.0, 0.0, 1.0]),
    max_duration_seconds=st.sampled_from([0.0, 0.0, 1.0, 1.5]),
    voted_only=st.booleans(),
)


def matches(clip: dict[str, Any], chosen: ClipFilter) -> bool:
    def split(text: str) -> list[str]:
        return re.findall("[a-z]+|[夜の]", text)

    words = f" {' '.join(split(clip['prompt']))} "
    wanted = [f" {' '.join(found)} " for part in chosen.search.split() if (found := split(part))]
    if chosen.search_prefix and wanted:
        wanted.append(wanted[-1][:-1])

    def holds_pairs(phrase: str) -> bool:
        """Phrases are found by their pairs."""
        single = phrase.split()
        ends = [" "] * (len(single) - 2) + [phrase[len(phrase.rstrip()) :]]
        pairs = zip(single, single[1:], ends, strict=False)
        return phrase in words if len(single) < 2 else all(f" {a} {b}{end}" in words for a, b, end in pairs)

    return (
        (not chosen.search or any(map(holds_pairs, wanted)))
        and (not chosen.model or clip["model"].endswith(chosen.model))
        and (not chosen.category or chosen.category in clip["categories"])
        and (not chosen.owner_id or clip["owner_id"] == chosen.owner_id)
        and (chosen.min_create_time is None or clip["create_time"] >= chosen.min_create_time)
        and clip["duration_seconds"] >= chosen.min_duration_seconds
        and (not chosen.max_duration_seconds or clip["duration_seconds"] <= chosen.max_duration_seconds)
        and (not chosen.voted_only or clip["upvote_count"] + clip["downvote_count"] > 0)
    )


def order_of(sort: ClipSort, voted_only: bool) -> Any:
    def key(clip: dict[str, Any]) -> tuple[Any, ...]:
        up, down = clip["upvote_count"], clip["downvote_count"]
        keys = {
            ClipSort.RECENT: (),
            ClipSort.POPULAR: (up + down,),
            ClipSort.RATING: (up - down, up) if voted_only else (up - down,),
        }
        return *keys[sort], clip["create_time"], clip["id"]

    return key


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clips=CLIPS, chosen=FILTERS, sort=st.sampled_from(ClipSort), step=st.integers(1, 4))
async def test_every_query_returns_what_the_model_returns(
    library: Library, clips: list[dict[str, Any]], chosen: ClipFilter, sort: ClipSort, step: int
) -> None:
    for doc in await library.docs.find("clips", {}):  # of the example before
        await library.docs.delete("clips", doc["id"])
    there = [{"id": f"c{number}", **clip} for number, clip in enumerate(clips)]
    for clip in there:
        stored = await library.clip(**clip)
        fields = {field: clip[field] for field in ("categories", "upvote_count", "downvote_count")}
        assert await library.clips.clips.replace(dataclasses.replace(stored, **fields))
    kept = [clip for clip in there if matches(clip, chosen)]
    expected = [clip["id"] for clip in sorted(kept, key=order_of(sort, chosen.voted_only), reverse=True)]
    for offset in range(0, len(there) + step, step):
        page, total = await library.catalog.list_clips(chosen, sort, offset, step)
        assert ([clip.id for clip in page], total) == (expected[offset : offset + step], len(expected))
    excluded = [there[0]["id"], "nobody"]
    drawn = [clip.id for clip in await library.catalog.sample(ANN, chosen, step, excluded, False)]
    left = set(expected) - set(excluded)
    assert len(drawn) == len(set(drawn)) == min(step, len(left))
    assert set(drawn) <= left
    counts = await library.catalog.count_categories("music")
    for category in ("ambient", "metal"):
        music = [clip for clip in there if clip["model"] != "audio"]
        assert counts[category] == sum(category in clip["categories"] for clip in music)


# ------------------------------------------------------------------------------------------------------ one write


async def test_a_write_and_a_deletion_at_once_leave_nothing_to_find(library: Library) -> None:
    clips = [await library.clip("rain") for _ in range(5)]
    await asyncio.gather(
        *(library.votes.vote(BOB, clip.id, 1) for clip in clips),
        *(library.catalog.delete(ANN, clip.id) for clip in clips),
        return_exceptions=True,
    )
    assert await library.listed(search="rain") == []
    assert await library.listed() == []
    assert await library.catalog.count_by_model() == (0, {"music": 0, "audio": 0})


# -------------------------------------------------------------------------------------------------------- samples
