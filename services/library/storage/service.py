"""Rules of the storage quota.

What an owner stores is the sum of the sizes in the documents of tracks and jobs, so it is exact after any crash. A reservation stands
for files that are being stored and have no document yet. All reservations of an owner are in one document, and each change
compares and sets it. Two processes therefore cannot both give away the last bytes.

Callers without a registered account can invent more of them, so those of one network have a quota together, too.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import NETWORK_SHARE
from soundwright.services.library.storage.records import OwnerReservations, Reservation

if TYPE_CHECKING:
    from soundwright.services.library.storage.store import StorageDocs

_NETWORK_PREFIX = "network:"
_RESERVATION_SECONDS = 3600.0  # then a crashed upload or job no longer holds space


@dataclass(frozen=True)
class Usage:
    """The storage of an owner in bytes.

    Attributes:
        used_bytes: stored and reserved.
        limit_bytes: the quota; None: no limit.
    """

    used_bytes: int
    limit_bytes: int | None

    @property
    def available_bytes(self) -> int | None:
        """What the owner may still store; None: no limit."""
        return None if self.limit_bytes is None else max(0, self.limit_bytes - self.used_bytes)


class Storage:
    """The storage of all owners.

    ``network`` is the ID of the address of an owner without a registered account; None: the owner has one.

    Args:
        limit_of: returns the quota of an owner in bytes; 0: none.
    """

    def __init__(self, store: "StorageDocs", limit_of: Callable[[str], Awaitable[int]], clock: Clock) -> None:
        self._store = store
        self._limit_of = limit_of
        self._clock = clock

    async def usage(self, owner_id: str) -> Usage:
        """Return what an owner stores, and the quota."""
        limit = await self._limit_of(owner_id)
        current = await self._current(owner_id)
        return Usage(await self._used_bytes(current), limit or None)

    async def require_room(self, owner_id: str, network: str | None = None) -> None:
        """Check that the owner may store anything at all. Raises ``QUOTA_EXCEEDED``."""
        if limit := await self._limit_of(owner_id):
            for key, share in _shares(owner_id, network):
                used = await self._used_bytes(await self._current(key))
                if used >= share * limit:
                    raise _quota_exceeded(used, share * limit, 1)

    async def reserve(
        self,
        owner_id: str,
        reservation_id: str,
        size_bytes: int,
        network: str | None = None,
        expire_time: float | None = None,
    ) -> None:
        """Reserve space, in place of an earlier reservation with this ID.

        Args:
            expire_time: None: in one hour.

        Raises ``QUOTA_EXCEEDED``.
        """
        if limit := await self._limit_of(owner_id):
            new = Reservation(reservation_id, size_bytes, expire_time or self._clock.now() + _RESERVATION_SECONDS)
            try:
                for key, share in _shares(owner_id, network):
                    await self._reserve(key, share * limit, new)
            except AppError:
                await self.release(owner_id, reservation_id, network)
                raise

    async def _reserve(self, key: str, limit: int, new: Reservation) -> None:
        while True:
            # The document is read before the sizes: what is no longer reserved in it is stored.
            others = _without(await self._current(key), new.id)
            used = await self._used_bytes(others)
            if used + new.size_bytes > limit:
                raise _quota_exceeded(used, limit, new.size_bytes)
            if await self._store.reservations.put(
                dataclasses.replace(others, reservations=[*others.reservations, new])
            ):
                return

    async def release(self, owner_id: str, reservation_id: str, network: str | None = None) -> None:
        """End a reservation: the files have a document, or are deleted."""
        for key, _ in _shares(owner_id, network):
            await self._store.reservations.change(key, lambda current: _without(current, reservation_id))

    async def _current(self, key: str) -> OwnerReservations:
        """Return the reservations of an owner or of a network that have not expired."""
        found = await self._store.reservations.get(key) or OwnerReservations(key)
        live = [reservation for reservation in found.reservations if reservation.expire_time > self._clock.now()]
        return dataclasses.replace(found, reservations=live)

    async def _used_bytes(self, current: OwnerReservations) -> int:
        """Return what is stored and reserved. A reservation whose files have their document already does not count."""
        ids = [reservation.id for reservation in current.reservations]
        while True:
            stored = await self._store.stored_ids(ids)
            network = current.id.removeprefix(_NETWORK_PREFIX)
            is_owner = network == current.id
            size = await self._store.stored_bytes(network, "owner_id" if is_owner else "network")
            if stored == await self._store.stored_ids(ids):  # none of them was stored in between
                return size + sum(each.size_bytes for each in current.reservations if each.id not in stored)


def _shares(owner_id: str, network: str | None) -> list[tuple[str, int]]:
    """Return the keys of the quotas that count a file, and how many times the quota of the owner each is."""
    return [(owner_id, 1), *([(f"{_NETWORK_PREFIX}{network}", NETWORK_SHARE)] if network else [])]


def _without(current: OwnerReservations, reservation_id: str) -> OwnerReservations:
    kept = [reservation for reservation in current.reservations if reservation.id != reservation_id]
    return dataclasses.replace(current, reservations=kept)


def _quota_exceeded(used: int, limit: int, size: int) -> AppError:
    return errors.QUOTA_EXCEEDED(limit_bytes=limit, used_bytes=used, required_bytes=size)
