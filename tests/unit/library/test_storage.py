"""The storage quota: what counts, who is refused, and what a crash or a race leaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from library_fixture import ANN, BOB, LEASE, Library, new, opened, reason, result, track

from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import ANONYMOUS_PREFIX, Principal
from soundwright.services.library.jobs.service import Job, JobError
from soundwright.services.library.tracks.records import Track

QUOTA = 1000


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    async with opened(tmp_path, quotas={"": QUOTA}) as library:
        yield library


async def used(library: Library, principal: Principal = ANN) -> int:
    return (await library.storage.usage(principal.id)).used_bytes


async def upload(library: Library, track_id: str, size: int, principal: Principal = ANN) -> Track:
    return await library.tracks.create(principal, track(track_id, size_bytes=size))


async def downloading(library: Library, track_id: str) -> Job:
    return await library.running(track_id=track_id, kind="download", output_folder="", creates_track=True)


async def test_tracks_and_outputs_of_jobs_count_until_they_are_deleted(library: Library) -> None:
    await upload(library, "t1", 300)
    await upload(library, "t2", 50)
    job = await library.running(track_id="t1")
    await library.ledger.reserve_storage(job.id, 1, 400)
    assert await used(library) == 750
    await library.ledger.succeed(job.id, 1, result("drums", "bass"), [], stored_bytes=390)
    assert await used(library) == 740
    assert await used(library, BOB) == 0
    await library.deletions.delete(ANN, "t1")
    assert await used(library) == 50
    assert (await library.storage.usage(ANN.id)).available_bytes == QUOTA - 50


async def test_what_exceeds_the_quota_is_refused_and_exactly_the_quota_is_not(library: Library) -> None:
    await upload(library, "t1", 600)
    with pytest.raises(AppError) as refusal:
        await library.storage.reserve(ANN.id, "u1", 401)
    assert (refusal.value.reason, refusal.value.http_status) == ("QUOTA_EXCEEDED", 413)
    assert refusal.value.meta == {"limit_bytes": 1000, "used_bytes": 600, "required_bytes": 401}
    await library.storage.reserve(ANN.id, "u1", 400)
    assert await reason(library.storage.reserve(ANN.id, "u2", 1)) == "QUOTA_EXCEEDED"
    assert await reason(upload(library, "u2", 1)) == "QUOTA_EXCEEDED"
    assert await library.track_docs.get("u2") is None
    await upload(library, "u1", 400)  # its reservation becomes the track
    assert await used(library) == 1000
    await library.storage.reserve(BOB.id, "b1", 1000)


async def test_a_reservation_can_shrink_grow_end_and_expire(library: Library) -> None:
    await library.storage.reserve(ANN.id, "u1", 900)
    await library.storage.reserve(ANN.id, "u1", 1000)
    await library.storage.reserve(ANN.id, "u1", 100)
    await library.storage.reserve(ANN.id, "u2", 900)
    await library.storage.release(ANN.id, "u2")
    await library.storage.release(ANN.id, "u2")
    assert await used(library) == 100
    library.clock.advance(3601)
    assert await used(library) == 0  # its process died
    await library.storage.reserve(ANN.id, "parts", 900, expire_time=library.clock.now() + 6 * 3600)
    library.clock.advance(6 * 3600 - 1)
    assert await reason(library.storage.reserve(ANN.id, "u3", 101)) == "QUOTA_EXCEEDED"
    library.clock.advance(1)
    await library.storage.reserve(ANN.id, "u3", 1000)


async def test_replicas_never_give_away_more_than_the_quota(library: Library) -> None:
    async def reserve_and_upload(replica: Library, upload_id: str) -> bool:
        with contextlib.suppress(AppError):
            await replica.storage.reserve(ANN.id, upload_id, 300)
            await asyncio.sleep(0)
            await upload(replica, upload_id, 300)
            return True
        return False

    async with opened(library.folder, library.clock, quotas=library.quotas) as other:
        both = (library, other)
        stored = await asyncio.gather(*(reserve_and_upload(both[number % 2], f"u{number}") for number in range(16)))
        assert sum(stored) == 3
        assert [await used(replica) for replica in both] == [900, 900]


async def test_a_job_that_stores_files_is_refused_without_room_and_a_repeated_request_is_not(library: Library) -> None:
    job, _ = await library.ledger.create(ANN, new(idempotency_key="k"))
    await upload(library, "t1", 1000)
    assert await reason(library.ledger.create(ANN, new())) == "QUOTA_EXCEEDED"
    download = new(kind="download", track_id="t2", output_folder="", creates_track=True)
    assert await reason(library.ledger.create(ANN, download)) == "QUOTA_EXCEEDED"
    assert await library.track_docs.get("t2") is None
    again, existed = await library.ledger.create(ANN, new(idempotency_key="k"))
    assert (again.id, existed) == (job.id, True)
    await library.ledger.create(ANN, new(kind="analysis", output_folder=""))  # stores no files


async def test_the_end_of_an_attempt_frees_its_reservation(library: Library) -> None:
    job = await library.running()
    await library.ledger.reserve_storage(job.id, 1, 700)
    assert await reason(library.ledger.reserve_storage(job.id, 2, 100)) == "ATTEMPT_STALE"
    await library.ledger.release(job.id, 1, 0.0, JobError("X", "x"), refund_attempt=False)
    assert await used(library) == 0
    job, _, _ = await library.ledger.claim(job.id, "w1", LEASE)
    await library.ledger.reserve_storage(job.id, 2, 700)
    await library.ledger.fail(job.id, 2, JobError("QUOTA_EXCEEDED", "no room"), False, [])
    assert await used(library) == 0


async def test_a_download_counts_once(library: Library) -> None:
    job = await downloading(library, "t1")
    await library.ledger.reserve_storage(job.id, 1, 600)
    assert await used(library) == 600
    found = track("t1", owner_id=ANN.id, size_bytes=600)
    await library.downloads.record(found)
    assert await used(library) == 600
    await library.downloads.record(found)  # the call is repeated
    await library.ledger.succeed(job.id, 1, result(), [])
    assert await used(library) == 600


async def test_a_download_that_does_not_fit_is_refused_before_it_is_stored(library: Library) -> None:
    await upload(library, "t1", 500)
    job = await downloading(library, "t2")
    assert await reason(library.ledger.reserve_storage(job.id, 1, 501)) == "QUOTA_EXCEEDED"
    found = track("t2", owner_id=ANN.id, size_bytes=501)
    assert await reason(library.downloads.record(found)) == "QUOTA_EXCEEDED"
    assert await used(library) == 500


async def test_each_anonymous_identity_and_each_account_has_a_quota(library: Library) -> None:
    nobody = Principal(f"{ANONYMOUS_PREFIX}1", "anonymous")
    await upload(library, "n1", 1000, nobody)
    assert await reason(upload(library, "n2", 1, nobody)) == "QUOTA_EXCEEDED"
    await upload(library, "n3", 1000, Principal(f"{ANONYMOUS_PREFIX}2", "anonymous"))
    library.quotas |= {ANN.id: 0, BOB.id: 10}
    await upload(library, "a1", 10**12)
    assert (await library.storage.usage(ANN.id)).available_bytes is None
    assert await reason(upload(library, "b1", 11, BOB)) == "QUOTA_EXCEEDED"
    library.quotas[ANN.id] = 10  # a smaller quota deletes nothing
    assert (await library.storage.usage(ANN.id)).available_bytes == 0


async def test_guests_and_invented_names_of_one_network_share_four_quotas(library: Library) -> None:
    def guest(number: int, network: str = "address:1") -> Principal:
        return Principal(f"guest-{number}", "guest", network)

    for number in range(3):
        await upload(library, f"t{number}", QUOTA, guest(number))
    named = Principal("anon:eve", "anonymous", "address:1")
    job, _ = await library.ledger.create(named, new(track_id="", output_folder="stems"))
    await library.start(job)
    await library.ledger.reserve_storage(job.id, 1, QUOTA)
    assert await reason(upload(library, "t4", 1, guest(4))) == "QUOTA_EXCEEDED"
    await upload(library, "t5", QUOTA, guest(5, "address:2"))
    await library.ledger.fail(job.id, 1, JobError("X", "x"), False, [])  # which frees its place
    await upload(library, "t6", QUOTA, guest(6))
    assert await reason(upload(library, "t7", 1, guest(7))) == "QUOTA_EXCEEDED"
    assert await reason(library.ledger.create(named, new(output_folder="stems"))) == "QUOTA_EXCEEDED"
    await upload(library, "t8", QUOTA)  # of an account
