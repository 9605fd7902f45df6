"""Rules about tracks, over the real document store: what owners may say of them, and finding them."""

import asyncio
import base64
import dataclasses
import json
import uuid
from typing import Any

import pytest
from library_fixture import ANN, BOB, Library, ids, new, reason, result, track

from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import Principal
from soundwright.services.library.jobs.service import Job, JobResult
from soundwright.services.library.paging import Page, PageRequest
from soundwright.services.library.schema import renew_terms
from soundwright.services.library.tracks.analyses import Analysis
from soundwright.services.library.tracks.records import (
    ChordCorrection,
    Corrections,
    Track,
    TrackFilter,
    TrackSort,
    TrackStatus,
)
from soundwright.services.library.tracks.service import KEYS, parse_key


async def stored(library: Library, track_id: str = "t1", **fields: Any) -> Track:
    library.clock.advance(1.0)
    return await library.tracks.create(ANN, track(track_id, **fields))


async def listed(library: Library, sort: TrackSort = TrackSort.CREATE_TIME, **filters: Any) -> list[str]:
    """Ids of what is found, after making sure that as many are counted."""
    descending = filters.pop("descending", sort.descending)
    page = await library.tracks.list_tracks(ANN, TrackFilter("ann", **filters), sort, descending, PageRequest(100))
    assert page.total_count == len(page.entries)
    return [found.id for found in page.entries]


async def details(call: Any) -> dict[str, list[str]]:
    with pytest.raises(AppError) as refusal:
        await call
    assert (refusal.value.reason, refusal.value.http_status) == ("VALIDATION_ERROR", 422)
    found: dict[str, list[str]] = refusal.value.meta["details"]
    return found


def _result(kind: str, of: tuple[str, ...] = (), **fields: Any) -> JobResult:
    return result(**fields) if kind == "analysis" else result(*of, outputs_are_stems=kind == "separation")


async def ended(library: Library, kind: str, track_id: str = "t1", **fields: Any) -> Job:
    library.clock.advance(1.0)
    job = await library.running(kind=kind, track_id=track_id)
    return await library.ledger.succeed(job.id, 1, _result(kind, **fields), [])


async def test_storing_a_track_again_returns_the_stored_one(library: Library) -> None:
    await stored(library, title="Once")
    first = await library.tracks.get(ANN, "t1")
    assert await stored(library, title="Once") == first
    with pytest.raises(AppError) as other_file:
        await stored(library, blob_key="tracks/t1/other.wav")
    with pytest.raises(AppError) as other_owner:
        await library.tracks.create(BOB, track("t1"))
    assert (other_file.value.reason, other_owner.value.reason) == ("DOC_EXISTS", "DOC_EXISTS")
    assert await library.tracks.get(ANN, "t1") == first


# -------------------------------------------------------------------------------------------------------------- change


async def test_an_owner_says_what_a_track_is(library: Library) -> None:
    made = await stored(library)
    library.clock.advance(10)
    new = {"title": " Night\n Drive ", "artist": "Ann", "bpm": 123.5, "key": "bb MINOR", "tags": ["Dub", "dub", "Live"]}
    changed = await library.tracks.update(ANN, "t1", new)
    assert (changed.title, changed.artist, changed.album) == ("Night Drive", "Ann", "")
    assert (changed.bpm, changed.key, changed.tags) == (123.5, "A# minor", ["Dub", "Live"])
    assert (changed.create_time, changed.update_time) == (made.create_time, library.clock.time)
    assert await library.tracks.get(ANN, "t1") == changed
    cleared = await library.tracks.update(ANN, "t1", {"artist": "", "bpm": None, "key": "", "tags": []})
    assert (cleared.title, cleared.artist, cleared.bpm, cleared.key, cleared.tags) == ("Night Drive", "", None, "", [])


