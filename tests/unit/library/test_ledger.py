"""The ledger's rules, over the real document store and a clock set by hand."""

import asyncio
import dataclasses
import uuid
from typing import Any

import pytest
from library_fixture import (
    ANN,
    BOB,
    GUEST,
    LEASE,
    LOST,
    WORKER,
    Library,
    audio_output,
    clip,
    details,
    dying,
    ids,
    interrupted,
    new,
    reason,
    result,
    track,
)

from soundwright.kit.security.identity import Principal
from soundwright.services.library.access import may_see
from soundwright.services.library.jobs.admission import queued
from soundwright.services.library.jobs.service import (
    ExternalTask,
    JobError,
    JobState,
    Priority,
    Stage,
    granted_priority,
)
from soundwright.services.library.paging import PageRequest

# ------------------------------------------------------------------------------------------------------------- create


async def test_a_created_job_is_queued_and_its_owners(library: Library) -> None:
    job, existed = await library.ledger.create(ANN, new(stages=[Stage("split", "dsp")]))
    assert existed is False
    assert (job.state, job.owner_id, job.attempt, job.progress_ratio) == (JobState.QUEUED, "ann", 0, 0.0)
    assert (job.create_time, job.due_time) == (library.clock.time, library.clock.time)
    assert (job.queue, job.priority) == ("separation", Priority.STANDARD)
    assert await library.now(job) == dataclasses.replace(job, revision=1)


async def test_a_key_of_an_owner_names_one_job(library: Library) -> None:
    first = await library.job(idempotency_key="k")
    again, existed = await library.ledger.create(ANN, new(idempotency_key="k", job_id=str(uuid.uuid4())))
    assert (again.id, existed) == (first.id, True)
    listed = await library.ledger.list_jobs(ANN, [], [], "", PageRequest(10))
    assert (listed.entries, listed.total_count) == ([await library.now(first)], 1)
    for other in ({"spec": details("{}")}, {"kind": "analysis"}):
        assert await reason(library.job(idempotency_key="k", **other)) == "IDEMPOTENCY_KEY_REUSED"
    others = [await library.job(BOB, idempotency_key="k"), await library.job(), await library.job()]
    assert len({first.id, *ids(others)}) == 4
    by_fingerprint = await library.job(idempotency_key="f", fingerprint="f", spec=details("1"))
    assert (await library.job(idempotency_key="f", fingerprint="f", spec=details("2"))).id == by_fingerprint.id


async def test_a_repeated_call_with_the_same_id_is_harmless(library: Library) -> None:
    job_id = str(uuid.uuid4())
    await library.job(job_id=job_id)
    assert (await library.ledger.create(ANN, new(job_id=job_id)))[1] is True
    assert await reason(library.job(BOB, job_id=job_id)) == "DOC_EXISTS"


async def test_a_job_has_the_priority_of_its_owner(library: Library) -> None:
    for affinity in ("music", "magnet-audio", "v2"):
        job = await library.job(Principal("p", "pro"), affinity=affinity, work_seconds=12.5)
        assert job.priority is Priority.PREMIUM
        assert (job.affinity, job.work_seconds) == (affinity, 12.5)


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ("affinity", ["Music", "a.b", "*", ">", "a b", "-a", "a_b", "é", "x" * 65, "a\n"], "AFFINITY_INVALID"),
        ("idempotency_key", ["k" * 301], "IDEMPOTENCY_KEY_INVALID"),
        ("work_seconds", [-1.0, float("nan"), float("inf")], "WORK_INVALID"),
        ("starvation_seconds", [-1.0, float("nan"), float("inf")], "STARVATION_INVALID"),
    ],
)
async def test_invalid_fields_are_refused(library: Library, field: str, values: list[Any], expected: str) -> None:
    for value in values:
        assert await reason(library.job(**{field: value})) == expected, value


async def test_the_track_must_be_there_and_the_callers(library: Library) -> None:
    mine = await library.tracks.create(ANN, track("t1"))
    assert (await library.job(track_id=mine.id)).track_id == "t1"
    assert await reason(library.job(BOB, track_id="t1")) == "ACCESS_DENIED"
    assert await reason(library.job(track_id="t2")) == "TRACK_NOT_FOUND"


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


