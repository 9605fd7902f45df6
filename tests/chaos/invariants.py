"""What must hold after any number of faults: one function for each promise. Each returns what breaks it."""

import collections
import contextlib
import hashlib
import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import soundfile
from clients import Outcome, Wish
from nats.js.api import ConsumerConfig, DeliverPolicy

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.worker.derived_files import described_key
from soundwright.library.v1 import events_pb2, job_pb2
from soundwright.services.library.documents import walk
from soundwright.services.library.orphans.service import Orphans
from soundwright.services.library.orphans.store import BlobDocs
from soundwright.services.library.transfer.documents import COLLECTIONS
from soundwright.services.library.transfer.files import FILE_COLLECTIONS, keys_in
from tests.files import files_below

_TERMINAL = {"succeeded", "failed", "cancelled"}
_PUBLIC = {"succeeded": "completed", "failed": "failed", "cancelled": "failed"}
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Event:
    """The event of a finished job."""

    job_id: str
    state: str


@dataclass
class World:
    """What a stopped stack has stored."""

    data_dir: Path
    docs: Mapping[str, Sequence[dict[str, Any]]]

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return {job["id"]: job for job in self.docs["jobs"]}

    @property
    def blobs(self) -> dict[str, Path]:
        """All stored files by key."""
        root = self.data_dir / "blobs"
        return {path.relative_to(root).as_posix(): path for path in files_below(root)}

    @staticmethod
    async def read(data_dir: Path) -> "World":
        async with _opened(data_dir) as docs:
            return World(data_dir, {name: [doc async for doc in walk(docs, name)] for name in COLLECTIONS})


@contextlib.asynccontextmanager
async def _opened(data_dir: Path) -> Any:
    docs = SqliteDocs(data_dir / "library.db")
    try:
        yield docs
    finally:
        await docs.close()


async def events_of(nats_url: str) -> list[Event]:
    """Return the events of finished jobs that the broker holds."""
    client = await nats.connect(nats_url)
    try:
        js = client.jetstream()
        finished = "soundwright.evt.*.v1.job.*"
        count = (await js.stream_info("SOUNDWRIGHT_EVT")).state.messages
        subscription = await js.pull_subscribe(
            finished, stream="SOUNDWRIGHT_EVT", config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        )
        found: list[Event] = []
        with contextlib.suppress(TimeoutError):
            while count > 0:
                for message in await subscription.fetch(min(count, 200), timeout=5):
                    count -= 1
                    await message.ack()
                    if message.subject.endswith((".succeeded", ".failed", ".cancelled")):
                        event = events_pb2.JobFinished.FromString(message.data)
                        state = job_pb2.JobState.Name(event.state).removeprefix("JOB_STATE_").lower()
                        found.append(Event(event.job_id, state))
        return found
    finally:
        await client.close()


