"""Files and folders that only their owner can read."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from soundwright.kit.durable import make_folder, sync

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_folder(path: Path) -> None:
    """Create a folder for this user alone. If other users may enter an existing one, take away their rights to all that is in it.

    A volume may belong to another user and let this one in by its group. Its mode stays as it is.

    Raises ``PermissionError``: everybody may create files beside the folder, and it belongs to another user or is a
    link.
    """
    make_folder(path, mode=0o700)
    found = path.lstat()
    own = found.st_uid == os.geteuid()
    if path.parent.stat().st_mode & stat.S_IWOTH and not (own and stat.S_ISDIR(found.st_mode)):
        raise PermissionError(f"{path} belongs to another user or is a link")
    if own and path.stat().st_mode & _OTHERS:
        _close(path)
        for folder, _, names in os.walk(path):
            _close(Path(folder))
            for name in names:
                _close(Path(folder, name))


def _close(path: Path) -> None:
    """Take away the rights of other users to a file or folder of this user."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        found = path.lstat()
        if found.st_mode & _OTHERS and not stat.S_ISLNK(found.st_mode):
            path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)


def write_private(path: Path, content: str | bytes) -> None:
    """Write ``content`` to ``path`` atomically and durably, with mode 0600. Several processes may write at once; the last one wins."""
    _draft(path, content).replace(path)
    sync(path.parent)


def create_private(path: Path, content: str | bytes) -> None:
    """Write ``content`` to ``path`` as :func:`write_private` does, unless the file exists. If several processes do so at once, the first one wins."""
    draft = _draft(path, content)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()
    sync(path.parent)


def _draft(path: Path, content: str | bytes) -> Path:
    """Write ``content`` to a temporary file beside ``path``."""
    make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