@pytest.mark.parametrize(("field", "value"), [
    ("title", ""), ("title", " \n\x00"), ("title", "x" * 501), ("artist", "x" * 501), ("album", "x" * 501),
    ("bpm", 19.99), ("bpm", 400.01), ("bpm", float("nan")), ("key", "H minor"), ("key", "A"),
    ("key", "A minor; DROP TABLE"), ("tags", [f"t{number}" for number in range(51)]), ("tags", ["x" * 51]),
    ("tags", ["good", " "]), ("corrections", Corrections(float("inf"))),
    ("corrections", Corrections(None, [ChordCorrection(1.0, 2.0, "H7")])),
    ("corrections", Corrections(None, [ChordCorrection(2.0, 2.0, "Am")])),
    ("corrections", Corrections(None, [ChordCorrection(0.0, float("nan"), "Am")])),
    ("corrections", Corrections(None, [ChordCorrection(0.0, 1.0, "Am")] * 501)),
    ("corrections", Corrections(lyrics="x" * 30_001)), ("corrections", Corrections(lyrics="[0:1]" * 300 + "la" * 60)),
    ("corrections", Corrections(2.1)), ("corrections", Corrections(None, [ChordCorrection(0.5, 1e300, "Am")])),
])  # fmt: skip
async def test_what_does_not_fit_is_named_and_changes_nothing(library: Library, field: str, value: Any) -> None:
    made = await stored(library)
    assert list(await details(library.tracks.update(ANN, "t1", {"title": "New", field: value}))) == [field]
    assert dataclasses.replace(await library.tracks.get(ANN, "t1"), revision=0) == made


async def test_lyrics_are_lines_without_control_characters(library: Library) -> None:
    await stored(library)
    corrections = Corrections(lyrics="[00:01.00] One\x00\x1b[31m  two\r\n\n[00:02.00]\u2028three")
    changed = await library.tracks.update(ANN, "t1", {"corrections": corrections})
    assert changed.corrections == Corrections(lyrics="[00:01.00] One [31m two\n\n[00:02.00]\nthree")
    none = await library.tracks.update(ANN, "t1", {"corrections": Corrections(lyrics="")})
    assert none.corrections == Corrections(lyrics="")  # nobody sings, whatever a model has read


async def test_all_that_does_not_fit_is_named_at_once(library: Library) -> None:
    await stored(library)
    assert set(await details(library.tracks.update(ANN, "t1", {"bpm": 1.0, "key": "?", "album": "ok"}))) == {
        "bpm",
        "key",
    }
    assert await details(library.tracks.update(ANN, "t1", {})) == {"body": ["can't be blank"]}


async def test_limits_are_within(library: Library) -> None:
    await stored(library)
    tags = [f"{number:050}" for number in range(50)]
    for bpm in (20.0, 400.0):
        changed = await library.tracks.update(ANN, "t1", {"title": "x" * 500, "bpm": bpm, "tags": tags})
        assert (len(changed.title), changed.bpm, changed.tags) == (500, bpm, tags)


async def test_changes_of_different_fields_at_once_all_hold(library: Library) -> None:
    await stored(library)
    new: list[dict[str, Any]] = [{"title": "A"}, {"artist": "B"}, {"album": "C"}, {"bpm": 99.0}, {"key": "C major"}]
    await asyncio.gather(*(library.tracks.update(ANN, "t1", one) for one in (*new, {"tags": ["x"]})))
    changed = await library.tracks.get(ANN, "t1")
    assert (changed.title, changed.artist, changed.album, changed.bpm) == ("A", "B", "C", 99.0)
    assert (changed.key, changed.tags) == ("C major", ["x"])


async def test_only_the_owner_may_change(library: Library) -> None:
    await stored(library)
    assert await reason(library.tracks.update(BOB, "t1", {"title": "Mine"})) == "ACCESS_DENIED"
    assert await reason(library.tracks.update(ANN, "t2", {"title": "Mine"})) == "TRACK_NOT_FOUND"
    assert (await library.tracks.get(ANN, "t1")).title == "t"


def test_keys_in_every_spelling() -> None:
    assert len(KEYS) == len(set(KEYS)) == 24
    assert all(parse_key(key) == key for key in KEYS)
    spellings = {"a minor": "A minor", "Cb major": "B major", "E♯ major": "F major", " F♯  Minor ": "F# minor", " ": ""}
    assert {text: parse_key(text) for text in spellings} == spellings


# ------------------------------------------------------------------------------------------------- what is found out


