"""``CatalogService``: messages to calls of the catalog, and its values to messages."""

from __future__ import annotations

from typing import Any

import pytest
from library import ANN, BOB, GUEST, HOUR, LISTENERS, UNKNOWN, WORKER, Library, ids, reason, refusal
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.library.v1 import generation_pb2

from kit.errors import Code
from kit.security.identity import Principal, principal_scope
from services.library.catalog.rpc import CatalogRpc, generation_to_wire
from services.library.catalog.service import Generation
from services.library.serializers import from_wire, time_to_wire


class Served:
    """Calls the service: ``await served("Vote", BOB, generation_id=...)``."""

    def __init__(self, library: Library) -> None:
        parts = (library.favorites, library.votes, library.tags, library.playlists, library.plays)
        self._rpc = CatalogRpc(library.catalog, *parts, library.trends, library.totals)

    async def __call__(self, method: str, principal: Principal = ANN, **fields: Any) -> Any:
        request = getattr(pb, f"{method}Request")(**fields)
        with principal_scope(principal):
            return await getattr(self._rpc, method)(request, None)


@pytest.fixture
def served(library: Library) -> Served:
    return Served(library)


# --------------------------------------------------------------------------------------------------------------- clips


async def test_errors_have_code_and_reason(library: Library, served: Served) -> None:
    clip = await library.clip()
    unknown = (
        "GetGeneration", "DeleteGeneration", "RateGeneration", "GetFeedback", "AddFavorite", "SuggestTag", "WithdrawTag",
        "GetTagSuggestions", "RecordPlay", "GetPlayStats", "Vote",
    )  # fmt: skip
    fields: dict[str, dict[str, Any]] = {
        "SuggestTag": {"category": "metal"}, "WithdrawTag": {"category": "metal"}, "Vote": {"vote": 1},
    }  # fmt: skip
    for method in unknown:
        call = served(method, generation_id=UNKNOWN, **fields.get(method, {}))
        assert (await refusal(call, "GENERATION_NOT_FOUND", Code.NOT_FOUND)).message.endswith("."), method
    for method, fields, code, expected in (
        ("GetPlaylist", {"playlist_id": "pl_0"}, Code.NOT_FOUND, "PLAYLIST_NOT_FOUND"),
        ("ListCategories", {"model": "voice"}, Code.NOT_FOUND, "MODEL_NOT_FOUND"),
        ("RateGeneration", {"generation_id": clip.id, "rating": 0}, Code.INVALID_ARGUMENT, "RATING_INVALID"),
        ("Vote", {"generation_id": clip.id, "vote": 7}, Code.INVALID_ARGUMENT, "VOTE_INVALID"),
        ("CheckFavorites", {"generation_ids": ["x"] * 101}, Code.INVALID_ARGUMENT, "TOO_MANY_IDS"),
    ):
        assert (await refusal(served(method, **fields), expected, code)).message.endswith("."), method
    deleting = served("DeleteGeneration", BOB, generation_id=clip.id)
    assert await reason(deleting, Code.PERMISSION_DENIED) == "GENERATION_NOT_OWNED"


def test_clip_serialization() -> None:
    full = Generation(
        id=UNKNOWN, owner_id="anon:x", prompt="größe 🎵", model="audio", duration_seconds=12.5, is_loop=True,
        seed=-(2**62), quality_score=0, quality_issues=["Too quiet"], quality_accepted=True, retry_count=2,
        engine="e", engine_model="m", degraded=True, sample_rate_hz=32000, channel_count=2, audio_blob_key="a",
        spectrogram_blob_key="b", audio_size_bytes=2**40, continued_from_id="c", priority="free", create_time=1.25,
        categories=["rain"], upvote_count=3, downvote_count=2, rating=1, play_count=2**40, listener_count=4,
    )  # fmt: skip
    assert from_wire(generation_to_wire(full), Generation) == full
    bare = Generation(UNKNOWN, "ann", "x", "music", 1.0, quality_accepted=False)
    assert from_wire(generation_to_wire(bare), Generation) == bare
    assert not generation_to_wire(bare).HasField("quality_score")
    assert not generation_to_wire(bare).HasField("rating")
    described = set(generation_pb2.Generation.DESCRIPTOR.fields_by_name)
    assert {field.name for field, _ in generation_to_wire(full).ListFields()} == described


