"""Sessions: the browsers that are logged in to an account."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import account_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.browsers import BrowserSession
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import listing, shaped
from soundwright.services.gateway.dialects.forge.shapes import Page
from soundwright.services.gateway.openapi.responses import Time, Uuid, documented
from soundwright.services.gateway.wire.parameters import PageNumber, PageSize, SessionId

_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Session(TypedDict):
    """A browser that is logged in."""

    id: Uuid
    current: Annotated[bool, Field(description="Whether this request belongs to the session.", examples=[True])]
    user_agent: Annotated[str | None, Field(description="What the browser says of itself.", examples=[_AGENT])]
    ip_address: Annotated[str | None, Field(description="The address of the last use.", examples=["203.0.113.9"])]
    logged_in_at: Time | None
    last_used_at: Annotated[Time | None, Field(description="Accurate to one minute.")]
    expires_at: Time | None


def session_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/sessions", tags=["forge accounts"])
    accounts = gateway.clients.accounts

    @router.get("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[list[Session]], errors.VALIDATION_ERROR)
    async def list_sessions(request: Request, page: PageNumber = 1, page_size: PageSize = 25) -> Response:
        """List the browsers that are logged in to your account, newest first."""
        answer = await accounts.ListSessions(pb.ListSessionsRequest(page=page, page_size=page_size))
        current_id = _current_id(request)
        listed = [session_to_wire(session, current_id) for session in answer.sessions]
        return listing(listed, page, page_size, answer.total_count)

    @router.delete("/{session_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.SESSION_NOT_FOUND, status=204)
    async def end_session(session_id: SessionId) -> Response:
        """Log a browser out."""
        await accounts.EndSession(pb.EndSessionRequest(session_id=session_id))
        return Response(status_code=204)

    @router.delete("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, status=204)
    async def end_other_sessions(request: Request) -> Response:
        """Log out all browsers, except the one that sends this request. API tokens remain valid."""
        await accounts.EndOtherSessions(pb.EndOtherSessionsRequest(session_id=_current_id(request)))
        return Response(status_code=204)

    return router


def _current_id(request: Request) -> str:
    session: BrowserSession | None = request.scope["session"]
    return session.session_id if session else ""


def session_to_wire(session: account_pb2.Session, current_id: str) -> Session:
    return shaped(session, Session, current=session.id == current_id)
