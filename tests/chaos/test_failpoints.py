"""A component crashes at each step of the life of a job or a batch (docs/ARCHITECTURE.md). It ends once, whole, and is reported once."""

import asyncio
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from invariants import World, broken, events_of, no_duplicate_event
from work import LONG_FRAME_COUNT, SETTINGS, Work

from soundwright_client.local import Stack, running
from tests.api.stories import encoded
from tests.api.stories import song as samples
from tests.simulators.webhook_receiver import WebhookReceiver
from tests.waiting import eventually

_FAILPOINTS = Path(__file__).parent / "failpoints"
_COMMANDS = "soundwright.kit.worker.commands"
_WORKER = "soundwright.kit.worker.worker:JobWorker"
_LIVE = "soundwright.kit.worker.live"
_LEDGER = "soundwright.services.library.jobs.ledger:JobLedger"
_ATTEMPTS = "soundwright.services.library.jobs.attempts:JobAttempts"
_CREATION = "soundwright.services.library.jobs.creation:JobCreation"
_HANDLER = "separation:soundwright.services.separation.worker:SeparationWorker.handle:before"
_LOST = {f"separation:{_COMMANDS}:publish_run:before": "UNAVAILABLE"}
_RETRIED = {_HANDLER: "UNAVAILABLE"}
_REFUSED = {_HANDLER: "UNPROCESSABLE"}


@dataclass(frozen=True)
class Crash:
    """A place in a component where it dies.

    Attributes:
        step: of the life of a job, and what has happened at this moment.
        place: ``<component>:<module>:<function>:before`` or ``:after``.
        errors: what makes the component come there: errors to raise, by place.
        attempts: the possible numbers of the attempt that ends the job.
        fails: the job ends as failed.
        short: whether this one is part of the short form.
        is_long: the job separates the long song.
    """

    step: str
    place: str
    errors: dict[str, str] = field(default_factory=dict)
    attempts: tuple[int, ...] = (1,)
    fails: bool = False
    short: bool = False
    is_long: bool = False

    @property
    def function(self) -> str:
        return _function(self.place)


def _function(place: str) -> str:
    return place.partition(":")[2].rpartition(":")[0]


