"""The order of the queue, positions, estimated waits, and what callers see of other callers' jobs."""

import random
from typing import Any

import pytest
from library_fixture import ANN, BOB, WORKER, Library, details, result, track

from soundwright.kit.security.identity import Principal
from soundwright.services.library.jobs.queue import Queue
from soundwright.services.library.jobs.service import Job, JobError, JobState

ROOT = Principal("root", "admin")
PRO = Principal("pro", "pro")
KIND = "generation"
LONG_LEASE = 1e9  # no worker of these tests dies


async def asked(library: Library, principal: Principal = ANN, **fields: Any) -> Job:
    return await library.job(principal, **{"kind": KIND, "affinity": "music", "work_seconds": 10.0, **fields})


async def start(library: Library, job: Job) -> Job:
    """Claim a job with the command of ``job``, and return the claimed job."""
    claimed, mine, _ = await library.ledger.claim(job.id, "w", LONG_LEASE)
    assert mine
    return claimed


async def finish(library: Library, job: Job, seconds: float) -> None:
    claimed = await start(library, job)
    library.clock.advance(seconds)
    await library.ledger.succeed(job.id, claimed.attempt, result(), [])


async def place(library: Library, job: Job) -> tuple[int, float]:
    return await library.queue.position(await library.now(job))


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


async def look(library: Library, principal: Principal = WORKER, kind: str = KIND) -> Queue:
    return await library.queue.get(principal, kind)


async def test_priority_then_time_then_what_runs_first(library: Library) -> None:
    made = []
    for principal in (ANN, PRO, ROOT, BOB, PRO, ROOT, ANN):
        library.clock.advance(1)
        made.append(await asked(library, principal))
    free = await asked(library, ROOT, priority="free")
    await library.job(kind="separation")
    for job in (made[3], made[0]):  # whatever job the command names, the first job of the queue starts
        library.clock.advance(1)
        await start(library, job)
    queue = await look(library)
    assert ids(queue.running) == ids([made[2], made[5]])
    assert ids(queue.queued) == ids([made[1], made[4], made[0], made[3], made[6], free])
    assert queue.queued_count == 6
    assert [(await place(library, job))[0] for job in queue.queued] == [1, 2, 3, 4, 5, 6]
    assert [await place(library, job) for job in queue.running] == [(0, 0.0)] * 2


@pytest.mark.parametrize("seed", range(3))
async def test_places_are_live(library: Library, seed: int) -> None:
    """Positions match the list after each event, and jobs start in that order whatever command the broker delivers."""
    draw = random.Random(seed)
    commands: list[str] = []  # one for each unfinished job that does not run, and for cancelled jobs
    for _ in range(60):
        library.clock.advance(draw.choice((0.0, 1.0)))
        queue = await look(library)
        match draw.choice(("ask", "ask", "ask", "start", "finish", "cancel", "release")):
            case "start" if queue.queued:
                draw.shuffle(commands)
                mine = False
                while not mine:
                    job, mine, retry = await library.ledger.claim(commands.pop(), "w", LONG_LEASE)
                    assert retry == 0.0
                    assert mine or job.state is JobState.CANCELLED
                assert job.id == queue.queued[0].id
            case "finish" if queue.running:
                job = draw.choice(queue.running)
                await library.ledger.succeed(job.id, job.attempt, result(), [])
            case "cancel" if queue.queued:
                await library.ledger.cancel(WORKER, draw.choice(queue.queued).id)
            case "release" if queue.running:
                job = await library.now(draw.choice(queue.running))
                assert job.command_id is not None
                commands.append(job.command_id.removesuffix(".0"))
                await library.ledger.release(job.id, job.attempt, 0.0, JobError("BUSY", "later"), True)
            case _:
                fields = {
                    "affinity": draw.choice(("", "music", "audio")),
                    "starvation_seconds": draw.choice((0.5, 9.0)),
                }
                commands.append((await asked(library, draw.choice((ANN, PRO, ROOT)), **fields)).id)
        order = (await look(library)).queued
        assert [(await place(library, job))[0] for job in order] == list(range(1, len(order) + 1))
    assert order


