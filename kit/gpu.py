"""Whether networks compute on a GPU here. PyTorch is asked in a process of its own.

A component must not import PyTorch, which needs seconds and hundreds of megabytes, and components are forks of one process
(docs/decisions/0002), which must not touch CUDA.
"""

import asyncio
import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

from soundwright.kit.log import get_logger

GPU_SLOT_COUNT = 4
"""Jobs that share a GPU unless the operator sets a number: while some decode and encode, others fill its batches."""

_QUESTION = "import sys, torch; sys.exit(not torch.cuda.is_available())"
_ANSWER_SECONDS = 60.0
log = get_logger()


async def has_gpu(device: str) -> bool:
    """Return whether networks run on a GPU.

    Args:
        device: the device that the operator chose, as PyTorch names it; empty: a GPU if PyTorch can use one.
    """
    if device:
        return device != "cpu"
    return _is_built_for_gpus() and await asyncio.to_thread(_finds_gpu)


def _is_built_for_gpus() -> bool:
    """Return whether the installed PyTorch was built for CUDA or ROCm. Without PyTorch, False."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    facts = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    return bool(facts.get("cuda") or facts.get("hip"))


def _finds_gpu() -> bool:
    try:
        command = [sys.executable, "-c", _QUESTION]
        run = subprocess.run(command, capture_output=True, timeout=_ANSWER_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        log.warning("gpu.no_answer", seconds=_ANSWER_SECONDS)
        return False
    return run.returncode == 0
