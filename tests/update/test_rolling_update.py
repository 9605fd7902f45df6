"""A rolling update to this version and the rollback, process by process, while clients use the platform.

``make test-update`` runs it. The version before is a revision of the repository (``tests/update/versions.py``).
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.api.stories import UNHURRIED
from tests.cluster import COMPONENTS, THIS_CHECKOUT, Cluster, Replica, running_cluster, until_ready
from tests.update.traffic import RECORDINGS, Traffic, traffic
from tests.update.versions import earlier_version

SETTINGS = {
    **UNHURRIED,
    "SOUNDWRIGHT_ATTEMPTS_PER_ADDRESS": "100000",
    # For a machine that is busy with other work.
    "SOUNDWRIGHT_DRAIN_SECONDS": "120",
    "SOUNDWRIGHT_RPC_TIMEOUT_SECONDS": "120",
    "SOUNDWRIGHT_SOCKET_IDLE_SECONDS": "600",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
STOPPED = 0


def test_clients_notice_neither_an_update_nor_its_rollback(tmp_path: Path) -> None:
    old = tmp_path / "old-version"
    revision = earlier_version(old)
    with cluster_of(old, revision, tmp_path / "cluster") as cluster, cluster.balancer.installed():
        # First one of each pair, then the other: in between, each component calls both versions of the others.
        order = [cluster.of(component)[number] for number in (0, 1) for component in COMPONENTS]
        with traffic(cluster) as seen:
            seen.until_each_story_was_completed()
            roll(cluster, order, THIS_CHECKOUT, seen)
            seen.until_each_story_was_completed()
            roll(cluster, order[::-1], old, seen)
            seen.phase = "after the rollback"
            seen.until_each_story_was_completed()
        sys.stdout.write(
            f"updated from {revision}; rounds: {dict(seen.rounds)}; reconnections: {seen.reconnections}; "
            f"failures: {len(seen.failures)}\n"
        )
        assert not seen.failures, "\n".join(seen.failures)
        assert seen.reconnections >= 2, "each direction restarts both gateways, and so that of the socket"
        check_that_jobs_ended_once(cluster, seen)
        assert "Traceback" not in cluster.stack.log()


@contextlib.contextmanager
def cluster_of(checkout: Path, revision: str, folder: Path) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(running_cluster(folder, SETTINGS, checkout))
        except RuntimeError as error:
            pytest.fail(
                f"The version to update from, {revision}, does not start as a cluster. Name another one in "
                f"SOUNDWRIGHT_TEST_UPDATE_FROM.\n{error}",
                pytrace=False,
            )
        yield cluster


def roll(cluster: Cluster, replicas: Sequence[Replica], checkout: Path, seen: Traffic) -> None:
    """Replace one process after the other. Between two of them, clients read."""
    for replica in replicas:
        seen.phase = f"{replica.component} becomes {checkout.name}"
        before = seen.rounds["read_lists"]
        started = time.monotonic()
        replace(cluster, replica, checkout)
        sys.stdout.write(f"{seen.phase} in {time.monotonic() - started:.1f} s\n")
        seen.phase = f"{replica.component} became {checkout.name}"
        seen.until(lambda before=before: seen.rounds["read_lists"] >= before + 2)
    assert {replica.checkout for replica in cluster.replicas} == {checkout}


def replace(cluster: Cluster, replica: Replica, checkout: Path) -> None:
    """Stop a process, and start another version in its place. The load balancer takes a gateway out before."""
    is_gateway = replica.component == "gateway"
    number = cluster.of(replica.component).index(replica)
    with cluster.balancer.without(number) if is_gateway else contextlib.nullcontext():
        replica.signal(signal.SIGTERM)
        replica.wait()
        assert replica.process is not None
        assert replica.process.returncode == STOPPED, f"{replica.component} did not stop in order"
        replica.checkout = checkout
        replica.start()
        until_ready([replica])


def check_that_jobs_ended_once(cluster: Cluster, seen: Traffic) -> None:
    created = [job_id for ids in seen.jobs.values() for job_id in ids]
    lines = [line for line in cluster.stack.log().splitlines() if '"event": "job.succeeded"' in line]
    succeeded = Counter(uuid.UUID(json.loads(line)["job_id"]) for line in lines)  # soundbox writes IDs without dashes
    assert {job_id: succeeded[uuid.UUID(job_id)] for job_id in created} == dict.fromkeys(created, 1)
    with cluster.stack.client() as client:
        jobs = {job_id: seen.look(client, job_id) for job_id in created}
        clip_count = client.get("/api/library").json()["total"]
    assert {(job["status"], job["error"]) for job in jobs.values()} == {("completed", None)}
    stems = [
        f"stems/{jobs[job_id]['attempt']}/{job_id}/{name}.flac"
        for job_id in seen.jobs["separation"]
        for name in RECORDINGS
        if name != "mix"
    ]
    # Not every earlier version stores the mix beside the stems.
    stored = [key for key in cluster.stack.recordings("stems/") if not key.endswith("/mix.flac")]
    assert stored == sorted(stems), "each job has its stems, and nothing of another attempt"
    assert clip_count == len(seen.jobs["generation"])