async def test_a_track_tells_what_was_made_of_it(library: Library) -> None:
    await stored(library)
    await ended(library, "separation", of=("vocals", "drums"))
    assert (await library.tracks.get(ANN, "t1")).stem_count == 2
    await ended(library, "separation", of=("vocals", "drums", "bass"))
    await ended(library, "pipeline", of=("main",))  # makes no stems
    await ended(library, "analysis", values='{"tempo": 128.004, "key": "A minor"}')
    told = await library.tracks.get(ANN, "t1")
    assert (told.stem_count, told.analyzed, told.bpm, told.key) == (3, True, 128.0, "A minor")


async def test_a_measurement_does_not_overrule_the_owner(library: Library) -> None:
    await stored(library)
    await library.tracks.update(ANN, "t1", {"bpm": 64.0, "key": ""})
    await ended(library, "analysis", values='{"tempo": 128.0, "key": "A minor"}')
    told = await library.tracks.get(ANN, "t1")
    assert (told.analyzed, told.bpm, told.key) == (True, 64.0, "")


@pytest.mark.parametrize(
    "values", ["{}", '{"tempo": null, "key": null}', '{"tempo": 0.0}', '{"tempo": 1e6, "key": "H"}']
)
async def test_what_was_not_measured_is_not_told(library: Library, values: str) -> None:
    await stored(library)
    await ended(library, "analysis", values=values)
    told = await library.tracks.get(ANN, "t1")
    assert (told.analyzed, told.bpm, told.key) == (True, None, "")


async def test_each_feature_comes_from_the_latest_analysis_that_has_it(library: Library) -> None:
    await stored(library)
    assert await reason(library.tracks.analysis(ANN, "t1")) == "ANALYSIS_NOT_FOUND"
    missing = {"feature": "melody", "code": "MODEL_UNAVAILABLE", "message": "No."}
    everything = {
        "tempo": 100.0, "beats": [1.0], "key": "A minor", "chords": {"segments": [], "source": "mix"},
        "features": {"mfcc": [[1.0]], "chroma": [[2.0]]}, "unavailable": [missing],
    }  # fmt: skip
    await ended(library, "analysis", values=json.dumps(everything))
    retold = {"tempo": 120.0, "beats": [2.0, 3.0], "key": None, "features": {"mfcc": [[4.0]]}}
    unheard = {"chords": {"segments": [1], "source": "stems"}, "unavailable": [{"feature": "bars"}]}
    await ended(library, "analysis", values=json.dumps(retold))
    last = await ended(library, "analysis", values=json.dumps(unheard))
    analysis = await library.tracks.analysis(ANN, "t1")
    assert (analysis.job_id, analysis.create_time) == (last.id, last.finish_time)
    assert json.loads(analysis.values_json) == {
        **retold, "chords": unheard["chords"], "features": {"mfcc": [[4.0]], "chroma": [[2.0]]},
        "unavailable": [missing, {"feature": "bars"}],
    }  # fmt: skip
    assert last.result is not None
    assert json.loads(last.result.analysis_json) == unheard
    assert (await library.tracks.get(ANN, "t1")).bpm == 120.0
    await ended(library, "analysis", values='{"melody": {}}')
    assert json.loads((await library.tracks.analysis(ANN, "t1")).values_json)["unavailable"] == [{"feature": "bars"}]
    assert await reason(library.tracks.analysis(BOB, "t1")) == "ACCESS_DENIED"


async def test_analyses_may_be_stored_in_any_order(library: Library) -> None:
    """The results of a job are stored late if the library stopped before."""
    for track_id, order in (("t1", (0, 1, 2)), ("t2", (0, 2, 1)), ("t3", (2, 1, 0)), ("t4", (1, 2, 0, 1))):
        made = await stored(library, track_id)
        analyses = [
            Analysis(track_id, f"j{place}", "ann", "e", made.create_time, 1.0 + place, values)
            for place, values in enumerate(('{"tempo": 1, "key": 1}', '{"tempo": 2}', '{"chords": 3}'))
        ]
        for place in order:
            await library.track_docs.store_analysis(analyses[place])
        told = await library.tracks.analysis(ANN, track_id)
        assert (told.job_id, json.loads(told.values_json)) == ("j2", {"tempo": 2, "key": 1, "chords": 3})


