"""What lies in a folder that others are writing to."""

import os
from pathlib import Path


def files_below(*folders: Path) -> list[Path]:
    """All files there. Unlike ``rglob``, a walk does not mind folders that vanish meanwhile."""
    return [Path(folder, name) for place in folders for folder, _, names in os.walk(place) for name in names]
