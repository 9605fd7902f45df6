"""Jobs of all kinds for several clients, while processes are killed and stopped, connections cut and the disk filled."""

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from clients import Client, Wish, wishes
from faults import Faults
from invariants import (
    Event,
    References,
    World,
    acknowledged_uploads_exist,
    broken,
    events_of,
    every_job_ended_once,
    no_duplicate_event,
    no_live_copy,
    no_orphan,
    results_are_whole,
)
from machine import Machine, small_disk
from work import CAMPAIGN_SETTINGS, SETTINGS

from tests.api.stories import encoded, song
from tests.files import files_below
from tests.servers.fault_proxy import fault_proxy
from tests.simulators.lalalai import LalalaiSimulator
from tests.simulators.media_site import MediaSite
from tests.waiting import eventually

log = logging.getLogger(__name__)
_DISK_MIB, _DISK_MIB_EACH = 1024, 3  # for a start, and for what a job leaves
_SONG_SECONDS = 2.0
_LISTENING_SECONDS = 60.0
_JOBS_AT_A_TIME = 4
_ROLES = ("user", "pro", "enterprise", "admin")
_LEASE_SECONDS = float(SETTINGS["SOUNDWRIGHT_LEASE_SECONDS"])


@pytest.mark.campaign
def test_a_campaign_of_random_faults(tmp_path: Path) -> None:
    """``make chaos``. CHAOS_JOBS, CHAOS_CLIENTS and CHAOS_SEED change it."""
    jobs, clients, seed = (int(os.environ.get(f"CHAOS_{name}", "0")) for name in ("JOBS", "CLIENTS", "SEED"))
    plan = Plan(job_count=jobs or 500, client_count=clients or 5, song_count=3, seed=seed or 1, full_disk_seconds=20.0)
    _campaign(tmp_path, plan, Faults.raging, power_cut=True)


def test_a_few_jobs_survive_a_few_faults(tmp_path: Path) -> None:
    plan = Plan(job_count=8, client_count=2, song_count=1, seed=1, full_disk_seconds=2.0)
    _campaign(tmp_path, plan, Faults.a_few, power_cut=False)


@dataclass(frozen=True)
class Plan:
    job_count: int
    client_count: int
    song_count: int
    seed: int
    full_disk_seconds: float


def _campaign(
    folder: Path, plan: Plan, faults_of: Callable[[Faults], AbstractContextManager[None]], *, power_cut: bool
) -> None:
    songs = [encoded(song(_SONG_SECONDS, seed=number)) for number in range(plan.song_count)]
    songs.append(encoded(song(_LISTENING_SECONDS)))
    with contextlib.ExitStack() as stack:
        no_disk = stack.enter_context(small_disk(folder / "data", _DISK_MIB + _DISK_MIB_EACH * plan.job_count))
        server = stack.enter_context(fault_proxy())
        site, lalalai = stack.enter_context(MediaSite()), stack.enter_context(LalalaiSimulator())
        settings = {**CAMPAIGN_SETTINGS, **lalalai.settings, "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": site.address}
        machine = Machine(folder / "data", settings, server)
        stack.callback(machine.keep_logs, folder)
        stack.callback(machine.stop)
        machine.start()

        def link(wish: Wish) -> str:
            return site.file(f"/{wish.number}/song.wav", songs[wish.song], "audio/wav")

        clients = [
            stack.enter_context(contextlib.closing(Client(machine.stack.base_url, token, songs, link)))
            for token in _accounts(machine, plan.client_count)
        ]
        for client in clients:
            client.prepare(0)
        faults = Faults(machine, plan.seed, _LEASE_SECONDS, 0.0 if no_disk else plan.full_disk_seconds)
        started = time.monotonic()
        with faults_of(faults):
            _work(clients, wishes(plan.job_count, plan.song_count, plan.seed))
        minutes = (time.monotonic() - started) / 60
        if power_cut:
            machine.power_cut()
        machine.until_healthy()
        for client in clients:
            client.look_again()
        events = _settled(machine)
        eventually(lambda: files_below(machine.data_dir / "scratch") == [], "no temporary file is left")
        machine.stop()
        _hold(machine, clients, songs, events)
        attempts = [outcome.last["attempt"] for client in clients for outcome in client.outcomes.values()]
        log.info(
            "Seed %d: %d jobs ended within %.1f minutes, %d of them in a later attempt than the first, after %s. "
            "Listeners heard %d segments while they were made.",
            plan.seed, len(attempts), minutes, sum(attempt > 1 for attempt in attempts), dict(faults.counts),
            sum(len(outcome.heard) for client in clients for outcome in client.outcomes.values()),
        )  # fmt: skip
    if no_disk:
        log.info("The disk was not filled: a file system could not be mounted (%s).", no_disk)


def _accounts(machine: Machine, count: int) -> list[str]:
    """Create accounts with different priorities. Return their tokens."""
    return [
        machine.stack.create_account(f"client{number}@example.org", _ROLES[number % len(_ROLES)])
        for number in range(count)
    ]


def _work(clients: Sequence[Client], wanted: Sequence[Wish]) -> None:
    """Let the clients work at the same time, each on its share."""
    halt = threading.Event()
    with ThreadPoolExecutor(len(clients)) as pool:
        shares = [
            pool.submit(client.work, wanted[number :: len(clients)], _JOBS_AT_A_TIME, halt)
            for number, client in enumerate(clients)
        ]
        try:
            for share in as_completed(shares):
                share.result()
        finally:
            halt.set()


def _settled(machine: Machine) -> list[Event]:
    """Wait until the library and the workers have completed what faults have interrupted. Return all events."""
    events: list[Event] = []

    def settled() -> bool:
        world = asyncio.run(World.read(machine.data_dir))
        events[:] = asyncio.run(events_of(machine.stack.environment["SOUNDWRIGHT_NATS_URL"]))
        told = {event.job_id for event in events}
        return not any(
            job.get("results_pending") or job.get("webhooks_pending") or job["id"] not in told
            for job in world.docs["jobs"]
        )

    eventually(settled, "the jobs are complete, and their ends published")
    return events


def _hold(machine: Machine, clients: Sequence[Client], songs: Sequence[bytes], events: Sequence[Event]) -> None:
    world = asyncio.run(World.read(machine.data_dir))
    outcomes = [outcome for client in clients for outcome in client.outcomes.values()]
    uploads = {track_id: song for client in clients for track_id, song in client.uploads.items()}
    found = {
        "every job ended once": broken(every_job_ended_once(world, outcomes)),
        "results are whole": broken(results_are_whole(world, outcomes, References())),
        "no duplicate event": broken(no_duplicate_event(world, events)),
        "uploads exist": broken(acknowledged_uploads_exist(world, uploads, songs)),
        "no live copy": broken(no_live_copy(world)),
        "no orphan": broken(asyncio.run(no_orphan(world))),
        "no unexpected answer": broken(refusal for client in clients for refusal in client.refusals),
        "no unexpected exception": broken(machine.stack.crashes()),
    }
    assert not any(found.values()), json.dumps(found, indent=1)
    assert any(outcome.heard for outcome in outcomes), "nothing was heard while it was made"