async def test_tracks_and_clips_of_the_first_version_are_found_by_new_terms(library: Library) -> None:
    await stored(library, title="เพลงรัก")
    clip = await library.clip(prompt="เพลงรัก")
    for collection, document_id in (("tracks", "t1"), ("clips", clip.id)):
        doc = await library.docs.get(collection, document_id)
        assert doc is not None
        await library.docs.replace(collection, {**doc, "terms": ["เพลงรัก"]}, doc["revision"])
    assert await listed(library, search="รัก") == []
    await renew_terms(library.docs)
    assert await listed(library, search="รัก") == ["t1"]
    renewed = await library.docs.get("clips", clip.id)
    await renew_terms(library.docs)
    assert await library.docs.get("clips", clip.id) == renewed, "what is current stays as it is"


async def test_what_the_model_for_pianos_read_replaces_the_notes_of_the_same_signal(library: Library) -> None:
    read = (
        {"notes": {"model": "n", "parts": [{"name": "bass"}, {"name": "piano"}]}},
        {"piano_notes": {"parts": [{"name": "piano"}]}},
    )
    for track_id, order in (("t1", (0, 1)), ("t2", (1, 0))):
        made = await stored(library, track_id)
        for place in order:
            analysis = Analysis(track_id, "j", "ann", "e", made.create_time, 1.0 + place, json.dumps(read[place]))
            await library.track_docs.store_analysis(analysis)
        assert json.loads((await library.tracks.analysis(ANN, track_id)).values_json) == {
            "notes": {"model": "n", "parts": [{"name": "bass"}]}, **read[1],
        }  # fmt: skip


async def test_a_track_shows_no_analysis_of_a_deleted_one_with_its_id(library: Library) -> None:
    made = await stored(library)
    for time, values in ((made.create_time - 1, '{"tempo": 1}'), (made.create_time, '{"key": 2}')):
        await library.track_docs.store_analysis(Analysis("t1", "j", "ann", "e", time, 5.0, values))
    assert (await library.tracks.analysis(ANN, "t1")).values_json == '{"key": 2}'
    await library.track_docs.delete("t1")
    await stored(library)
    assert await reason(library.tracks.analysis(ANN, "t1")) == "ANALYSIS_NOT_FOUND"


# --------------------------------------------------------------------------------------------------------------- lists


async def fill(library: Library) -> None:
    """Five tracks, oldest first, and one of somebody else's."""
    await stored(
        library, "t1", title="Blue Monday", artist="New Order", album="Power", duration_seconds=300.0, bpm=130.0
    )
    await stored(library, "t2", title="élan", artist="Zoë", tags=["Lo-Fi", "calm"], duration_seconds=100.0, bpm=80.0)
    await stored(library, "t3", title="Another Blue Day", artist="new order", source="import", duration_seconds=200.0)
    await stored(library, "t4", title="100% %_*", artist="", key="A minor", duration_seconds=50.0, bpm=130.5)
    await stored(library, "t5", title="Zebra", artist="AC/DC", album="power", tags=["calm"], duration_seconds=400.0)
    await library.tracks.create(BOB, track("b1", title="Blue", tags=["calm"], bpm=130.0))


