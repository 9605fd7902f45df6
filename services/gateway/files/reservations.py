"""Space for the files of a request in the storage quota of the caller."""

import contextlib

from google.protobuf.timestamp_pb2 import Timestamp

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.text import size_text
from soundwright.library.v1 import storage_service_pb2 as pb
from soundwright.library.v1 import storage_service_pb2_grpc


class Reservation:
    """Space that is reserved while files are stored that no document counts."""

    def __init__(self, storage: storage_service_pb2_grpc.StorageServiceStub, reservation_id: str) -> None:
        self._storage = storage
        self._id = reservation_id

    async def hold(self, size_bytes: int, expire_time: Timestamp | None = None) -> int | None:
        """Reserve space for all files together, in place of what was held before.

        Args:
            expire_time: when the files are deleted if nothing follows; None: in one hour at most.

        Returns how many bytes the files can have; None: no quota.

        Raises ``QUOTA_EXCEEDED``.
        """
        request = pb.ReserveRequest(reservation_id=self._id, size_bytes=size_bytes, expire_time=expire_time)
        usage = (await self._storage.Reserve(request)).usage
        return usage.available_bytes + size_bytes if usage.HasField("available_bytes") else None

    async def release(self) -> None:
        """End the reservation. If the library does not answer, the reservation expires."""
        with contextlib.suppress(AppError):
            await self._storage.Release(pb.ReleaseRequest(reservation_id=self._id))


def quota_exceeded(room_bytes: int) -> AppError:
    return errors.QUOTA_EXCEEDED(
        f"Your storage quota has room for {size_text(room_bytes)} more. Delete tracks or clips to free space."
    )
