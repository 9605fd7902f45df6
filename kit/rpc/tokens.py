"""Resolves API tokens, and remembers the results for less than a second."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import grpc

from soundwright.kit.security.identity import Principal, api_token_id, principal_scope
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc

TOKEN_CACHE_SECONDS = 0.5
_TOKEN_CACHE_LIMIT = 1000
_KNOWN_SECONDS, _KNOWN_LIMIT = 600.0, 10_000

AuthenticateToken = Callable[[str], Awaitable[Principal]]
"""Returns the principal of an API token.

Raises:
    AppError: ``UNAUTHORIZED`` for an unknown token, ``ACCOUNT_SUSPENDED`` for one of an account that is not active.
"""


class RecentTokens:
    """Looks up tokens. Callers that ask for the same token within ``TOKEN_CACHE_SECONDS`` share one lookup.

    A token that was revoked, or whose account was suspended or got another role, has its old rights for at most
    ``TOKEN_CACHE_SECONDS`` more. Refused tokens are not remembered.
    """

    def __init__(self, authenticate: AuthenticateToken, now: Callable[[], float] = time.monotonic) -> None:
        self._authenticate = authenticate
        self._now = now
        # When each lookup began, since it may see a token just before it is revoked. Tokens are stored as hashes.
        self._lookups: OrderedDict[bytes, tuple[float, asyncio.Task[Principal]]] = OrderedDict()

    async def principal_of(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises ``AppError``: see :data:`AuthenticateToken`.
        """
        key, now = hashlib.sha256(token.encode()).digest(), self._now()
        began, lookup = self._lookups.pop(key, (now, None))
        if lookup is None or began + TOKEN_CACHE_SECONDS <= now:
            began, lookup = now, asyncio.ensure_future(self._authenticate(token))
            lookup.add_done_callback(lambda done: self._forget_refused(key, done))
        self._lookups[key] = began, lookup
        if len(self._lookups) > _TOKEN_CACHE_LIMIT:
            self._lookups.popitem(last=False)
        # A caller that goes away does not end the lookup of the others.
        return lookup.result() if lookup.done() else await asyncio.shield(lookup)

    def _forget_refused(self, key: bytes, lookup: asyncio.Task[Principal]) -> None:
        refused = lookup.cancelled() or lookup.exception() is not None
        if refused and self._lookups.get(key, (0.0, None))[1] is lookup:
            del self._lookups[key]


class KnownCredentials:
    """Remembers for ten minutes which credentials were valid, as hashes, so that guesses of others behind the address of their
    holders do not lock them out."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._valid: OrderedDict[bytes, float] = OrderedDict()

    def add(self, credential: str) -> None:
        key = hashlib.sha256(credential.encode()).digest()
        self._valid[key] = self._now()
        self._valid.move_to_end(key)
        if len(self._valid) > _KNOWN_LIMIT:
            self._valid.popitem(last=False)

    def discard(self, credential: str) -> None:
        self._valid.pop(hashlib.sha256(credential.encode()).digest(), None)

    def __contains__(self, credential: str) -> bool:
        time = self._valid.get(hashlib.sha256(credential.encode()).digest())
        return time is not None and self._now() - time < _KNOWN_SECONDS


def token_lookup(library: grpc.aio.Channel) -> AuthenticateToken:
    """Return a function that asks the library for the principal of an API token."""
    accounts = library_service_pb2_grpc.AccountServiceStub(library)

    async def authenticate(token: str) -> Principal:
        with principal_scope(None):  # the component asks on its own behalf
            answer = await accounts.AuthenticateToken(library_service_pb2.AuthenticateTokenRequest(token=token))
        return Principal(answer.account.id, answer.account.role, api_token_id=api_token_id(token), proof=answer.proof)

    return authenticate
