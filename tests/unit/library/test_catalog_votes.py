"""Votes, feedback, favorites and category suggestions, also in parallel."""

import asyncio

import pytest
from library_fixture import ANN, BOB, GUEST, LISTENERS, UNKNOWN, Library, dying, ids, reason

from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import Principal
from soundwright.services.library.catalog.categories import CATEGORIES
from soundwright.services.library.catalog.records import ClipSort, TagSuggestion
from soundwright.services.library.catalog.tags import TagOutcome

# -------------------------------------------------------------------------------------------------------------- votes


async def test_parallel_votes_are_all_counted(library: Library) -> None:
    clip = await library.clip()
    voters = LISTENERS[:50]
    answers = await asyncio.gather(
        *(library.votes.vote(voter, clip.id, 1 if number % 5 else -1) for number, voter in enumerate(voters))
    )
    # Some listeners change their vote while others are counted.
    await asyncio.gather(*(library.votes.vote(voter, clip.id, number % 2) for number, voter in enumerate(voters)))
    now = await library.catalog.get(clip.id)
    assert (now.upvote_count, now.downvote_count) == (25, 0)
    assert await library.docs.count("votes", {}) == 25
    assert all(answer.upvote_count + answer.downvote_count >= 1 for answer in answers)
    assert await library.listed(ClipSort.POPULAR, voted_only=True) == [clip.id]


async def test_invented_names_behind_one_address_are_limited(library: Library) -> None:
    def named(number: int, network: str = "address:1") -> Principal:
        return Principal(f"anon:{number}", "anonymous", network)

    clip = await library.clip(owner_id="anon:0")
    votes = (library.votes.vote(named(number), clip.id, 1) for number in range(40))
    answers = await asyncio.gather(*votes, return_exceptions=True)
    assert {answer.reason for answer in answers if isinstance(answer, AppError)} == {"TOO_MANY_VOTES"}
    assert (await library.votes.vote(ANN, clip.id, 1)).upvote_count <= 11
    owned = await library.clip()  # of an account
    for number in range(3):
        assert not (await library.tags.suggest(named(number), owned.id, "jazz", False)).consensus_reached
    assert (await library.tags.suggest(named(3, "address:2"), owned.id, "jazz", False)).suggestion_count == 2
    assert (await library.tags.suggest(BOB, owned.id, "jazz", False)).consensus_reached
    for number in range(27):
        await library.tags.suggest(named(number), clip.id, f"{sorted(CATEGORIES['music'])[number]}", False)
    late = library.tags.suggest(named(99), owned.id, "rock", False)
    assert await reason(late) == "TOO_MANY_SUGGESTIONS"
    library.clock.advance(3601)
    assert (await library.tags.suggest(named(99), owned.id, "rock", False)).suggestion_count == 1


async def test_the_next_vote_repairs_counts_after_a_crash(library: Library) -> None:
    clip = await library.clip()

    with dying(library.listeners.clips, "replace"):
        await library.votes.vote(ANN, clip.id, 1)
    assert (await library.catalog.get(clip.id)).upvote_count == 0
    assert (await library.votes.vote(BOB, clip.id, 1)).upvote_count == 2


async def test_votes_are_validated(library: Library) -> None:
    clip = await library.clip()
    for vote in (2, -2):
        assert await reason(library.votes.vote(ANN, clip.id, vote)) == "VOTE_INVALID"
    assert await reason(library.votes.vote(ANN, clip.id, 1, ["x"] * 11)) == "TOO_MANY_REASONS"
    assert await reason(library.votes.vote(ANN, clip.id, 1, [], "x" * 1001)) == "NOTES_TOO_LONG"
    assert await reason(library.votes.vote(ANN, clip.id, 1, [], "", "voice")) == "SUGGESTED_MODEL_INVALID"
    assert await reason(library.votes.vote(ANN, UNKNOWN, 1)) == "GENERATION_NOT_FOUND"
    assert await library.docs.count("votes", {}) == 0
    await library.votes.vote(ANN, clip.id, 1, [str(number) for number in range(10)], "x" * 1000, "audio")


