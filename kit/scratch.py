"""Folders for temporary files of a process. The folders of processes that died are removed."""

import contextlib
import glob
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def process_folder(parent: Path) -> Iterator[Path]:
    """Provide an empty folder of this process inside the block, and remove the folders of dead processes of this host.

    Process IDs mean nothing to other hosts and containers, which may use the same data directory.
    """
    prefix = f"{socket.gethostname()}-"
    for left in parent.glob(f"{glob.escape(prefix)}*"):
        if not _alive(left.name.removeprefix(prefix)):
            shutil.rmtree(left, ignore_errors=True)
    path = parent / f"{prefix}{os.getpid()}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _alive(process_id: str) -> bool:
    """Return whether a process with this id exists. Text that is no process id belongs to another host."""
    try:
        os.kill(int(process_id), 0)
    except ValueError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
