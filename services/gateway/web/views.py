"""What every page needs: who looks at it, the token of its forms, a word left by the page before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from kit.errors import AppError, Code
from kit.identity import current_principal
from services.gateway.auth import Browsers, BrowserSession, new_visit
from services.gateway.params import limited_body
from services.gateway.web.templates import LIVE_PAGE_HEADERS, PAGE_HEADERS, rendered

__all__ = ["LOG_IN", "SETTINGS", "Views", "form_of", "local_path", "session_of"]

LOG_IN = "/users/log-in"
SETTINGS = "/users/settings"
_FLASH_COOKIE = "soundwright_flash"
_FIELD_LIMIT = 100


@dataclass(frozen=True)
class _Flash:
    kind: str  # info, error
    text: str


# The cookie holds the word alone, so that nobody can put a text of theirs onto our page.
_FLASHES = {
    "registered": _Flash(
        "info",
        "Thank you. You can log in now. If this address had an account already, nothing has changed, and a mail says so.",
    ),
    "link_sent": _Flash("info", "If there is an account with this address, a mail with a link is on its way."),
    "link_invalid": _Flash("error", "This link was used already, is too old, or was overtaken by a change."),
    "must_log_in": _Flash("error", "You must log in to access this page."),
    "welcome": _Flash("info", "Welcome back."),
    "logged_out": _Flash("info", "You are logged out."),
    "confirmed": _Flash("info", "Thank you, the address is confirmed."),
    "email_taken": _Flash("error", "There is an account with this address already."),
    "change_sent": _Flash("info", "A link was mailed to the new address. The change comes about when you follow it."),
    "password_changed": _Flash("info", "The password is changed, and all other browsers are logged out."),
    "key_revoked": _Flash("info", "The key is revoked."),
    "connected": _Flash("info", "The key is stored, encrypted."),
    "disconnected": _Flash("info", "The connection is removed."),
    "spotify_connected": _Flash("info", "Your account is connected with Spotify."),
    "spotify_joined": _Flash("info", "Welcome. Your account is ready; a mail asks you to confirm its address."),
    "spotify_state": _Flash(
        "error", "This login at Spotify was not begun here, took too long, or was used already. Start it once more."
    ),
    "spotify_denied": _Flash("error", "Spotify was not given leave, so nothing has changed."),
    "spotify_refused": _Flash(
        "error",
        "Spotify does not accept this login. Start it once more; if that does not help, ask the operator whether your "
        "Spotify account may use this installation.",
    ),
    "spotify_error": _Flash("error", "Spotify does not answer as it should. Try again in a minute."),
    "spotify_email_taken": _Flash(
        "error",
        "There is an account with your Spotify mail address already. Log in to it first, then connect Spotify in its settings.",
    ),
    "spotify_taken": _Flash(
        "error", "This Spotify account is connected with another account here. Disconnect it there first."
    ),
    "uploaded": _Flash("info", "The recording is in your library."),
}


def session_of(request: Request) -> BrowserSession | None:
    """The session that the guard has found."""
    session: BrowserSession | None = request.scope.get("session")
    return session


class Views:
    """Pages and redirects."""

    def __init__(self, browsers: Browsers) -> None:
        self._browsers = browsers

    def page(
        self, request: Request, name: str, /, *, status_code: int = 200, live: bool = False, **values: Any
    ) -> Response:
        """The template ``name``, for whoever asks; ``live``: one that holds our script."""
        session = session_of(request)
        visit, secret = "", session.current_secret if session else self._browsers.visit_secret(request.headers)
        if not secret:
            visit = secret = new_visit()
        flash = _FLASHES.get(request.cookies.get(_FLASH_COOKIE, ""))
        text = rendered(
            name,
            account=session.account if session else None,
            known=current_principal() is not None,
            csrf_token=self._browsers.csrf_token(secret),
            flash=flash,
            **values,
        )
        headers = LIVE_PAGE_HEADERS if live else PAGE_HEADERS
        response = Response(text, status_code=status_code, media_type="text/html", headers=headers)
        if visit:
            response.headers.append("set-cookie", self._browsers.visit_cookie(request.scope, visit))
        if _FLASH_COOKIE in request.cookies:
            response.headers.append("set-cookie", self._browsers.note_cookie(request.scope, _FLASH_COOKIE, ""))
        return response

    def redirect(self, request: Request, path: str, flash: str = "") -> Response:
        """Go to ``path``, one of ours, and find a word there."""
        response = RedirectResponse(path, 302, PAGE_HEADERS)
        if flash:
            assert flash in _FLASHES
            response.headers.append("set-cookie", self._browsers.note_cookie(request.scope, _FLASH_COOKIE, flash))
        return response

    def logged_in(self, request: Request, path: str, secret: str, remembered: bool, flash: str) -> Response:
        """Go to ``path`` with a session of one's own."""
        response = self.redirect(request, path, flash)
        response.headers.append("set-cookie", self._browsers.session_cookie(request.scope, secret, remembered))
        return response

    def logged_out(self, request: Request) -> Response:
        response = self.redirect(request, "/", "logged_out")
        response.headers.append("set-cookie", self._browsers.ended_session_cookie(request.scope))
        return response


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; of those with the same name, the last."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await limited_body(request)
    if body and kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Send the form as application/x-www-form-urlencoded.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELD_LIMIT))
    except ValueError:
        raise AppError(Code.INVALID_ARGUMENT, "BAD_REQUEST", "The body is not a valid form.") from None


def local_path(value: str) -> str:
    """Where to go after login, if that is a path of ours, else the first page."""
    printable = value.isascii() and value.isprintable() and not set(value) & set(' \\"<>')
    return value if printable and value.startswith("/") and not value.startswith("//") else "/"