async def test_feedback_is_summed_and_replaced_with_the_vote(library: Library) -> None:
    clip = await library.clip()
    await library.votes.vote(ANN, clip.id, 1, [" catchy ", "catchy", "", "  ", "ä" * 60], "secret")
    await library.votes.vote(BOB, clip.id, -1, ["catchy", "too_busy"], suggested_model="audio")
    await library.votes.vote(GUEST, clip.id, 1, ["catchy"], suggested_model="music")
    feedback = await library.votes.feedback(clip.id)
    assert feedback.positive_reasons == {"catchy": 2, "ä" * 50: 1}
    assert feedback.negative_reasons == {"catchy": 1, "too_busy": 1}
    assert feedback.suggested_models == {"audio": 1, "music": 1}
    assert feedback.vote_count == 3
    assert (await library.listeners.vote_totals()).feedbacks == 3
    await library.votes.vote(ANN, clip.id, -1)
    await library.votes.vote(BOB, clip.id, 0)
    feedback = await library.votes.feedback(clip.id)
    assert (feedback.positive_reasons, feedback.negative_reasons) == ({"catchy": 1}, {})
    assert feedback.vote_count == 2
    assert (await library.listeners.vote_totals()).feedbacks == 1
    assert await reason(library.votes.feedback(UNKNOWN)) == "GENERATION_NOT_FOUND"


