"""The page on which people change their own account."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from soundwright.library.v1 import connection_service_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.responses import Response

from kit.errors import AppError, Code
from kit.identity import principal_scope
from services.gateway.auth import BrowserSession
from services.gateway.clients import Gateway
from services.gateway.params import LICENSE_KEY
from services.gateway.web.answers import form_body, shows
from services.gateway.web.views import LOG_IN, SETTINGS, Views, form_of, session_of

__all__ = ["settings_routes"]

_LALALAI_KEY = re.compile(LICENSE_KEY)
_FORM = form_body(
    {
        "action": (
            "update_email, update_password, create_key, revoke_key, connect_lalalai or disconnect",
            "update_password",
        ),
        "user[email]": ("the new address", "you@example.com"),
        "user[current_password]": ("which you have now", "correct horse battery"),
        "user[password]": ("the new one, 12 to 72 characters", "correct horse battery staple"),
        "user[password_confirmation]": ("the same", "correct horse battery staple"),
        "revoke_keys": ("true: revoke all keys and connections, too", "true"),
        "name": ("of a new key", "laptop"),
        "id": ("of the key to revoke", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        "key": ("for lalal.ai", "a1b2c3d4e5f6a7b8"),
        "provider": ("spotify or lalalai: what to disconnect", "spotify"),
    }
)
Action = Callable[[Request, BrowserSession, Mapping[str, str]], Awaitable[Response]]


def settings_routes(gateway: Gateway, views: Views) -> APIRouter:
    router = APIRouter(tags=["pages accounts"])
    accounts, connections = gateway.clients.accounts, gateway.clients.connections

    async def page(request: Request, session: BrowserSession, **values: Any) -> Response:
        tokens = (await accounts.ListApiTokens(pb.ListApiTokensRequest())).api_tokens
        known = (await connections.ListConnections(connection_service_pb2.ListConnectionsRequest())).connections
        connected = {connection.provider: connection for connection in known}
        shown = {"errors": {}, "failed": "", "secret": "", "email": "", "name": ""} | values
        return views.page(request, "settings.html", tokens=tokens, connected=connected, fresh=session.fresh, **shown)

    @router.get(SETTINGS)
    @shows()
    async def settings_page(request: Request) -> Response:
        """Your account: address, password, API keys, connections elsewhere."""
        session = session_of(request)
        if session is None:
            return views.redirect(request, f"{LOG_IN}?return_to={quote(SETTINGS, safe='')}", "must_log_in")
        return await page(request, session)

    @router.put(SETTINGS, openapi_extra=_FORM)
    @router.post(SETTINGS, name="change_settings_by_post", openapi_extra=_FORM)
    @shows()
    async def change_settings(request: Request) -> Response:
        """Change your account, by what ``action`` says: ``update_email``, ``update_password``, ``create_key``, ``revoke_key``,
        ``connect_lalalai`` or ``disconnect``."""
        session = session_of(request)
        if session is None:
            return views.redirect(request, LOG_IN, "must_log_in")
        form = await form_of(request)
        name = form.get("action", "")
        action = actions.get(name)
        if action is None:
            raise AppError(Code.INVALID_ARGUMENT, "BAD_REQUEST", "The form does not say what to change.")
        try:
            return await action(request, session, form)
        except AppError as error:
            if error.reason not in ("VALIDATION_ERROR", "PASSWORD_NEEDED", "TOO_MANY_TOKENS"):
                raise
            errors = error.meta.get("details") or {"name": [error.message]}
            kept = {"email": form.get("user[email]", ""), "name": form.get("name", "")}
            return await page(request, session, errors=errors, failed=name, **kept)

    async def update_email(request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        with principal_scope(None):
            await accounts.RequestEmailChange(
                pb.RequestEmailChangeRequest(
                    session_token=session.current_secret,
                    current_password=form.get("user[current_password]", ""),
                    email=form.get("user[email]", ""),
                    ip_address=request.scope["peer"],
                )
            )
        return views.redirect(request, SETTINGS, "change_sent")

    async def update_password(request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        password = form.get("user[password]", "")
        if form.get("user[password_confirmation]") != password:
            details = {"details": {"password_confirmation": ["does not match password"]}}
            raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", details)
        with principal_scope(None):
            changed = await accounts.ChangePassword(
                pb.ChangePasswordRequest(
                    session_token=session.current_secret,
                    current_password=form.get("user[current_password]", ""),
                    new_password=password,
                    revoke_api_tokens=form.get("revoke_keys") in ("true", "on", "1"),
                    ip_address=request.scope["peer"],
                )
            )
        return views.logged_in(request, SETTINGS, changed.session_token, session.remembered, "password_changed")

    async def create_key(request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        created = await accounts.CreateApiToken(pb.CreateApiTokenRequest(name=form.get("name", "")))
        return await page(request, session, secret=created.secret)

    async def revoke_key(request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        try:
            await accounts.DeleteApiToken(pb.DeleteApiTokenRequest(api_token_id=form.get("id", "")))
        except AppError as error:
            if error.reason != "TOKEN_NOT_FOUND":  # it is gone, which was the wish
                raise
        return views.redirect(request, SETTINGS, "key_revoked")

    async def connect_lalalai(request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        key = form.get("key", "").strip()
        if not _LALALAI_KEY.fullmatch(key):
            details = {"details": {"key": ["must be 8 to 200 letters, digits or signs, without blanks"]}}
            raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields do not fit.", details)
        asked = connection_service_pb2.PutConnectionRequest(provider="lalalai", secret=key)
        await connections.PutConnection(asked)
        return views.redirect(request, SETTINGS, "connected")

    async def disconnect(request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        provider = form.get("provider", "")
        await connections.DeleteConnection(connection_service_pb2.DeleteConnectionRequest(provider=provider))
        return views.redirect(request, SETTINGS, "disconnected")

    actions: dict[str, Action] = {
        "update_email": update_email,
        "update_password": update_password,
        "create_key": create_key,
        "revoke_key": revoke_key,
        "connect_lalalai": connect_lalalai,
        "disconnect": disconnect,
    }
    return router
