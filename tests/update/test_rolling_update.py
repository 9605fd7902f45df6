"""A rolling update to this version and the rollback, process by process, while clients use the platform.

``make test-update`` runs it. The version before is a commit of the repository (``tests/update/versions.py``).
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.api.stories import UNHURRIED, eventually
from tests.cluster import COMPONENTS, THIS_CHECKOUT, Cluster, Replica, alternating, running_cluster, until_ready
from tests.update.traffic import RECORDINGS, Traffic, traffic
from tests.update.versions import earlier_version

SETTINGS = {
    **UNHURRIED,
    "SOUNDWRIGHT_LEASE_SECONDS": "3",
    "SOUNDWRIGHT_SWEEP_SECONDS": "1",
    "SOUNDWRIGHT_DRAIN_SECONDS": "5",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
STOPPED = 0


def replace(cluster: Cluster, replica: Replica, checkout: Path) -> None:
    """Stop a process, and start another version in its place. A load balancer takes a gateway out before."""
    number = cluster.of(replica.component).index(replica)
    removed = (
        {port: ports.pop(number) for port, ports in cluster.gateways.items()} if replica.component == "gateway" else {}
    )
    replica.signal(signal.SIGTERM)
    replica.wait()
    assert replica.process is not None
    assert replica.process.returncode == STOPPED, f"{replica.component} did not stop in order"
    replica.checkout = checkout
    replica.start()
    until_ready([replica])
    for port, own_port in removed.items():
        cluster.gateways[port].insert(number, own_port)


def roll(cluster: Cluster, replicas: Sequence[Replica], checkout: Path, seen: Traffic) -> None:
    """Replace one process after the other. Between two of them, clients read."""
    for replica in replicas:
        seen.phase = f"{replica.component} becomes {checkout.name}"
        before = seen.rounds["read_lists"]
        started = time.monotonic()
        replace(cluster, replica, checkout)
        sys.stdout.write(f"{seen.phase} in {time.monotonic() - started:.1f} s\n")
        seen.phase = f"{replica.component} became {checkout.name}"
        eventually(lambda before=before: seen.failures or seen.rounds["read_lists"] >= before + 2, 60)
    assert {replica.checkout for replica in cluster.replicas} == {checkout}


def test_clients_notice_neither_an_update_nor_its_rollback(tmp_path: Path) -> None:
    revision, old = earlier_version(tmp_path / "old-version")
    with running_cluster(tmp_path / "cluster", SETTINGS, old) as cluster, alternating(cluster.gateways):
        # First one of each pair, then the other: in between, each component calls both versions of the others.
        order = [cluster.of(component)[number] for number in (0, 1) for component in COMPONENTS]
        with traffic(cluster.stack) as seen:
            roll(cluster, order, THIS_CHECKOUT, seen)
            roll(cluster, order[::-1], old, seen)
            seen.phase = "after the rollback"
        sys.stdout.write(f"updated from {revision}; rounds: {dict(seen.rounds)}; failures: {len(seen.failures)}\n")
        assert not seen.failures, "\n".join(seen.failures[:8])
        assert all(seen.rounds[name] for name in seen.rounds), seen.rounds
        check_that_jobs_ended_once(cluster, seen)
        assert "Traceback" not in cluster.stack.log()


def check_that_jobs_ended_once(cluster: Cluster, seen: Traffic) -> None:
    created = {job_id for ids in seen.jobs.values() for job_id in ids}
    with cluster.stack.client() as client:
        jobs = {job_id: seen.look(client, job_id) for job_id in created}
        assert {(job["status"], job["error"]) for job in jobs.values()} == {("completed", None)}
        clips = client.get("/api/library", params={"per_page": 100}).json()["items"]
    stems = [
        f"stems/{jobs[job_id]['attempt']}/{job_id}/{name}.flac"
        for job_id in seen.jobs["separation"]
        for name in RECORDINGS
    ]
    assert cluster.stack.recordings("stems/") == sorted(stems), "each job has its stems, and nothing of another attempt"
    assert {clip["id"] for clip in clips} <= set(seen.jobs["generation"])
    assert len(created) == sum(map(len, seen.jobs.values()))