async def test_get_and_cancel_keep_to_the_owner(library: Library) -> None:
    job = await library.job()
    assert await reason(library.ledger.get(BOB, job.id)) == "ACCESS_DENIED"
    assert await reason(library.ledger.cancel(BOB, job.id)) == "ACCESS_DENIED"
    assert await reason(library.ledger.get(ANN, "nothing")) == "JOB_NOT_FOUND"
    assert await reason(library.ledger.cancel(ANN, "nothing")) == "JOB_NOT_FOUND"
    anonymous = await library.job(Principal("anon:1", "user"))
    assert (await library.ledger.get(BOB, anonymous.id)).id == anonymous.id
    assert await reason(library.ledger.cancel(BOB, anonymous.id)) == "ACCESS_DENIED"  # to see is not to own
    named = await library.job(Principal("anon:2", "anonymous", "address:2", "key"))
    elsewhere = Principal("anon:2", "anonymous", "address:3", "other")
    assert await reason(library.ledger.cancel(elsewhere, named.id)) == "ACCESS_DENIED"
    without_cookies = Principal("anon:2", "anonymous", "address:2", "other")
    assert (await library.ledger.cancel(without_cookies, named.id)).state is JobState.CANCELLED
    assert (await library.ledger.cancel(WORKER, job.id)).state is JobState.CANCELLED


async def test_list_shows_ones_own_newest_first(library: Library) -> None:
    made = []
    for number in range(5):
        library.clock.advance(1)
        made.append(await library.job(kind=("separation", "analysis")[number % 2]))
    await library.job(BOB)
    await library.ledger.cancel(ANN, made[4].id)
    ids = [job.id for job in reversed(made)]
    oldest = await library.ledger.list_jobs(ANN, [], [], "", PageRequest(2), oldest_first=True)
    assert [job.id for job in oldest.entries] == ids[:2:-1]
    page = await library.ledger.list_jobs(ANN, [], [], "", PageRequest(2, 1))
    assert ([job.id for job in page.entries], page.total_count) == (ids[1:3], 5)
    page = await library.ledger.list_jobs(ANN, ["separation"], ["queued"], "", PageRequest(10))
    assert ([job.id for job in page.entries], page.total_count) == ([made[2].id, made[0].id], 2)


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


async def test_claim_gives_the_job_for_one_attempt(library: Library) -> None:
    job = await library.job()
    claimed, mine, retry = await library.ledger.claim(job.id, "w1", LEASE)
    assert (mine, retry) == (True, 0.0)
    assert (claimed.state, claimed.attempt, claimed.worker_id) == (JobState.RUNNING, 1, "w1")
    now = library.clock.time
    assert (claimed.lease_until, claimed.start_time, claimed.due_time) == (now + LEASE, now, None)


async def test_a_job_whose_track_somebody_else_has_neither_enters_nor_blocks_the_queue(library: Library) -> None:
    await library.tracks.create(GUEST, track("t1"))
    refused = new(track_id="t1", creates_track=True)
    assert await reason(library.ledger.create(BOB, refused)) == "ACCESS_DENIED"
    assert (await library.ledger.list_jobs(BOB, [], [], "", PageRequest(10))).total_count == 0
    stuck = queued(BOB, refused, library.clock.now())  # its track was taken after the check
    await library.jobs.insert(stuck)
    library.clock.advance(1)
    other = await library.job()
    claimed, is_claimed, _ = await library.ledger.claim(other.id, "w", LEASE)
    assert (claimed.id, claimed.state, is_claimed) == (stuck.id, JobState.FAILED, False)
    assert claimed.error is not None
    assert claimed.error.reason == "ACCESS_DENIED"
    assert (await library.start(stuck)).id == other.id  # with the other of the two commands


async def test_a_repeated_claim_gives_the_same_attempt(library: Library) -> None:
    job = await library.job()
    first, _, _ = await library.ledger.claim(job.id, "w1.call1", LEASE)
    again, mine, _ = await library.ledger.claim(job.id, "w1.call1", LEASE)
    assert (again.id, again.attempt, mine) == (first.id, 1, True)
    _, mine, retry = await library.ledger.claim(job.id, "w1.call2", LEASE)
    assert (mine, retry > 0) == (False, True)


async def test_of_racing_claims_one_wins(library: Library) -> None:
    job = await library.job()
    outcomes = await asyncio.gather(*(library.ledger.claim(job.id, f"w{n}", LEASE) for n in range(8)))
    assert sum(mine for _, mine, _ in outcomes) == 1
    assert all(retry > 0 for _, mine, retry in outcomes if not mine)
    assert (await library.now(job)).attempt == 1


