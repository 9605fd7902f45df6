"""Renders the pictures of the documentation from a running stack: ``python -m tests.studio.pictures``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.stacks import embedded
from tests.studio.running import run_script

_PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


def main() -> None:
    """Start a stack, and let a browser visit it with the demo song."""
    _PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as stack:
        run_script("pictures.mjs", stack.base_url, str(_PICTURES))


if __name__ == "__main__":
    main()
