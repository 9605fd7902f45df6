"""The pages through which people come in and go out: register, log in, links in mails, log out."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.responses import Response

from kit.errors import AppError
from kit.identity import principal_scope
from services.gateway import refusals
from services.gateway.clients import Gateway
from services.gateway.web.answers import form_body, shows
from services.gateway.web.views import LOG_IN, Views, form_of, local_path, session_of

__all__ = ["entrance_routes"]

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_EMAIL = ("your address", "you@example.com")
_PASSWORD = ("12 to 72 characters", "correct horse battery")
_REGISTRATION = form_body(
    {"user[email]": _EMAIL, "user[password]": _PASSWORD, "user[password_confirmation]": _PASSWORD}
)
_LOGIN = form_body(
    {
        "user[email]": _EMAIL,
        "user[password]": ("yours; left out: a link is mailed to you", "correct horse battery"),
        "user[token]": ("of a link, in place of both", "qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"),
        "user[remember_me]": ("true: for 14 days", "true"),
        "return_to": ("where to go then: a path of ours", "/tracks"),
    }
)
_ReturnTo = Annotated[str, Query(description="Where to go after login: a path of ours.", examples=["/tracks"])]
_LinkToken = Annotated[
    str, Path(description="The secret of a link.", examples=["qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"])
]


def entrance_routes(gateway: Gateway, views: Views) -> APIRouter:
    router = APIRouter(prefix="/users", tags=["pages accounts"])
    accounts, open_to_all = gateway.clients.accounts, gateway.settings.registration

    def registration(request: Request, email: str = "", errors: dict[str, list[str]] | None = None) -> Response:
        status_code = 200 if open_to_all else 403
        return views.page(
            request, "register.html", status_code=status_code, open=open_to_all, email=email, errors=errors or {}
        )

    def login(request: Request, return_to: str, email: str = "", error: str = "") -> Response:
        values: dict[str, Any] = {"email": email, "error": error, "return_to": return_to, "registration": open_to_all}
        return views.page(request, "log_in.html", **values)

    @router.get("/register")
    @shows(refusals.REGISTRATION_CLOSED)
    async def registration_page(request: Request) -> Response:
        """The form to register with."""
        return views.redirect(request, "/") if session_of(request) else registration(request)

    @router.post("/register", openapi_extra=_REGISTRATION)
    @shows(refusals.REGISTRATION_CLOSED)
    async def register(request: Request) -> Response:
        """Make an account. The answer is the same whether or not there was an account with this address."""
        form = await form_of(request)
        email, password = form.get("user[email]", ""), form.get("user[password]", "")
        if session_of(request):
            return views.redirect(request, "/")
        if form.get("user[password_confirmation]") != password:
            return registration(request, email, {"password_confirmation": ["does not match password"]})
        try:
            with principal_scope(None):
                asked = pb.RegisterRequest(email=email, password=password, ip_address=request.scope["peer"])
                await accounts.Register(asked)
        except AppError as error:
            if error.reason != "VALIDATION_ERROR":
                raise
            return registration(request, email, error.meta.get("details"))
        return views.redirect(request, LOG_IN, "registered")

    @router.get("/log-in")
    @router.get("/log_in", name="login_page_too")
    @shows()
    async def login_page(request: Request, return_to: _ReturnTo = "/") -> Response:
        """The form to log in with."""
        if session_of(request):
            return views.redirect(request, local_path(return_to))
        return login(request, local_path(return_to))

    @router.post("/log-in", openapi_extra=_LOGIN)
    @router.post("/log_in", name="log_in_too", openapi_extra=_LOGIN)
    @shows()
    async def log_in(request: Request) -> Response:
        """Log in: with a link's token, with email and password, or with an email alone, which asks for a link."""
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
                    await _request_link(email, request.scope["peer"])
                    return views.redirect(request, LOG_IN, "link_sent")
                # Whoever logs in anew leaves nothing of the session before.
                if session := session_of(request):
                    await accounts.DeleteSession(pb.DeleteSessionRequest(session_token=session.current_secret))
        except AppError as error:
            if error.reason == "LINK_INVALID":
                return views.redirect(request, LOG_IN, "link_invalid")
            if error.reason != "CREDENTIALS_INVALID":
                raise
            return login(request, return_to, email, error.message)
        return views.logged_in(request, return_to, secret, remembered, "welcome")

    async def _request_link(email: str, peer: str) -> None:
        try:
            await accounts.RequestLoginLink(pb.RequestLoginLinkRequest(email=email, ip_address=peer))
        except AppError as error:
            if error.reason != "VALIDATION_ERROR":  # what is no address has no account either
                raise

    @router.get("/log-in/{token}")
    @shows()
    async def link_page(request: Request, token: _LinkToken) -> Response:
        """Where the link in a mail leads: a button, so that a program that looks at links in mails does not use it up."""
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
    @shows()
    async def confirmation_page(request: Request, token: _LinkToken) -> Response:
        """A button to confirm an address with."""
        return _confirm_page(request, "/users/confirm", token)

    @router.get("/settings/confirm-email/{token}")
    @shows()
    async def email_change_page(request: Request, token: _LinkToken) -> Response:
        """A button to confirm a new address with."""
        return _confirm_page(request, "/users/settings/confirm-email", token)

    def _confirm_page(request: Request, action: str, token: str) -> Response:
        if not _TOKEN.fullmatch(token):
            return views.redirect(request, LOG_IN, "link_invalid")
        values: dict[str, Any] = {
            "title": "Confirm your address",
            "token": token,
            "button": "This is my address",
            "remember": False,
        }
        return views.page(request, "link.html", action=f"{action}/{token}", **values)

    @router.post("/confirm/{token}", openapi_extra=form_body({}))
    @router.post("/settings/confirm-email/{token}", name="confirm_email_change", openapi_extra=form_body({}))
    @shows(page=False)
    async def confirm_email(request: Request, token: _LinkToken) -> Response:
        """Confirm an address."""
        flash = "confirmed"
        try:
            with principal_scope(None):
                await accounts.ConfirmEmail(pb.ConfirmEmailRequest(link_token=token))
        except AppError as error:
            if error.reason not in ("LINK_INVALID", "EMAIL_TAKEN"):
                raise
            flash = error.reason.lower()
        return views.redirect(request, "/users/settings" if session_of(request) else LOG_IN, flash)

    @router.delete("/log-out", openapi_extra=form_body({}))
    @router.post("/log-out", name="log_out_by_post", openapi_extra=form_body({}))
    @shows(page=False)
    async def log_out(request: Request) -> Response:
        """Log out. Works for those, too, who are logged out already."""
        if session := session_of(request):
            with principal_scope(None):
                await accounts.DeleteSession(pb.DeleteSessionRequest(session_token=session.secret))
                await accounts.DeleteSession(pb.DeleteSessionRequest(session_token=session.current_secret))
        return views.logged_out(request)

    return router
