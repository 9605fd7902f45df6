"""What every file store promises (soundwright.kit.ports.Blobs)."""

import asyncio
import errno
import hashlib
import itertools
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.errors import AppError, Code
from soundwright.kit.ports import Blobs

HOSTILE_KEYS = [
    "..", "../x", "a/../x", "a/..", "/etc/passwd", "/", "", ".", "./a", "a/./b", "a//b", "a/", "/a", "a\x00b", "\x00",
    ".hidden", "a/.hidden", ".partial/x", "a\\b", "..\\x", "C:\\x", "a b", "ä", "a\n", "\na", "a:b", "%2e%2e/x", "~/x",
    "a" * 201, "/".join("a" * 17), "x/" * 3000 + "x", "a\u2215b", "a\u202eb",
]  # fmt: skip


async def put(blobs: Blobs, key: str, data: bytes) -> None:
    async with blobs.write(key) as writer:
        await writer.write(data)


async def get(blobs: Blobs, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in blobs.read(key, start, length)])


async def break_off(blobs: Blobs, key: str, error: Exception) -> None:
    async with blobs.write(key) as writer:
        await writer.write(b"half")
        raise error


async def refusal_of(blobs: Blobs, key: str) -> str:
    with pytest.raises(AppError) as refusal:
        await get(blobs, key)
    return refusal.value.reason


