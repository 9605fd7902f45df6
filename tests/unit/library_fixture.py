"""A library without wires, for tests of its rules: real stores in a folder, a clock set by hand, a broker that is only counted."""

import asyncio
import base64
import contextlib
import dataclasses
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.errors import AppError, Code
from soundwright.kit.ports import Index
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.identity import Principal
from soundwright.kit.security.sealing import Sealer
from soundwright.services.library.catalog.favorites import Favorites
from soundwright.services.library.catalog.listener_store import ListenerStore
from soundwright.services.library.catalog.play_store import PlayStore
from soundwright.services.library.catalog.playlist_store import PlaylistStore
from soundwright.services.library.catalog.playlists import Playlists
from soundwright.services.library.catalog.plays import Plays
from soundwright.services.library.catalog.records import Clip, ClipFilter, ClipSort
from soundwright.services.library.catalog.service import Catalog
from soundwright.services.library.catalog.tags import Tags
from soundwright.services.library.catalog.totals import Totals
from soundwright.services.library.catalog.trends import Trends
from soundwright.services.library.catalog.votes import Votes
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.app import build_identity
from soundwright.services.library.job_kinds import public_kinds
from soundwright.services.library.job_results import JobResults
from soundwright.services.library.jobs.admission import NewJob
from soundwright.services.library.jobs.attempts import JobAttempts
from soundwright.services.library.jobs.creation import JobCreation
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.jobs.queue import JobQueue
from soundwright.services.library.jobs.service import AudioOutput, GeneratedClip, Job, JobResult, PackedMessage
from soundwright.services.library.jobs.store import JobDocs
from soundwright.services.library.jobs.sweeper import Sweeper
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.storage.service import Storage
from soundwright.services.library.stores import Stores
from soundwright.services.library.tracks.deletions import TrackDeletions
from soundwright.services.library.tracks.downloads import TrackDownloads
from soundwright.services.library.tracks.links import TrackLinks
from soundwright.services.library.tracks.records import Track
from soundwright.services.library.tracks.results import TrackResults
from soundwright.services.library.tracks.service import Tracks
from soundwright.services.library.webhooks.deliveries import Deliveries
from soundwright.services.library.webhooks.dispatcher import WebhookDispatcher
from soundwright.services.library.webhooks.service import Webhooks
from tests.clocks import HandClock

ANN, BOB = Principal("ann", "user"), Principal("bob", "user")
GUEST = Principal("anon:guest", "anonymous")
ADMIN = Principal("root", "admin")
WORKER = Principal("service:separation", "service")
LISTENERS = [Principal(f"listener-{number}", "user") for number in range(60)]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
HOUR, DAY = 3600.0, 86400.0
START = 20_000 * DAY
"""When the clock begins: 2024-10-04T00:00:00Z."""
LEASE, LOST = 20.0, 15.0
RETRY_SECONDS = (5.0, 30.0, 120.0)
EVERYTHING = ClipFilter()
PASSWORD = "correct horse battery"
BROWSER = "the browser of the fixture"
CLIENT_IP = "192.0.2.1"


class Ledger(JobLedger):
    """The ledger, with the methods of its classes for callers and for workers."""

    def __init__(self, store: JobDocs, results: JobResults, clock: HandClock, storage: Storage) -> None:
        super().__init__(store, results, clock, storage)
        self.creation = JobCreation(self, store, clock, storage)
        self.attempts = attempts = JobAttempts(self, store, clock, storage)
        self.create, self.create_batch = self.creation.create, self.creation.create_batch
        self.claim, self.heartbeat, self.reserve_storage = attempts.claim, attempts.heartbeat, attempts.reserve_storage
        self.succeed, self.fail, self.release = attempts.succeed, attempts.fail, attempts.release


