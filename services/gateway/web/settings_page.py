"""The settings page: email address, password, API keys and connections."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from soundwright.kit import errors
from soundwright.kit.errors import AppError, suppressed
from soundwright.kit.security.identity import principal_scope
from soundwright.library.v1 import connection_service_pb2, storage_service_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.browsers import BrowserSession
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.features import has_spotify
from soundwright.services.gateway.web.responses import form_body, page_responses
from soundwright.services.gateway.web.views import LOG_IN, SETTINGS, Views, form_of, registered_session_of
from soundwright.services.gateway.wire.parameters import license_key

_LIFETIMES_DAYS = {"": 0, "month": 30, "quarter": 90, "year": 365}  # 0: the key does not expire
_FORM = form_body(
    {
        "action": (
            "The change: `update_email`, `update_password`, `create_key`, `revoke_key`, `connect_lalalai` or `disconnect`.",
            "update_password",
        ),
        "user[email]": ("The new email address.", "you@example.com"),
        "user[current_password]": ("The current password.", "correct horse battery"),
        "user[password]": ("The new password, 12 to 72 characters.", "correct horse battery staple"),
        "user[password_confirmation]": ("The new password again.", "correct horse battery staple"),
        "revoke_keys": ("`true`: also revoke all API keys, connections, webhooks and links to tracks.", "true"),
        "name": ("The name of the new API key.", "laptop"),
        "id": ("The ID of the API key to revoke.", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        "key": ("The API key of lalal.ai.", "a1b2c3d4e5f6a7b8"),
        "provider": ("The connection to remove: `spotify` or `lalalai`.", "spotify"),
    }
)
Action = Callable[[Request, BrowserSession, Mapping[str, str]], Awaitable[Response]]


def settings_routes(gateway: Gateway, views: Views) -> APIRouter:
    router = APIRouter(tags=["pages accounts"])
    page = _SettingsPage(gateway, views)

    @router.get(SETTINGS)
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def settings_page(request: Request) -> Response:
        """Show the settings page. It shows the email address, the API keys and the connections of the account."""
        session = registered_session_of(request)
        if session is None:
            return views.redirect(request, f"{LOG_IN}?return_to={quote(SETTINGS, safe='')}", "must_log_in")
        return await page.show(request, session)

    @router.put(SETTINGS, openapi_extra=_FORM)
    @router.post(SETTINGS, name="change_settings_by_post", openapi_extra=_FORM)
    @access(Access.BROWSER, RateClass.PAGES)
    @page_responses()
    async def change_settings(request: Request) -> Response:
        """Change settings of the account. The field ``action`` selects the change. Without a recent login, changes of the email
        address or the password require the current password."""
        session = registered_session_of(request)
        if session is None:
            return views.redirect(request, LOG_IN, "must_log_in")
        form = await form_of(request)
        name = form.get("action", "")
        action = page.actions.get(name)
        if action is None:
            raise errors.BAD_REQUEST("The form field action is missing or unknown.")
        try:
            return await action(request, session, form)
        except AppError as error:
            if error.reason not in ("VALIDATION_ERROR", "PASSWORD_NEEDED", "TOO_MANY_TOKENS"):
                raise
            problems = error.meta.get("details") or {"name": [error.message]}
            kept = {"email": form.get("user[email]", ""), "name": form.get("name", "")}
            return await page.show(request, session, errors=problems, failed=name, **kept)

    return router


class _SettingsPage:
    """The page, and the changes that its forms make."""

    def __init__(self, gateway: Gateway, views: Views) -> None:
        self._gateway, self._views = gateway, views
        self._accounts, self._connections = gateway.clients.accounts, gateway.clients.connections
        self._storage = gateway.clients.storage
        self.actions: dict[str, Action] = {
            "update_email": self.update_email,
            "update_password": self.update_password,
            "create_key": self.create_key,
            "revoke_key": self.revoke_key,
            "connect_lalalai": self.connect_lalalai,
            "disconnect": self.disconnect,
        }

    async def show(self, request: Request, session: BrowserSession, **values: Any) -> Response:
        tokens = (await self._accounts.ListApiTokens(pb.ListApiTokensRequest())).api_tokens
        known = (await self._connections.ListConnections(connection_service_pb2.ListConnectionsRequest())).connections
        connected = {connection.provider: connection for connection in known}
        usage = (await self._storage.GetUsage(storage_service_pb2.GetUsageRequest())).usage
        defaults = {"errors": {}, "failed": "", "secret": "", "email": "", "name": ""}
        return self._views.page(
            request,
            "settings.html",
            tokens=tokens,
            connected=connected,
            fresh=session.fresh,
            usage=usage,
            spotify=await has_spotify(self._gateway.clients),
            **(defaults | values),
        )

    async def update_email(self, request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        with principal_scope(None):
            await self._accounts.RequestEmailChange(
                pb.RequestEmailChangeRequest(
                    session_token=session.current_secret,
                    current_password=form.get("user[current_password]", ""),
                    email=form.get("user[email]", ""),
                    ip_address=request.scope["peer"],
                )
            )
        return self._views.redirect(request, SETTINGS, "change_sent")

    async def update_password(self, request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        with principal_scope(None):
            changed = await self._accounts.ChangePassword(
                pb.ChangePasswordRequest(
                    session_token=session.current_secret,
                    current_password=form.get("user[current_password]", ""),
                    new_password=form.get("user[password]", ""),
                    password_confirmation=form.get("user[password_confirmation]", ""),
                    revoke_api_tokens=form.get("revoke_keys") in ("true", "on", "1"),
                    ip_address=request.scope["peer"],
                )
            )
        return self._views.logged_in(request, SETTINGS, changed.session_token, session.remembered, "password_changed")

    async def create_key(self, request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        lifetime_days = _LIFETIMES_DAYS.get(form.get("lifetime", ""))
        if lifetime_days is None:
            raise errors.BAD_REQUEST("The form field lifetime is unknown.")
        created = await self._accounts.CreateApiToken(
            pb.CreateApiTokenRequest(name=form.get("name", ""), lifetime_days=lifetime_days)
        )
        return await self.show(request, session, secret=created.secret)

    async def revoke_key(self, request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        with suppressed("TOKEN_NOT_FOUND"):  # already deleted
            await self._accounts.DeleteApiToken(pb.DeleteApiTokenRequest(api_token_id=form.get("id", "")))
        return self._views.redirect(request, SETTINGS, "key_revoked")

    async def connect_lalalai(self, request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        key = license_key("key", form.get("key", "").strip())
        connection = connection_service_pb2.PutConnectionRequest(provider="lalalai", secret=key)
        await self._connections.PutConnection(connection)
        return self._views.redirect(request, SETTINGS, "connected")

    async def disconnect(self, request: Request, session: BrowserSession, form: Mapping[str, str]) -> Response:
        provider = form.get("provider", "")
        await self._connections.DeleteConnection(connection_service_pb2.DeleteConnectionRequest(provider=provider))
        return self._views.redirect(request, SETTINGS, "disconnected")
