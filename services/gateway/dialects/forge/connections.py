"""Connections of an account to other services."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import connection_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.openapi.responses import Time, documented


class Connection(TypedDict):
    """A connection to another service. Its key or token is never returned."""

    provider: Annotated[str, Field(description="`spotify` or `lalalai`.", examples=["spotify"])]
    label: Annotated[str | None, Field(description="The name of the account there.", examples=["Ann"])]
    connected_at: Time | None
    updated_at: Time | None


def connection_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/connections", tags=["forge accounts"])
    connections = gateway.clients.connections

    @router.get("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[list[Connection]])
    async def list_connections() -> Response:
        """List the services that your account is connected to."""
        answer = await connections.ListConnections(pb.ListConnectionsRequest())
        return data([connection_to_wire(connection) for connection in answer.connections])

    @router.delete("/{provider}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.VALIDATION_ERROR, status=204)
    async def delete_connection(
        provider: Annotated[str, Path(description="`spotify` or `lalalai`.", examples=["spotify"])],
    ) -> Response:
        """Disconnect your account from a service, and delete the key or token. Without a connection, nothing changes."""
        await connections.DeleteConnection(pb.DeleteConnectionRequest(provider=provider))
        return Response(status_code=204)

    return router


def connection_to_wire(connection: pb.Connection) -> Connection:
    return shaped(connection, Connection)
