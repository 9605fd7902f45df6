"""What is stored about the storage of an owner."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reservation:
    """Space for files that are being stored, under the ID of their upload, track or job."""

    id: str
    size_bytes: int
    expire_time: float


@dataclass(frozen=True)
class OwnerReservations:
    """All reservations of an owner or of a network. ``id`` is the owner's ID, or ``network:`` and that of the network."""

    id: str
    reservations: list[Reservation] = field(default_factory=list)
    revision: int = 0
