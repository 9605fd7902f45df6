"""Applies the ``user_id`` that Sound Box clients send to the identity of the caller."""

import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel

from soundwright.kit import errors
from soundwright.kit.security.identity import (
    ADDRESS_PREFIX,
    ANONYMOUS_PREFIX,
    Principal,
    principal_scope,
    require_principal,
)
from soundwright.services.gateway.dialects.soundbox.params import read_json, user_id_of, validate_body

M = TypeVar("M", bound=BaseModel)
_ACCOUNT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@contextlib.contextmanager
def user_scope(user_id: str) -> Iterator[Principal]:
    """Make gRPC calls inside the block as the user ``user_id``.

    With a token or a session, the caller is its account, and ``user_id`` must be the ID of that account or empty. Under open access,
    ``user_id`` identifies an anonymous user, never an account; without it, the caller is identified by address. Everybody can
    send any ``user_id``: the library asks for the secret of the creator where that matters.

    Raises ``AppError``: 403 ``USER_ID_FOREIGN`` if ``user_id`` is not the ID of the account.
    """
    principal = require_principal()
    if principal.is_anonymous:
        if user_id:
            principal = dataclasses.replace(principal, id=ANONYMOUS_PREFIX + user_id)
    elif user_id and user_id != principal.id:
        raise errors.USER_ID_FOREIGN()
    with principal_scope(principal):
        yield principal


def named_user_scope(user_id: str) -> contextlib.AbstractContextManager[Principal]:
    """Return a :func:`user_scope` for which anonymous callers must send a ``user_id``.

    Raises ``AppError``: 400 ``USER_ID_NEEDED``.
    """
    if not user_id and require_principal().is_anonymous:
        raise errors.USER_ID_NEEDED()
    return user_scope(user_id)


@contextlib.asynccontextmanager
async def sent_by_user(request: Request, model: type[M], *, is_named: bool = False, **missing: Any) -> AsyncIterator[M]:
    """Read a body, and make gRPC calls inside the block as its user: see :func:`user_scope`.

    Args:
        is_named: anonymous callers must send a ``user_id``.
        missing: values of fields that the body lacks, which are not valid.

    Raises ``AppError``: see :func:`read_json`, :func:`user_scope` and :func:`validate_body`.
    """
    values = await read_json(request)
    with (named_user_scope if is_named else user_scope)(user_id_of(request, values)):
        yield validate_body(model, {**missing, **values})


def public_user_id(owner_id: str) -> str | None:
    """Return the ``user_id`` that clients see for an owner; None if there is no owner."""
    return owner_id.removeprefix(ANONYMOUS_PREFIX) or None


def owner_ids(user_id: str) -> list[str]:
    """Return the owner IDs that a filter by ``user_id`` can refer to, the most likely first; ``[""]`` for all owners.

    A UUID is ambiguous: accounts have UUIDs, and some clients use UUIDs for anonymous users.
    """
    if not user_id:
        return [""]
    anonymous = ANONYMOUS_PREFIX + user_id
    if user_id.startswith(ADDRESS_PREFIX):
        return [user_id, anonymous]
    if not _ACCOUNT_ID.fullmatch(user_id):
        return [anonymous]
    return [anonymous, user_id] if require_principal().is_anonymous else [user_id, anonymous]
