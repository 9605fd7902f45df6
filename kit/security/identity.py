"""The principal: the identity of the caller. It is sent with every gRPC call as a short-lived JWT (RFC 7519, Ed25519).

A token names the component that signed it (``iss``) and the component that it calls (``aud``). A component signs as
itself. Only the gateway and the library, which know accounts, sign as accounts. Another component that acts for an
account forwards the token with which the account called it.

Claims: ``iss`` and ``aud``; ``iat`` and ``exp``, two minutes apart, or the length of the call and a minute, if that is longer;
``sub`` and ``role`` of the account or the service; ``net``, the network of an anonymous caller or a guest; ``key``, the hash of
the secret of an anonymous creator; ``tok``, the ID of the API token; ``for``, the forwarded token.
"""

import contextvars
import functools
import hashlib
import ipaddress
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OKPKey

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.kit.scoped import Scoped
from soundwright.kit.security.signing_keys import SigningKeys, component_of

ROLE_RANKS: Mapping[str, int] = {
    "user": 0,
    "pro": 1,
    "enterprise": 2,
    "admin": 3,
    "platform_admin": 3,
    "super_admin": 5,
}
"""The roles of accounts and their ranks. No account can manage an account of a higher rank, or assign a role
with rights that it lacks."""

ADMINISTRATION_ROLES = frozenset(role for role, rank in ROLE_RANKS.items() if rank >= ROLE_RANKS["admin"])
"""Roles that may use the administration: accounts, the audit log and the state of language models."""

ADMIN_ROLES = ADMINISTRATION_ROLES - {"platform_admin"}
"""Roles that may also change the content of other users.

A ``platform_admin`` has the rank of an ``admin`` but runs the platform, not its content, so it is not among them.
"""

ANONYMOUS_ROLE = "anonymous"
GUEST_ROLE = "guest"
"""The role of accounts without an email address, which open access creates. It has no rank, and nobody can assign it."""

ANONYMOUS_PREFIX = "anon:"
"""The IDs of anonymous callers who have chosen one begin with it."""

ADDRESS_PREFIX = "address:"
"""The IDs of other anonymous callers begin with it. Nobody can choose such an ID."""

_SERVICE_PREFIX = "service:"
_ACCOUNT_SIGNERS = frozenset({"gateway", "library"})
_ALGORITHM = "Ed25519"
_LIFETIME_SECONDS = 120
_LEEWAY_SECONDS = 30
_REUSE_SECONDS = 30
_FORWARD_LIMIT = 4
_CACHE_LIMIT = 2048
_TOKEN_LIMIT_CHARS = 512
_PRINCIPAL_LIMIT_CHARS = 4096


NETWORK_SHARE = 4
"""How many callers without a registered account are usual behind one address: a household or an office. They cost nothing, so they
have limits together, which are those of so many callers."""


@dataclass(frozen=True)
class Principal:
    """The identity of a caller: an account, an anonymous caller (ID ``anon:...`` or ``address:...``) or a service (role ``service``).

    Attributes:
        network: the ID of the network address from which an anonymous caller or a guest came; empty for others.
        creator_key: the hash of the secret that an anonymous caller holds; empty for others, and without a secret.
        api_token_id: the ID of the API token that authenticated the account; empty: a session did.
        component: the component that sent the call; empty if the caller has not come with a call of a component.
        proof: the token with which an account called this component. It allows to act for the account.
    """

    id: str
    role: str
    network: str = ""
    creator_key: str = ""
    api_token_id: str = ""
    component: str = field(default="", compare=False)
    proof: str = field(default="", compare=False, repr=False)

    @property
    def is_service(self) -> bool:
        return self.role == "service"

    @property
    def is_admin(self) -> bool:
        """Whether the caller may change the content of other users."""
        return self.role in ADMIN_ROLES

    @property
    def may_administer(self) -> bool:
        """Whether the caller may use the administration."""
        return self.role in ADMINISTRATION_ROLES

    @property
    def is_anonymous(self) -> bool:
        return is_anonymous_id(self.id)

    @property
    def is_guest(self) -> bool:
        """Whether the account of the caller has no email address."""
        return self.role == GUEST_ROLE