async def test_a_live_lease_keeps_others_off_until_it_ends(library: Library) -> None:
    job = await library.running()
    library.clock.advance(5)
    _, mine, retry = await library.ledger.claim(job.id, "w2", LEASE)
    assert mine is False
    assert retry == pytest.approx(LEASE - 5, abs=0.2)
    library.clock.advance(retry)
    taken, mine, _ = await library.ledger.claim(job.id, "w2", LEASE)
    assert (mine, taken.attempt, taken.worker_id) == (True, 2, "w2")


async def test_a_new_attempt_begins_afresh(library: Library) -> None:
    job = await library.running(stages=[Stage("split", "dsp"), Stage("mix", "dsp")])
    begun = [Stage("split", "dsp", JobState.SUCCEEDED, 1.0, 2.0), Stage("mix", "dsp", JobState.RUNNING, 2.0)]
    await library.ledger.heartbeat(job.id, 1, LEASE, 0.7, "mixing", begun)
    library.clock.advance(LEASE + 1)
    again, mine, _ = await library.ledger.claim(job.id, "w2", LEASE)
    assert mine
    assert (again.progress_ratio, again.progress_message) == (0.0, "")
    assert again.stages == [Stage("split", "dsp"), Stage("mix", "dsp")]


async def test_a_job_whose_worker_died_too_often_fails(library: Library) -> None:
    job = await library.job(attempt_limit=2)
    for _ in range(2):
        assert (await library.ledger.claim(job.id, "w", LEASE))[1]
        library.clock.advance(LEASE + 1)
    ended, mine, retry = await library.ledger.claim(job.id, "w", LEASE)
    assert (mine, retry, ended.state, ended.attempt) == (False, 0.0, JobState.FAILED, 2)
    assert ended.error is not None
    assert ended.error.reason == "WORKER_LOST"
    assert (ended.lease_until, ended.due_time, ended.finish_time) == (None, None, library.clock.time)


async def test_a_dead_workers_job_with_a_wish_to_cancel_is_cancelled(library: Library) -> None:
    job = await library.running()
    await library.ledger.cancel(ANN, job.id)
    library.clock.advance(LEASE + 1)
    ended, mine, _ = await library.ledger.claim(job.id, "w2", LEASE)
    assert (mine, ended.state) == (False, JobState.CANCELLED)


# ----------------------------------------------------------------------------------------------------------- heartbeat


async def test_heartbeat_extends_the_lease_and_progress_never_falls(library: Library) -> None:
    job = await library.running()
    library.clock.advance(15)
    assert await library.ledger.heartbeat(job.id, 1, LEASE, 0.5, "half", []) is False
    assert await library.ledger.heartbeat(job.id, 1, LEASE, 0.2, "", []) is False
    seen = await library.now(job)
    assert (seen.progress_ratio, seen.progress_message) == (0.5, "half")
    assert seen.lease_until == library.clock.time + LEASE
    await library.ledger.heartbeat(job.id, 1, LEASE, 7.0, "", [])
    assert (await library.now(job)).progress_ratio == 1.0


async def test_a_stale_attempt_is_fenced_off_everywhere(library: Library) -> None:
    job = await library.running()
    library.clock.advance(LEASE + 1)
    assert (await library.ledger.claim(job.id, "w2", LEASE))[1]
    before = await library.now(job)
    ledger = library.ledger
    for call in (
        ledger.heartbeat(job.id, 1, LEASE, 0.9, "stale", []),
        ledger.succeed(job.id, 1, result("vocals"), []),
        ledger.fail(job.id, 1, JobError("X", "x"), False, []),
        ledger.heartbeat(job.id, 3, LEASE, 0.9, "future", []),
    ):
        assert await reason(call) == "ATTEMPT_STALE"
    assert await ledger.release(job.id, 1, 0, JobError("X", "x"), False) == before
    assert await library.now(job) == before


# ----------------------------------------------------------------------------------------------------------------- ends


