"""Adds exported networks to a folder: ``python -m soundwright.services.separation.engines.demucs.exports``.

The export has a process of its own, because it needs memory that a process does not give back. The process reads its task from
standard input, and ends when its parent does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from soundwright.kit.log import get_logger

_NICENESS = 10
log = get_logger()


def export_model(model: str, model_dir: Path | None, trusted_sha256: frozenset[str], folder: Path, mode: str) -> None:
    """Export the networks of a model to ``folder``. A failure is logged.

    Args:
        model_dir: see ``DemucsEngine``, as for ``trusted_sha256`` and ``mode``.
    """
    task = {
        "model": model,
        "model_dir": str(model_dir) if model_dir else None,
        "trusted_sha256": sorted(trusted_sha256),
        "folder": str(folder),
        "mode": mode,
    }
    start_time = time.monotonic()
    # The pipe to its standard input stays open until the process ends. If this process dies, the pipe closes.
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        lines = process.stderr.read().splitlines()
        status = process.wait()
    if status:
        log.warning("model.export_failed", model=model, reason=lines[-1][:500] if lines else f"status {status}")
    else:
        log.info("model.exported", model=model, seconds=round(time.monotonic() - start_time, 1))


def main() -> None:
    """Export the networks of the model that standard input names."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    os.nice(_NICENESS)
    from soundwright.services.separation.engines.demucs.compiled import export
    from soundwright.services.separation.engines.demucs.engine import DemucsEngine

    model_dir = None if task["model_dir"] is None else Path(task["model_dir"])
    engine = DemucsEngine(model_dir=model_dir, trusted_sha256=frozenset(task["trusted_sha256"]))
    export(engine.load_bag(task["model"], "cpu").networks, Path(task["folder"]), task["mode"])


def _exit_at_end_of_input() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
