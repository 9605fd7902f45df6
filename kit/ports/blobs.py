"""The ``Blobs`` port: files under keys."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class BlobInfo:
    """Attributes of a blob. ``modify_time`` is in seconds since 1970."""

    size_bytes: int
    modify_time: float
    etag: str


@dataclass(frozen=True)
class UploadedPart:
    """A part of an unfinished upload. ``number`` counts from 1."""

    number: int
    size_bytes: int
    etag: str


class BlobWriter(Protocol):
    """Writes one blob."""

    async def write(self, data: bytes) -> None:
        """Append ``data``. Raises ``STORAGE_FULL`` if the store has no space left."""
        ...


class PublicBlobs(Protocol):
    """A store that clients reach at an address of its own. They get URLs that are valid for a short time."""

    @property
    def origin(self) -> str:
        """Scheme, host and port of the URLs."""
        ...

    def download_url(self, key: str, content_type: str, disposition: str) -> str:
        """Return a URL of a blob for GET, which answers with these headers."""
        ...

    async def begin_upload(self, key: str) -> str:
        """Begin an upload in parts and return its id. The blob appears when the upload is completed."""
        ...

    def part_url(self, key: str, upload_id: str, number: int, size_bytes: int) -> str:
        """Return a URL that takes one part with PUT. The store refuses a part of another size."""
        ...

    async def uploaded_parts(self, key: str, upload_id: str) -> list[UploadedPart]:
        """Return the parts that have arrived, by number. An unknown upload raises ``BLOB_NOT_FOUND``."""
        ...

    async def complete_upload(self, key: str, upload_id: str, parts: list[UploadedPart]) -> None:
        """Make these parts the blob. URLs of parts are invalid from then on. Repetitions are safe."""
        ...

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Delete the parts of an upload. An upload that has ended is not an error."""
        ...


@dataclass(frozen=True)
class StoreSpace:
    """The space of a disk."""

    free_bytes: int
    total_bytes: int


class Blobs(Protocol):
    """A store of files under keys such as ``tracks/<id>/original.flac``.

    Keys are relative paths of letters, digits, ``-``, ``_``, ``.`` and ``/``, without empty, ``.`` and ``..`` parts. Any
    other key raises ``BLOB_KEY_INVALID``. A missing blob raises ``BLOB_NOT_FOUND``. Writes are atomic: readers see a
    complete blob or none.

    Attributes:
        public: the same store for clients; None if they cannot reach it.
    """

    public: PublicBlobs | None

    async def prepare(self) -> None:
        """Create what the store needs, such as its bucket, and check that blobs can be written.

        Raises ``AppError``: why the store cannot be used, with a sentence for the operator.
        """
        ...

    def write(self, key: str) -> AbstractAsyncContextManager[BlobWriter]:
        """Write a blob in chunks. It becomes visible when the block ends. If the block raises, nothing is stored."""
        ...

    async def put_file(self, key: str, path: Path) -> int:
        """Store a local file and return its size in bytes. The store owns the file from then on and may move it instead of copying it."""
        ...

    async def stat(self, key: str) -> BlobInfo | None:
        """Return the attributes of a blob, or None if it does not exist."""
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` in chunks of bounded size."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open the blob for reading at any position, without a copy of it. Opening and reading block: use it in a thread."""
        ...

    def local(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Provide the blob as a local, read-only file inside the block.

        If the blob is deleted meanwhile, the file can be gone. The block then ends with ``BLOB_NOT_FOUND`` instead of
        ``FileNotFoundError``.
        """
        ...

    def locate(self, key: str) -> str:
        """Return the absolute path of the blob in the store: of the file, or of the object in its bucket. It has no address."""
        ...

    async def move(self, source: str, target: str) -> None:
        """Rename a blob."""
        ...

    async def keys(self, prefix: str) -> list[str]:
        """Return all keys that begin with ``prefix``, sorted."""
        ...

    def scan(self, prefix: str) -> AsyncIterator[tuple[str, BlobInfo]]:
        """Yield the keys that begin with ``prefix`` and their attributes, in no particular order, in bounded memory."""
        ...

    async def delete(self, key: str) -> None:
        """Delete a blob. A missing blob is not an error."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Delete all blobs in a folder. ``prefix`` ends with ``/``. Return their number."""
        ...

    async def purge_partial(self, older_than_seconds: float) -> int:
        """Delete the incomplete files that interrupted writers left. Return their number."""
        ...

    async def space(self) -> StoreSpace | None:
        """Return the space of the disk that holds the store; None if the store does not tell."""
        ...

    async def check(self) -> None:
        """Return if the store can be used.

        Raises ``AppError``: it cannot; with a sentence for the operator.
        """
        ...

    async def close(self) -> None:
        """Release the connections."""
        ...
