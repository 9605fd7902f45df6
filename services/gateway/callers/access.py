"""Access declarations: ``@access(...)`` on a route states who may call it and which rate limit applies."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from soundwright.services.gateway.callers.rate_limits import RateClass

_ATTRIBUTE = "soundwright_access"
T = TypeVar("T")


class Access(enum.Enum):
    """The callers that a route accepts."""

    PUBLIC = "public"
    """Everyone. Credentials are not read."""
    ACCOUNT = "account"
    """An API token or a browser session."""
    OPEN = "open"
    """An API token or a browser session. If open access is enabled, also callers without credentials."""
    BROWSER = "browser"
    """Everyone. A session cookie identifies the account; tokens are not read. Without a session, callers are anonymous users
    if open access is enabled, and have no identity otherwise."""

    @property
    def sessions(self) -> bool:
        """Whether a session cookie authenticates. State-changing requests then need a CSRF token."""
        return self in (Access.ACCOUNT, Access.OPEN, Access.BROWSER)

    @property
    def tokens(self) -> bool:
        return self in (Access.ACCOUNT, Access.OPEN)

    @property
    def anonymous(self) -> bool:
        """Whether callers without credentials have an identity if open access is enabled."""
        return self in (Access.OPEN, Access.BROWSER)


@dataclass(frozen=True)
class RouteAccess:
    """The access declaration of a route.

    Attributes:
        rate_class: the rate limit that applies; None: requests are not limited.
    """

    access: Access
    rate_class: RateClass | None = None


def access(accepted: Access, rate_class: RateClass | None = None) -> Callable[[T], T]:
    """Declare who may call a route and which rate limit applies. Put it below the router's decorator."""
    declared = RouteAccess(accepted, rate_class)

    def mark(endpoint: T) -> T:
        setattr(endpoint, _ATTRIBUTE, declared)
        return endpoint

    return mark


def declared_access(endpoint: object) -> RouteAccess | None:
    found: RouteAccess | None = getattr(endpoint, _ATTRIBUTE, None)
    return found
