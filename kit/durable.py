"""Folders and names that survive a loss of power.

``fsync`` of a file makes its content durable, but not its name. The name is part of the folder, which has a name in another folder.
"""

import os
from pathlib import Path


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Create a folder and its missing parents, durably. Do nothing if it exists.

    Args:
        mode: The permissions of the folder itself, less the umask.

    Raises:
        FileExistsError: The path is a file.
        FileNotFoundError: Another process has removed a parent meanwhile.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(mode, parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.parent)


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable.

    Raises ``FileNotFoundError``: There is no such file or folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