class BlobsContract(ABC):
    """Subclasses give ``blobs``, an empty store."""

    @pytest_asyncio.fixture
    @abstractmethod
    def blobs(self) -> Any: ...

    # -------------------------------------------------------------------------------------- write and read

    async def test_what_is_written_is_read(self, blobs: Blobs) -> None:
        data = random.Random(1).randbytes(3 * 1024 * 1024 + 17)
        async with blobs.write("tracks/1/original.wav") as writer:
            for start in range(0, len(data), 500_000):
                await writer.write(data[start : start + 500_000])
        assert await get(blobs, "tracks/1/original.wav") == data

    async def test_the_space_of_the_disk_is_known_or_not(self, blobs: Blobs) -> None:
        space = await blobs.space()
        assert space is None or 0 < space.free_bytes < space.total_bytes

    async def test_pieces_are_bounded(self, blobs: Blobs) -> None:
        await put(blobs, "big", bytes(5_000_000))
        sizes = [len(piece) async for piece in blobs.read("big")]
        assert sum(sizes) == 5_000_000
        assert max(sizes) <= 2 * 1024 * 1024

    async def test_an_empty_blob_exists(self, blobs: Blobs) -> None:
        async with blobs.write("empty"):
            pass
        assert await get(blobs, "empty") == b""
        info = await blobs.stat("empty")
        assert info is not None
        assert info.size_bytes == 0

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, None, b"0123456789"), (0, 3, b"012"), (4, None, b"456789"), (4, 2, b"45"), (9, 1, b"9"), (9, 100, b"9"),
            (10, None, b""), (10, 5, b""), (1000, None, b""), (3, 0, b""), (0, 10, b"0123456789"),
        ],
    )  # fmt: skip
    async def test_ranges(self, blobs: Blobs, start: int, length: int | None, expected: bytes) -> None:
        await put(blobs, "digits", b"0123456789")
        assert await get(blobs, "digits", start, length) == expected

    async def test_a_range_across_pieces(self, blobs: Blobs) -> None:
        data = random.Random(2).randbytes(3_500_000)
        await put(blobs, "big", data)
        assert await get(blobs, "big", 1_000_001, 2_200_000) == data[1_000_001:3_200_001]

    async def test_writing_again_replaces(self, blobs: Blobs) -> None:
        await put(blobs, "a", b"long old text")
        await put(blobs, "a", b"new")
        assert await get(blobs, "a") == b"new"
        assert await blobs.keys("") == ["a"]

    async def test_local_is_a_file_with_the_bytes(self, blobs: Blobs) -> None:
        await put(blobs, "a/b", b"data")
        async with blobs.local("a/b") as path:
            assert path.read_bytes() == b"data"

    async def test_a_local_file_whose_blob_is_deleted_is_whole_or_not_found(self, blobs: Blobs) -> None:
        await put(blobs, "a/b", b"data")

        async def read() -> bytes:
            async with blobs.local("a/b") as path:
                await blobs.delete("a/b")
                return path.read_bytes()

        [found] = await asyncio.gather(read(), return_exceptions=True)
        assert found == b"data" or (isinstance(found, AppError) and found.reason == "BLOB_NOT_FOUND")

    async def test_other_files_that_do_not_exist_are_no_blobs(self, blobs: Blobs) -> None:
        await put(blobs, "a/b", b"data")
        with pytest.raises(FileNotFoundError):
            async with blobs.local("a/b") as path:
                path.with_name("other").read_bytes()

    async def test_an_open_blob_is_read_at_any_position(self, blobs: Blobs) -> None:
        data = random.Random(3).randbytes(1_500_001)
        await put(blobs, "a/b", data)

        def read() -> None:
            with blobs.open("a/b") as file:
                assert file.seek(0, os.SEEK_END) == len(data)
                assert file.read(1) == b""
                for start, length in ((1_400_000, 70_000), (0, 10), (10, 900_000), (1_500_000, 5), (3_000_000, 1)):
                    assert file.seek(start) == start
                    assert file.read(length) == data[start : start + length]
                    assert file.tell() == start + len(data[start : start + length])
                file.seek(7)
                buffer = bytearray(20)
                assert file.readinto(buffer) == 20  # type: ignore[attr-defined]
                assert bytes(buffer) == data[7:27]
                file.seek(-3, os.SEEK_CUR)
                assert file.read() == data[24:]

        await asyncio.to_thread(read)

    async def test_an_open_empty_blob_has_no_bytes(self, blobs: Blobs) -> None:
        await put(blobs, "empty", b"")
        with await asyncio.to_thread(blobs.open, "empty") as file:
            assert await asyncio.to_thread(file.read) == b""

    async def test_locate_returns_a_path_without_an_address(self, blobs: Blobs) -> None:
        location = blobs.locate("a/b.wav")
        assert location.startswith("/")
        assert location.endswith("/a/b.wav")
        assert "://" not in location

    @pytest.mark.parametrize("key", ["missing", "folder/missing", "folder", "file/below"])
    async def test_what_is_missing_is_not_found(self, blobs: Blobs, key: str, tmp_path: Path) -> None:
        await put(blobs, "folder/file", b"1")
        await put(blobs, "file", b"2")
        assert await blobs.stat(key) is None
        assert await refusal_of(blobs, key) == "BLOB_NOT_FOUND"
        with pytest.raises(AppError, match="BLOB_NOT_FOUND"):
            async with blobs.local(key):
                pass
        with pytest.raises(AppError, match="BLOB_NOT_FOUND"):
            await asyncio.to_thread(blobs.open, key)
        with pytest.raises(AppError, match="BLOB_NOT_FOUND"):
            await blobs.move(key, "target")
        await blobs.delete(key)  # fine
        assert await blobs.keys("") == ["file", "folder/file"]

    # -------------------------------------------------------------------------------------------- stat, etag

    async def test_stat_tells_size_and_time(self, blobs: Blobs) -> None:
        await put(blobs, "a", b"12345")
        info = await blobs.stat("a")
        assert info is not None
        assert info.size_bytes == 5
        assert abs(info.modify_time - time.time()) < 60

    async def test_the_etag_stays_while_the_blob_does_and_changes_with_it(self, blobs: Blobs) -> None:
        seen = []
        for number in range(10):  # in quick succession and of equal size: a clock's tick must not hide a change
            await put(blobs, "a", b"%d" % number)
            info, again = await blobs.stat("a"), await blobs.stat("a")
            assert info is not None
            assert info == again
            seen.append(info.etag)
        assert all(before != after for before, after in itertools.pairwise(seen))

    # ------------------------------------------------------------------------------------------------- whole

    async def test_a_blob_appears_only_when_its_block_ends(self, blobs: Blobs) -> None:
        async with blobs.write("a") as writer:
            await writer.write(b"x" * 3_000_000)
            assert await blobs.stat("a") is None
            assert await refusal_of(blobs, "a") == "BLOB_NOT_FOUND"
            assert await blobs.keys("") == []
        assert len(await get(blobs, "a")) == 3_000_000

    async def test_a_reader_never_sees_half_a_blob(self, blobs: Blobs) -> None:
        size = 1_500_000
        wholes = {hashlib.sha256(bytes([number]) * size).digest() for number in range(20)}
        await put(blobs, "a", bytes([0]) * size)
        reads = 0
        done = asyncio.Event()

        async def read() -> None:
            nonlocal reads
            while not done.is_set():
                assert hashlib.sha256(await get(blobs, "a")).digest() in wholes
                reads += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(read())
            for number in range(20):
                async with blobs.write("a") as writer:
                    for _ in range(3):
                        await writer.write(bytes([number]) * (size // 3))
            done.set()
        assert reads > 0

    async def test_an_exception_in_the_block_leaves_nothing(self, blobs: Blobs) -> None:
        with pytest.raises(ZeroDivisionError):
            await break_off(blobs, "folder/a", ZeroDivisionError())
        assert await blobs.stat("folder/a") is None
        assert await blobs.keys("") == []
        assert await blobs.purge_partial(0) == 0

    async def test_an_exception_in_the_block_leaves_the_blob_of_before(self, blobs: Blobs) -> None:
        await put(blobs, "a", b"before")
        with pytest.raises(ZeroDivisionError):
            await break_off(blobs, "a", ZeroDivisionError())
        assert await get(blobs, "a") == b"before"

    @pytest.mark.parametrize("error", [FileNotFoundError("theirs"), ConnectionResetError("gone"), KeyError("x")])
    async def test_the_writers_own_errors_pass_unchanged(self, blobs: Blobs, error: Exception) -> None:
        with pytest.raises(type(error)) as raised:
            await break_off(blobs, "a", error)
        assert raised.value is error

    async def test_a_cancelled_writer_leaves_nothing(self, blobs: Blobs) -> None:
        writing = asyncio.Event()

        async def upload() -> None:
            async with blobs.write("a") as writer:
                await writer.write(b"half")
                writing.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(upload())
        await writing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await blobs.keys("") == []
        assert await blobs.purge_partial(0) == 0

    async def test_of_concurrent_writers_of_one_key_one_wins_whole(self, blobs: Blobs) -> None:
        start = asyncio.Barrier(6)

        async def write(number: int) -> None:
            async with blobs.write("a") as writer:
                await start.wait()
                for _ in range(5):
                    await writer.write(bytes([number]) * 100_000)

        await asyncio.gather(*(write(number) for number in range(6)))
        data = await get(blobs, "a")
        assert data == data[:1] * 500_000
        assert await blobs.keys("") == ["a"]

    async def test_the_last_to_finish_wins(self, blobs: Blobs) -> None:
        async with blobs.write("a") as slow:
            await slow.write(b"slow")
            await put(blobs, "a", b"quick")
            assert await get(blobs, "a") == b"quick"
        assert await get(blobs, "a") == b"slow"

    async def test_a_reader_keeps_the_blob_that_it_began_with(self, blobs: Blobs) -> None:
        await put(blobs, "a", b"1" * 2_500_000)
        pieces = blobs.read("a")
        first = await anext(aiter(pieces))
        await put(blobs, "a", b"2" * 2_500_000)
        rest = b"".join([piece async for piece in pieces])
        assert first + rest == b"1" * 2_500_000

    # ------------------------------------------------------------------------------------------ put_file, move

    async def test_put_file_takes_the_file_over(self, blobs: Blobs, tmp_path: Path) -> None:
        source = tmp_path / "made by an engine.flac"
        source.write_bytes(b"stem")
        assert await blobs.put_file("stems/1/vocals.flac", source) == 4
        info = await blobs.stat("stems/1/vocals.flac")
        assert info is not None
        assert info.size_bytes == 4
        assert await get(blobs, "stems/1/vocals.flac") == b"stem"
        assert not source.exists()

    async def test_scan_yields_all_keys_with_their_attributes(self, blobs: Blobs) -> None:
        for number in range(5):
            await put(blobs, f"a/{number}", bytes(number))
        await put(blobs, "b", b"")
        found = {key: info async for key, info in blobs.scan("a/")}
        assert {key: info.size_bytes for key, info in found.items()} == {f"a/{n}": n for n in range(5)}
        assert found["a/3"] == await blobs.stat("a/3")
        assert [key async for key, _ in blobs.scan("c/")] == []

    async def test_a_prepared_store_passes_its_check(self, blobs: Blobs) -> None:
        await blobs.prepare()
        await blobs.check()
        assert await blobs.keys("") == []

    async def test_put_file_replaces(self, blobs: Blobs, tmp_path: Path) -> None:
        await put(blobs, "a", b"old and long")
        (tmp_path / "new").write_bytes(b"new")
        await blobs.put_file("a", tmp_path / "new")
        assert await get(blobs, "a") == b"new"

    async def test_put_file_of_nothing_is_not_found_and_keeps_what_is_there(self, blobs: Blobs, tmp_path: Path) -> None:
        await put(blobs, "a", b"before")
        with pytest.raises(AppError, match="BLOB_NOT_FOUND"):
            await blobs.put_file("a", tmp_path / "nothing")
        assert await get(blobs, "a") == b"before"

    async def test_move(self, blobs: Blobs) -> None:
        await put(blobs, "uploads/1", b"song")
        await put(blobs, "tracks/1/original.wav", b"another")
        await blobs.move("uploads/1", "tracks/1/original.wav")
        assert await get(blobs, "tracks/1/original.wav") == b"song"
        assert await blobs.keys("") == ["tracks/1/original.wav"]

    # --------------------------------------------------------------------------------------------- keys, delete

    async def test_keys_are_sorted_and_chosen_by_prefix(self, blobs: Blobs) -> None:
        for key in ("b/2", "a/x/1", "a/x/0", "ab", "a/y", "b/10"):
            await put(blobs, key, b"")
        assert await blobs.keys("") == ["a/x/0", "a/x/1", "a/y", "ab", "b/10", "b/2"]
        assert await blobs.keys("a/") == ["a/x/0", "a/x/1", "a/y"]
        assert await blobs.keys("a") == ["a/x/0", "a/x/1", "a/y", "ab"]
        assert await blobs.keys("b/1") == ["b/10"]
        assert await blobs.keys("c/") == []
        assert await blobs.keys("a/x/0/") == []

    async def test_delete(self, blobs: Blobs) -> None:
        await put(blobs, "a/1", b"")
        await put(blobs, "a/2", b"")
        await blobs.delete("a/1")
        await blobs.delete("a/1")
        assert await blobs.keys("") == ["a/2"]

    async def test_delete_prefix_removes_a_folder_and_counts(self, blobs: Blobs) -> None:
        for key in ("stems/1/1/vocals", "stems/1/2/vocals", "stems/1/2/drums", "stems/10/vocals", "stems/1x"):
            await put(blobs, key, b"")
        assert await blobs.delete_prefix("stems/1/") == 3
        assert await blobs.keys("") == ["stems/10/vocals", "stems/1x"]
        assert await blobs.delete_prefix("stems/1/") == 0

    @pytest.mark.parametrize("prefix", ["stems", "", "stems/1"])
    async def test_delete_prefix_wants_a_folder(self, blobs: Blobs, prefix: str) -> None:
        await put(blobs, "stems/1", b"")
        with pytest.raises(AppError, match="BLOB_KEY_INVALID"):
            await blobs.delete_prefix(prefix)
        assert await blobs.keys("") == ["stems/1"]

    async def test_writers_and_deleters_of_one_folder_do_not_trip_each_other(self, blobs: Blobs) -> None:
        async def come_and_go(name: str) -> None:
            for _ in range(30):
                await put(blobs, f"busy/folder/{name}", b"1")
                assert await get(blobs, f"busy/folder/{name}") == b"1"
                await blobs.keys("busy/")
                await blobs.delete(f"busy/folder/{name}")

        await asyncio.gather(*(come_and_go(name) for name in "abcd"))
        assert await blobs.keys("") == []

    # ------------------------------------------------------------------------------------------------ hostile keys

    @pytest.mark.parametrize("key", HOSTILE_KEYS, ids=lambda key: ascii(key[:20]))
    async def test_hostile_keys_are_refused_everywhere(self, blobs: Blobs, key: str, tmp_path: Path) -> None:
        await put(blobs, "good", b"good")
        source = tmp_path / "source"
        source.write_bytes(b"x")

        async def write() -> None:
            async with blobs.write(key) as writer:
                await writer.write(b"x")

        async def local() -> None:
            async with blobs.local(key):
                pass

        async def locate() -> None:
            blobs.locate(key)

        for attempt in (
            write, local, locate, lambda: asyncio.to_thread(blobs.open, key), lambda: get(blobs, key), lambda: blobs.stat(key), lambda: blobs.delete(key),
            lambda: blobs.move(key, "b"), lambda: blobs.move("good", key), lambda: blobs.put_file(key, source),
            lambda: blobs.delete_prefix(key + "/"),
        ):  # fmt: skip
            with pytest.raises(AppError) as refusal:
                await attempt()
            assert (refusal.value.code, refusal.value.reason) == (Code.INVALID_ARGUMENT, "BLOB_KEY_INVALID")
        assert await blobs.keys("") == ["good"]
        assert source.exists()

    @pytest.mark.parametrize("prefix", ["../", "/", "a/../", ".partial/", "a//", "\x00/", "..", "a\\"])
    async def test_hostile_prefixes_are_refused(self, blobs: Blobs, prefix: str) -> None:
        with pytest.raises(AppError, match="BLOB_KEY_INVALID"):
            await blobs.keys(prefix)

    @pytest.mark.parametrize("key", ["a", "A-Z_0.9", "a" * 200, "/".join("a" * 16), "a..b", "a.", "-"])
    async def test_harmless_keys_are_taken(self, blobs: Blobs, key: str) -> None:
        await put(blobs, key, b"1")
        assert await blobs.keys("") == [key]


class TestFileBlobs(BlobsContract):
    @pytest_asyncio.fixture
    async def blobs(self, tmp_path: Path) -> FileBlobs:
        return FileBlobs(tmp_path / "outer" / "blobs")

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "outer" / "blobs"

    async def test_empty_folders_are_pruned_up_to_the_root(self, blobs: FileBlobs, root: Path) -> None:
        await put(blobs, "a/b/c/1", b"")
        await put(blobs, "a/2", b"")
        await blobs.delete("a/b/c/1")
        assert sorted(path.name for path in root.iterdir()) == [".partial", "a"]
        assert [path.name for path in (root / "a").iterdir()] == ["2"]
        await blobs.delete_prefix("a/")
        assert [path.name for path in root.iterdir()] == [".partial"]
        await blobs.delete("never/there")
        assert root.is_dir()

    async def test_a_folder_of_another_user_hides_no_blobs(
        self, blobs: FileBlobs, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (root / "lost+found").mkdir()
        await put(blobs, "a/b", b"data")
        scandir = os.scandir

        def refused(path: str) -> Any:  # root may read every folder
            if os.fspath(path).endswith("lost+found"):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refused)
        assert await blobs.keys("") == ["a/b"]

    async def test_purge_partial_removes_what_dead_writers_left_and_spares_the_living(
        self, blobs: FileBlobs, root: Path
    ) -> None:
        dead = root / ".partial" / "dead"
        dead.write_bytes(b"half")
        os.utime(dead, (time.time() - 7200,) * 2)
        async with blobs.write("a") as writer:
            await writer.write(b"alive")
            assert await blobs.purge_partial(3600) == 1
        assert await get(blobs, "a") == b"alive"
        assert list((root / ".partial").iterdir()) == []

    async def test_partial_files_are_no_blobs(self, blobs: FileBlobs, root: Path) -> None:
        (root / ".partial" / "dead").write_bytes(b"half")
        assert await blobs.keys("") == []
        assert await blobs.purge_partial(0) == 1

    async def test_a_store_opened_again_has_everything(self, blobs: FileBlobs, root: Path) -> None:
        await put(blobs, "a/b", b"1")
        assert await get(FileBlobs(root), "a/b") == b"1"

    async def test_a_folder_or_a_file_in_the_way_is_refused_and_stays(self, blobs: FileBlobs, tmp_path: Path) -> None:
        await put(blobs, "a/b", b"1")
        await put(blobs, "c", b"2")
        source = tmp_path / "source"
        source.write_bytes(b"3")
        for key in ("a", "c/d"):
            with pytest.raises(AppError):
                await put(blobs, key, b"x")
            with pytest.raises(AppError):
                await blobs.put_file(key, source)
        assert (await get(blobs, "a/b"), await get(blobs, "c"), source.read_bytes()) == (b"1", b"2", b"3")
        assert await blobs.purge_partial(0) == 0

    async def test_removing_does_not_follow_links_out_of_the_store(
        self, blobs: FileBlobs, root: Path, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_bytes(b"1")
        await put(blobs, "a/b", b"1")
        (root / "a" / "link").symlink_to(outside)
        await blobs.delete_prefix("a/")
        assert (outside / "precious").exists()
        (root / "link").symlink_to(outside)
        assert await blobs.keys("") == []
        await blobs.delete_prefix("link/")
        assert (outside / "precious").read_bytes() == b"1"

    async def test_put_file_from_another_file_system(self, blobs: FileBlobs) -> None:
        elsewhere = (
            Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path.cwd()
        )  # where the two differ, it copies
        source = elsewhere / f"soundwright-test-{os.getpid()}"
        source.write_bytes(b"far")
        try:
            await blobs.put_file("a", source)
            assert await get(blobs, "a") == b"far"
            assert not source.exists()
        finally:
            source.unlink(missing_ok=True)

    async def test_put_file_succeeds_while_another_attempt_deletes_the_folder(
        self, blobs: FileBlobs, root: Path, tmp_path: Path
    ) -> None:
        stop = threading.Event()

        def delete() -> None:
            while not stop.is_set():
                shutil.rmtree(root / "stems", ignore_errors=True)

        deleting = threading.Thread(target=delete)
        deleting.start()
        try:
            for number in range(200):
                source = tmp_path / f"{number}"
                source.write_bytes(b"audio")
                assert await blobs.put_file("stems/1/vocals.flac", source) == 5
        finally:
            stop.set()
            deleting.join()

    def test_no_room_is_told_as_such_and_leaves_nothing(self, root: Path) -> None:
        """In a process of its own that may write no file over 1 MB: the system refuses the rest as on a full disk."""
        FileBlobs(root)
        outcome = subprocess.run(
            [sys.executable, "-W", "error", "-c", _FULL_DISK, str(root)], capture_output=True, text=True, timeout=60
        )
        assert outcome.stdout.split() == ["STORAGE_FULL", "STORAGE_FULL", "507", "[]", "small"], outcome.stderr
        assert list((root / ".partial").iterdir()) == []


_FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.errors import AppError

root = Path(sys.argv[1])
blobs = FileBlobs(root)

async def main():
    async with blobs.write("stems/big") as writer:
        for _ in range(50):
            await writer.write(bytes(50_000))

async def run():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        await main()
    except AppError as error:
        print(error.code.name, error.reason, error.http_status)
    print(await blobs.keys(""))
    async with blobs.write("small") as writer:
        await writer.write(b"small")
    print((root / "small").read_text())

asyncio.run(run())
"""
