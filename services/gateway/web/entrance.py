"""The pages through which people come in and go out: register, log in, links in mails, log out."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.responses import Response

from kit.errors import AppError
from kit.identity import principal_scope
from services.gateway.clients import Gateway
from services.gateway.web.views import LOG_IN, Views, form_of, local_path, session_of

__all__ = ["entrance_routes"]

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def entrance_routes(gateway: Gateway, views: Views) -> APIRouter:
    router = APIRouter(prefix="/users", include_in_schema=False)
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
    async def registration_page(request: Request) -> Response:
        return views.redirect(request, "/") if session_of(request) else registration(request)

    @router.post("/register")
    async def register(request: Request) -> Response:
        """The answer is the same whether or not there was an account with this address."""
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
    @router.get("/log_in")
    async def login_page(request: Request, return_to: str = "/") -> Response:
        if session_of(request):
            return views.redirect(request, local_path(return_to))
        return login(request, local_path(return_to))

    @router.post("/log-in")
    @router.post("/log_in")
    async def log_in(request: Request) -> Response:
        """With a link's token, with email and password, or with an email alone, which asks for a link."""
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
    async def link_page(request: Request, token: str) -> Response:
        """A button, so that a program that looks at links in mails does not use it up."""
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
    async def confirmation_page(request: Request, token: str) -> Response:
        return _confirm_page(request, "/users/confirm", token)

    @router.get("/settings/confirm-email/{token}")
    async def change_page(request: Request, token: str) -> Response:
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

    @router.post("/confirm/{token}")
    @router.post("/settings/confirm-email/{token}")
    async def confirm(request: Request, token: str) -> Response:
        flash = "confirmed"
        try:
            with principal_scope(None):
                await accounts.ConfirmEmail(pb.ConfirmEmailRequest(link_token=token))
        except AppError as error:
            if error.reason not in ("LINK_INVALID", "EMAIL_TAKEN"):
                raise
            flash = error.reason.lower()
        return views.redirect(request, "/users/settings" if session_of(request) else LOG_IN, flash)

    @router.delete("/log-out")
    @router.post("/log-out")
    async def log_out(request: Request) -> Response:
        """Works for those, too, who are logged out already."""
        if session := session_of(request):
            with principal_scope(None):
                await accounts.DeleteSession(pb.DeleteSessionRequest(session_token=session.secret))
                await accounts.DeleteSession(pb.DeleteSessionRequest(session_token=session.current_secret))
        return views.logged_out(request)

    return router