CRASHES = [
    Crash("1: the gateway has not called the service", "gateway:soundwright.services.gateway.records:own_track:after"),
    Crash(
        "1: the gateway has not passed on the answer",
        "gateway:soundwright.services.gateway.dialects.forge.processing:_requested_model:before",
    ),
    Crash("2: the service has not called the library", f"separation:{_COMMANDS}:_fill_from_kind:before"),
    Crash(
        "2: the library has stored the job only", "library:soundwright.services.library.jobs.store:JobDocs.insert:after"
    ),
    Crash("2: the job is stored, its command is not published", f"separation:{_COMMANDS}:publish_run:before"),
    Crash("2: the command is published, the caller has no answer", f"separation:{_COMMANDS}:publish_run:after"),
    Crash("3: the command is pulled", f"separation:{_WORKER}._deliver:before"),
    Crash("3: the library has recorded the claim only", f"library:{_ATTEMPTS}.claim:after", attempts=(1, 2)),
    Crash("3: the job is claimed", f"separation:{_WORKER}._run_job:before", attempts=(2,)),
    Crash("4: the engine works", "separation:soundwright.kit.worker.context:JobContext.report:after", attempts=(2,)),
    # A fast machine separates a short song before the lease is extended for the first time.
    Crash("4: the lease is being extended", f"library:{_ATTEMPTS}.heartbeat:before", attempts=(1, 2), is_long=True),
    Crash("4: no block is copied", f"separation:{_LIVE}:_Publication._publish:before", attempts=(2,), is_long=True),
    Crash(
        "4: the copy of a block is not named",
        f"separation:{_LIVE}:_Publication._commit:before",
        attempts=(2,),
        is_long=True,
    ),
    Crash("4: a block is heard", f"separation:{_LIVE}:_Publication._commit:after", attempts=(2,), is_long=True),
    Crash(
        "5: one output is stored",
        "separation:soundwright.kit.worker.outputs:JobOutputs.put:after",
        attempts=(2,),
        short=True,
    ),
    Crash("5: all outputs are stored", f"separation:{_WORKER}._store_outcome:before", attempts=(2,)),
    Crash(
        "5: the success is recorded, the stems are not filed",
        "library:soundwright.services.library.job_results:JobResults.store_results:before",
        short=True,
    ),
    Crash("5: the stems are filed", "library:soundwright.services.library.job_results:JobResults.store_results:after"),
    Crash("5: the library has recorded all, the worker knows nothing", f"library:{_ATTEMPTS}.succeed:after"),
    Crash("5: the worker has not published the event", f"separation:{_WORKER}._publish_finished:before", short=True),
    Crash("5: the event is published, the copies are there", f"separation:{_LIVE}:delete_live:before", is_long=True),
    Crash("5: the command is not acknowledged", f"separation:{_WORKER}._publish_finished:after"),
    Crash("5: the command is acknowledged", "separation:soundwright.kit.adapters.nats.consumer:NatsDelivery.ack:after"),
    Crash("6: a retry is not recorded", f"separation:{_WORKER}._release:before", _RETRIED, (2,)),
    Crash("6: the library has recorded a retry only", f"library:{_ATTEMPTS}.release:after", _RETRIED, (2,)),
    Crash("6: a retry is recorded", f"separation:{_WORKER}._release:after", _RETRIED, (2,)),
    Crash(
        "6: the command is handed back",
        "separation:soundwright.kit.adapters.nats.consumer:NatsDelivery.nak:after",
        _RETRIED,
        (2,),
    ),
    Crash("6: a failure is not recorded", f"separation:{_WORKER}._store_outcome:before", _REFUSED, (2,)),
    Crash("6: the library has recorded a failure only", f"library:{_ATTEMPTS}.fail:after", _REFUSED, fails=True),
    Crash("6: a failure is not published", f"separation:{_WORKER}._publish_finished:before", _REFUSED, fails=True),
    Crash(
        "6: the command is not ended",
        "separation:soundwright.kit.adapters.nats.consumer:NatsDelivery.term:before",
        _REFUSED,
        fails=True,
    ),
    Crash("7: the sweeper has found a lost command", f"library:{_LEDGER}.republish:before", _LOST),
    Crash("7: the sweeper has recorded a publication", f"library:{_LEDGER}.republish:after", _LOST),
    Crash("7: the sweeper has published", f"library:{_COMMANDS}:publish_run:after", _LOST),
]

BATCH_CRASHES = [
    Crash(
        "1: the batch is stored, its jobs are not",
        "library:soundwright.services.library.jobs.store:JobDocs.insert:after",
        short=True,
    ),
    Crash("1: one of its jobs is stored", f"library:{_LEDGER}._insert_planned:after"),
    Crash("1: all are stored, the service knows nothing", f"library:{_CREATION}.create_batch:after"),
    Crash("1: no command is published", f"separation:{_COMMANDS}:_publish_first_run:before"),
    Crash("2: a job has started, its batch has not", f"library:{_LEDGER}.advance_batch_of:before"),
    Crash(
        "3: the last job has ended, its batch has not",
        "library:soundwright.services.library.jobs.batches:_final_state:before",
        short=True,
    ),
]


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("armed")


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, armed: Path, receiver: WebhookReceiver) -> Iterator[Stack]:
    """A stack whose components crash where a test wants it."""
    crashes = [*CRASHES, *BATCH_CRASHES]
    places = {crash.function for crash in crashes} | {_function(place) for crash in crashes for place in crash.errors}
    settings = {
        **SETTINGS,
        "PYTHONPATH": os.pathsep.join((str(_FAILPOINTS), os.environ.get("PYTHONPATH", ""))),
        "CHAOS_PLACES": ",".join(sorted(places)),
        "CHAOS_ARMED": str(armed),
        "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": receiver.address,
    }
    with running(tmp_path_factory.mktemp("failpoints"), settings) as started:
        yield started


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    path.write_bytes(encoded(samples(3.0)))
    return path


