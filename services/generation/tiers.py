"""How much each kind of caller may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["TIERS", "Tier", "tier_of"]


@dataclass(frozen=True)
class Tier:
    """Limits of one kind of caller; of the counts, 0 means any number.

    Args:
        pending_limit: unfinished jobs at a time.
        hourly_limit: jobs in an hour.
        max_seconds: longest clip.
    """

    pending_limit: int
    hourly_limit: int
    max_seconds: float


TIERS: Mapping[str, Tier] = {
    "free": Tier(pending_limit=3, hourly_limit=60, max_seconds=120),
    "supporter": Tier(pending_limit=5, hourly_limit=120, max_seconds=120),
    "premium": Tier(pending_limit=10, hourly_limit=240, max_seconds=120),
    "creator": Tier(pending_limit=20, hourly_limit=600, max_seconds=180),
}
_BY_ROLE = {
    "anonymous": "free",
    "user": "free",
    "pro": "supporter",
    "enterprise": "premium",
    "admin": "creator",
    "platform_admin": "creator",
    "super_admin": "creator",
    "service": "creator",
}


def tier_of(role: str, configured: Mapping[str, Tier]) -> tuple[str, Tier]:
    """Name and limits of a role's tier; ``configured`` limits take the place of the usual ones."""
    name = _BY_ROLE.get(role, "free")
    return name, configured.get(name, TIERS[name])
