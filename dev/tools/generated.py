"""What the tools share that generate one file which is committed."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def written_or_checked(path: Path, fresh: str, command: str) -> int:
    """Write a file, or with ``--check`` compare it with the committed one. Return the exit status.

    Args:
        command: what generates the file again.
    """
    if "--check" not in sys.argv:
        path.write_text(fresh)
    elif fresh != path.read_text():
        print(f"{path.relative_to(ROOT)} is outdated. Run: {command}")
        return 1
    return 0