@pytest.mark.parametrize(
    "crash",
    [pytest.param(crash, id=crash.step, marks=() if crash.short else pytest.mark.campaign) for crash in CRASHES],
)
def test_a_crash_at_a_step(stack: Stack, work: Work, song: Path, long_song: Path, armed: Path, crash: Crash) -> None:
    track_id = work.upload(long_song if crash.is_long else song)
    for place, code in {**crash.errors, crash.place: ""}.items():
        (armed / place).write_text(code)
    job_id = work.separate(track_id)
    eventually(lambda: not list(armed.iterdir()), f"{crash.place} is reached")
    job = work.until_ended(job_id)
    if crash.fails:
        assert (job["status"], job["error_code"]) == ("failed", "FAILPOINT")
        assert work.stems(job_id) == []
    else:
        work.assert_completed_once(job_id, frame_count=LONG_FRAME_COUNT if crash.is_long else 3 * 44_100)
    assert job["attempt"] in crash.attempts
    _assert_one_event_each(stack, [job_id])


@pytest.mark.campaign
def test_a_job_that_is_cancelled_after_its_worker_died_leaves_no_copies(
    work: Work, long_song: Path, armed: Path
) -> None:
    (armed / f"separation:{_LIVE}:_Publication._commit:after").write_text("")
    job_id = work.separate(work.upload(long_song))
    eventually(lambda: not list(armed.iterdir()), "the worker dies")
    assert work.stems(job_id), "it has left copies"
    work.cancel(job_id)
    assert work.until_ended(job_id)["error_code"] == "CANCELLED"
    eventually(lambda: not work.stems(job_id), "they are gone")


@pytest.mark.parametrize(
    "crash",
    [pytest.param(crash, id=crash.step, marks=() if crash.short else pytest.mark.campaign) for crash in BATCH_CRASHES],
)
def test_a_crash_at_a_step_of_a_batch(
    stack: Stack, work: Work, song: Path, armed: Path, receiver: WebhookReceiver, crash: Crash
) -> None:
    path = f"/hooks/{uuid.uuid4().hex}"
    webhook = work.call("POST", "/api/webhooks", json={"url": receiver.url + path}).json()["data"]
    track_ids = [work.upload(song) for _ in range(2)]
    (armed / crash.place).write_text("")
    batch_id, job_ids = work.separate_batch(track_ids)
    eventually(lambda: not list(armed.iterdir()), f"{crash.place} is reached")
    batch = work.until_ended(batch_id)
    assert (batch["status"], batch["progress"]) == ("completed", 100)
    assert batch["batch"] == {"total": 2, "completed": 2, "failed": 0, "cancelled": 0}
    for track_id, job_id in zip(track_ids, job_ids, strict=True):
        work.assert_completed_once(job_id, frame_count=3 * 44_100)
        listed = work.call("GET", "/api/jobs", params={"track_id": track_id}).json()["data"]
        assert [job["id"] for job in listed] == [job_id], "no job is created twice"
    _assert_one_event_each(stack, job_ids)
    expected = {batch_id, *job_ids}
    eventually(lambda: {r.message["data"]["id"] for r in receiver.to(path)} == expected, "all ends are reported", 60)
    about = [received for received in receiver.to(path) if received.message["data"]["id"] == batch_id]
    assert {received.message["type"] for received in about} == {"job.completed"}
    assert len({received.headers["webhook-id"] for received in about}) == 1
    assert work.call("DELETE", f"/api/webhooks/{webhook['id']}").status_code == 204


def _assert_one_event_each(stack: Stack, job_ids: Sequence[str]) -> None:
    """The end of each job is published once. No other job may be under way."""
    url = (stack.data_dir / "run" / "nats.url").read_text()

    def told() -> bool:
        return {event.job_id for event in asyncio.run(events_of(url))} >= set(job_ids)

    eventually(told, "the ends of the jobs are published")
    world = asyncio.run(World.read(stack.data_dir))
    assert broken(no_duplicate_event(world, asyncio.run(events_of(url)))) == []