def is_anonymous_id(owner_id: str) -> bool:
    """Return whether this is the ID of a caller without an account."""
    return owner_id.startswith((ANONYMOUS_PREFIX, ADDRESS_PREFIX))


def service_principal(component: str) -> Principal:
    """Return the principal with which ``component`` acts for itself."""
    return Principal(f"{_SERVICE_PREFIX}{component}", "service")


class Signer:
    """Creates the tokens of one component's calls, and verifies the tokens of the calls that it receives.

    Both are remembered: most calls repeat the principal of an earlier call.
    """

    def __init__(self, component: str, keys: SigningKeys, clock: Clock) -> None:
        self.component = component
        self.service = service_principal(component)
        self._keys = keys
        self._clock = clock
        self._signed: _Recent[tuple[Principal, str, str], tuple[float, str, str]] = _Recent()
        self._verified: _Recent[str, tuple[float, Principal]] = _Recent()

    def sign(self, principal: Principal, audience: str, call_seconds: float = 0.0) -> str:
        """Return a token for a call to the component ``audience``. It is valid for two minutes, or longer than the call.

        A service is not forwarded: the component then acts for itself.

        Args:
            call_seconds: the time that the call may take.

        Raises ``PRINCIPAL_NOT_PROVEN`` if this component may not act for the account.
        """
        now = self._clock.now()
        lifetime_seconds = max(_LIFETIME_SECONDS, call_seconds + _LIFETIME_SECONDS / 2)
        key_id, key = self._keys.private()
        identity = (principal, principal.proof, audience)
        remembered = self._signed.get(identity) if lifetime_seconds == _LIFETIME_SECONDS else None
        if remembered is not None and 0 <= now - remembered[0] < _REUSE_SECONDS and remembered[1] == key_id:
            return remembered[2]
        claims: dict[str, Any] = {
            "iss": self.component,
            "aud": audience,
            "iat": int(now),
            "exp": int(now + lifetime_seconds),
        }
        if principal.is_service:
            claims |= {"sub": self.service.id, "role": self.service.role}
        elif self.component in _ACCOUNT_SIGNERS:
            claims |= {"sub": principal.id, "role": principal.role}
            optional = {"net": principal.network, "key": principal.creator_key, "tok": principal.api_token_id}
            claims |= {name: value for name, value in optional.items() if value}
        elif principal.proof:
            claims |= {"for": principal.proof}
        else:
            raise errors.PRINCIPAL_NOT_PROVEN(component=self.component)
        token = jwt.encode({"alg": _ALGORITHM, "kid": key_id}, claims, key, algorithms=[_ALGORITHM])
        if lifetime_seconds == _LIFETIME_SECONDS:
            self._signed.put(identity, (now, key_id, token))
        return token

    def prove(self, account: Principal, component: str) -> str:
        """Return a token that lets ``component`` act for ``account``; empty if the component signs for accounts itself."""
        return "" if component in _ACCOUNT_SIGNERS else self.sign(account, component)

    def verify(self, token: str) -> Principal:
        """Return the principal of a token for this component.

        Raises ``PRINCIPAL_INVALID`` if the token has expired, is for another component, or is signed by a component
        that may not sign it.
        """
        remembered = self._verified.get(token)
        if remembered is None:
            try:
                if len(token) > _PRINCIPAL_LIMIT_CHARS:
                    raise ValueError("too long")
                expires, principal = self._read(token, self.component, _FORWARD_LIMIT)
            except (JoseError, ValueError, KeyError, TypeError, RecursionError):
                raise errors.PRINCIPAL_INVALID() from None
            remembered = (expires, replace(principal, proof="" if principal.is_service else token))
            self._verified.put(token, remembered)
        expires, principal = remembered
        if self._clock.now() > expires + _LEEWAY_SECONDS:
            raise errors.PRINCIPAL_INVALID()
        return principal

    def _read(self, token: str, audience: str, forward_limit: int) -> tuple[float, Principal]:
        """Return when a token expires, and its principal.

        Raises ``ValueError``, ``KeyError``, ``TypeError`` or ``JoseError``: the token is invalid.
        """
        decoded = jwt.decode(token, self._public_key, algorithms=[_ALGORITHM])
        claims, issuer = decoded.claims, component_of(str(decoded.header["kid"]))
        if claims["iss"] != issuer or claims["aud"] != audience:
            raise ValueError("another issuer or audience")
        expires = float(claims["exp"])
        if "for" in claims:
            if forward_limit == 0:
                raise ValueError("forwarded too often")
            proof_expires, account = self._read(str(claims["for"]), issuer, forward_limit - 1)
            if account.is_service:
                raise ValueError("services are not forwarded")
            return min(expires, proof_expires), replace(account, component=issuer)
        principal = Principal(
            str(claims["sub"]),
            str(claims["role"]),
            str(claims.get("net", "")),
            str(claims.get("key", "")),
            str(claims.get("tok", "")),
            component=issuer,
        )
        is_service = principal.is_service or principal.id.startswith(_SERVICE_PREFIX)
        if is_service and principal != service_principal(issuer):
            raise ValueError("a component is only itself")
        if not is_service and issuer not in _ACCOUNT_SIGNERS:
            raise ValueError("not a signer for accounts")
        return expires, principal

    def _public_key(self, signature: GuestProtocol) -> OKPKey:
        key = self._keys.public(str(signature.headers()["kid"]))
        if key is None:
            raise ValueError("unknown key")
        return key


