"""What we keep in browsers: the cookie of a session, and the tokens that tell our own forms from everybody else's."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass

from soundwright.library.v1 import account_pb2
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from services.gateway.settings import GatewaySettings

__all__ = ["SESSION_COOKIE", "VISIT_COOKIE", "BrowserSession", "Browsers", "new_visit"]

SESSION_COOKIE = "soundwright_session"
VISIT_COOKIE = "soundwright_visit"
_REMEMBER_SECONDS = 14 * 86400
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class BrowserSession:
    """A browser that is logged in.

    Attributes:
        secret: what its cookie holds.
        renewed_secret: what the cookie will hold from now on; empty: the same.
        fresh: it was logged in a few minutes ago.
    """

    secret: str
    account: account_pb2.Account
    remembered: bool
    fresh: bool
    renewed_secret: str = ""

    @property
    def current_secret(self) -> str:
        return self.renewed_secret or self.secret


class Browsers:
    """Cookies, and tokens against cross-site request forgery.

    A token is an HMAC of the secret in the session's cookie or, before login, in the cookie of a visit: another site can
    make a browser send the cookie, but can neither read it nor make the token that goes with it.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._key = hmac.digest(settings.signing_key(), b"soundwright csrf", "sha256")
        self._always_secure = settings.public_address.startswith("https:")
        self._trusted_proxy = settings.trusted_proxy

    def session_secret(self, headers: Headers) -> str:
        """What the browser sends as its session; empty: nothing that could be one."""
        return _cookie(headers, SESSION_COOKIE)

    def visit_secret(self, headers: Headers) -> str:
        """What a browser has that is not logged in; empty: nothing yet."""
        return _cookie(headers, VISIT_COOKIE)

    def csrf_token(self, secret: str) -> str:
        """The token that goes with a session or visit."""
        return base64.urlsafe_b64encode(hmac.digest(self._key, secret.encode(), "sha256")).rstrip(b"=").decode()

    def csrf_fits(self, secret: str, token: str) -> bool:
        return bool(secret) and hmac.compare_digest(self.csrf_token(secret).encode(), token.encode())

    def session_cookie(self, scope: Scope, secret: str, remembered: bool) -> str:
        """The ``Set-Cookie`` of a session, which ends with the browser unless it is to be remembered."""
        lasting = f"; Max-Age={_REMEMBER_SECONDS}" if remembered else ""
        return self._cookie(scope, SESSION_COOKIE, secret) + lasting

    def ended_session_cookie(self, scope: Scope) -> str:
        return self._cookie(scope, SESSION_COOKIE, "") + "; Max-Age=0"

    def visit_cookie(self, scope: Scope, secret: str) -> str:
        return self._cookie(scope, VISIT_COOKIE, secret)

    def note_cookie(self, scope: Scope, name: str, value: str) -> str:
        """A word for the next page; empty: none any more."""
        return self._cookie(scope, name, value) + f"; Max-Age={60 if value else 0}"

    def errand_cookie(self, scope: Scope, name: str, value: str, path: str, lifetime_seconds: int) -> str:
        """What a browser that goes elsewhere brings back to ``path``; empty, with no lifetime: nothing any more."""
        return self._cookie(scope, name, value, path) + f"; Max-Age={lifetime_seconds}"

    def _cookie(self, scope: Scope, name: str, value: str, path: str = "/") -> str:
        secure = "; Secure" if self._secure(scope) else ""
        return f"{name}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}"

    def _secure(self, scope: Scope) -> bool:
        if self._always_secure or scope.get("scheme") == "https":
            return True
        return self._trusted_proxy and Headers(scope=scope).get("x-forwarded-proto", "").lower() == "https"


def new_visit() -> str:
    return secrets.token_urlsafe(32)


def _cookie(headers: Headers, name: str) -> str:
    value = cookie_parser("; ".join(headers.getlist("cookie"))).get(name, "")
    return value if _SECRET.fullmatch(value) else ""
