"""Authentication: API tokens, browser sessions, anonymous callers, and CSRF tokens."""

from services.gateway.auth.authenticator import Authenticator, Caller, peer_address
from services.gateway.auth.browsers import (
    CREATOR_HEADER,
    SESSION_COOKIE,
    VISIT_COOKIE,
    Browsers,
    BrowserSession,
    new_secret,
)
from services.gateway.auth.csrf import FIELD, HEADER, SAFE_METHODS, form_method, request_csrf_token
from services.gateway.auth.sites import Sites

__all__ = [
    "CREATOR_HEADER",
    "FIELD",
    "HEADER",
    "SAFE_METHODS",
    "SESSION_COOKIE",
    "VISIT_COOKIE",
    "Authenticator",
    "BrowserSession",
    "Browsers",
    "Caller",
    "Sites",
    "form_method",
    "new_secret",
    "peer_address",
    "request_csrf_token",
]
