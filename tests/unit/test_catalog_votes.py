"""What listeners say about clips: votes, feedback, favorites, suggested categories; also all at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from catalog_world import ANN, BOB, GUEST, LISTENERS, World, ids, opened, reason

from services.library.catalog import GenerationSort
from services.library.tags import TagOutcome, TagSuggestion

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


# -------------------------------------------------------------------------------------------------------------- votes


async def test_one_vote_a_listener(world: World) -> None:
    clip = await world.clip()
    for principal, vote, counts in ((ANN, 1, (1, 0)), (BOB, -1, (1, 1)), (ANN, -1, (0, 2)), (ANN, -1, (0, 2))):
        voted = await world.votes.vote(principal, clip.id, vote)
        assert (voted.upvote_count, voted.downvote_count) == counts
    taken_back = await world.votes.vote(ANN, clip.id, 0)
    assert (taken_back.upvote_count, taken_back.downvote_count) == (0, 1)
    assert (await world.now(clip)).downvote_count == 1
    assert await world.votes.vote(GUEST, clip.id, 0) == await world.now(clip)


async def test_fifty_voters_at_once_are_all_counted(world: World) -> None:
    clip = await world.clip()
    voters = LISTENERS[:50]
    answers = await asyncio.gather(
        *(world.votes.vote(voter, clip.id, 1 if number % 5 else -1) for number, voter in enumerate(voters))
    )
    # Some of them change their minds while the others are counted.
    await asyncio.gather(*(world.votes.vote(voter, clip.id, number % 2) for number, voter in enumerate(voters)))
    now = await world.now(clip)
    assert (now.upvote_count, now.downvote_count) == (25, 0)
    assert await world.docs.count("votes", {}) == 25
    assert all(answer.upvote_count + answer.downvote_count >= 1 for answer in answers)
    assert await world.listed(GenerationSort.POPULAR, voted_only=True) == [clip.id]


async def test_a_count_that_a_crash_prevented_is_made_good_by_the_next_vote(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await world.clip()

    async def crash(generation: object) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(world.listeners, "replace_generation", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await world.votes.vote(ANN, clip.id, 1)
    assert (await world.now(clip)).upvote_count == 0
    assert (await world.votes.vote(BOB, clip.id, 1)).upvote_count == 2


async def test_what_a_vote_may_be(world: World) -> None:
    clip = await world.clip()
    for vote in (2, -2):
        assert await reason(world.votes.vote(ANN, clip.id, vote)) == "VOTE_INVALID"
    assert await reason(world.votes.vote(ANN, clip.id, 1, ["x"] * 11)) == "TOO_MANY_REASONS"
    assert await reason(world.votes.vote(ANN, clip.id, 1, [], "x" * 1001)) == "NOTES_TOO_LONG"
    assert await reason(world.votes.vote(ANN, clip.id, 1, [], "", "voice")) == "SUGGESTED_MODEL_INVALID"
    assert await reason(world.votes.vote(ANN, UNKNOWN, 1)) == "GENERATION_NOT_FOUND"
    assert await world.docs.count("votes", {}) == 0
    await world.votes.vote(ANN, clip.id, 1, [str(number) for number in range(10)], "x" * 1000, "audio")


async def test_feedback_adds_up_and_is_replaced_with_the_vote(world: World) -> None:
    clip = await world.clip()
    await world.votes.vote(ANN, clip.id, 1, [" catchy ", "catchy", "", "  ", "ä" * 60], "secret")
    await world.votes.vote(BOB, clip.id, -1, ["catchy", "too_busy"], suggested_model="audio")
    await world.votes.vote(GUEST, clip.id, 1, ["catchy"], suggested_model="music")
    feedback = await world.votes.feedback(clip.id)
    assert feedback.positive_reasons == {"catchy": 2, "ä" * 50: 1}
    assert feedback.negative_reasons == {"catchy": 1, "too_busy": 1}
    assert feedback.suggested_models == {"audio": 1, "music": 1}
    assert feedback.vote_count == 3
    assert (await world.catalog.counts()).feedbacks == 3
    await world.votes.vote(ANN, clip.id, -1)
    await world.votes.vote(BOB, clip.id, 0)
    feedback = await world.votes.feedback(clip.id)
    assert (feedback.positive_reasons, feedback.negative_reasons) == ({"catchy": 1}, {})
    assert feedback.vote_count == 2
    assert (await world.catalog.counts()).feedbacks == 1
    assert await reason(world.votes.feedback(UNKNOWN)) == "GENERATION_NOT_FOUND"


async def test_feedback_of_many_is_read_to_the_end_and_shown_within_bounds(world: World) -> None:
    clip = await world.clip()
    for number in range(520):
        await world.docs.insert(
            "votes",
            {
                "id": str(number), "generation_id": clip.id, "listener_id": str(number), "vote": 1,
                "vote_time": 1.0, "feedback_time": float(number // 3), "feedback_reasons": ["good", f"r{number % 150}"],
            },
        )  # fmt: skip
    shown = (await world.votes.feedback(clip.id)).positive_reasons
    assert (shown["good"], len(shown)) == (520, 100)


async def test_own_votes_in_batches(world: World) -> None:
    up, down, none = [await world.clip() for _ in range(3)]
    await world.votes.vote(ANN, up.id, 1)
    await world.votes.vote(ANN, down.id, -1)
    await world.votes.vote(BOB, none.id, 1)
    asked = [up.id, down.id, none.id, UNKNOWN, up.id]
    assert await world.votes.own(ANN, asked) == {up.id: 1, down.id: -1}
    assert await world.votes.own(ANN, []) == {}
    await world.votes.own(ANN, [UNKNOWN] * 100)
    assert await reason(world.votes.own(ANN, [UNKNOWN] * 101)) == "TOO_MANY_IDS"


async def test_own_votes_newest_first(world: World) -> None:
    clips = [await world.clip() for _ in range(3)]
    for clip in clips:
        world.clock.time += 1
        await world.votes.vote(ANN, clip.id, -1)
    world.clock.time += 1
    await world.votes.vote(ANN, clips[0].id, 1)
    votes, more = await world.votes.list_votes(ANN, 0, 2)
    assert [(g.id, v.vote) for g, v in votes] == [(clips[0].id, 1), (clips[2].id, -1)]
    assert votes[0][1].vote_time == world.clock.time
    assert more is True
    votes, more = await world.votes.list_votes(ANN, 2, 2)
    assert [g.id for g, _ in votes] == [clips[1].id]
    assert more is False


# ---------------------------------------------------------------------------------------------------------- favorites


async def test_favorites_are_added_and_removed_once(world: World) -> None:
    clip = await world.clip()
    assert [await world.favorites.add(ANN, clip.id) for _ in range(2)] == [True, False]
    assert [await world.favorites.remove(ANN, clip.id) for _ in range(2)] == [True, False]
    assert await world.favorites.remove(ANN, UNKNOWN) is False
    assert await reason(world.favorites.add(ANN, UNKNOWN)) == "GENERATION_NOT_FOUND"
    assert sum(await asyncio.gather(*(world.favorites.add(ANN, clip.id) for _ in range(5)))) == 1


async def test_favorites_are_listed_latest_first_by_model_and_page(world: World) -> None:
    made = [await world.clip(model=model) for model in ("music", "audio", "magnet-music", "music")]
    for clip in reversed(made):
        world.clock.time += 1
        await world.favorites.add(ANN, clip.id)
    await world.favorites.add(BOB, made[0].id)
    favorites, total = await world.favorites.list_favorites(ANN, "", 0, 3)
    assert ([g.id for g, _ in favorites], total) == (ids(made[:3]), 4)
    assert favorites[0][1].add_time == world.clock.time
    music, total = await world.favorites.list_favorites(ANN, "music", 1, 3)
    assert ([g.id for g, _ in music], total) == ([made[2].id, made[3].id], 3)
    magnet, total = await world.favorites.list_favorites(ANN, "magnet-music", 0, 3)
    assert ([g.id for g, _ in magnet], total) == ([made[2].id], 1)


async def test_which_of_these_are_favorites(world: World) -> None:
    one, two = await world.clip(), await world.clip()
    await world.favorites.add(ANN, two.id)
    await world.favorites.add(BOB, one.id)
    assert await world.favorites.among(ANN, [one.id, two.id, UNKNOWN]) == [two.id]
    assert await world.favorites.among(ANN, []) == []
    assert await reason(world.favorites.among(ANN, [UNKNOWN] * 101)) == "TOO_MANY_IDS"


# ----------------------------------------------------------------------------------------------- suggested categories


async def agreed(world: World, clip_id: str, category: str, remove: bool = False, first: int = 0) -> TagOutcome:
    for listener in LISTENERS[first : first + 3]:
        outcome = await world.tags.suggest(listener, clip_id, category, remove)
    return outcome


async def test_three_listeners_apply_a_category(world: World) -> None:
    clip = await world.clip("calm piano")
    one = await world.tags.suggest(ANN, clip.id, "metal", False)
    two = await world.tags.suggest(BOB, clip.id, "metal", False)
    assert [(o.consensus_reached, o.suggestion_count, o.categories) for o in (one, two)] == [
        (False, 1, clip.categories),
        (False, 2, clip.categories),
    ]
    three = await world.tags.suggest(GUEST, clip.id, "metal", False)
    assert three == TagOutcome(True, 3, [*clip.categories, "metal"])
    assert (await world.now(clip)).categories == [*clip.categories, "metal"]
    assert clip.id in await world.listed(category="metal")
    assert await reason(world.tags.suggest(LISTENERS[0], clip.id, "metal", False)) == "TAG_PRESENT"


async def test_more_than_five_categories_are_fine(world: World) -> None:
    clip = await world.clip("calm piano")
    for category in ("rain", "metal", "punk", "gun", "scifi", "jazz"):
        assert (await agreed(world, clip.id, category)).consensus_reached
    assert (await world.now(clip)).categories == [*clip.categories, "rain", "metal", "punk", "gun", "scifi", "jazz"]


async def test_what_a_suggestion_may_be(world: World) -> None:
    clip = await world.clip("calm piano")
    assert await reason(world.tags.suggest(ANN, clip.id, "nonsense", False)) == "CATEGORY_UNKNOWN"
    assert await reason(world.tags.suggest(ANN, UNKNOWN, "metal", False)) == "GENERATION_NOT_FOUND"
    assert await reason(world.tags.suggest(ANN, clip.id, "piano", False)) == "TAG_PRESENT"
    assert await reason(world.tags.suggest(ANN, clip.id, "metal", True)) == "TAG_ABSENT"
    await world.tags.suggest(ANN, clip.id, "metal", False)
    assert await reason(world.tags.suggest(ANN, clip.id, "metal", False)) == "ALREADY_SUGGESTED"
    assert await world.docs.count("tag_suggestions", {}) == 1


async def test_many_who_agree_at_once_decide_exactly_once(world: World) -> None:
    clip = await world.clip("calm piano")
    for listener in LISTENERS[:2]:
        await world.tags.suggest(listener, clip.id, "metal", False)
    outcomes = await asyncio.gather(
        *(world.tags.suggest(listener, clip.id, "metal", False) for listener in LISTENERS[2:20]),
        *(world.votes.vote(listener, clip.id, 1) for listener in LISTENERS[:20]),
        return_exceptions=True,
    )
    now = await world.now(clip)
    assert now.categories == [*clip.categories, "metal"]
    assert now.tag_rounds == {"metal": 1}
    assert now.upvote_count == 20
    assert any(isinstance(outcome, TagOutcome) and outcome.consensus_reached for outcome in outcomes)


async def test_listeners_remove_a_category_and_bring_it_back(world: World) -> None:
    clip = await world.clip("calm piano")
    await agreed(world, clip.id, "metal")
    assert (await agreed(world, clip.id, "metal", remove=True)).categories == clip.categories
    assert await world.listed(category="metal") == []
    # Those who were for it before do not count any more.
    for count, listener in enumerate(LISTENERS[:2], 1):
        again = await world.tags.suggest(listener, clip.id, "metal", False)
        assert (again.consensus_reached, again.suggestion_count) == (False, count)
    assert (await world.tags.suggest(ANN, clip.id, "metal", False)).categories == [*clip.categories, "metal"]
    assert (await world.now(clip)).tag_rounds == {"metal": 3}


async def test_a_suggestion_that_comes_late_does_not_decide_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await world.clip("calm piano")
    add = world.listeners.add_suggestion

    async def late(suggestion: TagSuggestion) -> bool:
        monkeypatch.setattr(world.listeners, "add_suggestion", add)
        await agreed(world, clip.id, "metal")
        await agreed(world, clip.id, "metal", remove=True)
        return await add(suggestion)

    monkeypatch.setattr(world.listeners, "add_suggestion", late)
    await world.tags.suggest(GUEST, clip.id, "metal", False)
    now = await world.now(clip)
    assert (now.categories, now.tag_rounds) == (clip.categories, {"metal": 2})


async def test_a_decision_that_a_crash_prevented_is_made_good(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = await world.clip("calm piano")
    for listener in (ANN, BOB):
        await world.tags.suggest(listener, clip.id, "metal", False)

    async def crash(generation: object) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(world.listeners, "replace_generation", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await world.tags.suggest(GUEST, clip.id, "metal", False)
    assert "metal" not in (await world.now(clip)).categories
    assert await world.tags.suggest(GUEST, clip.id, "metal", False) == TagOutcome(True, 3, [*clip.categories, "metal"])


async def test_a_suggestion_is_withdrawn(world: World) -> None:
    clip = await world.clip("calm piano")
    await world.tags.suggest(ANN, clip.id, "metal", False)
    await world.tags.suggest(BOB, clip.id, "metal", False)
    for principal, category, remove in ((GUEST, "metal", False), (ANN, "metal", True), (ANN, "jazz", False)):
        assert await reason(world.tags.withdraw(principal, clip.id, category, remove)) == "SUGGESTION_NOT_FOUND"
    assert await reason(world.tags.withdraw(ANN, UNKNOWN, "metal", False)) == "GENERATION_NOT_FOUND"
    await world.tags.withdraw(ANN, clip.id, "metal", False)
    assert (await world.tags.suggest(GUEST, clip.id, "metal", False)).suggestion_count == 2
    # What is decided is not taken back by one.
    await world.tags.suggest(ANN, clip.id, "metal", False)
    assert await reason(world.tags.withdraw(ANN, clip.id, "metal", False)) == "SUGGESTION_NOT_FOUND"


async def test_what_is_suggested(world: World) -> None:
    clip = await world.clip("calm piano")
    await world.tags.suggest(ANN, clip.id, "metal", False)
    await world.tags.suggest(BOB, clip.id, "metal", False)
    await world.tags.suggest(BOB, clip.id, "jazz", False)
    await world.tags.suggest(ANN, clip.id, "piano", True)
    seen = await world.tags.suggestions(ANN, clip.id)
    assert (seen.additions, seen.own_additions) == ({"metal": 2, "jazz": 1}, ["metal"])
    assert (seen.removals, seen.own_removals) == ({"piano": 1}, ["piano"])
    assert seen.categories == clip.categories
    assert (await world.tags.suggestions(GUEST, clip.id)).own_additions == []
    assert await reason(world.tags.suggestions(ANN, UNKNOWN)) == "GENERATION_NOT_FOUND"
    # What led to the present state stays in sight until that state is changed again.
    await world.tags.suggest(GUEST, clip.id, "metal", False)
    assert (await world.tags.suggestions(ANN, clip.id)).additions == {"metal": 3, "jazz": 1}
    await agreed(world, clip.id, "metal", remove=True)
    after = await world.tags.suggestions(ANN, clip.id)
    assert (after.additions, after.removals) == ({"jazz": 1}, {"metal": 3, "piano": 1})
