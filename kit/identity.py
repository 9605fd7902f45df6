"""Who is calling: the signed, short-lived principal that travels with every gRPC call (JWT, RFC 7519, HS256)."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from kit.errors import AppError, Code
from kit.ports import Clock

__all__ = [
    "ADMIN_ROLES",
    "ANONYMOUS_PREFIX",
    "Principal",
    "Signer",
    "current_principal",
    "principal_scope",
    "require_principal",
    "require_service",
]

ADMIN_ROLES = frozenset({"admin", "super_admin"})
ANONYMOUS_PREFIX = "anon:"
_LIFETIME_SECONDS = 120
_LEEWAY_SECONDS = 30


@dataclass(frozen=True)
class Principal:
    """An account, an anonymous caller (id ``anon:...``) or one of our own services (role ``service``)."""

    id: str
    role: str

    @property
    def is_service(self) -> bool:
        return self.role == "service"

    @property
    def is_admin(self) -> bool:
        return self.role in ADMIN_ROLES

    @property
    def is_anonymous(self) -> bool:
        return self.id.startswith(ANONYMOUS_PREFIX)


class Signer:
    """Turns principals into tokens and back."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = OctKey.import_key(key)
        self._clock = clock

    def sign(self, principal: Principal) -> str:
        now = int(self._clock.now())
        claims = {"sub": principal.id, "role": principal.role, "iat": now, "exp": now + _LIFETIME_SECONDS}
        return jwt.encode({"alg": "HS256"}, claims, self._key)

    def verify(self, token: str) -> Principal:
        """
        Raises:
            AppError: ``PRINCIPAL_INVALID`` for a token that is not ours, was changed or has expired.
        """
        refusal = AppError(Code.UNAUTHENTICATED, "PRINCIPAL_INVALID", "The call carries no valid principal.")
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"]).claims
            expires, subject, role = float(claims["exp"]), str(claims["sub"]), str(claims["role"])
        except (JoseError, ValueError, KeyError, TypeError):
            raise refusal from None
        if self._clock.now() > expires + _LEEWAY_SECONDS:
            raise refusal
        return Principal(id=subject, role=role)


_current: contextvars.ContextVar[Principal | None] = contextvars.ContextVar("principal", default=None)


def current_principal() -> Principal | None:
    return _current.get()


def require_principal() -> Principal:
    principal = _current.get()
    if principal is None:
        raise AppError(Code.UNAUTHENTICATED, "PRINCIPAL_MISSING", "The call does not say on whose behalf it is made.")
    return principal


def require_service() -> None:
    """
    Raises:
        AppError: ``SERVICE_ONLY`` when the caller is a person.
    """
    if not require_principal().is_service:
        raise AppError(Code.PERMISSION_DENIED, "SERVICE_ONLY", "Only a service of the platform may do this.")


@contextlib.contextmanager
def principal_scope(principal: Principal | None) -> Iterator[None]:
    """Calls made inside the block are made on behalf of ``principal``."""
    token = _current.set(principal)
    try:
        yield
    finally:
        _current.reset(token)
