"""The ``Blobs`` port over a folder. Writers write a file in ``.partial``, which is renamed when it is complete."""

import asyncio
import contextlib
import errno
import itertools
import os
import shutil
import stat
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from soundwright.kit import errors
from soundwright.kit.adapters.blob_keys import check_folder, check_key
from soundwright.kit.durable import make_folder, sync
from soundwright.kit.free_space import MIN_FREE_BYTES, FreeSpace, full_disk, require_free_space
from soundwright.kit.log import FailureLog
from soundwright.kit.opened import open_in_thread
from soundwright.kit.ports import BlobInfo, BlobWriter, PublicBlobs, StoreSpace

_CHUNK_BYTES = 1 << 20
_MOVE_ATTEMPTS = 20
_SCAN_COUNT = 1000
_failures = FailureLog()


class FileBlobs:
    """Stores blobs as files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._partial = self._root / ".partial"
        make_folder(self._partial)
        self.public: PublicBlobs | None = None

    async def prepare(self) -> None:
        await self.check()

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    @contextlib.asynccontextmanager
    async def write(self, key: str) -> AsyncIterator[BlobWriter]:
        target = self._path(key)
        partial = self._partial / uuid.uuid4().hex
        try:
            with _translate_errors():
                file = await open_in_thread(partial, "xb")
            try:
                yield _Writer(file, FreeSpace(self._partial))  # errors of the caller's block are not translated
                with _translate_errors():
                    await asyncio.to_thread(_sync, file)
            finally:
                with _translate_errors():
                    await asyncio.to_thread(file.close)
            with _translate_errors():
                await asyncio.to_thread(self._move, partial, target)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error says more; `purge_partial` tries again
                partial.unlink()
            raise

    async def put_file(self, key: str, path: Path) -> int:
        target = self._path(key)

        def work() -> int:
            # The size is read before the file gets its key: another attempt may delete it right afterwards.
            with path.open("rb") as file:
                os.fsync(file.fileno())
                size_bytes = os.fstat(file.fileno()).st_size
            try:
                self._move(path, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                partial = self._partial / uuid.uuid4().hex
                try:
                    with path.open("rb") as source, partial.open("xb") as copy:
                        shutil.copyfileobj(source, copy, _CHUNK_BYTES)
                        _sync(copy)
                    self._move(partial, target)
                except BaseException:
                    partial.unlink(missing_ok=True)
                    raise
                path.unlink()
            return size_bytes

        with _translate_errors():
            return await asyncio.to_thread(work)

    async def stat(self, key: str) -> BlobInfo | None:
        path = self._path(key)

        def work() -> BlobInfo | None:
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return _info(status) if stat.S_ISREG(status.st_mode) else None

        with _translate_errors():
            return await asyncio.to_thread(work)

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        path = self._path(key)
        with _translate_errors():
            file = await open_in_thread(path, "rb", 0)
            try:
                if start:
                    file.seek(start)
                remaining = length
                while remaining is None or remaining > 0:
                    size = _CHUNK_BYTES if remaining is None else min(_CHUNK_BYTES, remaining)
                    chunk = await asyncio.to_thread(file.read, size)
                    if not chunk:
                        return
                    if remaining is not None:
                        remaining -= len(chunk)
                    yield chunk
            finally:
                file.close()

    def open(self, key: str) -> BinaryIO:
        with _translate_errors():
            return self._path(key).open("rb")

    @contextlib.asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        if await self.stat(key) is None:
            raise errors.BLOB_NOT_FOUND()
        path = self._path(key)
        try:
            yield path
        except FileNotFoundError:
            if path.exists():
                raise
            raise errors.BLOB_NOT_FOUND() from None  # it was deleted during the block

    def locate(self, key: str) -> str:
        return str(self._path(key))

    async def move(self, source: str, target: str) -> None:
        with _translate_errors():
            await asyncio.to_thread(self._move, self._path(source), self._path(target))

    async def keys(self, prefix: str) -> list[str]:
        return sorted([key async for key, _ in self.scan(prefix)])

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, BlobInfo]]:
        folder = self._path(prefix.rstrip("/") or "x").parent if not prefix.endswith("/") else self._path(prefix[:-1])

        def found() -> Iterator[tuple[str, BlobInfo]]:
            for path in _files(folder):
                key = path.relative_to(self._root).as_posix()
                if key.startswith(prefix) and not key.startswith(".partial/"):
                    with contextlib.suppress(FileNotFoundError):  # it was deleted meanwhile
                        yield key, _info(path.stat())

        def next_batch() -> list[tuple[str, BlobInfo]]:
            with _translate_errors():
                return list(itertools.islice(rest, _SCAN_COUNT))

        rest = found()
        while batch := await asyncio.to_thread(next_batch):
            for item in batch:
                yield item

    async def delete(self, key: str) -> None:
        path = self._path(key)

        def work() -> None:
            with contextlib.suppress(IsADirectoryError, NotADirectoryError):  # no blob has this key
                path.unlink(missing_ok=True)
            self._prune(path.parent)

        with _translate_errors():
            await asyncio.to_thread(work)

    async def delete_prefix(self, prefix: str) -> int:
        folder = self._path(check_folder(prefix)[:-1])

        def work() -> int:
            count = sum(1 for _ in _files(folder))
            if not folder.is_symlink():
                shutil.rmtree(folder, onerror=_ignore_changes)
            self._prune(folder.parent)
            return count

        with _translate_errors():
            return await asyncio.to_thread(work)

    def _move(self, source: Path, target: Path) -> None:
        """Rename a file, create the parent folders, and make the new name durable."""
        # Another thread may create or remove the folder between the steps, so retry.
        for _ in range(_MOVE_ATTEMPTS):
            if not source.is_file():
                raise errors.BLOB_NOT_FOUND()
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
            except (FileNotFoundError, FileExistsError):
                continue
            except (IsADirectoryError, NotADirectoryError):
                break
            with contextlib.suppress(FileNotFoundError):  # another thread has deleted the file and its folder
                # All folders, because another thread may just have created one of them.
                for folder in itertools.takewhile(lambda each: each != self._root.parent, target.parents):
                    sync(folder)
            return
        raise errors.BLOB_KEY_TAKEN()

    def _prune(self, folder: Path) -> None:
        """Remove empty folders, up to the root."""
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
                try:
                    if path.stat().st_mtime <= limit:
                        path.unlink()
                        count += 1
                except FileNotFoundError:  # its writer has just finished
                    continue
                except OSError as error:  # it must not keep the others
                    _failures.error("blobs.not_purged", kind=type(error).__name__, error=str(error))
            return count

        with _translate_errors():
            return await asyncio.to_thread(work)

    async def space(self) -> StoreSpace | None:
        with _translate_errors():
            disk = await asyncio.to_thread(os.statvfs, self._partial)
        return StoreSpace(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)

    async def check(self) -> None:
        def work() -> None:
            if not os.access(self._partial, os.W_OK | os.X_OK):
                raise errors.BLOBS_UNAVAILABLE(
                    "The folder of the file store is missing, or the platform may not write to it."
                )
            require_free_space(self._partial, MIN_FREE_BYTES)

        await asyncio.to_thread(work)

    async def close(self) -> None:
        return None


class _Writer:
    def __init__(self, file: object, space: FreeSpace) -> None:
        self._file = file
        self._space = space

    async def write(self, data: bytes) -> None:
        with _translate_errors():
            self._space.use(len(data))
            await asyncio.to_thread(self._file.write, data)  # type: ignore[attr-defined]


def _sync(file: object) -> None:
    file.flush()  # type: ignore[attr-defined]
    os.fsync(file.fileno())  # type: ignore[attr-defined]


def _info(status: os.stat_result) -> BlobInfo:
    # Times may have a resolution of 4 ms only, but a replaced blob also has another inode.
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return BlobInfo(status.st_size, status.st_mtime, etag)


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder. Tolerate folders that are removed in the meantime, and folders of others, like ``lost+found``."""

    def check(error: OSError) -> None:
        if isinstance(error, PermissionError):
            _failures.error("blobs.folder_unreadable", kind=str(error.filename), error=str(error))
        else:
            _ignore_changes(None, "", (None, error, None))

    for base, _, names in os.walk(folder, onerror=check):
        yield from (Path(base, name) for name in names)


def _ignore_changes(_function: object, _path: str, raised: tuple[Any, Any, Any]) -> None:
    """Raise an error of a walk, unless another thread has removed or filled the folder in the meantime."""
    if raised[1].errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY):
        raise raised[1]


@contextlib.contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise errors of the operating system as ``AppError``."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise errors.BLOB_NOT_FOUND() from None
    except OSError as error:
        if full := full_disk(error):
            raise full from error
        _failures.error("blobs.unavailable", kind=type(error).__name__, error=str(error))
        raise errors.BLOBS_UNAVAILABLE(
            "The file store cannot read or write a file. The log of the component names it. Try again in a minute."
        ) from error
