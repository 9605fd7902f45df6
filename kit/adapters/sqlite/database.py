"""One SQLite file: a thread that writes and a few threads that read.

SQLite allows one writer at a time, so all writes go through the queue of one thread. Each reader has its own connection.
In WAL mode, a reader sees the last commit before its transaction, and readers and writers do not block each other. A
write returns after its commit, so later reads see it. Other processes may use the same file.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import LifoQueue
from typing import TypeVar

from soundwright.kit import errors
from soundwright.kit.durable import make_folder
from soundwright.kit.free_space import MIN_FREE_BYTES, require_free_space
from soundwright.kit.log import FailureLog

T = TypeVar("T")
_failures = FailureLog()
_UNAVAILABLE_ERRORS = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY,
}  # fmt: skip
_DAMAGE_ERRORS = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_INSTRUCTIONS = (
    'Stop the stack and keep a copy of the file. Then restore a backup: the chapter "A damaged database" in docs/OPERATIONS.md '
    "has the commands."
)
_CHECK_SECONDS = 5.0
_CHECK_STEPS = 100_000  # of SQLite's virtual machine, between two looks at the clock
_READERS = 3
# Another process may be creating indexes over a large collection.
_LOCK_WAIT_SECONDS = 60
_CACHE_KIB = 16 * 1024


class Database:
    """Runs functions with a connection, each in one transaction, off the event loop.

    Raises ``STORE_DAMAGED``, ``STORE_UNAVAILABLE``, ``STORAGE_FULL``.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        with self._translated():
            self._open(path)
        self._file_number = path.stat().st_ino

    def _open(self, path: Path) -> None:
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._reading = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-read")
        self.writer = _connect(path)
        try:
            _require_undamaged(self.writer)
        except BaseException:
            self.writer.close()
            raise
        # Last in, first out: the connection that was used last has a warm cache.
        self.readers: LifoQueue[sqlite3.Connection] = LifoQueue()
        for _ in range(_READERS):
            self.readers.put(_connect(path))
        self._closed = False

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in a write transaction, which is rolled back if ``work`` raises.

        ``work`` must not return a cursor: the event loop's thread would close it while the writing thread is busy.

        Raises ``STORAGE_FULL``, ``STORE_UNAVAILABLE``, ``STORE_DAMAGED``.
        """

        def in_transaction() -> T:
            with self._translated(), self.writer:  # commits or rolls back
                self.writer.execute("BEGIN IMMEDIATE")
                return work(self.writer)

        return await asyncio.get_running_loop().run_in_executor(self._writing, in_transaction)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in a read transaction: all of its statements see the same state.

        Raises ``STORE_UNAVAILABLE``, ``STORE_DAMAGED``.
        """

        def in_transaction(connection: sqlite3.Connection) -> T:
            with connection:
                connection.execute("BEGIN")
                return work(connection)

        return await self.read_once(in_transaction)

    async def read_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work``, which reads with a single statement. It needs no transaction, which would cost three.

        Raises ``STORE_UNAVAILABLE``, ``STORE_DAMAGED``.
        """

        def with_connection() -> T:
            connection = self.readers.get()
            try:
                with self._translated():
                    return work(connection)
            finally:
                self.readers.put(connection)

        return await asyncio.get_running_loop().run_in_executor(self._reading, with_connection)

    async def copy(self, path: Path) -> None:
        """Write the state of this moment to another file, while others read and write this one."""

        def work(connection: sqlite3.Connection) -> None:
            with contextlib.closing(sqlite3.connect(path)) as target:
                connection.backup(target)

        await self.read(work)

    async def check(self) -> None:
        """Return if the file is there and can be read and written. Raises ``STORE_UNAVAILABLE``, ``STORAGE_FULL``."""

        def read(connection: sqlite3.Connection) -> None:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            # An open file can be used after it was removed, but everything in it is lost when the process ends.
            if not self._path.exists() or self._path.stat().st_ino != self._file_number:
                raise errors.STORE_UNAVAILABLE(
                    "The file of the document store was removed or replaced. Put it back, or restart the library."
                )
            require_free_space(self._path.parent, MIN_FREE_BYTES)

        await self.read(read)
        await self.write(lambda _connection: None)  # waits if another process has locked the file

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise errors of the file, the disk and its locks as ``AppError``."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            # A file that cannot grow is an error of the disk, as is a disk that fails.
            if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and self._is_disk_full()):
                raise errors.STORAGE_FULL("The server's disk is full. Free some space and try again.") from error
            if code in _DAMAGE_ERRORS:
                _failures.error(
                    "docs.damaged", kind="damaged", file=str(self._path), error=str(error), help=_INSTRUCTIONS
                )
                raise errors.STORE_DAMAGED() from error
            if code in _UNAVAILABLE_ERRORS:
                _failures.error("docs.unavailable", kind=type(error).__name__, error=str(error))
                raise errors.STORE_UNAVAILABLE() from error
            raise

    def _is_disk_full(self) -> bool:
        return shutil.disk_usage(self._path.parent).free < MIN_FREE_BYTES

    async def close(self) -> None:
        """Finish pending work and close all connections. Repeated calls do nothing."""
        if self._closed:
            return
        self._closed = True

        def work() -> None:
            self._writing.shutdown()
            self._reading.shutdown()
            self.writer.close()
            while not self.readers.empty():
                self.readers.get().close()

        await asyncio.to_thread(work)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=_LOCK_WAIT_SECONDS)
    _enable_wal(connection)
    # An accepted job must survive a power cut, so every commit reaches the disk.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _require_undamaged(connection: sqlite3.Connection) -> None:
    """Look at the structure of as many pages as SQLite reads in a few seconds.

    Raises ``sqlite3.DatabaseError``: SQLite found damage.
    """
    deadline = time.monotonic() + _CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_STEPS)
    try:
        (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if finding != "ok":
        damage = sqlite3.DatabaseError(finding)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage


def _enable_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL mode. SQLite does not wait if two connections switch a new file at the same time."""
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
