"""What owns a file, as its key says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyOwner:
    """The records that a key leads to. Both ids are empty for temporary files."""

    track_id: str = ""
    job_id: str = ""