@pytest.mark.parametrize(
    ("sort", "descending", "expected"),
    [
        (TrackSort.CREATE_TIME, True, "t5 t4 t3 t2 t1"),
        (TrackSort.CREATE_TIME, False, "t1 t2 t3 t4 t5"),
        (TrackSort.TITLE, False, "t4 t3 t1 t2 t5"),
        (TrackSort.TITLE, True, "t5 t2 t1 t3 t4"),
        (TrackSort.ARTIST, False, "t5 t3 t1 t2 t4"),  # none comes last
        (TrackSort.DURATION, True, "t5 t1 t3 t2 t4"),
    ],
)
async def test_orders(library: Library, sort: TrackSort, descending: bool, expected: str) -> None:
    await fill(library)
    assert await listed(library, sort, descending=descending) == expected.split()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"search": "blue"}, "t1 t3"), ({"search": "BLU mon"}, "t1"), ({"search": "order blue day"}, "t3"),
        ({"search": "elan"}, "t2"), ({"search": "power"}, "t1 t5"), ({"search": "ue"}, ""), ({"search": "%"}, "t4"), ({"search": "_"}, ""),
        ({"search": "100%"}, "t4"), ({"search": "  "}, "t1 t2 t3 t4 t5"), ({"artist": "New order"}, "t1 t3"),
        ({"artist": "new"}, ""), ({"artist": "AC/DC"}, "t5"), ({"artist": "%"}, ""), ({"album": "POWER"}, "t1 t5"),
        ({"tag": "CALM"}, "t2 t5"), ({"tag": "lo fi"}, "t2"), ({"tag": "cal"}, ""), ({"source": "import"}, "t3"),
        ({"key": "a minor"}, "t4"), ({"key": "C major"}, ""), ({"min_bpm": 130.0}, "t1 t4"),
        ({"max_bpm": 130.0}, "t1 t2"), ({"min_bpm": 130.0, "max_bpm": 130.0}, "t1"),
        ({"min_bpm": 131.0, "max_bpm": 100.0}, ""),
        ({"search": "blue", "artist": "new order", "source": "manual", "min_bpm": 100.0}, "t1"),
        ({"status": TrackStatus.PENDING}, ""), ({"status": TrackStatus.DOWNLOADED}, "t1 t2 t3 t4 t5"),
        ({"status": TrackStatus.PROCESSED}, ""),
    ],
)  # fmt: skip
async def test_filters(library: Library, filters: dict[str, Any], expected: str) -> None:
    await fill(library)
    assert await listed(library, descending=False, **filters) == expected.split()


async def test_words_inside_titles_without_blanks_and_names_of_signs_are_found(library: Library) -> None:
    await stored(library, "t1", title="夜に駆ける", artist="YOASOBI")
    await stored(library, "t2", title="ナイトクルーズ", tags=["月の夜"])
    await stored(library, "t3", title="사랑해요", artist="!!!")
    await stored(library, "t4", title="月亮代表我的心", album="★")
    await stored(library, "t5", title="Must be the moon", artist="!!! (Chk Chk Chk)")
    expected = {
        "駆ける": "t1", "けに": "", "夜": "t1 t2", "夜に yoa": "t1", "クルーズ": "t2", "の夜": "t2", "月 夜": "t2", "랑해": "t3",
        "代表": "t4", "月": "t2 t4", "月夜": "", "!!!": "t3 t5", "!!": "t3 t5", "!!! moon": "t5", "★": "t4", "!!! ★": "",
        "☆": "",
    }  # fmt: skip
    assert {text: " ".join(await listed(library, search=text, descending=False)) for text in expected} == expected


async def test_a_track_is_found_by_all_that_there_is_of_it(library: Library) -> None:
    for number in range(1, 5):
        await stored(library, f"t{number}")
    for track_id in ("t2", "t4"):
        await ended(library, "separation", track_id, of=("vocals",))
    for track_id in ("t3", "t4"):
        await ended(library, "analysis", track_id, values="{}")
    assert await listed(library, status=TrackStatus.PROCESSED) == ["t4", "t2"]
    assert await listed(library, status=TrackStatus.ANALYZED) == ["t4", "t3"]
    assert await listed(library, status=TrackStatus.DOWNLOADED) == ["t4", "t3", "t2", "t1"]


async def test_pages(library: Library) -> None:
    await fill(library)
    pages = [
        await library.tracks.list_tracks(ANN, TrackFilter("bob"), TrackSort.TITLE, False, PageRequest(2, offset))
        for offset in (0, 2, 4, 6)
    ]
    assert [([one.id for one in page.entries], page.total_count) for page in pages] == [
        (["t4", "t3"], 5), (["t1", "t2"], 5), (["t5"], 5), ([], 5)
    ]  # fmt: skip


async def test_a_track_is_found_by_a_text_that_contains_its_title(library: Library) -> None:
    for track_id, title in {"t1": "Blue Noël", "t2": "Blue", "t3": "Noël again", "t4": "!!!", "t5": "伝言"}.items():
        await stored(library, track_id, title=title)
    for number in range(50):
        await stored(library, f"other{number}", title=f"Other {number}")
    for text, found in (
        ("Please separate blue noel, now", ["t2", "t1"]), ("the noel", []), ("play !!!", ["t4"]), ("私の伝言です", ["t5"]),
        ("blue " * 2_000, ["t2"]), ("?", []),
    ):  # fmt: skip
        assert await listed(library, titles_in=text) == found


