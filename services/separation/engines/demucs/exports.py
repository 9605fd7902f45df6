"""Exports of networks for OpenVINO, which a process of its own makes, because it needs memory that a process does not give back."""

import json
import subprocess
import sys
import time
from pathlib import Path

from soundwright.kit.log import get_logger

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
        [sys.executable, "-m", __package__],
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