async def test_feedback_summary_reads_all_votes_and_is_limited(library: Library) -> None:
    clip = await library.clip()
    for number in range(520):
        await library.docs.insert(
            "votes",
            {
                "id": str(number), "clip_id": clip.id, "listener_id": str(number), "vote": 1,
                "vote_time": 1.0, "feedback_time": float(number // 3), "feedback_reasons": ["good", f"r{number % 150}"],
            },
        )  # fmt: skip
    shown = (await library.votes.feedback(clip.id)).positive_reasons
    assert (shown["good"], len(shown)) == (520, 100)


async def test_get_own_votes(library: Library) -> None:
    up, down, none = [await library.clip() for _ in range(3)]
    await library.votes.vote(ANN, up.id, 1)
    await library.votes.vote(ANN, down.id, -1)
    await library.votes.vote(BOB, none.id, 1)
    asked = [up.id, down.id, none.id, UNKNOWN, up.id]
    assert await library.votes.own(ANN, asked) == {up.id: 1, down.id: -1}
    assert await library.votes.own(ANN, []) == {}
    await library.votes.own(ANN, [UNKNOWN] * 100)
    assert await reason(library.votes.own(ANN, [UNKNOWN] * 101)) == "TOO_MANY_IDS"


async def test_list_own_votes_newest_first(library: Library) -> None:
    clips = [await library.clip() for _ in range(3)]
    for clip in clips:
        library.clock.time += 1
        await library.votes.vote(ANN, clip.id, -1)
    library.clock.time += 1
    await library.votes.vote(ANN, clips[0].id, 1)
    votes, more = await library.votes.list_votes(ANN, 0, 2)
    assert [(g.id, v.vote) for g, v in votes] == [(clips[0].id, 1), (clips[2].id, -1)]
    assert votes[0][1].vote_time == library.clock.time
    assert more is True
    votes, more = await library.votes.list_votes(ANN, 2, 2)
    assert [g.id for g, _ in votes] == [clips[1].id]
    assert more is False


# ---------------------------------------------------------------------------------------------------------- favorites


async def test_favorites_are_added_and_removed_once(library: Library) -> None:
    clip = await library.clip()
    assert [await library.favorites.add(ANN, clip.id) for _ in range(2)] == [True, False]
    assert [await library.favorites.remove(ANN, clip.id) for _ in range(2)] == [True, False]
    assert await library.favorites.remove(ANN, UNKNOWN) is False
    assert await reason(library.favorites.add(ANN, UNKNOWN)) == "GENERATION_NOT_FOUND"
    assert sum(await asyncio.gather(*(library.favorites.add(ANN, clip.id) for _ in range(5)))) == 1


async def test_list_favorites_by_model_and_page(library: Library) -> None:
    made = [await library.clip(model=model) for model in ("music", "audio", "magnet-music", "music")]
    for clip in reversed(made):
        library.clock.time += 1
        await library.favorites.add(ANN, clip.id)
    await library.favorites.add(BOB, made[0].id)
    favorites, total = await library.favorites.list_favorites(ANN, "", 0, 3)
    assert ([g.id for g, _ in favorites], total) == (ids(made[:3]), 4)
    assert favorites[0][1].add_time == library.clock.time
    music, total = await library.favorites.list_favorites(ANN, "music", 1, 3)
    assert ([g.id for g, _ in music], total) == ([made[2].id, made[3].id], 3)
    magnet, total = await library.favorites.list_favorites(ANN, "magnet-music", 0, 3)
    assert ([g.id for g, _ in magnet], total) == ([made[2].id], 1)


async def test_filter_favorites(library: Library) -> None:
    one, two = await library.clip(), await library.clip()
    await library.favorites.add(ANN, two.id)
    await library.favorites.add(BOB, one.id)
    assert await library.favorites.among(ANN, [one.id, two.id, UNKNOWN]) == [two.id]
    assert await library.favorites.among(ANN, []) == []
    assert await reason(library.favorites.among(ANN, [UNKNOWN] * 101)) == "TOO_MANY_IDS"


# ----------------------------------------------------------------------------------------------- suggested categories


async def agreed(library: Library, clip_id: str, category: str, remove: bool = False, first: int = 0) -> TagOutcome:
    for listener in LISTENERS[first : first + 3]:
        outcome = await library.tags.suggest(listener, clip_id, category, remove)
    return outcome


async def test_suggestions_can_exceed_five_categories(library: Library) -> None:
    clip = await library.clip("calm piano")
    more = ["rain", "metal", "punk", "gun", "scifi", "jazz"]
    for category in more:
        assert (await agreed(library, clip.id, category)).consensus_reached
    assert (await library.catalog.get(clip.id)).categories == [*clip.categories, *more]


async def test_suggestions_are_validated(library: Library) -> None:
    clip = await library.clip("calm piano")
    assert await reason(library.tags.suggest(ANN, clip.id, "nonsense", False)) == "CATEGORY_UNKNOWN"
    assert await reason(library.tags.suggest(ANN, UNKNOWN, "metal", False)) == "GENERATION_NOT_FOUND"
    assert await reason(library.tags.suggest(ANN, clip.id, "piano", False)) == "TAG_PRESENT"
    assert await reason(library.tags.suggest(ANN, clip.id, "metal", True)) == "TAG_ABSENT"
    await library.tags.suggest(ANN, clip.id, "metal", False)
    assert await reason(library.tags.suggest(ANN, clip.id, "metal", False)) == "ALREADY_SUGGESTED"
    assert await library.docs.count("tag_suggestions", {}) == 1


async def test_parallel_suggestions_decide_once(library: Library) -> None:
    clip = await library.clip("calm piano")
    for listener in LISTENERS[:2]:
        await library.tags.suggest(listener, clip.id, "metal", False)
    outcomes = await asyncio.gather(
        *(library.tags.suggest(listener, clip.id, "metal", False) for listener in LISTENERS[2:20]),
        *(library.votes.vote(listener, clip.id, 1) for listener in LISTENERS[:20]),
        return_exceptions=True,
    )
    now = await library.catalog.get(clip.id)
    assert now.categories == [*clip.categories, "metal"]
    assert now.tag_rounds == {"metal": 1}
    assert now.upvote_count == 20
    assert any(isinstance(outcome, TagOutcome) and outcome.consensus_reached for outcome in outcomes)


async def test_suggestions_remove_and_restore_a_category(library: Library) -> None:
    clip = await library.clip("calm piano")
    assert (await agreed(library, clip.id, "metal")).categories == [*clip.categories, "metal"]
    assert await library.listed(category="metal") == [clip.id]
    assert (await agreed(library, clip.id, "metal", remove=True)).categories == clip.categories
    assert await library.listed(category="metal") == []
    # Suggestions of the earlier round do not count.
    for count, listener in enumerate(LISTENERS[:2], 1):
        again = await library.tags.suggest(listener, clip.id, "metal", False)
        assert (again.consensus_reached, again.suggestion_count) == (False, count)
    assert (await library.tags.suggest(ANN, clip.id, "metal", False)).categories == [*clip.categories, "metal"]
    assert (await library.catalog.get(clip.id)).tag_rounds == {"metal": 3}


async def test_a_late_suggestion_does_not_decide_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = await library.clip("calm piano")
    add = library.listeners.suggestions.add

    async def late(suggestion: TagSuggestion) -> bool:
        monkeypatch.setattr(library.listeners.suggestions, "add", add)
        await agreed(library, clip.id, "metal")
        await agreed(library, clip.id, "metal", remove=True)
        return await add(suggestion)

    monkeypatch.setattr(library.listeners.suggestions, "add", late)
    await library.tags.suggest(GUEST, clip.id, "metal", False)
    now = await library.catalog.get(clip.id)
    assert (now.categories, now.tag_rounds) == (clip.categories, {"metal": 2})


async def test_a_repeated_suggestion_completes_an_interrupted_decision(library: Library) -> None:
    clip = await library.clip("calm piano")
    for listener in (ANN, BOB):
        await library.tags.suggest(listener, clip.id, "metal", False)

    with dying(library.listeners.clips, "replace"):
        await library.tags.suggest(GUEST, clip.id, "metal", False)
    assert "metal" not in (await library.catalog.get(clip.id)).categories
    assert await library.tags.suggest(GUEST, clip.id, "metal", False) == TagOutcome(
        True, 3, [*clip.categories, "metal"]
    )


async def test_withdraw_a_suggestion(library: Library) -> None:
    clip = await library.clip("calm piano")
    await library.tags.suggest(ANN, clip.id, "metal", False)
    await library.tags.suggest(BOB, clip.id, "metal", False)
    for principal, category, remove in ((GUEST, "metal", False), (ANN, "metal", True), (ANN, "jazz", False)):
        assert await reason(library.tags.withdraw(principal, clip.id, category, remove)) == "SUGGESTION_NOT_FOUND"
    assert await reason(library.tags.withdraw(ANN, UNKNOWN, "metal", False)) == "GENERATION_NOT_FOUND"
    await library.tags.withdraw(ANN, clip.id, "metal", False)
    assert (await library.tags.suggest(GUEST, clip.id, "metal", False)).suggestion_count == 2
    # One listener cannot withdraw a decided suggestion.
    await library.tags.suggest(ANN, clip.id, "metal", False)
    assert await reason(library.tags.withdraw(ANN, clip.id, "metal", False)) == "SUGGESTION_NOT_FOUND"


async def test_list_suggestions(library: Library) -> None:
    clip = await library.clip("calm piano")
    await library.tags.suggest(ANN, clip.id, "metal", False)
    await library.tags.suggest(BOB, clip.id, "metal", False)
    await library.tags.suggest(BOB, clip.id, "jazz", False)
    await library.tags.suggest(ANN, clip.id, "piano", True)
    seen = await library.tags.suggestions(ANN, clip.id)
    assert (seen.additions, seen.own_additions) == ({"metal": 2, "jazz": 1}, ["metal"])
    assert (seen.removals, seen.own_removals) == ({"piano": 1}, ["piano"])
    assert seen.categories == clip.categories
    assert (await library.tags.suggestions(GUEST, clip.id)).own_additions == []
    assert await reason(library.tags.suggestions(ANN, UNKNOWN)) == "GENERATION_NOT_FOUND"
    # The suggestions of the last decision remain listed until the next decision.
    await library.tags.suggest(GUEST, clip.id, "metal", False)
    assert (await library.tags.suggestions(ANN, clip.id)).additions == {"metal": 3, "jazz": 1}
    await agreed(library, clip.id, "metal", remove=True)
    after = await library.tags.suggestions(ANN, clip.id)
    assert (after.additions, after.removals) == ({"jazz": 1}, {"metal": 3, "piano": 1})
