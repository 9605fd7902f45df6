"""Adds exported networks to a folder in the background: ``python -m services.separation.engines.demucs.exports``.

The engine computes with PyTorch until a network is exported, and stays with it if that fails. The process that exports reads
its task from standard input, and ends when its parent does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from kit.log import get_logger

__all__ = ["Exports"]

_NICENESS = 10
log = get_logger()


class Exports:
    """Starts one process for each model, once. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: set[str] = set()
        self._ended: set[str] = set()

    def begin(
        self, model: str, model_dir: Path | None, trusted_sha256: frozenset[str], folder: Path, mode: str
    ) -> None:
        """Export the networks of a model to ``folder`` in the background, unless this was tried before.

        Args:
            model_dir: see ``DemucsEngine``, as for ``trusted_sha256`` and ``mode``.
        """
        with self._lock:
            if model in self._begun:
                return
            self._begun.add(model)
        task = json.dumps(
            {
                "model": model,
                "model_dir": str(model_dir) if model_dir else None,
                "trusted_sha256": sorted(trusted_sha256),
                "folder": str(folder),
                "mode": mode,
            }
        )
        threading.Thread(target=self._export, args=(model, task), daemon=True).start()

    def take_ended(self, model: str) -> bool:
        """Return whether an export of the model has ended well since this was asked last."""
        with self._lock:
            ended = model in self._ended
            self._ended.discard(model)
            return ended

    def _export(self, model: str, task: str) -> None:
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
            process.stdin.write(task + "\n")
            process.stdin.flush()
            lines = process.stderr.read().splitlines()
            status = process.wait()
        if status:
            log.warning("model.export_failed", model=model, reason=lines[-1][:500] if lines else f"status {status}")
            return
        log.info("model.exported", model=model, seconds=round(time.monotonic() - start_time, 1))
        with self._lock:
            self._ended.add(model)


def main() -> None:
    """Export the networks of the model that standard input names."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    os.nice(_NICENESS)
    from services.separation.engines.demucs.compiled import export
    from services.separation.engines.demucs.engine import DemucsEngine

    model_dir = None if task["model_dir"] is None else Path(task["model_dir"])
    engine = DemucsEngine(model_dir=model_dir, trusted_sha256=frozenset(task["trusted_sha256"]))
    export(engine.load_bag(task["model"], "cpu").networks, Path(task["folder"]), task["mode"])


def _exit_at_end_of_input() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
