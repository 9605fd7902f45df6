"""Guest accounts, for visitors of the studio without an account."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.security.identity import principal_scope
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.browsers import Browsers, BrowserSession
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.openapi.responses import ResponseDoc, Uuid, documented


class BrowserAccount(TypedDict):
    """The account of a browser session."""

    id: Uuid
    email: Annotated[str, Field(description="The email address. Empty: a guest.", examples=[""])]
    csrf_token: Annotated[
        str,
        Field(
            description="The CSRF token for the requests of this session.",
            examples=["2Xn6iPqJ7eHj5Jm0lq3TqCz1uJ3vYt0wRkz0gkq1b9A"],
        ),
    ]


def guest_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/users", tags=["forge accounts"])
    accounts, browsers = gateway.clients.accounts, Browsers(gateway.settings)

    @router.post("/guest")
    @access(Access.BROWSER, RateClass.HEAVY)
    @documented(
        Data[BrowserAccount],
        errors.GUESTS_CLOSED,
        status=201,
        headers=("Set-Cookie",),
        responses={200: ResponseDoc("The account of the session.", Data[BrowserAccount])},
    )
    async def create_guest(request: Request) -> Response:
        """Create a guest account and log the browser in to it. A browser that is logged in keeps its account.

        Requires open access, and the CSRF token of a page. A guest has the limits of anonymous callers, and cannot create API
        tokens, webhooks or connections. `POST /users/register` turns it into an account with an email address.
        """
        session: BrowserSession | None = request.scope.get("session")
        if session is not None:
            email = "" if session.is_guest else session.account.email
            return data(_account(session.account.id, email, session.current_secret))
        if not gateway.settings.open_access:
            raise errors.GUESTS_CLOSED()
        with principal_scope(None):
            created = await accounts.CreateGuest(pb.CreateGuestRequest(ip_address=request.scope["peer"]))
        response = data(_account(created.account.id, "", created.session_token), 201)
        response.headers.append("set-cookie", browsers.session_cookie(request.scope, created.session_token, True))
        return response

    def _account(account_id: str, email: str, secret: str) -> BrowserAccount:
        return {"id": account_id, "email": email, "csrf_token": browsers.csrf_token(secret)}

    return router
