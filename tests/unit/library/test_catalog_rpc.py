"""``CatalogService``: messages to calls of the catalog, and its values to messages."""

from typing import Any

import pytest
from library_fixture import ANN, BOB, UNKNOWN, WORKER, Library, ids, reason, refusal

from soundwright.kit.errors import Code
from soundwright.kit.messages import from_wire, time_to_wire, to_wire
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.library.v1 import generation_pb2
from soundwright.services.library.catalog.records import Clip, ClipFilter
from soundwright.services.library.catalog.rpc import CatalogRpc
from soundwright.services.library.jobs.service import Interpretation


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
    full = Clip(
        id=UNKNOWN, owner_id="anon:x", prompt="größe 🎵", model="audio", duration_seconds=12.5, is_loop=True,
        seed=-(2**62), quality_score=0, quality_issues=["Too quiet"], quality_accepted=True, retry_count=2,
        engine="e", engine_model="m", degraded=True, sample_rate_hz=32000, channel_count=2, audio_blob_key="a",
        spectrogram_blob_key="b", audio_size_bytes=2**40, continued_from_id="c", priority="free", create_time=1.25,
        categories=["rain"], upvote_count=3, downvote_count=2, rating=1, play_count=2**40, listener_count=4,
        interpretation=Interpretation(
            "pop", 120.5, "C major", 4.0, ["piano"], ["rain"], ["key"], ["zorb"], ["duration"]
        ),
    )  # fmt: skip
    assert from_wire(to_wire(full, generation_pb2.Generation), Clip) == full
    bare = Clip(UNKNOWN, "ann", "x", "music", 1.0, quality_accepted=False)
    assert from_wire(to_wire(bare, generation_pb2.Generation), Clip) == bare
    assert not to_wire(bare, generation_pb2.Generation).HasField("quality_score")
    assert not to_wire(bare, generation_pb2.Generation).HasField("rating")
    described = set(generation_pb2.Generation.DESCRIPTOR.fields_by_name)
    assert {field.name for field, _ in to_wire(full, generation_pb2.Generation).ListFields()} == described


def test_every_condition_of_a_list_is_read() -> None:
    conditions: dict[str, Any] = {
        "model": "music", "search": "rain", "category": "piano", "owner_id": "ann", "min_duration_seconds": 1.5,
        "max_duration_seconds": 2.5, "voted_only": True, "search_prefix": True,
    }  # fmt: skip
    message = pb.GenerationFilter(**conditions, min_create_time=time_to_wire(7.25))
    assert from_wire(message, ClipFilter) == ClipFilter(**conditions, min_create_time=7.25)
    assert from_wire(pb.GenerationFilter(), ClipFilter) == ClipFilter()


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


# ------------------------------------------------------------------------------------------------- playlists and plays