async def test_success_stores_the_result_and_files_what_belongs_to_it(library: Library) -> None:
    await library.tracks.create(ANN, track("t1"))
    job = await library.running(track_id="t1")
    library.clock.advance(3)
    ended = await library.ledger.succeed(job.id, 1, result("vocals", "drums", mix=audio_output("mix")), [])
    assert (ended.state, ended.progress_ratio, ended.finish_time) == (JobState.SUCCEEDED, 1.0, library.clock.time)
    assert (ended.lease_until, ended.results_pending, ended.error) == (None, None, None)
    assert ended == await library.now(job)
    latest = await library.tracks.stem_set(ANN, "t1")
    assert latest is not None
    stems = latest.stems
    filed = [(stem.name, stem.job_id, stem.track_id, stem.owner_id) for stem in [*stems, latest.mix] if stem]
    assert filed == [(name, job.id, "t1", "ann") for name in ("vocals", "drums", "mix")]
    assert (await library.tracks.get(ANN, "t1")).stem_count == 2
    assert latest.mix is not None
    assert await library.tracks.stem(ANN, latest.mix.id) == dataclasses.replace(latest.mix, revision=1)
    assert await library.tracks.stem(ANN, stems[0].id) == dataclasses.replace(stems[0], revision=1)
    assert await reason(library.tracks.stem(BOB, stems[0].id)) == "ACCESS_DENIED"


async def test_success_may_be_repeated_but_not_changed(library: Library) -> None:
    job = await library.running()
    first = await library.ledger.succeed(job.id, 1, result("vocals"), [])
    library.clock.advance(1)
    assert await library.ledger.succeed(job.id, 1, result("another"), []) == first
    assert await reason(library.ledger.fail(job.id, 1, JobError("X", "x"), False, [])) == "ATTEMPT_STALE"
    assert (await library.ledger.claim(job.id, "w2", LEASE))[1:] == (False, 0.0)
    assert await library.now(job) == first


async def test_a_clip_is_filed_with_what_the_ledger_knows(library: Library) -> None:
    job = await library.running(kind="generation")
    library.clock.advance(7)
    ended = await library.ledger.succeed(job.id, 1, result("audio", clip=CLIP, requested_model="music"), [])
    filed = await library.clips.clips.get(job.id)
    assert filed is not None
    assert (filed.id, filed.owner_id, filed.priority) == (job.id, "ann", "standard")
    assert filed.create_time == library.clock.time
    assert (filed.prompt, filed.model, filed.quality_score) == ("slow cello", "music", 91)
    assert (filed.engine, filed.engine_model) == ("dsp", "m")
    assert ended.result is not None
    assert ended.result.clip == CLIP
    assert ended == await library.now(job)


CLIP = clip("slow cello", quality_score=91)


@pytest.mark.parametrize("crash", ["store_outputs", "store_stems", "store_analysis", "replace", "store_clip"])
async def test_a_crash_before_the_results_are_stored_is_repaired_by_the_sweeper(library: Library, crash: str) -> None:
    await library.tracks.create(ANN, track("t1"))
    job = await library.running(track_id="t1")
    with dying(library.clips if crash == "store_clip" else library.track_docs, crash):
        await library.ledger.succeed(job.id, 1, result("vocals", values="{}", clip=CLIP), [])
    crashed = await library.now(job)
    assert (crashed.state, crashed.results_pending) == (JobState.SUCCEEDED, True)
    assert crashed.result is not None
    stem_id = crashed.result.outputs[0].id
    await library.sweeper.sweep()  # its worker may be about to do it
    assert (await library.now(job)).results_pending is True
    library.clock.advance(LOST + 1)
    await library.sweeper.sweep()
    assert (await library.tracks.stem(ANN, stem_id)).name == "vocals"
    assert (await library.tracks.analysis(ANN, "t1")).values_json == "{}"
    latest = await library.tracks.stem_set(ANN, "t1")
    assert latest is not None
    assert ids(latest.stems) == [stem_id]
    assert (await library.tracks.get(ANN, "t1")).stem_count == 1
    filed = await library.clips.clips.get(job.id)
    assert filed is not None
    assert filed.create_time == crashed.finish_time
    assert (await library.now(job)).results_pending is None
    assert library.published == []


async def test_failure_is_final_and_repeatable(library: Library) -> None:
    job = await library.running(stages=[Stage("split", "dsp")])
    stages = [Stage("split", "dsp", JobState.FAILED, 1.0, 2.0, "no")]
    ended = await library.ledger.fail(job.id, 1, JobError("AUDIO_INVALID", "no"), False, stages)
    assert (ended.state, ended.error, ended.stages) == (JobState.FAILED, JobError("AUDIO_INVALID", "no"), stages)
    assert await library.ledger.fail(job.id, 1, JobError("OTHER", "o"), False, []) == ended
    assert await reason(library.ledger.cancel(ANN, job.id)) == "JOB_FINISHED"


# --------------------------------------------------------------------------------------------------------------- cancel