async def test_a_republished_command_is_a_new_permit(library: Library) -> None:
    """The command of the second job has started the first one. Published again, it starts the second job."""
    first = await asked(library)
    library.clock.advance(1.0)
    second = await asked(library)
    started, claimed, _ = await library.ledger.claim(second.id, "w", LONG_LEASE)
    assert (started.id, claimed) == (first.id, True)
    await library.ledger.succeed(first.id, 1, result(), [])
    ended, claimed, retry_after_seconds = await library.ledger.claim(second.id, "w", LONG_LEASE)
    assert (ended.id, claimed, retry_after_seconds) == (first.id, False, 0.0), "the command is used up"

    again = await library.ledger.republish(await library.now(second))
    started, claimed, _ = await library.ledger.claim(second.id, "w", LONG_LEASE, again.publication)
    assert (started.id, claimed) == (second.id, True)


async def test_starving_jobs_start_first(library: Library) -> None:
    patient = await asked(library, priority="free", starvation_seconds=10.0)
    late = await asked(library, ANN, starvation_seconds=12.0)
    library.clock.advance(10.0)
    urgent = [await asked(library, ROOT), await asked(library, PRO)]
    assert ids((await look(library)).queued) == ids([*urgent, late, patient]), (
        "10 seconds are not longer than 10 seconds"
    )
    library.clock.advance(1.0)
    assert ids((await look(library)).queued) == ids([patient, *urgent, late])
    library.clock.advance(2.0)  # of starving jobs, the higher priority starts first
    order = [late, patient, *urgent]
    assert ids((await look(library)).queued) == ids(order)
    assert [await place(library, job) for job in order] == [(1, 0.0), (2, 10.0), (3, 20.0), (4, 30.0)]
    assert [(await start(library, job)).id for job in reversed(order)] == ids(order)