K = TypeVar("K")
V = TypeVar("V")


class _Recent(Generic[K, V]):
    """The entries that were used last."""

    def __init__(self) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > _CACHE_LIMIT:
            self._entries.popitem(last=False)


def bearer_token(authorization: str) -> str:
    """Return the token of an ``Authorization`` header, ``Bearer <token>`` (RFC 6750).

    Raises ``UNAUTHORIZED`` for a missing header, another scheme, or something that is no token.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not 0 < len(token) <= _TOKEN_LIMIT_CHARS or not token.isascii():
        raise errors.UNAUTHORIZED()
    return token


def api_token_id(token: str) -> str:
    """Return the public ID of an API token: a part of its hash."""
    return str(uuid.UUID(bytes=hashlib.sha256(token.encode()).digest()[:16]))


@functools.lru_cache(maxsize=4096)
def usual_address(host: str) -> str:
    """Return an IP address as limits count it: an IPv6 address as its /64 network, which one customer usually has."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "".join(char for char in host if char.isascii() and char.isprintable())[:100]
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.version == 6 and not address.is_loopback:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


_current: contextvars.ContextVar[Principal | None] = contextvars.ContextVar("principal", default=None)
_address: contextvars.ContextVar[str] = contextvars.ContextVar("address", default="")


def current_principal() -> Principal | None:
    return _current.get()


def require_principal() -> Principal:
    """Return the principal of the current call. Raises ``PRINCIPAL_MISSING`` if there is none."""
    principal = _current.get()
    if principal is None:
        raise errors.PRINCIPAL_MISSING()
    return principal


def require_administrator() -> Principal:
    """Return the principal of the current call, if it may use the administration.

    Raises ``ROLE_TOO_LOW``; ``PRINCIPAL_MISSING``.
    """
    principal = require_principal()
    if not principal.may_administer:
        raise errors.ROLE_TOO_LOW()
    return principal


def principal_scope(principal: Principal | None) -> Scoped[Principal | None]:
    """Use ``principal`` for calls inside the block."""
    return Scoped(_current, principal)


def client_address() -> str:
    """Return the IP address of the client that the current call comes from; empty if it is not known."""
    return _address.get()


def address_scope(address: str) -> Scoped[str]:
    """Tell the components that are called inside the block the IP address of the client."""
    return Scoped(_address, address)
