"""Pages to register, log in, confirm email addresses and log out."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import principal_scope
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.features import has_spotify
from soundwright.services.gateway.web.responses import form_body, page_responses
from soundwright.services.gateway.web.views import LOG_IN, Views, form_of, local_path, registered_session_of, session_of

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_EMAIL = ("The email address.", "you@example.com")
_PASSWORD = ("The password, 12 to 72 characters.", "correct horse battery")
_REGISTRATION = form_body(
    {"user[email]": _EMAIL, "user[password]": _PASSWORD, "user[password_confirmation]": _PASSWORD}
)
_LOGIN = form_body(
    {
        "user[email]": _EMAIL,
        "user[password]": (
            "The password. If it is omitted, a login link is sent to the email address.",
            "correct horse battery",
        ),
        "user[token]": (
            "The secret of a login link, instead of email address and password.",
            "qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A",
        ),
        "user[remember_me]": ("`true`: stay logged in for 14 days.", "true"),
        "return_to": ("The path on this site to continue at after login.", "/studio"),
    }
)
_ReturnTo = Annotated[str, Query(description="The path on this site to continue at after login.", examples=["/studio"])]
_LinkToken = Annotated[
    str, Path(description="The secret of the link.", examples=["qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"])
]


def auth_routes(gateway: Gateway, views: Views) -> APIRouter:
    """Return the routes of registration, login, confirmation and logout."""
    router = APIRouter(prefix="/users", tags=["pages accounts"])
    _add_registration(router, gateway, views)
    _add_login(router, gateway, views)
    _add_confirmation(router, gateway, views)
    return router


def _add_registration(router: APIRouter, gateway: Gateway, views: Views) -> None:
    accounts, registration_enabled = gateway.clients.accounts, gateway.settings.registration

    def registration(request: Request, email: str = "", errors: dict[str, list[str]] | None = None) -> Response:
        status_code = 200 if registration_enabled else 403
        return views.page(
            request,
            "register.html",
            status_code=status_code,
            open=registration_enabled,
            email=email,
            errors=errors or {},
        )

    @router.get("/register")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(errors.REGISTRATION_CLOSED)
    async def registration_page(request: Request) -> Response:
        """Show the registration form. If registration is disabled, the status is 403."""
        return views.redirect(request, "/") if registered_session_of(request) else registration(request)

    @router.post("/register", openapi_extra=_REGISTRATION)
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(errors.REGISTRATION_CLOSED)
    async def register(request: Request) -> Response:
        """Create an account. The response does not reveal whether an account with the email address already exists.

        For a guest, the guest account gets the email address and the password, and keeps its tracks and jobs.
        """
        form = await form_of(request)
        email, session = form.get("user[email]", ""), session_of(request)
        if registered_session_of(request):
            return views.redirect(request, "/")
        try:
            with principal_scope(None):
                registered = await accounts.Register(
                    pb.RegisterRequest(
                        email=email,
                        password=form.get("user[password]", ""),
                        password_confirmation=form.get("user[password_confirmation]", ""),
                        ip_address=request.scope["peer"],
                        browser_key=views.browser_key(request),
                        session_token=session.current_secret if session else "",
                    )
                )
        except AppError as error:
            if error.reason != "VALIDATION_ERROR":
                raise
            return registration(request, email, error.meta.get("details"))
        if registered.session_token:
            return views.logged_in(request, LOG_IN, registered.session_token, True, "guest_registered")
        return views.redirect(request, LOG_IN, "registered")


def _add_login(router: APIRouter, gateway: Gateway, views: Views) -> None:
    accounts, registration_enabled = gateway.clients.accounts, gateway.settings.registration
    open_access = gateway.settings.open_access

    async def login(request: Request, return_to: str, email: str = "", error: str = "") -> Response:
        values: dict[str, Any] = {
            "email": email,
            "error": error,
            "return_to": return_to,
            "registration": registration_enabled,
            "open_access": open_access,
            "spotify": await has_spotify(gateway.clients),
        }
        return views.page(request, "log_in.html", **values)

    @router.get("/log-in")
    @router.get("/log_in", name="login_page_alias")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def login_page(request: Request, return_to: _ReturnTo = "/") -> Response:
        """Show the login form."""
        if registered_session_of(request):
            return views.redirect(request, local_path(return_to))
        return await login(request, local_path(return_to))

    @router.post("/log-in", openapi_extra=_LOGIN)
    @router.post("/log_in", name="log_in_alias", openapi_extra=_LOGIN)
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def log_in(request: Request) -> Response:
        """Log in. Send the secret of a login link, or email address and password, or only the email address to request a link."""
        form = await form_of(request)
        remembered = form.get("user[remember_me]") in ("true", "on", "1")
        email, return_to = form.get("user[email]", ""), local_path(form.get("return_to", "/"))
        try:
            with principal_scope(None):
                if "user[token]" in form:
                    link = pb.RedeemLoginLinkRequest(link_token=form["user[token]"], remembered=remembered)
                    secret = (await accounts.RedeemLoginLink(link)).session_token
                elif "user[password]" in form:
                    given = pb.CreateSessionRequest(
                        email=email,
                        password=form["user[password]"],
                        remembered=remembered,
                        ip_address=request.scope["peer"],
                    )
                    secret = (await accounts.CreateSession(given)).session_token
                else:
                    await _request_link(accounts, email, request.scope["peer"])
                    return views.redirect(request, LOG_IN, "link_sent")
                # A new login ends the previous session of the browser.
                if session := session_of(request):
                    await accounts.DeleteSession(pb.DeleteSessionRequest(session_token=session.current_secret))
        except AppError as error:
            if error.reason == "LINK_INVALID":
                return views.redirect(request, LOG_IN, "link_invalid")
            if error.reason != "CREDENTIALS_INVALID":
                raise
            return await login(request, return_to, email, error.message)
        return views.logged_in(request, return_to, secret, remembered, "welcome")


def _add_confirmation(router: APIRouter, gateway: Gateway, views: Views) -> None:
    accounts = gateway.clients.accounts

    @router.get("/log-in/{token}")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def link_page(request: Request, token: _LinkToken) -> Response:
        """Show the page of a login link. It has a button, so that programs that open links in emails do not use up the link."""
        if not _TOKEN.fullmatch(token):
            return views.redirect(request, LOG_IN, "link_invalid")
        values: dict[str, Any] = {
            "title": "Log in",
            "action": LOG_IN,
            "token": token,
            "button": "Log in",
            "remember": True,
        }
        return views.page(request, "link.html", **values)

    @router.get("/confirm/{token}")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def confirmation_page(request: Request, token: _LinkToken) -> Response:
        """Show the page that confirms an email address. The page has a button, like the one of a login link."""
        return _confirm_page(views, request, "/users/confirm", token)

    @router.get("/settings/confirm-email/{token}")
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def email_change_page(request: Request, token: _LinkToken) -> Response:
        """Show the page that confirms a new email address. The page has a button, like the one of a login link."""
        return _confirm_page(views, request, "/users/settings/confirm-email", token)

    @router.post("/confirm/{token}", openapi_extra=form_body({}))
    @router.post("/settings/confirm-email/{token}", name="confirm_email_change", openapi_extra=form_body({}))
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(page=False)
    async def confirm_email(request: Request, token: _LinkToken) -> Response:
        """Confirm an email address."""
        session = session_of(request)
        confirmation = pb.ConfirmEmailRequest(
            link_token=token,
            browser_key=views.browser_key(request),
            session_token=session.current_secret if session else "",
        )
        try:
            with principal_scope(None):
                confirmed = await accounts.ConfirmEmail(confirmation)
            flash = "taken_over" if confirmed.password_removed else "confirmed"
        except AppError as error:
            if error.reason not in ("LINK_INVALID", "EMAIL_TAKEN", "SESSION_NEEDED"):
                raise
            flash = error.reason.lower()
        back = f"{LOG_IN}?return_to={request.url.path}" if flash == "session_needed" else LOG_IN
        return views.redirect(request, "/users/settings" if registered_session_of(request) else back, flash)

    @router.delete("/log-out", openapi_extra=form_body({}))
    @router.post("/log-out", name="log_out_by_post", openapi_extra=form_body({}))
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses(page=False)
    async def log_out(request: Request) -> Response:
        """Log out. Has no effect if the browser is not logged in."""
        if session := session_of(request):
            with principal_scope(None):
                await accounts.DeleteSession(pb.DeleteSessionRequest(session_token=session.secret))
                await accounts.DeleteSession(pb.DeleteSessionRequest(session_token=session.current_secret))
        return views.logged_out(request)


async def _request_link(accounts: Any, email: str, peer: str) -> None:
    try:
        await accounts.RequestLoginLink(pb.RequestLoginLinkRequest(email=email, ip_address=peer))
    except AppError as error:
        if error.reason != "VALIDATION_ERROR":  # do not reveal that no account can have this address
            raise


def _confirm_page(views: Views, request: Request, action: str, token: str) -> Response:
    if not _TOKEN.fullmatch(token):
        return views.redirect(request, LOG_IN, "link_invalid")
    values: dict[str, Any] = {
        "title": "Confirm your email address",
        "token": token,
        "button": "Confirm",
        "remember": False,
    }
    return views.page(request, "link.html", action=f"{action}/{token}", **values)