async def test_cancel_asks_a_running_job_to_stop(library: Library) -> None:
    job = await library.running(stages=[Stage("split", "dsp", JobState.RUNNING)])
    await library.ledger.heartbeat(job.id, 1, LEASE, 0.1, "", [Stage("split", "dsp", JobState.RUNNING, 1.0)])
    asked = await library.ledger.cancel(ANN, job.id)
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    assert await library.ledger.heartbeat(job.id, 1, LEASE, 0.2, "", []) is True
    ended = await library.ledger.fail(job.id, 1, JobError("X", "x"), True, [])
    assert (ended.state, ended.error) == (JobState.CANCELLED, JobError("CANCELLED", "cancelled"))
    assert [stage.state for stage in ended.stages] == [JobState.FAILED]


async def test_what_does_not_succeed_after_a_wish_to_cancel_is_cancelled(library: Library) -> None:
    failing, released = await library.running(), await library.running()
    for job in (failing, released):
        await library.ledger.cancel(ANN, job.id)
    ended = await library.ledger.fail(failing.id, 1, JobError("BROKEN", "It broke."), False, [])
    assert (ended.state, ended.error) == (JobState.CANCELLED, JobError("CANCELLED", "cancelled"))
    ended = await library.ledger.release(released.id, 1, 5.0, JobError("X", "x"), False)
    assert ended.state is JobState.CANCELLED


async def test_what_a_job_goes_by_outside_stays_known(library: Library) -> None:
    job = await library.running()
    work = ExternalTask("source", ["task"], own_key=True)
    await library.ledger.heartbeat(job.id, 1, LEASE, 0.1, "", [], work)
    await library.ledger.heartbeat(job.id, 1, LEASE, 0.2, "", [])
    await library.ledger.release(job.id, 1, 0.0, None, True)
    again, claimed, _ = await library.ledger.claim(job.id, "w2", LEASE)
    assert (claimed, again.attempt, again.external_task) == (True, 2, work)


# -------------------------------------------------------------------------------------------------------------- release


async def test_release_gives_the_job_back_after_a_delay(library: Library) -> None:
    job = await library.running()
    released = await library.ledger.release(job.id, 1, 4.0, JobError("BUSY", "later"), False)
    assert (released.state, released.error, released.lease_until) == (JobState.QUEUED, JobError("BUSY", "later"), None)
    _, mine, retry = await library.ledger.claim(job.id, "w2", LEASE)
    assert (mine, retry) == (False, pytest.approx(4.0))
    library.clock.advance(4)
    again, mine, _ = await library.ledger.claim(job.id, "w2", LEASE)
    assert (mine, again.attempt) == (True, 2)
    ended = await library.ledger.succeed(job.id, 2, result(), [])
    assert ended.error is None


async def test_release_fails_the_job_when_its_budget_is_spent(library: Library) -> None:
    job = await library.job(attempt_limit=2)
    for attempt in (1, 2):
        await library.ledger.claim(job.id, "w", LEASE)
        released = await library.ledger.release(job.id, attempt, 0.0, JobError("BUSY", f"no. {attempt}"), False)
    assert (released.state, released.error) == (JobState.FAILED, JobError("BUSY", "no. 2"))
    assert await library.ledger.release(job.id, 2, 0.0, JobError("BUSY", "again"), False) == await library.now(job)


# -------------------------------------------------------------------------------------------------------------- sweeper


async def test_a_lost_command_is_published_again(library: Library) -> None:
    job = await library.job()
    library.clock.advance(LOST - 1)
    await library.sweeper.sweep()
    assert library.published == []  # it may be on its way
    library.clock.advance(2)
    await library.sweeper.sweep()
    assert [(again.id, again.publication, again.attempt) for again in library.published] == [(job.id, 1, 0)]
    library.backlogs[""] = 1
    library.clock.advance(LOST + 1)
    await library.sweeper.sweep()
    assert len(library.published) == 1
    assert (await library.ledger.claim(job.id, "w", LEASE))[1]


