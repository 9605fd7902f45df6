"""On whose behalf a call is made. Sound Box clients say who they are in a field ``user_id``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from kit.errors import AppError, Code
from kit.identity import ANONYMOUS_PREFIX, Principal, principal_scope, require_principal
from services.gateway.soundbox.params import refusal

__all__ = ["acting", "owners", "shown"]

_ACCOUNT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@contextlib.contextmanager
def acting(user_id: str, *, named: bool = False) -> Iterator[Principal]:
    """Calls inside the block are made for ``user_id``, as far as the caller may say who they are.

    With a token the caller is its account, and no ``user_id`` makes them somebody else. Under open access a
    ``user_id`` names an anonymous caller, never an account; without one the caller is known by their address.

    Args:
        named: under open access, a ``user_id`` must be given.

    Raises:
        AppError: 400 ``user_id required``; 403 for a ``user_id`` that is not the account's.
    """
    principal = require_principal()
    if principal.is_anonymous:
        if named and not user_id:
            raise refusal("user_id required")
        if user_id:
            principal = Principal(ANONYMOUS_PREFIX + user_id, principal.role)
    elif user_id and user_id != principal.id:
        raise AppError(
            Code.PERMISSION_DENIED, "USER_ID_FOREIGN", "user_id must be that of the token's account, or be left out."
        )
    with principal_scope(principal):
        yield principal


def shown(owner_id: str) -> str | None:
    """An owner as clients know them: by the ``user_id`` that they gave."""
    return owner_id.removeprefix(ANONYMOUS_PREFIX) or None


def owners(user_id: str) -> list[str]:
    """Whose clips a filter by ``user_id`` may mean, the likeliest first; one empty name for everybody's.

    Only an id that could be an account's can mean more than one: those of accounts are UUIDs, and so are the names that
    some clients make up for themselves.
    """
    if not user_id:
        return [""]
    anonymous = ANONYMOUS_PREFIX + user_id
    if not _ACCOUNT_ID.fullmatch(user_id):
        return [anonymous]
    return [anonymous, user_id] if require_principal().is_anonymous else [user_id, anonymous]
