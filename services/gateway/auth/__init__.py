"""Who is calling: bearer tokens, browsers that are logged in, and callers without a name."""

from services.gateway.auth.browsers import SESSION_COOKIE, VISIT_COOKIE, Browsers, BrowserSession, new_visit
from services.gateway.auth.forgery import FIELD, HEADER, SAFE_METHODS, meant_method, offered_token
from services.gateway.auth.identify import Authenticator, Caller, peer_address

__all__ = [
    "FIELD",
    "HEADER",
    "SAFE_METHODS",
    "SESSION_COOKIE",
    "VISIT_COOKIE",
    "Authenticator",
    "BrowserSession",
    "Browsers",
    "Caller",
    "meant_method",
    "new_visit",
    "offered_token",
    "peer_address",
]
