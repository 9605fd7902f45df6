"""The system calls of a process, as ``strace`` records them, and their effect on a :class:`tests.durability.disk.Folder`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.durability.disk import File, Folder

_CALLS = (
    "openat", "creat", "close", "dup", "dup2", "dup3", "lseek", "write", "pwrite64", "writev", "pwritev", "pwritev2", "truncate",
    "ftruncate", "fallocate", "sendfile", "copy_file_range", "splice", "fsync", "fdatasync", "sync_file_range", "sync", "syncfs",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir",
)  # fmt: skip
STRACE = ["strace", "-f", "-qq", "-xx", "-s", "10000000", "-e", "signal=none", "-e", f"trace={','.join(_CALLS)}"]
"""The command in front of another one. It needs ``-o FILE``."""

_LINE = re.compile(
    r"^(\d+) +(?:(\w+)\((.*)\) += (-?\d+).*|(\w+)\((.*) <unfinished \.\.\.>|<\.\.\. (\w+) resumed>(.*)\) += (-?\d+).*)$"
)
_STDOUT = 1


@dataclass
class _Open:
    node: File | Folder
    offset: int = 0


class Replay:
    """Performs recorded system calls below ``root``, one after the other.

    A call takes effect when it returns. What ``fsync`` keeps is what was there when it was called.

    Attributes:
        folder: the files below ``root``.
        output: the lines that the process has written to its standard output.
    """

    def __init__(self, root: str) -> None:
        self._root = PurePosixPath(root)
        self.folder = Folder()
        self.output: list[bytes] = []
        self._open: dict[int, _Open] = {}
        self._begun: dict[str, tuple[str, str]] = {}
        self._syncing: dict[str, int] = {}

    def perform(self, line: str) -> bool:
        """Perform the call of a line of the record. Return whether it has synced or reported something."""
        found = _LINE.match(line)
        if found is None:
            return False  # the process was killed, or has ended
        thread, whole, arguments, result, begun, first, resumed, rest, late_result = found.groups()
        if begun:
            self._begun[thread] = begun, first
            self._begin(thread, begun, first)
            return False
        if resumed:
            return self._end(thread, resumed, self._begun.pop(thread, ("", ""))[1] + rest, int(late_result))
        self._begin(thread, whole, arguments)
        return self._end(thread, whole, arguments, int(result))

    def exit(self) -> None:
        """The process has ended. Another one may follow."""
        self._open.clear()

    def _begin(self, thread: str, call: str, text: str) -> None:
        if call in ("fsync", "fdatasync"):
            file = self._open.get(int(text.split(",")[0]))
            self._syncing[thread] = len(file.node.changes) if file else 0
        elif call == "close":  # another thread may get the number before strace shows the end of the call
            self._open.pop(int(text), None)
        elif call == "write" and text.startswith(f"{_STDOUT}, "):
            self.output += _text(text.split(", ")[1]).splitlines()

    def _end(self, thread: str, call: str, text: str, result: int) -> bool:
        if result < 0 or call == "close":
            return False
        arguments = text.split(", ")
        if call in ("fsync", "fdatasync"):
            return self._sync(int(arguments[0]), self._syncing.pop(thread))
        if call == "write" and arguments[0] == str(_STDOUT):
            return True
        perform: Callable[[list[str], int], None] | None = getattr(self, f"_{call}", None)
        if perform is not None:
            perform(arguments, result)
        elif self._concerned(arguments):
            raise NotImplementedError(f"{call}({text})")
        return False

    def _concerned(self, arguments: list[str]) -> bool:
        """Return whether a call may change a file below the root."""
        paths = [_text(each).decode(errors="replace") for each in arguments if each.startswith('"')]
        files = [int(each) for each in arguments[:3] if each.isdigit()]
        return any(path.startswith(str(self._root)) for path in paths) or any(number in self._open for number in files)

    def _sync(self, number: int, count: int) -> bool:
        file = self._open.get(number)
        if file is not None:
            file.node.synced = max(file.node.synced, count)
        return file is not None

    # names

    def _place(self, folder: str, path: str) -> tuple[Folder, str] | None:
        """Return the folder of a path and the name in it; None: it is not below the root."""
        found = PurePosixPath(_text(path).decode())
        if not found.is_absolute():
            base = self._open.get(int(folder)) if folder.lstrip("-").isdigit() else None
            if base is None:
                return None
            parent = base.node.find(found.parent) if isinstance(base.node, Folder) else None
        elif found.is_relative_to(self._root) and found != self._root:
            self._make_begun(found.parent)
            parent = self.folder.find(found.parent.relative_to(self._root))
        else:
            return None
        if not isinstance(parent, Folder):
            raise LookupError(f"the record does not show who created {found.parent}")
        return parent, found.name

    def _make_begun(self, path: PurePosixPath) -> None:
        """Make a folder whose ``mkdir`` has begun in another thread: strace can show its end after calls that need the folder."""
        for call, text in list(self._begun.values()):
            name = text.split(", ")[0]
            if call == "mkdir" and PurePosixPath(_text(name).decode()) == path:
                self._mkdir([name], 0)

    def _openat(self, arguments: list[str], result: int) -> None:
        self._open.pop(result, None)
        if PurePosixPath(_text(arguments[1]).decode()) == self._root:
            self._open[result] = _Open(self.folder)
            return
        place = self._place(arguments[0], arguments[1])
        if place is None:
            return
        folder, name = place
        node = folder.names.get(name)
        if node is None:
            node = File()
            folder.set(name, node)
        elif "O_TRUNC" in arguments[2] and isinstance(node, File):
            node.changes.append((0, None))
        if "O_APPEND" in arguments[2]:
            raise NotImplementedError("O_APPEND")
        self._open[result] = _Open(node)

    def _mkdir(self, arguments: list[str], _result: int) -> None:
        place = self._place("", arguments[0])
        if place is not None and place[1] not in place[0].names:
            place[0].set(place[1], Folder())

    def _rename(self, arguments: list[str], _result: int) -> None:
        source, target = (self._place("", path) for path in arguments[:2])
        if target is None:
            if source is not None:
                source[0].set(source[1], None)
            return
        if source is None:
            raise NotImplementedError("a rename from outside")
        node = source[0].names[source[1]]
        target[0].set(target[1], node)
        source[0].set(source[1], None)

    def _link(self, arguments: list[str], _result: int) -> None:
        source, target = (self._place("", path) for path in arguments[:2])
        if source and target:
            target[0].set(target[1], source[0].names[source[1]])

    def _unlink(self, arguments: list[str], _result: int) -> None:
        if place := self._place("", arguments[0]):
            place[0].set(place[1], None)

    _rmdir = _unlink

    def _unlinkat(self, arguments: list[str], _result: int) -> None:
        if place := self._place(arguments[0], arguments[1]):
            place[0].set(place[1], None)

    # contents

    def _lseek(self, arguments: list[str], result: int) -> None:
        if file := self._open.get(int(arguments[0])):
            file.offset = result

    def _write(self, arguments: list[str], result: int) -> None:
        if file := self._open.get(int(arguments[0])):
            self._store(file, file.offset, arguments[1], result)
            file.offset += result

    def _pwrite64(self, arguments: list[str], result: int) -> None:
        if file := self._open.get(int(arguments[0])):
            self._store(file, int(arguments[3]), arguments[1], result)

    def _ftruncate(self, arguments: list[str], _result: int) -> None:
        if file := self._open.get(int(arguments[0])):
            _file(file).changes.append((int(arguments[1]), None))

    def _store(self, file: _Open, offset: int, data: str, count: int) -> None:
        _file(file).changes.append((offset, _text(data)[:count]))


def _file(opened: _Open) -> File:
    if not isinstance(opened.node, File):
        raise TypeError("a folder is no file")
    return opened.node


def _text(quoted: str) -> bytes:
    if quoted.endswith("..."):
        raise ValueError("strace has shortened a string")
    return bytes.fromhex(quoted.strip('"').replace("\\x", ""))


def lines(record: Path) -> Iterator[str]:
    """Yield the lines of a record."""
    with record.open(encoding="ascii") as file:
        yield from file
