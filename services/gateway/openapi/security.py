"""Security schemes of the OpenAPI document, and the ones that each route accepts."""

from typing import Any

from soundwright.kit import errors
from soundwright.kit.errors import ErrorType
from soundwright.services.gateway.callers.access import Access
from soundwright.services.gateway.callers.browsers import SESSION_COOKIE, VISIT_COOKIE
from soundwright.services.gateway.callers.csrf import FIELD, HEADER, SAFE_METHODS

SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, from `POST /api/tokens` or the settings page.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "The session of a logged-in browser. Over HTTPS, the name has the prefix `__Host-`.",
    },
    "visit": {
        "type": "apiKey",
        "in": "cookie",
        "name": VISIT_COOKIE,
        "description": "The visit of a browser that is not logged in. Every page sets this cookie.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": HEADER,
        "description": 'The CSRF token, from the `<meta name="csrf-token">` of any page. '
        f"A form can send it in the field `{FIELD}` instead, before all files. Requests from pages of other origins "
        "(`Origin`, `Sec-Fetch-Site`) are refused.",
    },
}


def security_of(access: Access, method: str) -> list[dict[str, list[str]]]:
    """Return the OpenAPI ``security`` of a route: alternatives, of which an empty one stands for open access."""
    csrf: dict[str, list[str]] = {} if method in SAFE_METHODS else {"csrf": []}
    alternatives: list[dict[str, list[str]]] = []
    if access.tokens:
        alternatives.append({"bearer": []})
    if access.sessions:
        alternatives.append({"session": [], **csrf})
    if access is Access.BROWSER:
        alternatives.append({"visit": [], **csrf} if csrf else {})
    if access is Access.OPEN:
        alternatives.append({})
    return alternatives


def access_errors(access: Access, method: str) -> list[ErrorType]:
    """Return the problems of requests to a route that access control rejects."""
    found = []
    if access.tokens:
        found.append(errors.UNAUTHORIZED)
    if access is not Access.PUBLIC:
        found.append(errors.ACCOUNT_SUSPENDED)
        if access is Access.OPEN:
            found.append(errors.ORIGIN_NOT_ALLOWED)
        if access.sessions and method not in SAFE_METHODS:
            found.append(errors.CSRF_INVALID)
    return found
