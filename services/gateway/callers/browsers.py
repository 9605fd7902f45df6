"""Browser cookies and CSRF tokens."""

import base64
import hmac
import re
import secrets
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from soundwright.kit.security.identity import GUEST_ROLE
from soundwright.library.v1 import account_pb2
from soundwright.services.gateway.settings import GatewaySettings
from soundwright.services.gateway.wire.decoding import plain_cookies

SESSION_COOKIE = "soundwright_session"
VISIT_COOKIE = "soundwright_visit"
FLASH_COOKIE = "soundwright_flash"
_FLASH_SECONDS = 60
CREATOR_COOKIE = "soundwright_creator"
CREATOR_HEADER = "x-soundwright-creator"
CREATOR_SECONDS = 365 * 86400
_REMEMBER_SECONDS = 14 * 86400
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class BrowserSession:
    """The session of a logged-in browser.

    Attributes:
        secret: the value of its cookie.
        renewed_secret: the new value of the cookie; empty if it stays the same.
        remembered: whether the cookie outlives the browser.
        fresh: whether the user logged in a few minutes ago.
        session_id: the ID of the session in the API. It is not a secret.
    """

    secret: str
    account: account_pb2.Account
    remembered: bool
    fresh: bool
    renewed_secret: str = ""
    session_id: str = ""

    @property
    def is_guest(self) -> bool:
        return self.account.role == GUEST_ROLE

    @property
    def current_secret(self) -> str:
        return self.renewed_secret or self.secret


class Browsers:
    """Cookies, and protection against cross-site request forgery (CSRF).

    A CSRF token is an HMAC of the secret in the session cookie or, before login, in the visit cookie. Another site can make a
    browser send the cookie, but cannot read it and cannot compute the token.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._secrets = settings.secrets()
        self._always_secure = settings.public_address.startswith("https:")
        self._trusted_proxy = settings.trusted_proxy

    def session_secret(self, scope: Scope) -> str:
        """Return the session secret that the browser sent; empty if there is none of the right form."""
        return self._secret(scope, SESSION_COOKIE)

    def visit_secret(self, scope: Scope) -> str:
        """Return the visit secret that the browser sent; empty if there is none of the right form."""
        return self._secret(scope, VISIT_COOKIE)

    def _secret(self, scope: Scope, name: str) -> str:
        value = self.cookie(scope, name)
        return value if _SECRET.fullmatch(value) else ""

    def cookie(self, scope: Scope, name: str) -> str:
        """Return the value of one of our cookies; empty if the browser did not send it."""
        sent = Headers(scope=scope).getlist("cookie")
        if not sent:
            return ""
        return cookie_parser(plain_cookies("; ".join(sent))).get(self.cookie_name(scope, name), "")

    def cookie_name(self, scope: Scope, name: str) -> str:
        """Return ``name`` with the prefix ``__Host-`` over HTTPS. Only this very host can set such a cookie."""
        return f"__Host-{name}" if self._secure(scope) else name

    def creator_secret(self, scope: Scope) -> str:
        """Return the secret that shows who created what, from its header or cookie; empty if there is none of the right form."""
        sent = Headers(scope=scope).get(CREATOR_HEADER, "")
        return sent if _SECRET.fullmatch(sent) else self._secret(scope, CREATOR_COOKIE)

    def csrf_token(self, secret: str) -> str:
        return _csrf_token(self._secrets.current, secret)

    def is_valid_csrf_token(self, secret: str, token: str) -> bool:
        return any(
            hmac.compare_digest(_csrf_token(each, secret).encode(), token.encode()) for each in self._secrets.all
        )

    def session_cookie(self, scope: Scope, secret: str, remembered: bool) -> str:
        """Return the ``Set-Cookie`` header of a session. The browser forgets it on exit unless it is ``remembered``."""
        return self.set_cookie(scope, SESSION_COOKIE, secret, _REMEMBER_SECONDS if remembered else None)

    def flash_cookie(self, scope: Scope, name: str) -> str:
        """Return the ``Set-Cookie`` header with which the next page shows a message."""
        return self.set_cookie(scope, FLASH_COOKIE, name, _FLASH_SECONDS)

    def set_cookie(self, scope: Scope, name: str, value: str, max_age_seconds: int | None = None) -> str:
        """Return the ``Set-Cookie`` header of one of our cookies. It ends with the browser, or after a time; 0 deletes it."""
        response = Response()
        response.set_cookie(
            self.cookie_name(scope, name),
            value,
            max_age_seconds,
            secure=self._secure(scope),
            httponly=True,
            samesite="lax",
        )
        return response.headers["set-cookie"]

    def _secure(self, scope: Scope) -> bool:
        if self._always_secure or scope.get("scheme") == "https":
            return True
        # Each proxy may add how it was asked. Browsers need the cookies of HTTPS as soon as one of them was asked by HTTPS.
        schemes = ",".join(Headers(scope=scope).getlist("x-forwarded-proto")).lower().split(",")
        return self._trusted_proxy and "https" in (scheme.strip() for scheme in schemes)


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def _csrf_token(platform_secret: bytes, secret: str) -> str:
    key = hmac.digest(platform_secret, b"soundwright csrf", "sha256")
    return base64.urlsafe_b64encode(hmac.digest(key, secret.encode(), "sha256")).rstrip(b"=").decode()
