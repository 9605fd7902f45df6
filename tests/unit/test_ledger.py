"""The ledger's rules, over the real document store and a clock set by hand."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ledger_world import (
    ANN,
    BOB,
    LEASE,
    LOST,
    WORKER,
    World,
    audio_output,
    clip,
    details,
    ledger_of,
    new,
    opened,
    reason,
    result,
    track,
)

from kit.security.identity import Principal
from services.library.access import may_see
from services.library.jobs.service import ExternalTask, JobError, JobState, Priority, Stage, granted_priority


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


# ------------------------------------------------------------------------------------------------------------- create


async def test_a_created_job_is_queued_and_its_owners(world: World) -> None:
    job, existed = await world.ledger.create(ANN, new(stages=[Stage("split", "dsp")]))
    assert existed is False
    assert (job.state, job.owner_id, job.attempt, job.progress_ratio) == (JobState.QUEUED, "ann", 0, 0.0)
    assert (job.create_time, job.due_time) == (world.clock.time, world.clock.time)
    assert job.command_subject == "soundwright.cmd.separation.v1.job.run.standard"
    assert await world.now(job) == dataclasses.replace(job, revision=1)


async def test_the_same_key_and_body_give_the_same_job(world: World) -> None:
    first = await world.job(idempotency_key="k")
    again, existed = await world.ledger.create(ANN, new(idempotency_key="k", job_id=str(uuid.uuid4())))
    assert (again.id, existed) == (first.id, True)
    assert await world.ledger.list_jobs(ANN, [], [], "", 0, 10) == ([await world.now(first)], 1)


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    await world.job(idempotency_key="k")
    assert await reason(world.job(idempotency_key="k", spec=details("{}"))) == "IDEMPOTENCY_KEY_REUSED"
    assert await reason(world.job(idempotency_key="k", kind="analysis")) == "IDEMPOTENCY_KEY_REUSED"


async def test_a_key_is_its_owners_alone(world: World) -> None:
    first, second = await world.job(idempotency_key="k"), await world.job(BOB, idempotency_key="k")
    assert first.id != second.id


async def test_jobs_without_a_key_are_apart(world: World) -> None:
    assert (await world.job()).id != (await world.job()).id


async def test_a_repeated_call_with_the_same_id_is_harmless(world: World) -> None:
    job_id = str(uuid.uuid4())
    await world.job(job_id=job_id)
    assert (await world.ledger.create(ANN, new(job_id=job_id)))[1] is True
    assert await reason(world.job(BOB, job_id=job_id)) == "DOC_EXISTS"


async def test_concurrent_creates_with_one_key_make_one_job(world: World) -> None:
    made = await asyncio.gather(*(world.ledger.create(ANN, new(idempotency_key="k")) for _ in range(10)))
    assert len({job.id for job, _ in made}) == 1
    assert sorted(existed for _, existed in made) == [False] + [True] * 9


@pytest.mark.parametrize("affinity", ["music", "magnet-audio", "v2"])
async def test_a_command_goes_to_the_subject_of_its_priority(world: World, affinity: str) -> None:
    job = await world.job(Principal("p", "pro"), affinity=affinity, work_seconds=12.5)
    assert job.command_subject == "soundwright.cmd.separation.v1.job.run.premium"
    assert (job.affinity, job.work_seconds) == (affinity, 12.5)


@pytest.mark.parametrize("affinity", ["Music", "a.b", "*", ">", "a b", "-a", "a_b", "é", "x" * 65, "a\n"])
async def test_an_affinity_is_a_plain_word(world: World, affinity: str) -> None:
    assert await reason(world.job(affinity=affinity)) == "AFFINITY_INVALID"


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
async def test_work_is_a_number_of_seconds(world: World, seconds: float) -> None:
    assert await reason(world.job(work_seconds=seconds)) == "WORK_INVALID"


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
async def test_a_starvation_timeout_is_a_number_of_seconds(world: World, seconds: float) -> None:
    assert await reason(world.job(starvation_seconds=seconds)) == "STARVATION_INVALID"


async def test_a_fingerprint_overrules_the_spec(world: World) -> None:
    first = await world.job(idempotency_key="k", fingerprint="f", spec=details("1"))
    assert (await world.job(idempotency_key="k", fingerprint="f", spec=details("2"))).id == first.id


async def test_the_track_must_be_there_and_the_callers(world: World) -> None:
    mine = await world.tracks.create(ANN, track("t1"))
    assert (await world.job(track_id=mine.id)).track_id == "t1"
    assert await reason(world.job(BOB, track_id="t1")) == "ACCESS_DENIED"
    assert await reason(world.job(track_id="t2")) == "TRACK_NOT_FOUND"


# ----------------------------------------------------------------------------------------------------- who, and how soon


@pytest.mark.parametrize(
    ("principal", "owner", "seen"),
    [
        (ANN, "ann", True),
        (ANN, "bob", False),
        (Principal("root", "super_admin"), "ann", False),  # administrators have calls of their own
        (WORKER, "ann", True),
        (ANN, "anon:1", True),  # whoever knows the random id may see it
        (Principal("anon:1", "user"), "anon:2", True),
        (Principal("anon:1", "user"), "ann", False),
    ],
)
def test_may_see(principal: Principal, owner: str, seen: bool) -> None:
    assert may_see(principal, owner) is seen


async def test_get_and_cancel_keep_to_the_owner(world: World) -> None:
    job = await world.job()
    assert await reason(world.ledger.get(BOB, job.id)) == "ACCESS_DENIED"
    assert await reason(world.ledger.cancel(BOB, job.id)) == "ACCESS_DENIED"
    assert await reason(world.ledger.get(ANN, "nothing")) == "JOB_NOT_FOUND"
    assert await reason(world.ledger.cancel(ANN, "nothing")) == "JOB_NOT_FOUND"
    anonymous = await world.job(Principal("anon:1", "user"))
    assert (await world.ledger.get(BOB, anonymous.id)).id == anonymous.id
    assert await reason(world.ledger.cancel(BOB, anonymous.id)) == "ACCESS_DENIED"  # to see is not to own
    assert (await world.ledger.cancel(WORKER, job.id)).state is JobState.CANCELLED


async def test_list_shows_ones_own_newest_first(world: World) -> None:
    made = []
    for number in range(5):
        world.clock.time += 1
        made.append(await world.job(kind=("separation", "analysis")[number % 2]))
    await world.job(BOB)
    await world.ledger.cancel(ANN, made[4].id)
    ids = [job.id for job in reversed(made)]
    page, total = await world.ledger.list_jobs(ANN, [], [], "", 1, 2)
    assert ([job.id for job in page], total) == (ids[1:3], 5)
    page, total = await world.ledger.list_jobs(ANN, ["separation"], ["queued"], "", 0, 10)
    assert ([job.id for job in page], total) == ([made[2].id, made[0].id], 2)


@pytest.mark.parametrize(
    ("role", "requested", "given"),
    [
        ("user", None, "standard"), ("user", "admin", "standard"), ("user", "premium", "standard"),
        ("user", "free", "free"), ("pro", None, "premium"), ("pro", "admin", "premium"), ("pro", "free", "free"),
        ("enterprise", "standard", "standard"), ("admin", None, "admin"), ("platform_admin", "admin", "admin"),
        ("super_admin", "premium", "premium"), ("service", None, "admin"), ("made up", "admin", "standard"),
    ],
)  # fmt: skip
def test_priority_is_capped_by_entitlement(role: str, requested: str | None, given: str) -> None:
    assert granted_priority(Principal("p", role), Priority(requested) if requested else None) == given


# ------------------------------------------------------------------------------------------------------ claim and lease


async def test_claim_gives_the_job_for_one_attempt(world: World) -> None:
    job = await world.job()
    claimed, mine, retry = await world.ledger.claim(job.id, "w1", LEASE)
    assert (mine, retry) == (True, 0.0)
    assert (claimed.state, claimed.attempt, claimed.worker_id) == (JobState.RUNNING, 1, "w1")
    assert (claimed.lease_until, claimed.start_time, claimed.due_time) == (
        world.clock.time + LEASE,
        world.clock.time,
        None,
    )


async def test_a_repeated_claim_gives_the_same_attempt(world: World) -> None:
    job = await world.job()
    first, _, _ = await world.ledger.claim(job.id, "w1.call1", LEASE)
    again, mine, _ = await world.ledger.claim(job.id, "w1.call1", LEASE)
    assert (again.id, again.attempt, mine) == (first.id, 1, True)
    _, mine, retry = await world.ledger.claim(job.id, "w1.call2", LEASE)
    assert (mine, retry > 0) == (False, True)


async def test_of_racing_claims_one_wins(world: World) -> None:
    job = await world.job()
    outcomes = await asyncio.gather(*(world.ledger.claim(job.id, f"w{n}", LEASE) for n in range(8)))
    assert sum(mine for _, mine, _ in outcomes) == 1
    assert all(retry > 0 for _, mine, retry in outcomes if not mine)
    assert (await world.now(job)).attempt == 1


async def test_a_live_lease_keeps_others_off_until_it_ends(world: World) -> None:
    job = await world.running()
    world.clock.time += 5
    _, mine, retry = await world.ledger.claim(job.id, "w2", LEASE)
    assert mine is False
    assert retry == pytest.approx(LEASE - 5, abs=0.2)
    world.clock.time += retry
    taken, mine, _ = await world.ledger.claim(job.id, "w2", LEASE)
    assert (mine, taken.attempt, taken.worker_id) == (True, 2, "w2")


async def test_a_new_attempt_begins_afresh(world: World) -> None:
    job = await world.running(stages=[Stage("split", "dsp"), Stage("mix", "dsp")])
    begun = [Stage("split", "dsp", JobState.SUCCEEDED, 1.0, 2.0), Stage("mix", "dsp", JobState.RUNNING, 2.0)]
    await world.ledger.heartbeat(job.id, 1, LEASE, 0.7, "mixing", begun)
    world.clock.time += LEASE + 1
    again, mine, _ = await world.ledger.claim(job.id, "w2", LEASE)
    assert mine
    assert (again.progress_ratio, again.progress_message) == (0.0, "")
    assert again.stages == [Stage("split", "dsp"), Stage("mix", "dsp")]


async def test_claim_of_an_unknown_job(world: World) -> None:
    assert await reason(world.ledger.claim("nothing", "w", LEASE)) == "JOB_NOT_FOUND"


async def test_a_job_whose_worker_died_too_often_fails(world: World) -> None:
    job = await world.job(attempt_limit=2)
    for _ in range(2):
        assert (await world.ledger.claim(job.id, "w", LEASE))[1]
        world.clock.time += LEASE + 1
    ended, mine, retry = await world.ledger.claim(job.id, "w", LEASE)
    assert (mine, retry, ended.state, ended.attempt) == (False, 0.0, JobState.FAILED, 2)
    assert ended.error is not None
    assert ended.error.reason == "WORKER_LOST"
    assert (ended.lease_until, ended.due_time, ended.finish_time) == (None, None, world.clock.time)


async def test_a_dead_workers_job_with_a_wish_to_cancel_is_cancelled(world: World) -> None:
    job = await world.running()
    await world.ledger.cancel(ANN, job.id)
    world.clock.time += LEASE + 1
    ended, mine, _ = await world.ledger.claim(job.id, "w2", LEASE)
    assert (mine, ended.state) == (False, JobState.CANCELLED)


# ----------------------------------------------------------------------------------------------------------- heartbeat


async def test_heartbeat_extends_the_lease_and_progress_never_falls(world: World) -> None:
    job = await world.running()
    world.clock.time += 15
    assert await world.ledger.heartbeat(job.id, 1, LEASE, 0.5, "half", []) is False
    assert await world.ledger.heartbeat(job.id, 1, LEASE, 0.2, "", []) is False
    seen = await world.now(job)
    assert (seen.progress_ratio, seen.progress_message) == (0.5, "half")
    assert seen.lease_until == world.clock.time + LEASE
    await world.ledger.heartbeat(job.id, 1, LEASE, 7.0, "", [])
    assert (await world.now(job)).progress_ratio == 1.0


async def test_a_stale_attempt_is_fenced_off_everywhere(world: World) -> None:
    job = await world.running()
    world.clock.time += LEASE + 1
    assert (await world.ledger.claim(job.id, "w2", LEASE))[1]
    before = await world.now(job)
    ledger = world.ledger
    for call in (
        ledger.heartbeat(job.id, 1, LEASE, 0.9, "stale", []),
        ledger.succeed(job.id, 1, result("vocals"), []),
        ledger.fail(job.id, 1, JobError("X", "x"), False, []),
        ledger.heartbeat(job.id, 3, LEASE, 0.9, "future", []),
    ):
        assert await reason(call) == "ATTEMPT_STALE"
    assert await ledger.release(job.id, 1, 0, JobError("X", "x"), False) == before
    assert await world.now(job) == before


# ----------------------------------------------------------------------------------------------------------------- ends


async def test_success_stores_the_result_and_files_what_belongs_to_it(world: World) -> None:
    await world.tracks.create(ANN, track("t1"))
    job = await world.running(track_id="t1")
    world.clock.time += 3
    ended = await world.ledger.succeed(job.id, 1, result("vocals", "drums", mix=audio_output("mix")), [])
    assert (ended.state, ended.progress_ratio, ended.finish_time) == (JobState.SUCCEEDED, 1.0, world.clock.time)
    assert (ended.lease_until, ended.results_pending, ended.error) == (None, None, None)
    assert ended == await world.now(job)
    latest = await world.tracks.stem_set(ANN, "t1")
    assert latest is not None
    stems = latest.stems
    assert [(stem.name, stem.job_id, stem.track_id, stem.owner_id) for stem in [*stems, latest.mix] if stem] == [
        ("vocals", job.id, "t1", "ann"),
        ("drums", job.id, "t1", "ann"),
        ("mix", job.id, "t1", "ann"),
    ]
    assert (await world.tracks.get(ANN, "t1")).stem_count == 2
    assert latest.mix is not None
    assert await world.tracks.stem(ANN, latest.mix.id) == dataclasses.replace(latest.mix, revision=1)
    assert await world.tracks.stem(ANN, stems[0].id) == dataclasses.replace(stems[0], revision=1)
    assert await reason(world.tracks.stem(BOB, stems[0].id)) == "ACCESS_DENIED"


async def test_success_may_be_repeated_but_not_changed(world: World) -> None:
    job = await world.running()
    first = await world.ledger.succeed(job.id, 1, result("vocals"), [])
    world.clock.time += 1
    assert await world.ledger.succeed(job.id, 1, result("another"), []) == first
    assert await reason(world.ledger.fail(job.id, 1, JobError("X", "x"), False, [])) == "ATTEMPT_STALE"
    assert (await world.ledger.claim(job.id, "w2", LEASE))[1:] == (False, 0.0)
    assert await world.now(job) == first


async def test_the_latest_analysis_stands(world: World) -> None:
    await world.tracks.create(ANN, track("t1"))
    assert await reason(world.tracks.analysis(ANN, "t1")) == "ANALYSIS_NOT_FOUND"
    for tempo in ("100", "120"):
        job = await world.running(kind="analysis", track_id="t1")
        await world.ledger.succeed(job.id, 1, result(values=tempo), [])
        world.clock.time += 1
    assert (await world.tracks.analysis(ANN, "t1")).details == details("120")
    assert await reason(world.tracks.analysis(BOB, "t1")) == "ACCESS_DENIED"


async def test_a_clip_is_filed_with_what_the_ledger_knows(world: World) -> None:
    job = await world.running(kind="generation")
    world.clock.time += 7
    ended = await world.ledger.succeed(job.id, 1, result("audio", clip=CLIP, requested_model="music"), [])
    filed = await world.catalog.generation(job.id)
    assert filed is not None
    assert (filed.id, filed.owner_id, filed.priority, filed.create_time) == (
        job.id,
        "ann",
        "standard",
        world.clock.time,
    )
    assert (filed.prompt, filed.model, filed.quality_score) == ("slow cello", "music", 91)
    assert (filed.engine, filed.engine_model) == ("dsp", "m")
    assert ended.result is not None
    assert ended.result.clip == CLIP
    assert ended == await world.now(job)


CLIP = clip("slow cello", quality_score=91)


@pytest.mark.parametrize(
    "crash", ["store_outputs", "store_stems", "store_analysis", "replace_track", "store_generation"]
)
async def test_a_crash_before_the_results_are_stored_is_repaired_by_the_sweeper(world: World, crash: str) -> None:
    await world.tracks.create(ANN, track("t1"))
    job = await world.running(track_id="t1")
    tracks, catalog = CrashBeforeStoring(world.track_docs, crash), CrashBeforeStoring(world.catalog, crash)
    crashing = ledger_of(world.jobs, tracks, catalog, world.clock)  # type: ignore[arg-type]
    with pytest.raises(ConnectionAbortedError):
        await crashing.succeed(job.id, 1, result("vocals", values="{}", clip=CLIP), [])
    crashed = await world.now(job)
    assert (crashed.state, crashed.results_pending) == (JobState.SUCCEEDED, True)
    assert crashed.result is not None
    stem_id = crashed.result.outputs[0].id
    await world.sweeper.sweep()  # its worker may be about to do it
    assert (await world.now(job)).results_pending is True
    world.clock.time += LOST + 1
    await world.sweeper.sweep()
    assert (await world.tracks.stem(ANN, stem_id)).name == "vocals"
    assert (await world.tracks.analysis(ANN, "t1")).details == details("{}")
    latest = await world.tracks.stem_set(ANN, "t1")
    assert latest is not None
    assert [stem.id for stem in latest.stems] == [stem_id]
    assert (await world.tracks.get(ANN, "t1")).stem_count == 1
    filed = await world.catalog.generation(job.id)
    assert filed is not None
    assert filed.create_time == crashed.finish_time
    assert (await world.now(job)).results_pending is None
    assert world.published == []


async def test_whoever_reads_that_a_job_succeeded_finds_what_it_gave(world: World) -> None:
    job = await world.running()
    catalog = CrashBeforeStoring(world.catalog, "store_generation")
    with pytest.raises(ConnectionAbortedError):
        await ledger_of(world.jobs, world.track_docs, catalog, world.clock).succeed(job.id, 1, result(clip=CLIP), [])
    assert (await world.ledger.get(ANN, job.id)).results_pending is None
    assert await world.catalog.generation(job.id) is not None


class CrashBeforeStoring:
    """The store of a library that dies between the result and what is filed after it."""

    def __init__(self, store: Any, crash: str) -> None:
        self._store = store
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        return self._die if name == self._crash else getattr(self._store, name)

    async def _die(self, _filed: Any) -> None:
        raise ConnectionAbortedError


async def test_failure_is_final_and_repeatable(world: World) -> None:
    job = await world.running(stages=[Stage("split", "dsp")])
    stages = [Stage("split", "dsp", JobState.FAILED, 1.0, 2.0, "no")]
    ended = await world.ledger.fail(job.id, 1, JobError("AUDIO_INVALID", "no"), False, stages)
    assert (ended.state, ended.error, ended.stages) == (JobState.FAILED, JobError("AUDIO_INVALID", "no"), stages)
    assert await world.ledger.fail(job.id, 1, JobError("OTHER", "o"), False, []) == ended
    assert await reason(world.ledger.cancel(ANN, job.id)) == "JOB_FINISHED"


# --------------------------------------------------------------------------------------------------------------- cancel


async def test_cancel_ends_a_queued_job_at_once(world: World) -> None:
    job = await world.job()
    ended = await world.ledger.cancel(ANN, job.id)
    assert (ended.state, ended.error, ended.due_time) == (JobState.CANCELLED, JobError("CANCELLED", "cancelled"), None)
    assert await world.ledger.cancel(ANN, job.id) == ended
    assert (await world.ledger.claim(job.id, "w", LEASE))[1:] == (False, 0.0)


async def test_cancel_asks_a_running_job_to_stop(world: World) -> None:
    job = await world.running(stages=[Stage("split", "dsp", JobState.RUNNING)])
    await world.ledger.heartbeat(job.id, 1, LEASE, 0.1, "", [Stage("split", "dsp", JobState.RUNNING, 1.0)])
    asked = await world.ledger.cancel(ANN, job.id)
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    assert await world.ledger.heartbeat(job.id, 1, LEASE, 0.2, "", []) is True
    ended = await world.ledger.fail(job.id, 1, JobError("X", "x"), True, [])
    assert (ended.state, ended.error) == (JobState.CANCELLED, JobError("CANCELLED", "cancelled"))
    assert [stage.state for stage in ended.stages] == [JobState.FAILED]


async def test_what_fails_after_a_wish_to_cancel_is_cancelled(world: World) -> None:
    job = await world.running()
    await world.ledger.cancel(ANN, job.id)
    ended = await world.ledger.fail(job.id, 1, JobError("BROKEN", "It broke."), False, [])
    assert (ended.state, ended.error) == (JobState.CANCELLED, JobError("CANCELLED", "cancelled"))


async def test_what_a_job_goes_by_outside_stays_known(world: World) -> None:
    job = await world.running()
    work = ExternalTask("source", ["task"], own_key=True)
    await world.ledger.heartbeat(job.id, 1, LEASE, 0.1, "", [], work)
    await world.ledger.heartbeat(job.id, 1, LEASE, 0.2, "", [])
    await world.ledger.release(job.id, 1, 0.0, None, True)
    again, claimed, _ = await world.ledger.claim(job.id, "w2", LEASE)
    assert (claimed, again.attempt, again.external_task) == (True, 2, work)


async def test_a_finished_job_cannot_be_cancelled(world: World) -> None:
    job = await world.running()
    ended = await world.ledger.succeed(job.id, 1, result(), [])
    assert await reason(world.ledger.cancel(ANN, job.id)) == "JOB_FINISHED"
    assert await world.now(job) == ended


# -------------------------------------------------------------------------------------------------------------- release


async def test_release_gives_the_job_back_after_a_delay(world: World) -> None:
    job = await world.running()
    released = await world.ledger.release(job.id, 1, 4.0, JobError("BUSY", "later"), False)
    assert (released.state, released.error, released.lease_until) == (JobState.QUEUED, JobError("BUSY", "later"), None)
    _, mine, retry = await world.ledger.claim(job.id, "w2", LEASE)
    assert (mine, retry) == (False, pytest.approx(4.0))
    world.clock.time += 4
    again, mine, _ = await world.ledger.claim(job.id, "w2", LEASE)
    assert (mine, again.attempt) == (True, 2)
    ended = await world.ledger.succeed(job.id, 2, result(), [])
    assert ended.error is None


async def test_release_fails_the_job_when_its_budget_is_spent(world: World) -> None:
    job = await world.job(attempt_limit=2)
    for attempt in (1, 2):
        await world.ledger.claim(job.id, "w", LEASE)
        released = await world.ledger.release(job.id, attempt, 0.0, JobError("BUSY", f"no. {attempt}"), False)
    assert (released.state, released.error) == (JobState.FAILED, JobError("BUSY", "no. 2"))
    assert await world.ledger.release(job.id, 2, 0.0, JobError("BUSY", "again"), False) == await world.now(job)


async def test_a_refunded_attempt_does_not_count(world: World) -> None:
    job = await world.job(attempt_limit=1)
    for attempt in range(1, 6):
        assert (await world.ledger.claim(job.id, "w", LEASE))[1]
        assert (await world.ledger.release(job.id, attempt, 0.0, None, True)).state is JobState.QUEUED
    assert (await world.ledger.claim(job.id, "w", LEASE))[1]
    assert (await world.ledger.release(job.id, 6, 0.0, JobError("X", "x"), False)).state is JobState.FAILED


async def test_release_of_a_job_that_was_asked_to_stop_cancels_it(world: World) -> None:
    job = await world.running()
    await world.ledger.cancel(ANN, job.id)
    assert (await world.ledger.release(job.id, 1, 5.0, JobError("X", "x"), False)).state is JobState.CANCELLED


# -------------------------------------------------------------------------------------------------------------- sweeper


async def test_a_lost_command_is_published_again(world: World) -> None:
    job = await world.job()
    world.clock.time += LOST - 1
    await world.sweeper.sweep()
    assert world.published == []  # it may be on its way
    world.clock.time += 2
    await world.sweeper.sweep()
    assert [(again.id, again.publication, again.attempt) for again in world.published] == [(job.id, 1, 0)]
    world.broker.count = 1
    world.clock.time += LOST + 1
    await world.sweeper.sweep()
    assert len(world.published) == 1
    assert (await world.ledger.claim(job.id, "w", LEASE))[1]


async def test_a_command_that_the_broker_has_is_left_alone(world: World) -> None:
    for _ in range(3):
        await world.job()
    world.broker.count = 3
    world.clock.time += 3600
    await world.sweeper.sweep()
    assert world.published == []


async def test_what_is_lost_behind_a_long_queue_is_found_in_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.library.jobs.sweeper._BATCH", 4)
    for _ in range(10):
        world.clock.time += 1
        await world.job()
    lost = await world.job(command_subject="soundwright.cmd.analysis.v1.job.run")
    world.broker.counts = {"soundwright.cmd.analysis.v1.job.run.*": 0}
    world.broker.count = 10
    world.clock.time += LOST + 1
    for _ in range(3):
        assert world.published == []
        await world.sweeper.sweep()
    assert [job.id for job in world.published] == [lost.id]


async def test_what_was_lost_comes_back_in_the_order_in_which_it_came(world: World) -> None:
    made = []
    for number in range(6):
        world.clock.time += 1
        made.append(await world.job(priority=("standard", "free")[number % 2]))
    world.clock.time += LOST + 1
    await world.sweeper.sweep()
    assert [(job.id, job.command_subject) for job in world.published] == [(job.id, job.command_subject) for job in made]


async def test_as_many_commands_are_published_as_are_missing(world: World) -> None:
    made = [await world.job() for _ in range(5)]
    world.broker.count = 3
    world.clock.time += LOST + 1
    await world.sweeper.sweep()
    assert len(world.published) == 2
    assert {job.id for job in world.published} < {job.id for job in made}


async def test_a_lost_command_is_noticed_while_other_jobs_run(world: World) -> None:
    for _ in range(3):
        await world.running()
    world.broker.count = 3  # theirs: a command stays until its job ends
    lost = await world.job()
    for _ in range(2):
        world.clock.time += LOST * 0.6
        for job in (await world.ledger.list_jobs(ANN, [], ["running"], "", 0, 10))[0]:
            await world.ledger.heartbeat(job.id, 1, LEASE, 0.1, "", [])
    await world.sweeper.sweep()
    assert [job.id for job in world.published] == [lost.id]


async def test_a_dead_workers_job_is_queued_again_and_may_start_at_once(world: World) -> None:
    job = await world.running()
    world.clock.time += LEASE + 1
    await world.sweeper.sweep()
    assert world.published == []  # the broker delivers its command again by itself
    world.clock.time += LOST
    await world.sweeper.sweep()
    assert [(again.id, again.state, again.attempt) for again in world.published] == [(job.id, JobState.QUEUED, 1)]
    again, mine, _ = await world.ledger.claim(job.id, "w2", LEASE)
    assert (mine, again.attempt) == (True, 2)


async def test_a_dead_workers_job_with_no_attempts_left_ends(world: World) -> None:
    job = await world.running(attempt_limit=1)
    world.clock.time += LEASE + LOST + 1
    await world.sweeper.sweep()
    assert len(world.published) == 1
    ended, _, _ = await world.ledger.claim(job.id, "w2", LEASE)
    assert (ended.state, ended.error and ended.error.reason) == (JobState.FAILED, "WORKER_LOST")


async def test_a_job_that_waits_out_its_delay_is_not_lost(world: World) -> None:
    job = await world.running()
    await world.ledger.release(job.id, 1, 60.0, JobError("BUSY", "later"), False)
    world.clock.time += 60 + LOST - 1
    await world.sweeper.sweep()
    assert world.published == []
    world.clock.time += 2
    await world.sweeper.sweep()
    assert len(world.published) == 1


async def test_two_sweepers_publish_a_job_once(world: World) -> None:
    await world.job()
    world.clock.time += LOST + 1
    await asyncio.gather(*(world.sweeper.sweep() for _ in range(4)))
    assert len(world.published) == 1


async def test_ended_jobs_are_never_swept(world: World) -> None:
    await world.ledger.cancel(ANN, (await world.job()).id)
    await world.ledger.succeed((await world.running()).id, 1, result("a"), [])
    await world.ledger.fail((await world.running()).id, 1, JobError("X", "x"), False, [])
    world.clock.time += 1e6
    await world.sweeper.sweep()
    assert world.published == []
