"""A disk that loses power: which files exist afterwards, and what they contain.

The model is as strict as POSIX allows. ``fsync`` of a file keeps its content, but not its name. ``fsync`` of a folder keeps the names
in it, but not those of the folder's parents. Everything else may be lost or not: each sector of a write, and each change of a name.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_SECTOR_BYTES = 512
Survives = Callable[[], bool]
"""Decides whether the next change that no ``fsync`` has covered survives."""


def nothing_survives() -> bool:
    """Lose everything that was not synced."""
    return False


def all_survives() -> bool:
    """Lose nothing: a crash of the process alone."""
    return True


def chance(seed: int) -> Survives:
    """Keep half of what was not synced."""
    generator = random.Random(seed)
    return lambda: generator.random() < 0.5


@dataclass
class File:
    """A file: its writes ``(offset, data)`` and truncations ``(size, None)``, and how many of them are synced."""

    changes: list[tuple[int, bytes | None]] = field(default_factory=list)
    synced: int = 0

    def content(self, survives: Survives) -> bytes:
        """Return what is left after a loss of power."""
        data = bytearray()
        for number, (place, written) in enumerate(self.changes):
            durable = number < self.synced
            if written is None:
                if durable or survives():
                    del data[place:]
                    data.extend(bytes(place - len(data)))
                continue
            step = len(written) if durable else _SECTOR_BYTES
            for start in range(0, len(written), step or 1):
                if durable or survives():
                    piece, at = written[start : start + step], place + start
                    data.extend(bytes(max(0, at - len(data))))
                    data[at : at + len(piece)] = piece
        return bytes(data)


@dataclass
class Folder:
    """A folder: its names now, all changes of them, and how many of these are synced. None: the name was removed."""

    names: dict[str, File | Folder] = field(default_factory=dict)
    changes: list[tuple[str, File | Folder | None]] = field(default_factory=list)
    synced: int = 0

    def set(self, name: str, node: File | Folder | None) -> None:
        """Give a name to a file or folder, or remove the name."""
        self.changes.append((name, node))
        if node is None:
            del self.names[name]
        else:
            self.names[name] = node

    def find(self, path: PurePosixPath) -> File | Folder | None:
        """Return what is at a relative path now."""
        node: File | Folder | None = self
        for part in path.parts:
            node = node.names.get(part) if isinstance(node, Folder) else None
        return node

    def write(self, target: Path, survives: Survives) -> None:
        """Write what is left after a loss of power to an empty folder."""
        left: dict[str, File | Folder | None] = {}
        for number, (name, node) in enumerate(self.changes):
            if number < self.synced or survives():
                left[name] = node
        target.mkdir()
        for name, node in left.items():
            if isinstance(node, Folder):
                node.write(target / name, survives)
            elif node is not None:
                (target / name).write_bytes(node.content(survives))
