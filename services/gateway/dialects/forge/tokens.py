"""API tokens: create one with a password, list and revoke them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import account_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.openapi.responses import Time, Uuid, documented
from soundwright.services.gateway.wire.parameters import TokenId, body_of, body_schema


class NewTokenParameters(BaseModel):
    """A name for the token, and its lifetime."""

    name: str = Field("script", min_length=1, max_length=80, description="A name for the token.", examples=["script"])
    expires_in_days: int = Field(
        0, ge=0, le=3650, description="The lifetime of the token; 0: it does not expire.", examples=[90]
    )


class TokenParameters(NewTokenParameters):
    """Your credentials, and a name for the token."""

    email: str = Field(min_length=1, max_length=200, description="Your email address.", examples=["you@example.com"])
    password: str = Field(
        min_length=1, max_length=1000, description="Your password.", examples=["correct horse battery"]
    )


class ApiToken(TypedDict):
    """An API token, without its secret."""

    id: Uuid
    name: Annotated[str, Field(examples=["script"])]
    prefix: Annotated[str | None, Field(description="The first characters of the token.", examples=["qO3xVb"])]
    created_at: Time | None
    last_used_at: Time | None
    expires_at: Time | None


class NewApiToken(ApiToken):
    """An API token with its secret, which is returned only once."""

    token: Annotated[str, Field(examples=["qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"])]


def token_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["forge accounts"])
    accounts = gateway.clients.accounts

    @router.post("/tokens", openapi_extra=body_schema(TokenParameters))
    @access(Access.PUBLIC, RateClass.NORMAL)
    @documented(
        Data[NewApiToken],
        errors.CREDENTIALS_INVALID,
        errors.ACCOUNT_SUSPENDED,
        errors.TOO_MANY_TOKENS,
        errors.VALIDATION_ERROR,
        status=201,
    )
    async def create_token(
        request: Request, parameters: Annotated[TokenParameters, Depends(body_of(TokenParameters, secret=True))]
    ) -> Response:
        """Create an API token for your account. The token is returned only once."""
        created = await accounts.ExchangePassword(
            pb.ExchangePasswordRequest(
                email=parameters.email,
                password=parameters.password,
                name=parameters.name,
                lifetime_days=parameters.expires_in_days,
                ip_address=request.scope["peer"],
            )
        )
        given: NewApiToken = {"token": created.secret, **token_to_wire(created.api_token)}
        return data(given, 201)

    @router.post("/users/me/tokens", openapi_extra=body_schema(NewTokenParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[NewApiToken],
        errors.SESSION_NEEDED,
        errors.REGISTRATION_NEEDED,
        errors.TOO_MANY_TOKENS,
        errors.VALIDATION_ERROR,
        status=201,
    )
    async def create_own_token(
        request: Request, parameters: Annotated[NewTokenParameters, Depends(body_of(NewTokenParameters))]
    ) -> Response:
        """Create an API token in a browser that is logged in. The token is returned only once.

        An API token cannot create others: its holder would keep access after you revoke it.
        """
        if request.scope["session"] is None:
            raise errors.SESSION_NEEDED()
        created = await accounts.CreateApiToken(
            pb.CreateApiTokenRequest(name=parameters.name, lifetime_days=parameters.expires_in_days)
        )
        given: NewApiToken = {"token": created.secret, **token_to_wire(created.api_token)}
        return data(given, 201)

    @router.get("/tokens")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[list[ApiToken]])
    async def list_tokens() -> Response:
        """List your API tokens, newest first, without their secrets."""
        answer = await accounts.ListApiTokens(pb.ListApiTokensRequest())
        return data([token_to_wire(token) for token in answer.api_tokens])

    @router.delete("/tokens/{token_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.TOKEN_NOT_FOUND, status=204)
    async def revoke_token(token_id: TokenId) -> Response:
        """Revoke an API token. Requests with it fail from now on."""
        await accounts.DeleteApiToken(pb.DeleteApiTokenRequest(api_token_id=token_id))
        return Response(status_code=204)

    return router


def token_to_wire(token: account_pb2.ApiToken) -> ApiToken:
    return shaped(token, ApiToken)
