"""Acknowledged writes survive a loss of power at any moment, and nothing is left half written.

The real adapters run in a process whose system calls ``strace`` records. The record yields what the disk holds if the power fails
between any two of its calls and the system has written nothing that it was not told to sync, some of it, or everything.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.disk import Survives, all_survives, chance, nothing_survives
from tests.durability.stored import Acknowledged, losses
from tests.durability.trace import STRACE, Replay, lines


def record(folder: Path, elsewhere: Path, count: int) -> Path:
    """Run a writer. Return the record of its system calls."""
    trace = folder.with_suffix(".strace")
    writer = [sys.executable, "-m", "tests.durability.writer", str(folder), str(elsewhere), "w", str(count)]
    done = subprocess.run(
        [*STRACE, "-o", str(trace), *writer], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return trace


def moments(trace: Path, root: Path) -> Iterator[Replay]:
    """Yield the state of the disk after each sync and each report of the writer."""
    replay = Replay(str(root))
    for line in lines(trace):
        if replay.perform(line):
            yield replay


@pytest.mark.parametrize(("count", "loss_count"), [(4, 12), pytest.param(40, 400, marks=pytest.mark.campaign)])
async def test_no_acknowledged_write_is_lost(tmp_path: Path, elsewhere: Path, count: int, loss_count: int) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    trace = record(folder, elsewhere, count)
    moment_count = sum(1 for _ in moments(trace, folder))
    chosen = random.Random(count)
    losing = set(chosen.sample(range(moment_count), min(loss_count, moment_count)))
    found = []
    for number, replay in enumerate(moments(trace, folder)):
        for name, survives in _ways(number) if number in losing else ():
            found += [
                f"moment {number}, {name}: {loss}" for loss in await _lose_power(replay, tmp_path / "after", survives)
            ]
    assert not found, "\n".join(found[:20])
    assert any(line.startswith(b'{"kind": "blob"') for line in replay.output)


def _ways(seed: int) -> tuple[tuple[str, Survives], ...]:
    return ("nothing survives", nothing_survives), ("some survives", chance(seed)), ("all survives", all_survives)


async def _lose_power(replay: Replay, target: Path, survives: Survives) -> list[str]:
    replay.folder.write(target, survives)
    acknowledged = Acknowledged()
    acknowledged.add(replay.output)
    try:
        return await losses(target, acknowledged)
    finally:
        shutil.rmtree(target)