@pytest.mark.parametrize("sort", TrackSort)
@pytest.mark.parametrize("descending", [True, False])
async def test_adjacent_pages_neither_repeat_nor_miss_a_track_while_others_come_and_go(
    library: Library, sort: TrackSort, descending: bool
) -> None:
    # Some titles and lengths are equal.
    for number in range(9):
        await stored(library, f"t{number}", title=f"{number // 3}", duration_seconds=float(number % 3))

    async def read(asked: PageRequest) -> Page[Track]:
        return await library.tracks.list_tracks(ANN, TrackFilter("ann"), sort, descending, asked)

    everything = ids((await read(PageRequest(100))).entries)
    first = await read(PageRequest(3))
    seen = ids(first.entries)
    assert (seen, first.previous_page_token) == (everything[:3], "")
    for track_id in (seen[0], seen[2]):  # the last one of the page, too
        await library.deletions.delete(ANN, track_id)
    second = await read(PageRequest(3, token=first.next_page_token))
    third = await read(PageRequest(3, token=second.next_page_token))
    assert (ids(second.entries), ids(third.entries)) == (everything[3:6], everything[6:])
    assert third.next_page_token == ""
    back = await read(PageRequest(3, token=third.previous_page_token))
    assert (ids(back.entries), back.next_page_token) == (everything[3:6], second.next_page_token)
    begin = await read(PageRequest(3, token=back.previous_page_token))
    assert (ids(begin.entries), begin.previous_page_token, begin.total_count) == ([everything[1]], "", 7)


@pytest.mark.parametrize(
    "place",
    [b"", b"{", b"[]", b"[true, []]", b"[false, [1.0]]", b'[false, [1.0, 2.0]]', b'[false, [1e999, "t1"]]', b'[false, [NaN, "t1"]]',
     b'[false, [{}, "t1"]]', b'[false, ["\\ud800", "t1"]]', b'[2, [1.0, "t1"]]', b'[false, [1.0, "t1", "t1"]]', b"[" * 3000, b"\xff"],
)  # fmt: skip
async def test_a_token_that_no_page_had_is_refused(library: Library, place: bytes) -> None:
    token = base64.urlsafe_b64encode(place).decode() or "!"
    asked = library.tracks.list_tracks(
        ANN, TrackFilter("ann"), TrackSort.CREATE_TIME, True, PageRequest(3, token=token)
    )
    assert list(await details(asked)) == ["cursor"]


async def test_a_filter_by_a_key_that_there_is_not(library: Library) -> None:
    assert list(await details(listed(library, key="H minor"))) == ["key"]


async def test_anonymous_callers_list_and_change_only_what_they_made(library: Library) -> None:
    """Others behind their address have their ID."""
    mine, other, bare = (Principal("address:1", "anonymous", "address:1", key) for key in ("mine", "other", ""))
    made = await library.tracks.create(mine, track("a1"))
    job, _ = await library.ledger.create(mine, new(track_id="a1"))
    for caller, count in ((mine, 1), (other, 0), (bare, 0)):
        tracks = await library.tracks.list_tracks(caller, TrackFilter(""), TrackSort.CREATE_TIME, True, PageRequest(10))
        jobs = await library.ledger.list_jobs(caller, [], [], "", PageRequest(10))
        assert (ids(tracks.entries), ids(jobs.entries)) == (["a1"] * count, [job.id] * count)
        assert tracks.total_count == jobs.total_count == count
        assert (await library.tracks.get(caller, made.id)).id == made.id  # whoever knows the random ID
    assert await reason(library.deletions.delete(other, "a1")) == "ACCESS_DENIED"
    await library.deletions.delete(mine, "a1")


async def test_names_of_callers_are_not_those_of_accounts(library: Library) -> None:
    account = await library.account()
    for name in (account.id, account.id.upper()):
        refused = library.identity.refuse_names_of_accounts(Principal(f"anon:{name}", "anonymous"))
        assert await reason(refused) == "USER_ID_FOREIGN"
    for free in ("anon:eve", f"anon:{uuid.uuid4()}", account.id):
        await library.identity.refuse_names_of_accounts(Principal(free, "anonymous"))
