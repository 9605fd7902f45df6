"""API tokens: for scripts that know a password, and to look after those one has."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from soundwright.library.v1 import account_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.responses import Response

from services.gateway.clients import Gateway
from services.gateway.forge.wire import data, time_to_wire
from services.gateway.params import body_of, body_schema, require_uuid

__all__ = ["token_routes"]


class TokenParameters(BaseModel):
    """Who asks, and what the token is to be called."""

    email: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1000)
    name: str = Field("script", min_length=1, max_length=80)


def token_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/tokens", tags=["accounts"])
    accounts = gateway.clients.accounts

    @router.post("", openapi_extra=body_schema(TokenParameters), status_code=201)
    async def create(
        request: Request, parameters: Annotated[TokenParameters, Depends(body_of(TokenParameters))]
    ) -> Response:
        """A new API token for the account with this email and password. It is shown this once."""
        created = await accounts.ExchangePassword(
            pb.ExchangePasswordRequest(
                email=parameters.email,
                password=parameters.password,
                name=parameters.name,
                ip_address=request.scope["peer"],
            )
        )
        return data({"token": created.secret, **_to_wire(created.api_token)}, 201)

    @router.get("")
    async def list_tokens() -> Response:
        """Your API tokens, newest first, without their secrets."""
        answer = await accounts.ListApiTokens(pb.ListApiTokensRequest())
        return data([_to_wire(token) for token in answer.api_tokens])

    @router.delete("/{token_id}", status_code=204)
    async def revoke(token_id: str) -> Response:
        """Revoke one of your API tokens. It is refused from now on."""
        await accounts.DeleteApiToken(pb.DeleteApiTokenRequest(api_token_id=require_uuid(token_id, "token")))
        return Response(status_code=204)

    return router


def _to_wire(token: account_pb2.ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix or None,
        "created_at": time_to_wire(token, "create_time"),
        "last_used_at": time_to_wire(token, "use_time"),
    }
