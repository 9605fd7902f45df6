"""Login with Spotify, and connecting an account to Spotify (OAuth 2.0 authorization code flow with state and PKCE)."""

import hmac
import json
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import principal_scope
from soundwright.kit.security.sealing import Sealer
from soundwright.library.v1 import connection_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.browsers import VISIT_COOKIE, Browsers, new_secret
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.web.responses import page_responses
from soundwright.services.gateway.web.templates import PAGE_HEADERS
from soundwright.services.gateway.web.views import (
    LOG_IN,
    SETTINGS,
    Views,
    local_path,
    registered_session_of,
    session_of,
)

_PATH = "/auth/spotify"
_COOKIE = "soundwright_spotify"
_STATE_LIFETIME_SECONDS = 600.0
_PATH_LIMIT_CHARS = 1000
# Ingest makes two requests to Spotify, each with its own timeout.
_FINISH_SECONDS = 30.0
# Flash messages by error code. Other errors are shown as error pages.
_ERROR_FLASHES = {
    "SPOTIFY_DENIED": "spotify_refused",
    "SPOTIFY_ERROR": "spotify_error",
    "EMAIL_TAKEN": "spotify_email_taken",
    "CONNECTION_TAKEN": "spotify_taken",
}


@dataclass(frozen=True)
class _LoginState:
    """The state of a login at Spotify, stored encrypted in a cookie.

    Attributes:
        return_to: the path to continue at afterwards.
        expire_time: in seconds since 1970.
    """

    state: str
    code_verifier: str
    return_to: str
    expire_time: float


def spotify_login_routes(gateway: Gateway, views: Views, browsers: Browsers) -> APIRouter:
    router = APIRouter(prefix=_PATH, tags=["pages accounts"])
    ingest, connections = gateway.clients.ingest, gateway.clients.connections
    sealer = Sealer(gateway.settings.secrets())
    public_address = gateway.settings.public_address
    redirect_uri = f"{public_address}{_PATH}/callback"

    @router.get("")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(errors.PUBLIC_URL_NEEDED, errors.SPOTIFY_UNAUTHORIZED, page=False)
    async def start_spotify_login(
        request: Request,
        return_to: Annotated[
            str, Query(description="The path on this site to continue at afterwards.", examples=["/users/settings"])
        ] = "/",
    ) -> Response:
        """Start a login with Spotify. Redirects to Spotify's consent page and stores the state of the login in a cookie."""
        # If SOUNDWRIGHT_PUBLIC_URL is not set, the browser may use another name of this host, such as localhost. Spotify
        # would redirect it to a host for which it has no cookies.
        if not gateway.settings.public_url and f"http://{request.headers.get('host', '')}" != public_address:
            raise errors.PUBLIC_URL_NEEDED(public_address=public_address)
        authorization = ingest_service_pb2.BeginSpotifyAuthorizationRequest(redirect_uri=redirect_uri)
        started = await ingest.BeginSpotifyAuthorization(authorization)
        expire_time = gateway.clock.now() + _STATE_LIFETIME_SECONDS
        target = (
            local_path(return_to) if len(return_to) <= _PATH_LIMIT_CHARS else "/"
        )  # longer paths do not fit into a cookie
        state = _LoginState(started.state, started.code_verifier, target, expire_time)
        response = RedirectResponse(started.url, 302, PAGE_HEADERS)
        session = session_of(request)
        visit = "" if session else browsers.visit_secret(request.scope)
        if session is None and not visit:
            visit = new_secret()
            response.headers.append("set-cookie", browsers.set_cookie(request.scope, VISIT_COOKIE, visit))
        sealed = sealer.seal(json.dumps(vars(state)), _purpose(session.current_secret if session else "", visit))
        cookie = browsers.set_cookie(request.scope, _COOKIE, sealed, int(_STATE_LIFETIME_SECONDS))
        response.headers.append("set-cookie", cookie)
        return response

    @router.get("/callback")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(errors.REGISTRATION_CLOSED, errors.EMAIL_MISSING, errors.SPOTIFY_UNAUTHORIZED, page=False)
    async def finish_spotify_login(
        request: Request,
        code: Annotated[str, Query(description="The authorization code from Spotify, valid once.")] = "",
        state: Annotated[str, Query(description="The state that was sent to Spotify.")] = "",
        error: Annotated[
            str, Query(description="The reason why Spotify returned no code.", examples=["access_denied"])
        ] = "",
    ) -> Response:
        """Finish a login with Spotify. If the browser is logged in, connects its account instead. The state is valid once."""
        login = _login_state(request, browsers, sealer, gateway.clock.now())
        try:
            response = await _finish(request, login, code, state, error)
        except AppError as failure:
            if failure.reason not in _ERROR_FLASHES:
                raise
            response = _failed(views, request, login, _ERROR_FLASHES[failure.reason])
        response.headers.append("set-cookie", browsers.set_cookie(request.scope, _COOKIE, "", 0))
        return response

    async def _finish(request: Request, login: _LoginState | None, code: str, state: str, error: str) -> Response:
        if login is None or not hmac.compare_digest(login.state.encode(), state.encode()):
            return _failed(views, request, login, "spotify_state")
        if error or not code:
            return _failed(views, request, login, "spotify_denied" if error == "access_denied" else "spotify_error")
        with principal_scope(None):
            found = await ingest.FinishSpotifyAuthorization(
                ingest_service_pb2.FinishSpotifyAuthorizationRequest(
                    redirect_uri=redirect_uri, code=code, code_verifier=login.code_verifier
                ),
                timeout=_FINISH_SECONDS,
            )
        if registered_session_of(request):
            await connections.PutConnection(
                pb.PutConnectionRequest(
                    provider="spotify", subject=found.subject, label=found.label, secret=found.secret
                )
            )
            return views.redirect(request, login.return_to, "spotify_connected")
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
        return views.logged_in(request, login.return_to, signed_in.session_token, False, flash)

    return router


def _failed(views: Views, request: Request, login: _LoginState | None, flash: str) -> Response:
    """Return to where the login began, or to the settings."""
    target = login.return_to if login is not None and login.return_to != "/" else SETTINGS
    back = f"{LOG_IN}?return_to={quote(target, safe='')}"
    return views.redirect(request, target if registered_session_of(request) else back, flash)


def _login_state(request: Request, browsers: Browsers, sealer: Sealer, now: float) -> _LoginState | None:
    """Return the login that this browser started in the same session or visit; None if there is none or it has expired."""
    session = session_of(request)
    purpose = _purpose(session.secret if session else "", browsers.visit_secret(request.scope))
    try:
        login = _LoginState(**json.loads(sealer.open(browsers.cookie(request.scope, _COOKIE), purpose)))
    except AppError:
        return None
    return login if login.expire_time > now else None


def _purpose(session_secret: str, visit: str) -> str:
    """Return the purpose of the encryption, so that the state of a login cannot connect an account, or vice versa."""
    return f"spotify session {session_secret}" if session_secret else f"spotify visit {visit}"
