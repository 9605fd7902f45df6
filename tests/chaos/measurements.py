"""What the processes and files of a running stack take up, and whether that grows."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from demo.stack import Stack
from tests.files import files_below
from tests.stacks import component_of

__all__ = ["LIMITS", "Limit", "Measurements", "verdict"]

_MEGABYTE = 1e6


@dataclass(frozen=True)
class Limit:
    """By how much the median of a quantity may grow, and how much it may be at any time.

    Attributes:
        share: of the earlier median.
        amount: in the unit of the quantity. The median may grow by the share and by the amount together.
        most: the bound at any time; None: there is none.
    """

    share: float
    amount: float
    most: float | None = None


LIMITS = {
    "memory MB": Limit(0.05, 10.0),
    # Requests under way need some, and there are more of them while the machine is busy with other work. A leak of one for each
    # job would be hundreds.
    "descriptors": Limit(0.0, 24.0),
    "threads": Limit(0.0, 8.0),
    "database MB": Limit(0.1, 1.0),
    # SQLite begins the WAL again after 1000 pages of 4 KB, as soon as no reader needs what is in it.
    "WAL MB": Limit(0.0, 16.0, 32.0),
    # The broker keeps events for an hour and up to 256 MB.
    "broker MB": Limit(9.0, 50.0, 320.0),
    "temporary files": Limit(0.0, 20.0),
}
"""By quantity."""


@dataclass
class Measurements:
    """Samples of a stack: for each (process or store, quantity), times in seconds and values."""

    stack: Stack
    samples: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)

    @contextlib.contextmanager
    def taken(self, interval_seconds: float) -> Iterator[None]:
        """Take samples for the length of the block."""
        over = threading.Event()

        def measure() -> None:
            while not over.wait(interval_seconds):
                self.take()

        thread = threading.Thread(target=measure, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def take(self) -> None:
        """Take one sample."""
        now = time.monotonic()
        supervisor = psutil.Process(self.stack.process_id)
        self._take_processes(now, "supervisor", [supervisor])
        for process in supervisor.children():
            with contextlib.suppress(psutil.Error):
                name = component_of(process)
                self._take_processes(now, name, [process])
                # Engines are measured together. Other children read one file and end.
                children = process.children(recursive=True)
                engines = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
                if engines:
                    self._take_processes(now, f"{name} engines", engines)
        data = self.stack.data_dir
        self._add(now, "library", "database MB", _size(data / "library.db"))
        self._add(now, "library", "WAL MB", _size(data / "library.db-wal"))
        self._add(now, "broker", "broker MB", sum(map(_size, files_below(data / "broker" / "jetstream"))))
        self._add(now, "all", "temporary files", len(files_below(data / "scratch", data / "blobs" / ".partial")))

    def _take_processes(self, now: float, name: str, processes: Sequence[psutil.Process]) -> None:
        with contextlib.suppress(psutil.Error):
            self._add(now, name, "memory MB", sum(process.memory_info().rss for process in processes) / _MEGABYTE)
            self._add(now, name, "descriptors", sum(process.num_fds() for process in processes))
            self._add(now, name, "threads", sum(process.num_threads() for process in processes))

    def _add(self, now: float, name: str, quantity: str, value: float) -> None:
        self.samples.setdefault((name, quantity), []).append((now, value))


def _size(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size / _MEGABYTE
    return 0.0


@dataclass(frozen=True)
class Line:
    """A line of the report."""

    name: str
    quantity: str
    early: float
    late: float
    most: float
    fine: bool

    def __str__(self) -> str:
        mark = "" if self.fine else "  GROWS"
        return f"| {self.name} | {self.quantity} | {self.early:.1f} | {self.late:.1f} | {self.most:.1f} |{mark}"


def verdict(
    samples: Mapping[tuple[str, str], Sequence[tuple[float, float]]], warm_time: float, limits: Mapping[str, Limit]
) -> list[Line]:
    """Compare the medians of the first and the last quarter after ``warm_time``."""
    lines = []
    for (name, quantity), values in samples.items():
        warm = [value for when, value in values if when >= warm_time]
        if len(warm) < 4:
            continue
        quarter = len(warm) // 4
        early, late, most = statistics.median(warm[:quarter]), statistics.median(warm[-quarter:]), max(warm)
        limit = limits[quantity]
        bounded = limit.most is None or most <= limit.most
        fine = bounded and late <= early * (1.0 + limit.share) + limit.amount
        lines.append(Line(name, quantity, early, late, most, fine))
    return lines