async def test_list_clips(library: Library, served: Served) -> None:
    clips = ids([await library.clip(f"piano {number}") for number in range(5)])
    sound = (await library.clip("rain", model="audio", duration_seconds=90.0, owner_id="bob")).id
    await served("Vote", BOB, generation_id=clips[1], vote=1)
    first = await served("ListGenerations", page=1, page_size=4)
    assert (ids(first.generations), first.total_count) == ([sound, *clips[:1:-1]][:4], 6)
    second = await served("ListGenerations", page=2, page_size=4, without_total=True)
    assert (ids(second.generations), second.total_count) == (clips[1::-1], 0)
    assert ids((await served("ListGenerations")).generations) == [sound, *clips[::-1]]
    for sort in (pb.GENERATION_SORT_POPULAR, pb.GENERATION_SORT_RATING):
        assert (await served("ListGenerations", sort=sort)).generations[0].id == clips[1]
    since = time_to_wire(library.clock.now())
    for chosen, found in (
        ({"model": "audio"}, [sound]),
        ({"search": "3 RAIN"}, [sound, clips[3]]),
        ({"category": "rain"}, [sound]),
        ({"owner_id": "bob"}, [sound]),
        ({"min_create_time": since}, [sound]),
        ({"min_duration_seconds": 90.0}, [sound]),
        ({"voted_only": True}, [clips[1]]),
    ):
        answer = await served("ListGenerations", filter=pb.GenerationFilter(**chosen))
        assert (ids(answer.generations), answer.total_count) == (found, len(found)), chosen


async def test_page_sizes_and_lists_are_limited(library: Library, served: Served) -> None:
    clips = ids([await library.clip() for _ in range(501)])
    for clip_id in clips[:101]:
        await library.votes.vote(ANN, clip_id, 1)
        await library.plays.record(ANN, clip_id, "radio", "")
    huge = 2**31 - 1
    for method, part, field, default, most in (
        ("ListGenerations", "generations", "page_size", 20, 500),
        ("SampleGenerations", "generations", "count", 1, 100),
        ("ListVotes", "votes", "limit", 20, 100),
        ("ListPlays", "plays", "limit", 20, 100),
        ("ListMostPlayed", "played", "limit", 20, 100),
    ):
        lengths = [len(getattr(await served(method, **{field: size}), part)) for size in (-1, 0, 7, most, huge)]
        assert lengths == [default, default, 7, most, most], method
    assert ids((await served("ListGenerations", page=-3, page_size=2)).generations) == clips[:-3:-1]
    assert len((await served("ListGenerations", page=huge, page_size=500)).generations) == 0
    assert len((await served("ListVotes", offset=-1, limit=3)).votes) == 3
    assert len((await served("ListVotes", offset=huge)).votes) == 0


async def test_samples_and_counts(library: Library, served: Served) -> None:
    clips = ids([await library.clip() for _ in range(3)])
    sound = (await library.clip("rain", model="magnet-audio")).id
    sample = await served("SampleGenerations", count=10, exclude_ids=clips[:2], filter={"model": "music"})
    assert ids(sample.generations) == clips[2:]
    await served("AddFavorite", generation_id=sound)
    assert ids((await served("SampleGenerations", count=10, favorites_only=True)).generations) == [sound]
    assert ids((await served("SampleGenerations", BOB, count=10, favorites_only=True)).generations) == []
    counted = await served("CountGenerations")
    assert (counted.total_count, dict(counted.count_by_model)) == (4, {"music": 3, "audio": 1})
    assert dict((await served("CountCategories", model="audio")).counts)["rain"] == 1
    names = dict((await served("ListCategories", model="audio")).names)
    assert names["rain"] == "Rain"
    assert len((await served("CountCategories")).counts) > len(names)


