"""Logging in through Spotify, and connecting an account with one there (OAuth 2.0, RFC 6749, with state and PKCE)."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.library.v1 import connection_service_pb2 as pb
from starlette.responses import RedirectResponse, Response

from kit.errors import AppError, Code
from kit.identity import principal_scope
from kit.sealing import Sealer
from services.gateway import refusals
from services.gateway.auth import Browsers, new_visit
from services.gateway.clients import Gateway
from services.gateway.web.answers import shows
from services.gateway.web.templates import PAGE_HEADERS
from services.gateway.web.views import LOG_IN, SETTINGS, Views, local_path, session_of

__all__ = ["spotify_login_routes"]

_PATH = "/auth/spotify"
_COOKIE = "soundwright_spotify"
_PATIENCE_SECONDS = 600.0
_PATH_LIMIT_CHARS = 1000
# Two requests to Spotify, each with a deadline of its own.
_FINISH_SECONDS = 30.0
# What to say, and where, when Spotify or the library says no. Other refusals are pages of their own.
_REFUSALS = {
    "SPOTIFY_DENIED": ("/", "spotify_refused"),
    "SPOTIFY_ERROR": ("/", "spotify_error"),
    "EMAIL_TAKEN": (f"{LOG_IN}?return_to={quote(SETTINGS, safe='')}", "spotify_email_taken"),
    "CONNECTION_TAKEN": (SETTINGS, "spotify_taken"),
}


@dataclass(frozen=True)
class _Errand:
    """What a browser has gone to Spotify with. ``expire_time`` is in seconds since 1970."""

    state: str
    code_verifier: str
    return_to: str
    expire_time: float


def spotify_login_routes(gateway: Gateway, views: Views, browsers: Browsers) -> APIRouter:
    router = APIRouter(prefix=_PATH, tags=["pages accounts"])
    ingest, connections = gateway.clients.ingest, gateway.clients.connections
    sealer = Sealer(gateway.settings.signing_key())
    public_address = gateway.settings.public_address
    redirect_uri = f"{public_address}{_PATH}/callback"

    @router.get("")
    @shows(refusals.PUBLIC_URL_NEEDED, refusals.SPOTIFY_UNAUTHORIZED, page=False)
    async def go_to_spotify(
        request: Request,
        return_to: Annotated[
            str, Query(description="Where to go afterwards: a path of ours.", examples=["/users/settings"])
        ] = "/",
    ) -> Response:
        """Off to Spotify; the browser keeps what it has to come back with."""
        # Without an address that the operator has set, browsers may be at another name of this machine, as localhost:
        # they would come back to a page that does not know them.
        if not gateway.settings.public_url and f"http://{request.headers.get('host', '')}" != public_address:
            raise AppError(
                Code.UNPROCESSABLE,
                "PUBLIC_URL_NEEDED",
                f"Spotify comes back to {public_address} alone. Begin there, or ask the operator to set "
                "SOUNDWRIGHT_PUBLIC_URL to where browsers reach this installation.",
            )
        asked = ingest_service_pb2.BeginSpotifyAuthorizationRequest(redirect_uri=redirect_uri)
        begun = await ingest.BeginSpotifyAuthorization(asked)
        expire_time = gateway.clock.now() + _PATIENCE_SECONDS
        target = local_path(return_to) if len(return_to) <= _PATH_LIMIT_CHARS else "/"  # it has to fit into a cookie
        errand = _Errand(begun.state, begun.code_verifier, target, expire_time)
        response = RedirectResponse(begun.url, 302, PAGE_HEADERS)
        session = session_of(request)
        visit = "" if session else browsers.visit_secret(request.headers)
        if session is None and not visit:
            visit = new_visit()
            response.headers.append("set-cookie", browsers.visit_cookie(request.scope, visit))
        sealed = sealer.seal(json.dumps(vars(errand)), _purpose(session.current_secret if session else "", visit))
        cookie = browsers.errand_cookie(request.scope, _COOKIE, sealed, _PATH, int(_PATIENCE_SECONDS))
        response.headers.append("set-cookie", cookie)
        return response

    @router.get("/callback")
    @shows(refusals.REGISTRATION_CLOSED, refusals.EMAIL_MISSING, refusals.SPOTIFY_UNAUTHORIZED, page=False)
    async def come_back_from_spotify(
        request: Request,
        code: Annotated[str, Query(description="from Spotify, good for one use")] = "",
        state: Annotated[str, Query(description="what the browser went there with")] = "",
        error: Annotated[str, Query(description="why Spotify gives no code", examples=["access_denied"])] = "",
    ) -> Response:
        """Log in, or connect if somebody is logged in; what the browser kept is used up either way."""
        try:
            response = await _finish(request, code, state, error)
        except AppError as refusal:
            if refusal.reason not in _REFUSALS:
                raise
            response = views.redirect(request, *_REFUSALS[refusal.reason])
        response.headers.append("set-cookie", browsers.errand_cookie(request.scope, _COOKIE, "", _PATH, 0))
        return response

    async def _finish(request: Request, code: str, state: str, error: str) -> Response:
        errand = _errand_of(request)
        if errand is None or not hmac.compare_digest(errand.state.encode(), state.encode()):
            return views.redirect(request, "/", "spotify_state")
        if error or not code:
            return views.redirect(request, "/", "spotify_denied" if error == "access_denied" else "spotify_error")
        with principal_scope(None):
            found = await ingest.FinishSpotifyAuthorization(
                ingest_service_pb2.FinishSpotifyAuthorizationRequest(
                    redirect_uri=redirect_uri, code=code, code_verifier=errand.code_verifier
                ),
                timeout=_FINISH_SECONDS,
            )
        if session_of(request):
            await connections.PutConnection(
                pb.PutConnectionRequest(
                    provider="spotify", subject=found.subject, label=found.label, secret=found.secret
                )
            )
            return views.redirect(request, errand.return_to, "spotify_connected")
        with principal_scope(None):
            signed_in = await connections.SignIn(
                pb.SignInRequest(
                    provider="spotify",
                    subject=found.subject,
                    label=found.label,
                    secret=found.secret,
                    email=found.email,
                    ip_address=request.scope["peer"],
                )
            )
        flash = "spotify_joined" if signed_in.created else "welcome"
        return views.logged_in(request, errand.return_to, signed_in.session_token, False, flash)

    def _errand_of(request: Request) -> _Errand | None:
        """What this very browser has gone to Spotify with, in the same session or the same visit, not long ago."""
        session = session_of(request)
        purpose = _purpose(session.secret if session else "", browsers.visit_secret(request.headers))
        try:
            errand = _Errand(**json.loads(sealer.open(request.cookies.get(_COOKIE, ""), purpose)))
        except AppError:
            return None
        return errand if errand.expire_time > gateway.clock.now() else None

    return router


def _purpose(session_secret: str, visit: str) -> str:
    """A logged-in browser comes back to connect, any other to log in: neither can be made out of the other."""
    return f"spotify session {session_secret}" if session_secret else f"spotify visit {visit}"