def every_job_ended_once(world: World, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Every accepted job has ended, as its client saw it, and there is no other job."""
    jobs = world.jobs
    accepted = {outcome.job_id: outcome for outcome in outcomes}
    yield from (f"accepted, but lost: {job_id}" for job_id in accepted.keys() - jobs.keys())
    yield from (f"a job that nobody asked for: {jobs[job_id]}" for job_id in jobs.keys() - accepted.keys())
    for job_id in accepted.keys() & jobs.keys():
        job, outcome = jobs[job_id], accepted[job_id]
        yield from outcome.problems
        if job["state"] not in _TERMINAL:
            yield f"not ended: {job}"
        elif _PUBLIC[job["state"]] != outcome.last["status"]:
            yield f"its client saw {outcome.last['status']}: {job}"
        elif job["state"] == "failed" or (job["state"] == "cancelled" and not outcome.wish.cancels):
            yield f"no fault excuses that it {job['state']}: {outcome.wish} {job['error']}"
        if job.get("results_pending") or job.get("webhooks_pending"):
            yield f"ended, but not completely: {job}"


class References:
    """What a whole result looks like: the first result of each specification, all of which are deterministic."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, int], Any] = {}

    def differs(self, wish: Wish, result: Any) -> bool:
        return bool(self._hashes.setdefault((wish.kind, wish.song), result) != result)


def results_are_whole(world: World, outcomes: Sequence[Outcome], references: References) -> Iterator[str]:
    """Each successful job has all of its files, and they are the same for each job with the same specification."""
    jobs, blobs = world.jobs, world.blobs
    tracks = {track["id"]: track for track in world.docs["tracks"]}
    filed = {key for name in FILE_COLLECTIONS for key in keys_in(world.docs[name])}
    for outcome in outcomes:
        job = jobs.get(outcome.job_id)
        if job is None or job["state"] != "succeeded":
            continue
        named = set(keys_in(job["result"]))
        if outcome.wish.kind == "download":
            named = {tracks[job["track_id"]]["blob_key"]}
        missing = [key for key in named if key not in blobs]
        if missing:
            yield f"files of a result are missing: {outcome.wish} {job['id']} {missing}"
            continue
        if not named <= filed:
            yield f"files that are nowhere filed: {outcome.wish} {job['id']} {named - filed}"
        attempts = {key.split("/")[1] for key in named if not key.startswith("tracks/")}
        if attempts - {str(job["attempt"])}:
            yield f"files of another attempt: {job['id']}, attempt {job['attempt']}: {named}"
        hashes = sorted(_fingerprint(blobs[key]) for key in named)
        # The details of a separation say how long each model has computed.
        details = (
            None
            if outcome.wish.kind in ("separation", "listening")
            else (job["result"].get("details") or {}).get("value")
        )
        if references.differs(outcome.wish, (hashes, details)):
            yield f"another result than that of the same job before: {outcome.wish} {job['id']} {hashes}"


def _fingerprint(path: Path) -> str:
    """Return the hash of a file: of its samples if it is tagged with the address from which it came."""
    content = path.read_bytes()
    if "tracks" in path.parts:
        samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="int16")
        content = samples.tobytes() + str(rate_hz).encode()
    return hashlib.sha256(content).hexdigest()


def no_duplicate_event(world: World, events: Sequence[Event]) -> Iterator[str]:
    """Each job has exactly one event of its end, which says how it ended. A batch has none of its own."""
    counts = collections.Counter(event.job_id for event in events)
    states = {event.job_id: event.state for event in events}
    for job_id, job in world.jobs.items():
        if job["kind"] == "batch" and not counts[job_id]:
            continue
        if counts[job_id] != 1:
            yield f"{counts[job_id]} events of the end of {job_id} ({job['kind']}, {job['state']})"
        elif states[job_id] != job["state"]:
            yield f"the event says {states[job_id]}: {job}"


def no_live_copy(world: World) -> Iterator[str]:
    """What could be heard while a job ran is gone, also of workers that died."""
    yield from (key for key in world.blobs if "/live/" in key)


async def no_orphan(world: World) -> list[str]:
    """Nothing lies about after the platform has cleaned up as it does every six hours, and everything named exists."""
    async with _opened(world.data_dir) as docs:
        store = FileBlobs(world.data_dir / "blobs")
        cleaner = Orphans(store, BlobDocs(docs), _Tomorrow())
        deleted = await cleaner.delete(_DAY_SECONDS / 2)
        await store.purge_partial(-_DAY_SECONDS)
    named = {key for name in FILE_COLLECTIONS for key in keys_in(world.docs[name])}
    named |= {key for job in world.docs["jobs"] for key in keys_in(job.get("result"))}
    blobs = set(world.blobs)
    return [
        *(f"nobody names {key}" for key in blobs if described_key(key) not in named),
        *(f"{key} is named, but does not exist" for key in named - blobs),
        *(f"deleted although it is named: {orphan.key}" for orphan in deleted if orphan.key in named),
        *(f"a temporary file: {path}" for path in files_below(world.data_dir / "scratch")),
    ]


class _Tomorrow:
    """A clock that is a day ahead."""

    def now(self) -> float:
        return time.time() + _DAY_SECONDS


def acknowledged_uploads_exist(world: World, uploads: Mapping[str, int], songs: Sequence[bytes]) -> Iterator[str]:
    """Every upload that a client was told of is stored as it was sent."""
    tracks = {track["id"]: track for track in world.docs["tracks"]}
    blobs = world.blobs
    for track_id, song in uploads.items():
        key = tracks.get(track_id, {}).get("blob_key")
        if key not in blobs:
            yield f"an acknowledged upload is gone: {track_id}"
        elif blobs[key].read_bytes() != songs[song]:
            yield f"an acknowledged upload is damaged: {track_id}"


def broken(problems: Iterable[str]) -> list[str]:
    """Return the first problems, which are enough to read."""
    return list(problems)[:20]
