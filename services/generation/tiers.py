"""Limits of generation requests by the caller's role."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from soundwright.kit.security.identity import ADMINISTRATION_ROLES
from soundwright.services.generation.service import MAX_SECONDS


@dataclass(frozen=True)
class Tier:
    """The limits of a group of roles. A count of 0 means no limit.

    Args:
        starvation_seconds: a job that has waited longer starts before jobs of higher priority. Above 0.
    """

    pending_limit: int
    hourly_limit: int
    max_seconds: float
    starvation_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]


TIERS: Mapping[str, Tier] = {
    "free": Tier(pending_limit=3, hourly_limit=60, max_seconds=120, starvation_seconds=1800),
    "supporter": Tier(pending_limit=5, hourly_limit=120, max_seconds=120, starvation_seconds=600),
    "premium": Tier(pending_limit=10, hourly_limit=240, max_seconds=120, starvation_seconds=300),
    "creator": Tier(pending_limit=20, hourly_limit=600, max_seconds=180, starvation_seconds=120),
}
_BY_ROLE = {
    "anonymous": "free",
    "user": "free",
    "pro": "supporter",
    "enterprise": "premium",
    **dict.fromkeys(ADMINISTRATION_ROLES, "creator"),
    "service": "creator",
}


def tier_of(role: str, configured: Mapping[str, Tier]) -> tuple[str, Tier]:
    """Return the name and the limits of a role's tier. ``configured`` limits replace the defaults.

    No tier allows more than the engines can do.
    """
    name = _BY_ROLE.get(role, "free")
    tier = configured.get(name, TIERS[name])
    return name, replace(tier, max_seconds=min(tier.max_seconds, MAX_SECONDS))