@pytest.mark.parametrize("query", ["queued_jobs", "running_jobs"])
async def test_a_job_that_starts_while_the_queue_is_read_is_waited_for(
    library: Library, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """Whichever query comes before the start of the job, the job is in the answer once."""
    job = await asked(library)
    ask = getattr(library.jobs, query)

    async def ask_then_start(*args: Any) -> list[Job]:
        found: list[Job] = await ask(*args)
        monkeypatch.undo()
        await start(library, job)
        return found

    monkeypatch.setattr(library.jobs, query, ask_then_start)
    queue = await look(library)
    assert ids([*queue.running, *queue.queued]) == [job.id]
    assert queue.estimated_wait_seconds == 10.0


async def test_waiting_is_worked_out_from_measured_speed(library: Library) -> None:
    for seconds, affinity in ((20.0, "music"), (40.0, "music"), (5.0, "audio")):
        await finish(library, await asked(library, affinity=affinity), seconds)
    library.clock.advance(60)
    # 3 seconds for a second of music, 0.5 for one of audio.
    running = await start(library, await asked(library, work_seconds=20.0))
    await library.ledger.heartbeat(running.id, 1, LONG_LEASE, 0.25, "", [])
    second = await asked(library, work_seconds=4.0)
    library.clock.advance(1)
    third = await asked(library, affinity="audio", work_seconds=8.0)
    last = await asked(library, PRO, affinity="audio", work_seconds=6.0)
    rest = 3.0 * 20.0 * 0.75
    expected = [(last, 1, rest), (second, 2, rest + 3.0), (third, 3, rest + 3.0 + 12.0)]
    assert [(job, *await place(library, job)) for job in (last, second, third)] == expected
    assert (await look(library)).estimated_wait_seconds == rest + 3.0 + 12.0 + 4.0


async def left(library: Library, job: Job) -> float | None:
    current = await library.now(job)
    return await library.queue.seconds_left(current, (await library.queue.position(current))[0])


async def test_the_time_left_is_known_only_from_jobs_of_the_same_model_and_length(library: Library) -> None:
    first = await start(library, await asked(library, work_seconds=100.0))
    assert await left(library, first) is None
    library.clock.advance(50.0)
    await library.ledger.succeed(first.id, 1, result(), [])
    assert await left(library, first) is None, "it has ended"
    library.clock.advance(60.0)
    running = await start(library, await asked(library, work_seconds=200.0))
    await library.ledger.heartbeat(running.id, 1, LONG_LEASE, 0.75, "", [])
    jobs = []
    for fields in ({"work_seconds": 60.0}, {"work_seconds": 7200.0}, {"affinity": "audio"}, {"work_seconds": 60.0}):
        library.clock.advance(1.0)
        jobs.append(await asked(library, **fields))
    waiting, other_length, other_model, behind = jobs
    assert await left(library, running) == 25.0  # a quarter of 200 seconds, at half a second for each
    assert await left(library, waiting) == 25.0 + 30.0
    assert [await left(library, job) for job in (other_length, other_model)] == [None, None]
    assert await left(library, behind) is None, "jobs before it take an unknown time"
    urgent = await asked(library, PRO, work_seconds=60.0)
    library.clock.advance(2.0)
    assert (await left(library, urgent), await left(library, waiting)) == (25.0 + 30.0, 25.0 + 60.0)


async def test_jobs_of_tracks_are_as_long_as_the_tracks(library: Library) -> None:
    song = await library.tracks.create(ANN, track("t1", title="Tune", duration_seconds=180.0))
    job = await library.job(track_id=song.id)
    assert job.work_seconds == 180.0
    assert await library.ledger.track_title(ANN, job) == "Tune"
    assert await library.ledger.track_title(BOB, job) == ""
    assert await library.ledger.track_title(ANN, await library.job()) == ""


async def test_several_workers_share_the_work(library: Library) -> None:
    await finish(library, await asked(library), 10.0)
    for _ in range(2):
        await start(library, await asked(library))
    waiting = [await asked(library) for _ in range(2)]
    waits = sorted([(await place(library, job)) for job in waiting])
    assert waits == [(1, 10.0), (2, 15.0)]


async def test_only_what_lately_succeeded_is_a_measure(library: Library) -> None:
    await finish(library, await asked(library), 1000.0)
    library.clock.advance(8 * 24 * 3600)
    failing = await start(library, await asked(library))
    library.clock.advance(500)
    await library.ledger.fail(failing.id, 1, JobError("X", "x"), False, [])
    await start(library, await asked(library))
    waiting = await asked(library)
    assert await place(library, waiting) == (1, 10.0)  # as fast as it sounds
    await library.ledger.cancel(ANN, waiting.id)
    library.clock.advance(60)
    for _ in range(30):
        await finish(library, await asked(library, BOB, priority="free"), 40.0)
    library.clock.advance(60)
    for _ in range(20):
        await finish(library, await asked(library, BOB, priority="free"), 20.0)
    library.clock.advance(60)
    assert (await place(library, await asked(library, PRO))) == (1, 20.0), "the latest twenty count"


async def test_a_long_queue_is_cut_and_counted(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundwright.services.library.jobs.queue._LISTED_JOBS", 5)
    made = []
    for number in range(8):
        library.clock.advance(1)
        made.append(await asked(library, (ANN, PRO)[number % 2]))
    queue = await look(library)
    assert ids(queue.queued) == ids([*made[1::2], made[0]])
    assert (queue.queued_count, queue.estimated_wait_seconds) == (8, 80.0)
    assert await place(library, made[6]) == (8, 70.0)


async def test_polling_does_not_list_the_queue(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await asked(library)
    first = await place(library, job)
    listed = []
    find = library.jobs._docs.find

    async def noted(*arguments: Any, **options: Any) -> Any:
        listed.append(arguments)
        return await find(*arguments, **options)

    monkeypatch.setattr(library.jobs._docs, "find", noted)
    current = await library.now(job)
    assert [await library.queue.position(current) for _ in range(20)] == [first] * 20
    assert listed == []
    library.clock.advance(2)
    await library.queue.position(current)
    assert listed != []


async def test_others_see_what_is_everybodys_business(library: Library) -> None:
    await library.tracks.create(ANN, track("t1"))
    shown = {"spec": details("rain"), "public_spec": True}
    secret = await asked(library, track_id="t1", idempotency_key="my key", correlation_id="c9", **shown)
    await start(library, secret)
    await library.ledger.release(secret.id, 1, 0.0, JobError("BUSY", "details"), True)
    download = await library.job(kind="download", spec=details("https://private"), output_folder="tracks/private")
    mine = (await look(library, ANN)).queued[0]
    assert mine == await library.now(secret)
    assert (await look(library, WORKER)).queued == [mine]
    [seen] = (await look(library, Principal("anon:1", "anonymous"))).queued
    assert (seen.id, seen.owner_id, seen.state, seen.spec, seen.priority, seen.create_time) == (
        secret.id, "ann", JobState.QUEUED, details("rain"), "standard", secret.create_time,
    )  # fmt: skip
    assert (mine.track_id, seen.track_id) == ("t1", "")
    assert (seen.idempotency_key, seen.error, seen.correlation_id, seen.fingerprint) == (None, None, "", "")
    [other] = (await look(library, BOB, "download")).queued
    assert (other.id, other.owner_id, other.spec) == ("", "", None)
    assert "private" not in repr(other)
    assert (await look(library, ANN, "download")).queued == [await library.now(download)]