async def test_stats(library: Library, served: Served) -> None:
    one, two = await library.clip(), await library.clip("rain", model="audio")
    await served("Vote", generation_id=one.id, vote=1, feedback_reasons=["catchy"])
    await served("Vote", BOB, generation_id=two.id, vote=-1)
    await served("AddFavorite", generation_id=two.id)
    stats = await served("GetStats")
    assert (stats.generation_count, stats.vote_count, stats.favorite_count, stats.feedback_count) == (2, 2, 1, 1)
    assert dict(stats.count_by_model) == {"music": 1, "audio": 1}
    counts = {model: len((await served("ListCategories", model=model)).names) for model in ("music", "audio")}
    assert dict(stats.category_count_by_model) == counts


async def test_rating_spectrogram_and_deletion_of_a_clip(library: Library, served: Served) -> None:
    clip = await library.clip()
    await served("RateGeneration", generation_id=clip.id, rating=4)
    await served("SetSpectrogram", WORKER, generation_id=clip.id, blob_key="x.png")
    seen = (await served("GetGeneration", generation_id=clip.id)).generation
    assert (seen.rating, seen.spectrogram_blob_key) == (4, "x.png")
    await served("RateGeneration", generation_id=clip.id)
    assert not (await served("GetGeneration", generation_id=clip.id)).generation.HasField("rating")
    await served("DeleteGeneration", generation_id=clip.id)
    assert await reason(served("GetGeneration", generation_id=clip.id)) == "GENERATION_NOT_FOUND"


# --------------------------------------------------------------------------------------------------- what listeners say


async def test_votes_and_feedback(library: Library, served: Served) -> None:
    clip, other = await library.clip(), await library.clip()
    answer = await served(
        "Vote", generation_id=clip.id, vote=1, feedback_reasons=["catchy"], notes="between us", suggested_model="audio"
    )
    assert (answer.upvote_count, answer.downvote_count, answer.vote) == (1, 0, 1)
    answer = await served("Vote", BOB, generation_id=clip.id, vote=-1, feedback_reasons=["too_busy"])
    assert (answer.upvote_count, answer.downvote_count, answer.vote) == (1, 1, -1)
    assert dict((await served("GetVotes", BOB, generation_ids=[clip.id, other.id])).votes) == {clip.id: -1}
    feedback = await served("GetFeedback", generation_id=clip.id)
    assert dict(feedback.positive_reasons) == {"catchy": 1}
    assert dict(feedback.negative_reasons) == {"too_busy": 1}
    assert dict(feedback.suggested_models) == {"audio": 1}
    assert feedback.vote_count == 2
    assert b"between us" not in feedback.SerializeToString()
    votes = await served("ListVotes", limit=1)
    assert b"between us" not in votes.SerializeToString()
    assert [(v.generation.id, v.vote) for v in votes.votes] == [(clip.id, 1)]
    assert votes.votes[0].vote_time == time_to_wire(library.clock.now())
    assert votes.has_more is False
    assert (await served("Vote", BOB, generation_id=clip.id, vote=0)).downvote_count == 0


async def test_favorites(library: Library, served: Served) -> None:
    clip, other = await library.clip(), await library.clip()
    assert [(await served("AddFavorite", generation_id=clip.id)).added for _ in range(2)] == [True, False]
    answer = await served("ListFavorites", page=1, page_size=5)
    assert [favorite.generation.id for favorite in answer.favorites] == [clip.id]
    assert answer.favorites[0].add_time == time_to_wire(library.clock.now())
    assert answer.total_count == 1
    checked = await served("CheckFavorites", generation_ids=[other.id, clip.id])
    assert list(checked.favorite_ids) == [clip.id]
    assert [(await served("RemoveFavorite", generation_id=clip.id)).removed for _ in range(2)] == [True, False]


