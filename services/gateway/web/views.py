"""Renders pages and redirects, with the CSRF token, the current account and flash messages."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from soundwright.kit import errors
from soundwright.services.gateway.callers.browsers import (
    FLASH_COOKIE,
    SESSION_COOKIE,
    VISIT_COOKIE,
    Browsers,
    BrowserSession,
    new_secret,
)
from soundwright.services.gateway.web.templates import PAGE_HEADERS, render_template
from soundwright.services.gateway.wire.parameters import form_fields, limited_body

LOG_IN = "/users/log-in"
SETTINGS = "/users/settings"


@dataclass(frozen=True)
class _Flash:
    """A message that the next page shows once."""

    kind: str  # info, error
    text: str


# The cookie contains only the name of the message, so that a forged cookie cannot inject text into a page.
_FLASHES = {
    "guest_registered": _Flash(
        "info",
        "Thank you for registering. If this address already had an account, nothing has changed, and we sent an email about it.",
    ),
    "registered": _Flash(
        "info",
        "You can log in now. If this address already had an account, nothing has changed, and we sent an email about it.",
    ),
    "link_sent": _Flash("info", "If an account with this address exists, we sent a login link to it."),
    "link_invalid": _Flash("error", "This link was already used, has expired, or is no longer valid."),
    "must_log_in": _Flash("error", "You must log in to access this page."),
    "welcome": _Flash("info", "You are logged in."),
    "account_deleted": _Flash("info", "Your account and everything in it was deleted."),
    "logged_out": _Flash("info", "You have been logged out."),
    "confirmed": _Flash("info", "Your email address is confirmed."),
    "taken_over": _Flash(
        "info",
        "Your email address is confirmed. Somebody registered it in another browser, so we removed the password. Enter only your "
        "email address to log in by a link, then choose a password.",
    ),
    "session_needed": _Flash("error", "Log in to the account that gets this email address. Then open the link again."),
    "email_taken": _Flash("error", "An account with this email address already exists."),
    "change_sent": _Flash("info", "We sent a link to the new address. Open it to confirm the change."),
    "password_changed": _Flash("info", "Your password was changed. All other browsers were logged out."),
    "key_revoked": _Flash("info", "The key was revoked."),
    "connected": _Flash("info", "The key was stored encrypted."),
    "disconnected": _Flash("info", "The connection was removed."),
    "spotify_connected": _Flash("info", "Your account is connected to Spotify."),
    "spotify_joined": _Flash("info", "Welcome. Your account is ready. We sent an email to confirm your address."),
    "spotify_state": _Flash(
        "error", "This Spotify login was not started in this browser, has expired, or was already used. Start again."
    ),
    "spotify_denied": _Flash("error", "You denied access to Spotify. Nothing was changed."),
    "spotify_refused": _Flash(
        "error",
        "Spotify rejected this login. Start again. If it fails again, ask the operator whether your Spotify account may use "
        "this installation.",
    ),
    "spotify_error": _Flash("error", "Spotify returned an error or does not respond. Try again in a minute."),
    "spotify_email_taken": _Flash(
        "error",
        "An account with the email address of your Spotify account already exists. Log in to it, then connect Spotify in the "
        "settings.",
    ),
    "spotify_taken": _Flash(
        "error", "This Spotify account is connected to another account. Disconnect it there first."
    ),
}


def session_of(request: Request) -> BrowserSession | None:
    """Return the session that access control found; None if the browser is not logged in."""
    session: BrowserSession | None = request.scope.get("session")
    return session


def registered_session_of(request: Request) -> BrowserSession | None:
    """Return the session of an account with an email address; None for guests, and if the browser is not logged in."""
    session = session_of(request)
    return None if session is None or session.is_guest else session


class Views:
    """Pages and redirects."""

    def __init__(self, browsers: Browsers) -> None:
        self._browsers = browsers

    def page(
        self,
        request: Request,
        name: str,
        /,
        *,
        status_code: int = 200,
        headers: Mapping[str, str] = PAGE_HEADERS,
        **values: Any,
    ) -> Response:
        session = session_of(request)
        visit, secret = "", session.current_secret if session else self._browsers.visit_secret(request.scope)
        if not secret:
            visit = secret = new_secret()
        shown = self._browsers.cookie(request.scope, FLASH_COOKIE)
        flash = _FLASHES.get(shown)
        html = render_template(
            name,
            account=session.account if session else None,
            is_guest=session is not None and session.is_guest,
            csrf_token=self._browsers.csrf_token(secret),
            flash=flash,
            **values,
        )
        response = Response(html, status_code=status_code, media_type="text/html", headers=headers)
        if visit:
            response.headers.append("set-cookie", self._browsers.set_cookie(request.scope, VISIT_COOKIE, visit))
        if shown:
            response.headers.append("set-cookie", self._browsers.set_cookie(request.scope, FLASH_COOKIE, "", 0))
        return response

    def browser_key(self, request: Request) -> str:
        """Return what identifies the browser until it is closed; empty if it keeps no cookies."""
        secret = self._browsers.visit_secret(request.scope)
        return hashlib.sha256(f"browser {secret}".encode()).hexdigest() if secret else ""

    def redirect(self, request: Request, path: str, flash: str = "") -> Response:
        """Return a redirect to ``path`` on this site. The next page shows the message ``flash``."""
        response = RedirectResponse(path, 302, PAGE_HEADERS)
        if flash:
            assert flash in _FLASHES
            response.headers.append("set-cookie", self._browsers.flash_cookie(request.scope, flash))
        return response

    def logged_in(self, request: Request, path: str, secret: str, remembered: bool, flash: str) -> Response:
        """Return a redirect to ``path`` that sets the session cookie."""
        response = self.redirect(request, path, flash)
        response.headers.append("set-cookie", self._browsers.session_cookie(request.scope, secret, remembered))
        return response

    def logged_out(self, request: Request) -> Response:
        """Return a redirect to the login page that deletes the session cookie."""
        response = self.redirect(request, LOG_IN, "logged_out")
        response.headers.append("set-cookie", self._browsers.set_cookie(request.scope, SESSION_COOKIE, "", 0))
        return response


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form. If a name occurs several times, the last value counts.

    Raises ``BAD_REQUEST`` for a malformed form; ``TOO_LARGE``; ``UNSUPPORTED_MEDIA_TYPE``.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await limited_body(request)
    if body and kind != "application/x-www-form-urlencoded":
        raise errors.UNSUPPORTED_MEDIA_TYPE("Send the form as application/x-www-form-urlencoded.")
    return dict(form_fields(body))


def local_path(value: str) -> str:
    """Return ``value`` if it is a path on this site, otherwise ``/``. Prevents redirects to other sites."""
    printable = value.isascii() and value.isprintable() and not set(value) & set(' \\"<>')
    return value if printable and value.startswith("/") and not value.startswith("//") else "/"
