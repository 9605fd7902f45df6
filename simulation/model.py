"""The model: a queue, GPU nodes, worker pods, KEDA and the HorizontalPodAutoscaler. docs/SCALING.md lists its assumptions."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

import simpy

from simulation.autoscaler import HorizontalPodAutoscaler
from simulation.policy import ScalingPolicy
from simulation.work import Queue, SimulatedJob

__all__ = ["Platform", "Run", "Worker", "simulate"]

Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Platform:
    """What the cluster and the workers are like. Each worker pod takes one GPU, and each GPU node has one.

    Attributes:
        node_count: GPU nodes, or the maximum of a cluster autoscaler.
        node_start_seconds: until a new GPU node is ready. 0: the nodes are always there.
        node_idle_seconds: after which a cluster autoscaler removes a node without a pod.
        pull_seconds: the image of the worker is pulled once for each node.
        start_seconds: from the start of a worker's container until it takes jobs.
        load_seconds: loading the model, in the first job of a worker.
        slot_count: jobs that a worker runs at the same time.
        drain_seconds: a worker that was told to stop hands back its jobs after this time.
        hpa_sync_seconds: interval of the HorizontalPodAutoscaler.
    """

    node_count: int
    node_start_seconds: float = 0.0
    node_idle_seconds: float = 600.0
    pull_seconds: float = 0.0
    start_seconds: float = 0.0
    load_seconds: float = 0.0
    slot_count: int = 1
    drain_seconds: float = 1800.0
    hpa_sync_seconds: float = 15.0


@dataclass(eq=False)
class Worker:
    """A worker pod. Times are None until they come."""

    stopping: simpy.Event
    node: _Node | None = None
    scheduled: float | None = None
    ready: float | None = None
    end: float | None = None


@dataclass(eq=False)
class _Node:
    start: float
    pulled: bool = False
    free_since: float | None = None
    end: float | None = None


@dataclass
class Run:
    """What happened in a simulation.

    Attributes:
        end: when the simulation ended.
        replicas: time and number of replicas that the Deployment asks for, at each change.
        gpu_seconds: time for which pods held a GPU.
        node_seconds: time for which GPU nodes existed. It equals ``node_count * end`` if they are always there.
        busy_seconds: sum of the times of all attempts, with those that were handed back.
    """

    jobs: list[SimulatedJob]
    end: float = 0.0
    replicas: list[tuple[float, int]] = field(default_factory=list)
    gpu_seconds: float = 0.0
    node_seconds: float = 0.0
    busy_seconds: float = 0.0


def simulate(
    jobs: Iterable[SimulatedJob], policy: ScalingPolicy, platform: Platform, horizon_seconds: float = 0.0
) -> Run:
    """Run all jobs, for at least ``horizon_seconds``, and return when the Deployment is back at its minimum.

    Raises:
        ValueError: no worker could ever run a job.
    """
    if min(platform.node_count, policy.max_replicas, platform.slot_count) < 1:
        raise ValueError("The cluster needs at least one GPU node, one replica and one slot.")
    return _Simulation(sorted(jobs, key=lambda job: job.arrival), policy, platform, horizon_seconds).run()


class _Simulation:
    def __init__(
        self, jobs: list[SimulatedJob], policy: ScalingPolicy, platform: Platform, horizon_seconds: float
    ) -> None:
        self._env = simpy.Environment()
        self._policy = policy
        self._platform = platform
        self._horizon_seconds = horizon_seconds
        self._result = Run(jobs)
        self._queue = Queue()
        self._running = 0
        self._left = len(jobs)
        self._arrived = self._env.event()
        self._workers: list[Worker] = []
        self._replicas = 0
        self._last_active: float | None = None
        self._unscheduled: list[tuple[Worker, simpy.Event]] = []
        always_there = platform.node_count if platform.node_start_seconds == 0 else 0
        self._nodes = [_Node(0.0, free_since=0.0) for _ in range(always_there)]
        self._starting_nodes = 0
        self._over = self._env.event()

    def run(self) -> Run:
        self._scale(self._policy.min_replicas)
        for process in (self._arrivals(), self._keda(), self._hpa()):
            self._env.process(process)
        self._env.run(self._over)
        result, now = self._result, self._env.now
        result.end = now
        for worker in self._workers:
            self._count(worker, now)
        result.node_seconds = sum((node.end or now) - node.start for node in self._nodes)
        return result

    def _rests(self) -> bool:
        return (
            self._left == 0
            and self._env.now >= self._horizon_seconds
            and self._replicas == self._policy.min_replicas
            and len(self._workers) == self._replicas
        )

    # jobs

    def _arrivals(self) -> Process:
        for job in self._result.jobs:
            yield self._env.timeout(job.arrival - self._env.now)
            self._offer(job)

    def _offer(self, job: SimulatedJob) -> None:
        self._queue.add(job)
        self._arrived.succeed()
        self._arrived = self._env.event()

    def _lag(self) -> int:
        """Return what KEDA reads: commands that wait, and those whose jobs run."""
        return len(self._queue) + self._running

    # the autoscaler

    def _keda(self) -> Process:
        """Start the first replica, and remove all after the cooldown."""
        while not self._rests():
            active = self._lag() > self._policy.activation
            if active:
                self._last_active = self._env.now
                if self._replicas == 0:
                    self._scale(max(1, self._policy.min_replicas))
            elif self._replicas > 0 and self._policy.min_replicas == 0:
                since = self._last_active if self._last_active is not None else 0.0
                if since + self._policy.cooldown_seconds < self._env.now:
                    self._scale(0)
            yield self._env.timeout(self._policy.polling_interval_seconds)
        self._over.succeed()

    def _hpa(self) -> Process:
        autoscaler = HorizontalPodAutoscaler(self._policy)
        while True:
            yield self._env.timeout(self._platform.hpa_sync_seconds)
            self._scale(autoscaler.sync(self._env.now, self._replicas, self._lag()))

    def _scale(self, replicas: int) -> None:
        """Create or delete worker pods, as the controller of the Deployment does."""
        if replicas == self._replicas and self._result.replicas:
            return
        self._replicas = replicas
        self._result.replicas.append((self._env.now, replicas))
        alive = [worker for worker in self._workers if not worker.stopping.triggered]
        for _ in range(replicas - len(alive)):
            worker = Worker(self._env.event())
            self._workers.append(worker)
            self._env.process(self._work(worker))
        for worker in sorted(alive, key=_deletion_order)[: max(0, len(alive) - replicas)]:
            worker.stopping.succeed()

    # nodes

    def _schedule(self, worker: Worker) -> Generator[simpy.Event, Any, bool]:
        """Wait for a GPU node. Returns False if the pod was deleted before."""
        free = [node for node in self._nodes if node.free_since is not None and node.end is None]
        if free and not self._unscheduled:
            self._bind(worker, min(free, key=lambda node: not node.pulled))
            return True
        bound = self._env.event()
        self._unscheduled.append((worker, bound))
        self._request_nodes()
        yield bound | worker.stopping
        if worker.node is None:
            self._unscheduled.remove((worker, bound))
            return False
        return True

    def _bind(self, worker: Worker, node: _Node) -> None:
        node.free_since = None
        worker.node = node
        worker.scheduled = self._env.now

    def _request_nodes(self) -> None:
        alive = sum(node.end is None for node in self._nodes)
        while (
            self._starting_nodes < len(self._unscheduled) and alive + self._starting_nodes < self._platform.node_count
        ):
            self._starting_nodes += 1
            self._env.process(self._start_node())

    def _start_node(self) -> Process:
        yield self._env.timeout(self._platform.node_start_seconds)
        self._starting_nodes -= 1
        node = _Node(self._env.now)
        self._nodes.append(node)
        self._offer_node(node)

    def _offer_node(self, node: _Node) -> None:
        node.free_since = self._env.now
        if self._unscheduled:
            worker, bound = self._unscheduled.pop(0)
            self._bind(worker, node)
            bound.succeed()
        elif self._platform.node_start_seconds > 0:
            self._env.process(self._remove_idle(node, self._env.now))

    def _remove_idle(self, node: _Node, free_since: float) -> Process:
        yield self._env.timeout(self._platform.node_idle_seconds)
        if node.free_since == free_since:
            node.end = self._env.now

    # workers

    def _work(self, worker: Worker) -> Process:
        if (yield from self._schedule(worker)):
            yield from self._start_and_serve(worker)
        worker.end = self._env.now
        self._workers.remove(worker)
        self._count(worker, self._env.now)
        if worker.node is not None:
            self._offer_node(worker.node)

    def _start_and_serve(self, worker: Worker) -> Process:
        assert worker.node is not None
        pull_seconds = 0.0 if worker.node.pulled else self._platform.pull_seconds
        starting = self._env.timeout(pull_seconds + self._platform.start_seconds)
        yield starting | worker.stopping
        if not starting.processed:
            return
        worker.node.pulled = True
        worker.ready = self._env.now
        slots = [self._env.process(self._slot(worker)) for _ in range(self._platform.slot_count)]
        yield self._env.all_of(slots)

    def _slot(self, worker: Worker) -> Process:
        extra_seconds = self._platform.load_seconds
        while not worker.stopping.triggered:
            job = self._queue.take(self._env.now)
            if job is None:
                yield self._arrived | worker.stopping
                continue
            yield from self._attempt(worker, job, extra_seconds)
            extra_seconds = 0.0

    def _attempt(self, worker: Worker, job: SimulatedJob, extra_seconds: float) -> Process:
        job.start = self._env.now
        job.starts += 1
        self._running += 1
        finished = self._env.timeout(extra_seconds + job.seconds)
        yield finished | worker.stopping
        if not finished.processed:
            yield finished | self._env.timeout(self._platform.drain_seconds)
        self._running -= 1
        self._result.busy_seconds += self._env.now - job.start
        if finished.processed:
            assert job.end is None, "a job ends once"
            job.end = self._env.now
            self._left -= 1
        else:
            self._offer(job)

    def _count(self, worker: Worker, now: float) -> None:
        if worker.scheduled is not None:
            self._result.gpu_seconds += now - worker.scheduled


def _deletion_order(worker: Worker) -> tuple[bool, bool, float]:
    """Order workers as a ReplicaSet deletes them: without a node first, then not ready ones, then the newest."""
    return worker.scheduled is not None, worker.ready is not None, -(worker.ready or 0.0)