async def test_what_is_lost_behind_a_long_queue_is_found_in_its_turn(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundwright.services.library.jobs.sweeper._BATCH", 4)
    for _ in range(10):
        library.clock.advance(1)
        await library.job()
    lost = await library.job(queue="analysis")
    library.backlogs |= {"soundwright.cmd.analysis.v1.job.run": 0}
    library.backlogs[""] = 10
    library.clock.advance(LOST + 1)
    for _ in range(3):
        assert library.published == []
        await library.sweeper.sweep()
    assert [job.id for job in library.published] == [lost.id]


@pytest.mark.parametrize("broker_count", [3, 5])
async def test_as_many_commands_are_published_as_are_missing(library: Library, broker_count: int) -> None:
    made = [await library.job() for _ in range(5)]
    library.backlogs[""] = broker_count
    library.clock.advance(3600)
    await library.sweeper.sweep()
    assert len(library.published) == 5 - broker_count
    assert {job.id for job in library.published} < {job.id for job in made}


async def test_a_lost_command_is_noticed_while_other_jobs_run(library: Library) -> None:
    for _ in range(3):
        await library.running()
    library.backlogs[""] = 3  # theirs: a command stays until its job ends
    lost = await library.job()
    for _ in range(2):
        library.clock.advance(LOST * 0.6)
        for job in (await library.ledger.list_jobs(ANN, [], ["running"], "", PageRequest(10))).entries:
            await library.ledger.heartbeat(job.id, 1, LEASE, 0.1, "", [])
    await library.sweeper.sweep()
    assert [job.id for job in library.published] == [lost.id]


async def test_a_dead_workers_job_is_queued_again_and_may_start_at_once(library: Library) -> None:
    job = await library.running()
    library.clock.advance(LEASE + 1)
    await library.sweeper.sweep()
    assert library.published == []  # the broker delivers its command again by itself
    library.clock.advance(LOST)
    await library.sweeper.sweep()
    assert [(again.id, again.state, again.attempt) for again in library.published] == [(job.id, JobState.QUEUED, 1)]
    again, mine, _ = await library.ledger.claim(job.id, "w2", LEASE)
    assert (mine, again.attempt) == (True, 2)


async def test_a_step_that_fails_stops_no_other_repair(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = await library.job()
    library.clock.advance(LOST + 1)

    async def fail(_limit: int) -> None:
        raise PermissionError("a file cannot be deleted")

    monkeypatch.setattr(library.jobs, "jobs_with_pending_results", fail)
    await library.sweeper.sweep()
    assert ids(library.published) == [lost.id]


async def test_a_damaged_job_neither_hides_other_jobs_from_repair_nor_blocks_their_queue(library: Library) -> None:
    damaged, waiting = await library.job(), await library.job()
    doc = await library.docs.get("jobs", damaged.id)
    assert doc is not None
    assert await library.docs.replace("jobs", {**doc, "progress_ratio": "half"}, doc["revision"])
    library.clock.advance(LOST + 1)
    await library.sweeper.sweep()
    assert ids(library.published) == [waiting.id]
    assert (await library.start(waiting)).id == waiting.id
    listed = await library.ledger.list_jobs(ANN, [], [], "", PageRequest(10))
    assert ids(listed.entries) == [waiting.id]


async def test_two_sweepers_publish_a_job_once(library: Library) -> None:
    await library.job()
    library.clock.advance(LOST + 1)
    await asyncio.gather(*(library.sweeper.sweep() for _ in range(4)))
    assert len(library.published) == 1


async def test_a_job_that_cannot_be_repaired_stops_no_other_repair(library: Library) -> None:
    await library.tracks.create(ANN, track("t1"))
    broken, other = await library.running(track_id="t1"), await library.running()
    with dying(library.track_docs, "store_outputs"):
        await library.ledger.succeed(broken.id, 1, result("vocals"), [])
    library.clock.advance(LEASE + LOST + 1)
    with interrupted(library.ledger, "store_results", PermissionError("the disk does not allow it")):
        await library.sweeper.sweep()
    assert ids(library.published) == [other.id]
    library.clock.advance(LOST + 1)
    with interrupted(library.ledger, "republish", PermissionError("broken"), lambda job: job.id == other.id):
        await library.sweeper.sweep()
    assert not (await library.now(broken)).results_pending


async def test_every_kind_and_state_is_counted(library: Library) -> None:
    assert await library.jobs.count_by_kind_and_state() == {}
    expected = {
        ("separation", "queued"): 2, ("separation", "succeeded"): 1, ("separation2", "failed"): 1, ("analysis", "running"): 3,
    }  # fmt: skip
    plain = queued(ANN, new(), library.clock.time)
    for (kind, state), count in expected.items():
        for _ in range(count):
            await library.jobs.insert(
                dataclasses.replace(plain, id=str(uuid.uuid4()), kind=kind, state=JobState(state))
            )
    assert await library.jobs.count_by_kind_and_state() == expected
