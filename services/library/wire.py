"""What the library's RPC modules share: times on the wire, and calls that only services may make."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from kit.errors import AppError, Code
from kit.identity import require_principal

__all__ = ["require_service", "time_from_wire", "time_to_wire"]


def time_to_wire(seconds: float | None) -> Timestamp | None:
    """Seconds since 1970 as a message; nothing for nothing."""
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp


def time_from_wire(message: Any, name: str) -> float | None:
    """The time in the field ``name``, in seconds since 1970; None where it is absent."""
    return getattr(message, name).ToMicroseconds() / 1e6 if message.HasField(name) else None


def require_service() -> None:
    """
    Raises:
        AppError: ``SERVICE_ONLY`` when the caller is a person.
    """
    if not require_principal().is_service:
        raise AppError(Code.PERMISSION_DENIED, "SERVICE_ONLY", "Only a service of the platform may do this.")