class Library:
    """The services of one library process. Several processes can share a folder, a clock and quotas.

    Attributes:
        backlogs: how many commands the broker has, by subject; under "", those of every other subject.
        published: the jobs whose commands the sweeper published again.
        quotas: the quota of each owner in bytes; under "", that of every other owner; 0: no limit.
    """

    def __init__(
        self, folder: Path, clock: HandClock | None = None, egress_policy: EgressPolicy | None = None,
        quotas: dict[str, int] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.folder, self.root, self.outbox = folder, folder / "blobs", folder / "outbox"
        self.settings = LibrarySettings(data_dir=folder, **settings)
        self.clock = clock = clock or HandClock(START)
        self.docs = docs = SqliteDocs(folder / "library.db")
        docs.database.writer.execute("PRAGMA synchronous = OFF")  # no test pulls the plug
        self.blobs = FileBlobs(self.root)
        self.stores = Stores(docs)
        self.jobs, self.track_docs, self.clips = self.stores.jobs, self.stores.tracks, self.stores.clips
        self.quotas, self.backlogs, self.published = {} if quotas is None else quotas, {"": 0}, list[Job]()
        self.storage = Storage(self.stores.storage, self._quota_of, clock)
        self.ledger, self.queue = self.ledger_of(), JobQueue(self.jobs, clock)
        self.sweeper = Sweeper(self.jobs, self.ledger, self, clock, self._publish, LOST)  # type: ignore[arg-type]
        self.tracks = Tracks(self.track_docs, clock, self.storage)
        self.downloads = TrackDownloads(self.track_docs, self.jobs, clock, self.storage)
        self.deletions = TrackDeletions(self.track_docs, self.jobs, self.ledger, self.blobs, clock)
        self.catalog = Catalog(self.clips, self.blobs, clock, self.ledger.remove_results)
        self.listeners, play_store = ListenerStore(docs), PlayStore(docs)
        self.favorites, self.votes = Favorites(self.listeners, clock), Votes(self.listeners, clock)
        self.tags, self.totals = Tags(self.listeners, clock), Totals(self.listeners, clock)
        self.playlists = Playlists(PlaylistStore(docs), clock)
        self.plays, self.trends = Plays(play_store, clock), Trends(play_store, clock)
        self.identity = identity = build_identity(docs, self.settings, clock)
        # Fast hashes: with the default cost, each test would spend most of its time on them.
        identity.accounts._passwords._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        self.accounts, self.sessions, self.tokens = identity.accounts, identity.sessions, identity.tokens
        accounts = self.stores.identity
        self.links = TrackLinks(
            self.track_docs, clock, accounts.token_epoch, accounts.has_token, identity.audit.record_by
        )
        self.guests, self.connections, self.emails = identity.guests, identity.connections, identity.emails
        self.administration, self.email_links = identity.administration, identity.email_links
        store, policy, sealer = self.stores.webhooks, egress_policy or EgressPolicy(), Sealer(self.settings.secrets())
        self.webhooks = Webhooks(store, policy, sealer, clock, identity.audit.record_by)
        self.deliveries = Deliveries(self.webhooks, store, store.deliveries, self.jobs, public_kinds(), clock)
        self.dispatcher = WebhookDispatcher(
            self.deliveries, store, store.deliveries, policy, sealer, clock, RETRY_SECONDS
        )
        self._sending: asyncio.Task[None] | None = None

    async def _quota_of(self, owner_id: str) -> int:
        return self.quotas.get(owner_id, self.quotas.get("", 0))

    async def backlog(self, subject: str) -> int:
        """Return how many commands the broker has."""
        return self.backlogs.get(subject, self.backlogs[""])

    async def _publish(self, job: Job) -> None:
        self.published.append(job)

    async def close(self) -> None:
        await self.stop_sending()
        await self.blobs.close()
        await self.docs.close()

    async def write(self, *keys: str) -> str:
        """Store files of five bytes, and return the last key."""
        for key in keys:
            async with self.blobs.write(key) as writer:
                await writer.write(b"sound")
        return keys[-1]

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}

    def stored_bytes(self) -> bytes:
        """Return what the files of the database contain."""
        return b"".join(path.read_bytes() for path in self.folder.glob("library.db*"))

    # -------------------------------------------------------------------------------------------------------- jobs

    def ledger_of(self, **stores: Any) -> Ledger:
        """Return a ledger that files results as the library does, with other stores of ``tracks`` or ``clips``."""
        tracks, clips = stores.get("tracks", self.track_docs), stores.get("clips", self.clips)
        return Ledger(self.jobs, JobResults(tracks, TrackResults(tracks), clips), self.clock, self.storage)

    async def job(self, principal: Principal = ANN, **fields: Any) -> Job:
        return (await self.ledger.create(principal, new(**fields)))[0]

    async def start(self, job: Job, worker: str = "w", lease_seconds: float = LEASE) -> Job:
        """Start the next job of the queue, with the command of ``job``."""
        claimed, is_claimed, _ = await self.ledger.claim(job.id, worker, lease_seconds)
        assert is_claimed
        return claimed

    async def running(self, principal: Principal = ANN, **fields: Any) -> Job:
        return await self.start(await self.job(principal, **fields), "w1")

    async def now(self, job: Job) -> Job:
        found = await self.jobs.get(job.id)
        assert found is not None
        return found

    # ----------------------------------------------------------------------------------------------------- catalog

    async def clip(self, prompt: str = "calm piano", **fields: Any) -> Clip:
        """Store a clip that is one second newer than the previous one."""
        self.clock.advance(1)
        plain: dict[str, Any] = {
            "id": str(uuid.uuid4()), "owner_id": ANN.id, "model": "music", "duration_seconds": 10.0, "create_time": self.clock.now(),
        }  # fmt: skip
        clip = Clip(prompt=prompt, **{**plain, **fields})
        await self.clips.store_clip(clip)
        return await self.catalog.get(clip.id)

    async def listed(self, sort: ClipSort = ClipSort.RECENT, **conditions: Any) -> list[str]:
        found, total = await self.catalog.list_clips(ClipFilter(**conditions), sort, 0, 100)
        assert total == len(found)
        return ids(found)

    # ---------------------------------------------------------------------------------------------------- accounts

    def start_sending(self) -> None:
        """Start the task that sends emails."""
        self._sending = asyncio.create_task(self.identity.email_queue.run())

    async def stop_sending(self) -> None:
        """Stop the task that sends emails."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None

    async def account(self, email: str = "ann@example.org", role: str = "user") -> Account:
        """Register an account with :data:`PASSWORD`."""
        await self.accounts.register(email, PASSWORD, CLIENT_IP, browser_key=BROWSER)
        account = await self.identity.store.find_account_by_email(email)
        assert account is not None
        if role != "user":
            account = await self.identity.store.change_account(account.id, lambda a: dataclasses.replace(a, role=role))
        return account

    async def log_in(self, email: str = "ann@example.org", password: str = PASSWORD) -> str:
        return await self.sessions.open(await self.verify(password, email), remembered=False)

    async def verify(self, password: str, email: str = "ann@example.org", address: str = CLIENT_IP) -> Account:
        return await self.accounts.verify_password(email, password, address)

    async def change_password(
        self, session: str, current: str, new: str, revoke: bool = False, confirmation: str | None = None
    ) -> str:
        return await self.accounts.change_password(session, current, new, revoke, CLIENT_IP, confirmation)

    async def request_login(self, email: str = "ann@example.org", address: str = CLIENT_IP) -> None:
        await self.email_links.request_login(email, address)

    async def confirm(self, secret: str, browser_key: str = BROWSER, session: str = "") -> tuple[Account, Account]:
        return await self.email_links.confirm(secret, browser_key, session)

    async def mails(self, kind: str = "") -> list[EmailMessage]:
        """Send all queued emails, and return those in the outbox, oldest first."""
        await self.identity.email_queue.send_due()
        paths = sorted(self.outbox.glob(f"*{kind}.eml")) if self.outbox.exists() else []
        return [message_from_bytes(path.read_bytes(), EmailMessage, policy=policy.default) for path in paths]

    async def secret(self, kind: str) -> str:
        """Return the secret in the link of the latest email of this kind."""
        return secret_in((await self.mails(kind))[-1])


_PREPARED: list[tuple[bytes, dict[str, tuple[Index, ...]]]] = []
"""The file of a library without documents, and its indexes. A test that begins with them takes half as long."""


@contextlib.asynccontextmanager
async def opened(folder: Path, *arguments: Any, **settings: Any) -> AsyncIterator[Library]:
    path = folder / "library.db"
    is_new = not path.exists()
    if is_new and _PREPARED:
        path.write_bytes(_PREPARED[0][0])
    library = Library(folder, *arguments, **settings)
    try:
        if is_new and _PREPARED:
            library.docs._declared._indexes |= _PREPARED[0][1]
        else:
            await library.stores.prepare()
        if is_new and not _PREPARED:
            copy = folder / "prepared"
            await library.docs.database.copy(copy)
            _PREPARED.append((copy.read_bytes(), dict(library.docs._declared._indexes)))
            copy.unlink()
        yield library
    finally:
        await library.close()


def ids(records: Iterable[Any]) -> list[str]:
    return [record.id for record in records]


def details(values: str) -> PackedMessage:
    return PackedMessage("type.googleapis.com/test.Details", base64.b64encode(values.encode()).decode())


SPEC = details("spec")


def new(**fields: Any) -> NewJob:
    plain: dict[str, Any] = {
        "kind": "separation", "track_id": "", "spec": SPEC, "attempt_limit": 3, "correlation_id": "c1",
    }  # fmt: skip
    return NewJob(**plain | {"queue": "separation", "output_folder": "stems"} | fields)


def audio_output(name: str) -> AudioOutput:
    return AudioOutput(
        id=str(uuid.uuid4()), name=name, blob_key=f"stems/{name}", content_type="audio/flac", size_bytes=1,
        sample_rate_hz=44100, channel_count=2, frame_count=10, peak=0.5, clipped_sample_count=0,
        job_id="", track_id="", owner_id="", path=f"{name}.flac", create_time=0.0,
    )  # fmt: skip


def result(*names: str, values: str = "", **fields: Any) -> JobResult:
    """The result of a separation with these stems, or of an analysis with these values."""
    plain: dict[str, Any] = {
        "engine": "dsp", "model": "m", "degraded": False, "requested_model": "m", "degraded_reason": "", "compute_seconds": 1.0,
        "outputs": [audio_output(name) for name in names], "outputs_are_stems": bool(names),
    }  # fmt: skip
    if values:
        plain |= {"analysis_json": values}
    return JobResult(**plain | fields)


def clip(prompt: str = "rain", **fields: Any) -> GeneratedClip:
    return GeneratedClip(prompt=prompt, **{"duration_seconds": 5.0, **fields})


def track(track_id: str, **fields: Any) -> Track:
    plain: dict[str, Any] = {
        "owner_id": "", "title": "t", "artist": "", "album": "", "source": "manual", "filename": "f", "blob_key": "k",
        "content_type": "audio/wav", "content_sha256": "0", "size_bytes": 1, "container": "wav", "codec": "pcm",
        "sample_rate_hz": 44100, "channel_count": 2, "frame_count": 1, "duration_seconds": 1.0, "warnings": [],
        "create_time": 0.0, "update_time": 0.0,
    }  # fmt: skip
    return Track(id=track_id, **plain | fields)


def secret_in(mail: EmailMessage) -> str:
    """Return the secret in the only link of an email."""
    (found,) = re.findall(r"http://127\.0\.0\.1:4000/users/[a-z/-]+/([A-Za-z0-9_-]{43})\s", mail.get_content())
    return str(found)


def dying(
    store: Any, name: str, when: Callable[[Any], bool] = lambda _: True
) -> contextlib.AbstractContextManager[None]:
    """Let calls of ``store.name`` raise during the block, as if the process died, if ``when`` says so of their first argument."""
    return interrupted(store, name, _Death(), when)


class _Death(BaseException): ...


@contextlib.contextmanager
def interrupted(
    store: Any, name: str, error: BaseException, when: Callable[[Any], bool] = lambda _: True
) -> Iterator[None]:
    """Let calls of ``store.name`` raise ``error`` during the block. A death of the process ends the block."""
    call = getattr(store, name)

    async def fail(*arguments: Any) -> Any:
        if when(arguments[0] if arguments else None):
            raise error
        return await call(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, name, fail)
        if isinstance(error, _Death):
            with pytest.raises(_Death):
                yield
        else:
            yield


async def refusal(call: Awaitable[Any], reason: str = "", code: Code | None = None) -> AppError:
    """Return the error of a call, which must have this reason and code if they are given."""
    with pytest.raises(AppError) as error:
        await call
    assert reason in ("", error.value.reason)
    assert code in (None, error.value.code)
    return error.value


async def reason(call: Awaitable[Any], code: Code | None = None) -> str:
    return (await refusal(call, code=code)).reason


@contextlib.contextmanager
def raises_error(reason: str, code: Code | None = None) -> Iterator[pytest.ExceptionInfo[AppError]]:
    with pytest.raises(AppError) as error:
        yield error
    assert error.value.reason == reason
    assert code is None or error.value.code is code
