"""``Blobs`` in a folder. Writers fill a file in ``.partial`` that is renamed into place when it is whole."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from kit.errors import AppError, Code
from kit.ports import BlobInfo, BlobWriter

__all__ = ["FileBlobs"]

_KEY = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,200}(/(?!\.)[A-Za-z0-9._-]{1,200}){0,15}")
_PIECE_BYTES = 1 << 20
_PLACE_ATTEMPTS = 20
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileBlobs:
    """A :class:`kit.ports.Blobs`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._partial = self._root / ".partial"
        self._partial.mkdir(parents=True, exist_ok=True)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise AppError(Code.INVALID_ARGUMENT, "BLOB_KEY_INVALID", "This is not the key of a stored file.")
        return self._root / key

    @contextlib.asynccontextmanager
    async def write(self, key: str) -> AsyncIterator[BlobWriter]:
        target = self._path(key)
        partial = self._partial / uuid.uuid4().hex
        try:
            with _translated():
                file = await asyncio.to_thread(partial.open, "xb")
            try:
                yield _Writer(file)  # what goes wrong inside the block is the caller's, and passes as it is
                with _translated():
                    await asyncio.to_thread(_sync, file)
            finally:
                with _translated():
                    await asyncio.to_thread(file.close)
            with _translated():
                await asyncio.to_thread(_place, partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    async def put_file(self, key: str, path: Path) -> BlobInfo:
        target = self._path(key)

        def work() -> None:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            try:
                _place(path, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                partial = self._partial / uuid.uuid4().hex
                try:
                    shutil.copyfile(path, partial)
                    _place(partial, target)
                except BaseException:
                    partial.unlink(missing_ok=True)
                    raise
                path.unlink()

        with _translated():
            await asyncio.to_thread(work)
        info = await self.stat(key)
        if info is None:
            raise AppError(Code.INTERNAL, "BLOB_LOST", "A stored file vanished. Please try again.")
        return info

    async def stat(self, key: str) -> BlobInfo | None:
        path = self._path(key)

        def work() -> BlobInfo | None:
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            if not path.is_file():
                return None
            # Times may be as coarse as 4 ms; a blob that replaces another at once has at least another inode.
            etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
            return BlobInfo(status.st_size, status.st_mtime, etag)

        return await asyncio.to_thread(work)

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        path = self._path(key)
        with _translated():
            file = await asyncio.to_thread(path.open, "rb", 0)
            try:
                if start:
                    file.seek(start)
                remaining = length
                while remaining is None or remaining > 0:
                    size = _PIECE_BYTES if remaining is None else min(_PIECE_BYTES, remaining)
                    piece = await asyncio.to_thread(file.read, size)
                    if not piece:
                        return
                    if remaining is not None:
                        remaining -= len(piece)
                    yield piece
            finally:
                file.close()

    @contextlib.asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        if await self.stat(key) is None:
            raise _not_found()
        yield self._path(key)

    def locate(self, key: str) -> str:
        return str(self._path(key))

    async def move(self, source: str, target: str) -> None:
        with _translated():
            await asyncio.to_thread(_place, self._path(source), self._path(target))

    async def keys(self, prefix: str) -> list[str]:
        folder = self._path(prefix.rstrip("/") or "x").parent if not prefix.endswith("/") else self._path(prefix[:-1])

        def work() -> list[str]:
            found = (path.relative_to(self._root).as_posix() for path in _files(folder))
            return sorted(key for key in found if key.startswith(prefix) and not key.startswith(".partial/"))

        return await asyncio.to_thread(work)

    async def delete(self, key: str) -> None:
        path = self._path(key)

        def work() -> None:
            with contextlib.suppress(IsADirectoryError, NotADirectoryError):  # then there is no such blob
                path.unlink(missing_ok=True)
            self._prune(path.parent)

        await asyncio.to_thread(work)

    async def delete_prefix(self, prefix: str) -> int:
        if not prefix.endswith("/"):
            raise AppError(Code.INVALID_ARGUMENT, "BLOB_KEY_INVALID", "A prefix ends with a slash.")
        folder = self._path(prefix[:-1])

        def work() -> int:
            count = sum(1 for _ in _files(folder))
            shutil.rmtree(folder, ignore_errors=True)
            self._prune(folder.parent)
            return count

        return await asyncio.to_thread(work)

    def _prune(self, folder: Path) -> None:
        """Remove folders that became empty, up to the root."""
        while folder != self._root and self._root in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    async def purge_partial(self, older_than_seconds: float) -> int:
        def work() -> int:
            limit = time.time() - older_than_seconds
            count = 0
            for path in self._partial.iterdir():
                with contextlib.suppress(FileNotFoundError):  # its writer was alive, and has finished
                    if path.stat().st_mtime <= limit:
                        path.unlink()
                        count += 1
            return count

        return await asyncio.to_thread(work)

    async def close(self) -> None:
        return None


class _Writer:
    def __init__(self, file: object) -> None:
        self._file = file

    async def write(self, data: bytes) -> None:
        with _translated():
            await asyncio.to_thread(self._file.write, data)  # type: ignore[attr-defined]


def _sync(file: object) -> None:
    file.flush()  # type: ignore[attr-defined]
    os.fsync(file.fileno())  # type: ignore[attr-defined]


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder. Unlike ``rglob``, it does not mind folders that vanish meanwhile."""
    for base, _, names in os.walk(folder):
        yield from (Path(base, name) for name in names)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, as syncing a file does for its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _place(source: Path, target: Path) -> None:
    # Another thread may make or prune the folder between the steps, so they are tried again.
    for _ in range(_PLACE_ATTEMPTS):
        if not source.is_file():
            raise _not_found()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
            _sync_folder(target.parent)
            return
        except (FileNotFoundError, FileExistsError):
            continue
        except (IsADirectoryError, NotADirectoryError):
            break
    raise AppError(
        Code.CONFLICT, "BLOB_KEY_TAKEN", "The file cannot be stored under this name: another one is in the way."
    )


def _not_found() -> AppError:
    return AppError(Code.NOT_FOUND, "BLOB_NOT_FOUND", "The file is not there any more.")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The operating system's errors in our words."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise _not_found() from None
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise AppError(
                Code.STORAGE_FULL,
                "STORAGE_FULL",
                "The server has no room for this file. Free some space and try again.",
            ) from error
        raise
