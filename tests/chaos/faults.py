"""Faults that happen to a machine at random, but in an order that the seed alone decides."""

import collections
import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
from machine import Machine

from tests.servers.fault_proxy import Proxy
from tests.stacks import component_of

_CHUNK = b"\0" * (1 << 20)


class Faults:
    """Strikes a machine every 2 to 5 seconds until it is stopped.

    Args:
        full_disk_seconds: how long the disk is full; 0: it must not be filled, because it is not the machine's own.

    Attributes:
        counts: how often each fault has happened.
    """

    def __init__(self, machine: Machine, seed: int, lease_seconds: float, full_disk_seconds: float) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self._machine = machine
        self._chance = random.Random(seed)
        self._lease_seconds = lease_seconds
        self._full_disk_seconds = full_disk_seconds
        self._over = threading.Event()
        self._in_use = {part: threading.Lock() for part in machine.proxies}
        self._disk = threading.Lock()
        self._deck: list[Callable[[random.Random], None]] = []

    @contextlib.contextmanager
    def raging(self) -> Iterator[None]:
        """Faults happen for the length of the block. All of them are over afterwards."""
        with ThreadPoolExecutor(16) as pool:
            striking = pool.submit(self._strike, pool)
            try:
                yield
            finally:
                self._over.set()
                for fault in striking.result():
                    fault.result()

    @contextlib.contextmanager
    def a_few(self) -> Iterator[None]:
        """Three different faults happen during the block, one after the other."""
        with ThreadPoolExecutor(1) as pool:
            faults = [pool.submit(fault, self._chance) for fault in (self.kill, self.cut, self.fill_disk)]
            yield
            for fault in faults:
                fault.result()

    def _strike(self, pool: ThreadPoolExecutor) -> list[Future[None]]:
        faults: list[Future[None]] = []
        while not self._over.wait(self._chance.uniform(2.0, 5.0)):
            if not self._deck:
                self._deck += 8 * [self.kill] + 4 * [self.stop, self.cut, self.delay]
                self._deck += [self.restart_broker, self.restart_broker, self.fill_disk]
                self._chance.shuffle(self._deck)
            # Each fault gets chances of its own, so that their order does not depend on the speed of the others.
            faults.append(pool.submit(self._deck.pop(), random.Random(self._chance.random())))
        return faults

    def _some_process(self, chance: random.Random) -> psutil.Process | None:
        processes = self._machine.processes()
        # Components are listed in the order in which they started, which is another one after each restart.
        processes.sort(key=lambda process: (component_of(process), process.pid))
        return chance.choice(processes) if processes else None

    def kill(self, chance: random.Random) -> None:
        """``kill -9`` a random process: a component, the broker, or one that a component has started."""
        if process := self._some_process(chance):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                self.counts["kill"] += 1

    def stop(self, chance: random.Random) -> None:
        """``SIGSTOP`` a random process for longer than a lease."""
        process = self._some_process(chance)
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGSTOP)
            self.counts["stop"] += 1
            self._over.wait(1.5 * self._lease_seconds)
            process.send_signal(signal.SIGCONT)

    def restart_broker(self, _chance: random.Random) -> None:
        """Stop the broker in order; its supervisor starts it again."""
        if process := self._machine.component("broker"):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
                self.counts["restart_broker"] += 1

    def cut(self, chance: random.Random) -> None:
        """Close all connections to one part, and refuse new ones for a while."""
        with self._some_proxy(chance) as proxy:
            proxy.cut()
            self.counts["cut"] += 1
            self._over.wait(chance.uniform(0.1, 4.0))

    def delay(self, chance: random.Random) -> None:
        """Delay all that one part sends, or receives, by up to a second."""
        with self._some_proxy(chance) as proxy:
            proxy.add("latency", upstream=chance.random() < 0.5, latency=chance.randint(100, 1000), jitter=100)
            self.counts["delay"] += 1
            self._over.wait(chance.uniform(2.0, 6.0))

    @contextlib.contextmanager
    def _some_proxy(self, chance: random.Random) -> Iterator[Proxy]:
        """A proxy that nobody else uses for the length of the block. All faults of it are over afterwards."""
        part = chance.choice(sorted(self._machine.proxies))
        with self._in_use[part]:
            try:
                yield self._machine.proxies[part]
            finally:
                self._machine.proxies[part].restore()

    def fill_disk(self, _chance: random.Random) -> None:
        """Leave no byte free on the disk of the stack."""
        if not self._full_disk_seconds:
            return
        path = self._machine.data_dir / "filler"
        with self._disk:
            try:
                fill(path)
                self.counts["fill_disk"] += 1
                self._over.wait(self._full_disk_seconds)
            finally:
                path.unlink()


def fill(path: Path) -> None:
    """Write a file that takes all free space of its disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(OSError):
            while os.write(descriptor, _CHUNK):
                pass
    finally:
        os.close(descriptor)