async def test_suggested_categories(library: Library, served: Served) -> None:
    clip = await library.clip("calm piano")
    for number, listener in enumerate(LISTENERS[:3], 1):
        answer = await served("SuggestTag", listener, generation_id=clip.id, category="metal")
        assert (answer.consensus_reached, answer.suggestion_count, answer.threshold) == (number == 3, number, 3)
    assert list(answer.categories) == [*clip.categories, "metal"]
    await served("SuggestTag", BOB, generation_id=clip.id, category="jazz")
    await served("SuggestTag", BOB, generation_id=clip.id, category="piano", remove=True)
    seen = await served("GetTagSuggestions", BOB, generation_id=clip.id)
    assert (dict(seen.suggestions), list(seen.own_suggestions)) == ({"metal": 3, "jazz": 1}, ["jazz"])
    assert (dict(seen.removals), list(seen.own_removals)) == ({"piano": 1}, ["piano"])
    assert (list(seen.categories), seen.threshold) == ([*clip.categories, "metal"], 3)
    await served("WithdrawTag", BOB, generation_id=clip.id, category="piano", remove=True)
    assert dict((await served("GetTagSuggestions", BOB, generation_id=clip.id)).removals) == {}


# ------------------------------------------------------------------------------------------------- playlists and plays


async def test_playlists(library: Library, served: Served) -> None:
    made = (await served("CreatePlaylist", name="Rain", description="for work", is_public=True)).playlist
    clips = ids([await library.clip(duration_seconds=2.5) for _ in range(2)])
    for position, clip_id in enumerate(clips):
        answer = await served("AddToPlaylist", playlist_id=made.id, generation_id=clip_id)
        assert answer.position == position
    again = served("AddToPlaylist", playlist_id=made.id, generation_id=clips[0])
    assert await reason(again, Code.CONFLICT) == "ALREADY_IN_PLAYLIST"
    await served("ReorderPlaylist", playlist_id=made.id, generation_ids=clips[::-1])
    got = await served("GetPlaylist", BOB, playlist_id=made.id)
    assert [(entry.generation.id, entry.position) for entry in got.entries] == [(clips[1], 0), (clips[0], 1)]
    assert got.entries[0].add_time == time_to_wire(library.clock.now())
    assert got.is_owner is False
    assert (got.playlist.generation_count, got.playlist.duration_seconds) == (2, 5.0)
    assert (got.playlist.owner_id, got.playlist.description) == ("ann", "for work")
    await served("RemoveFromPlaylist", playlist_id=made.id, generation_id=clips[1])
    updated = (await served("UpdatePlaylist", playlist_id=made.id, description="", is_public=False)).playlist
    assert (updated.name, updated.description, updated.is_public) == ("Rain", "", False)
    listed = (await served("ListPlaylists")).playlists
    assert [(p.id, p.generation_count, p.is_public) for p in listed] == [(made.id, 1, False)]
    assert (await served("GetPlaylist", playlist_id=made.id)).is_owner is True
    await served("DeletePlaylist", playlist_id=made.id)
    assert await reason(served("GetPlaylist", playlist_id=made.id)) == "PLAYLIST_NOT_FOUND"


async def test_plays(library: Library, served: Served) -> None:
    clip, sound = await library.clip(), await library.clip("rain", model="audio")
    for principal, source, session in ((ANN, "radio", ""), (GUEST, "", "s1"), (GUEST, "radio", "s2")):
        answer = await served("RecordPlay", principal, generation_id=clip.id, source=source, session_id=session)
    assert (answer.play_count, answer.listener_count) == (3, 3)
    await served("RecordPlay", generation_id=sound.id, source="library")
    stats = await served("GetPlayStats", generation_id=clip.id)
    assert (stats.play_count, stats.listener_count) == (3, 3)
    assert dict(stats.by_source) == {"radio": 2, "other": 1}
    assert dict(stats.by_day) == {"2024-10-04": 3}
    since = time_to_wire(library.clock.now() - HOUR)
    for fields, expected in (
        ({}, [(clip.id, 3), (sound.id, 1)]),
        ({"limit": 1}, [(clip.id, 3)]),
        ({"min_play_time": since}, [(clip.id, 3), (sound.id, 1)]),
        ({"min_play_time": since, "model": "audio"}, [(sound.id, 1)]),
    ):
        answer = await served("ListMostPlayed", **fields)
        assert [(played.generation.id, played.play_count) for played in answer.played] == expected
    plays = await served("ListPlays", GUEST, limit=1)
    assert [(play.generation.id, play.play_time) for play in plays.plays] == [
        (clip.id, time_to_wire(library.clock.now()))
    ]
    assert plays.has_more is True
