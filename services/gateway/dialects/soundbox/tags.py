"""Routes of category suggestions. Three users with the same suggestion change the categories of a clip."""

from typing import Annotated, NotRequired

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, field_validator
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.identity import sent_by_user, user_scope
from soundwright.services.gateway.dialects.soundbox.params import ClipId, Text, UserBody, UserId, json_body
from soundwright.services.gateway.dialects.soundbox.serializers import clip_id
from soundwright.services.gateway.dialects.soundbox.shapes import Count, Done
from soundwright.services.gateway.openapi.responses import documented

_CATEGORY_LIMIT = 64
_CLIENT_ERRORS = (Code.INVALID_ARGUMENT, Code.UNPROCESSABLE, Code.NOT_FOUND, Code.CONFLICT, Code.EXISTS)


class TagBody(UserBody):
    """A suggestion to add or remove a category."""

    model_config = ConfigDict(json_schema_extra={"required": ["category"]})

    category: Text = Field(
        "", description="The key of a category, see `GET /api/categories/{model}`.", examples=["ambient"]
    )
    action: Text = Field(
        "add", description="Whether to add or remove the category.", json_schema_extra={"enum": ["add", "remove"]}
    )

    @field_validator("category")
    @classmethod
    def _check_category(cls, value: str) -> str:
        if not value:
            raise errors.BAD_REQUEST("Missing category")
        return value[:_CATEGORY_LIMIT]

    @field_validator("action")
    @classmethod
    def _check_action(cls, value: str) -> str:
        if value not in ("", "add", "remove"):
            raise errors.BAD_REQUEST('action must be "add" or "remove"')
        return value or "add"


_Message = Annotated[str, Field(examples=["Suggestion recorded. 2/3 users have suggested this category."])]
_Action = Annotated[str, Field(description="`add` or `remove`.", examples=["add"])]
_Categories = Annotated[list[str], Field(examples=[["electronic"]])]
_Counts = Annotated[dict[str, int], Field(description="The number of users by category.", examples=[{"ambient": 2}])]


class Suggested(Done):
    """The result of a suggestion."""

    message: _Message
    current_votes: Annotated[Count, Field(examples=[2])]
    threshold: Annotated[Count, Field(examples=[3])]
    consensus_reached: bool
    action: _Action
    new_categories: NotRequired[_Categories]


class Withdrawn(Done):
    """The result of withdrawing a suggestion."""

    message: Annotated[str, Field(examples=["Suggestion withdrawn"])]
    action: _Action


class TagSuggestions(TypedDict):
    """The suggestions for a clip, of all users and of the caller."""

    suggestions: _Counts
    user_suggestions: Annotated[list[str], Field(examples=[["ambient"]])]
    current_categories: _Categories
    threshold: Annotated[Count, Field(examples=[3])]
    removals: Annotated[_Counts, Field(examples=[{}])]
    user_removals: Annotated[list[str], Field(examples=[[]])]


def tag_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox tags"])
    catalog = gateway.clients.catalog

    @router.post("/api/library/{gen_id}/suggest-tag", openapi_extra=json_body(TagBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Suggested, errors.USER_ID_FOREIGN)
    async def suggest_tag(request: Request, gen_id: ClipId) -> Response:
        """Suggest a category for a clip, or its removal. The suggestion is applied when `threshold` users have made it."""
        async with sent_by_user(request, TagBody) as given:
            try:
                answer = await catalog.SuggestTag(
                    pb.SuggestTagRequest(
                        generation_id=clip_id(gen_id), category=given.category, remove=given.action == "remove"
                    )
                )
            except AppError as error:
                return _error_response(error, given.category)
        return JSONResponse(_suggestion_result(answer, given.action))

    @router.post("/api/library/{gen_id}/cancel-tag", openapi_extra=json_body(TagBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Withdrawn, errors.USER_ID_FOREIGN)
    async def cancel_tag(request: Request, gen_id: ClipId) -> Response:
        """Withdraw a suggestion."""
        async with sent_by_user(request, TagBody) as given:
            try:
                await catalog.WithdrawTag(
                    pb.WithdrawTagRequest(
                        generation_id=clip_id(gen_id), category=given.category, remove=given.action == "remove"
                    )
                )
            except AppError as error:
                return _error_response(error, given.category)
        return JSONResponse({"success": True, "message": "Suggestion withdrawn", "action": given.action})

    @router.get("/api/library/{gen_id}/tag-suggestions")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(TagSuggestions, errors.USER_ID_FOREIGN, errors.TAGGED_NOT_FOUND)
    async def get_tag_suggestions(gen_id: ClipId, user_id: UserId = "") -> Response:
        """List the suggestions for a clip. Returns the numbers of users and the suggestions of the caller."""
        with user_scope(user_id):
            try:
                answer = await catalog.GetTagSuggestions(pb.GetTagSuggestionsRequest(generation_id=clip_id(gen_id)))
            except AppError as error:
                if error.code is Code.NOT_FOUND:
                    raise errors.TAGGED_NOT_FOUND() from None
                raise
        return JSONResponse(
            {
                "suggestions": dict(answer.suggestions),
                "user_suggestions": list(answer.own_suggestions),
                "current_categories": list(answer.categories),
                "threshold": answer.threshold,
                "removals": dict(answer.removals),
                "user_removals": list(answer.own_removals),
            }
        )

    return router


def _suggestion_result(answer: pb.SuggestTagResponse, action: str) -> Suggested:
    result: Suggested = {
        "success": True,
        "message": f"Suggestion recorded. {answer.suggestion_count}/{answer.threshold} users have suggested this"
        f" {'category' if action == 'add' else 'removal'}.",
        "current_votes": answer.suggestion_count,
        "threshold": answer.threshold,
        "consensus_reached": answer.consensus_reached,
        "action": action,
    }
    if answer.consensus_reached:
        done = "applied" if action == "add" else "removed"
        result["message"] = f"Category {done}! Consensus reached."
        result["new_categories"] = list(answer.categories)
    return result


def _error_response(error: AppError, category: str) -> Response:
    """Return client errors as 400 with ``message``, as the contract prescribes. Raise other errors."""
    if error.code not in _CLIENT_ERRORS:
        raise error
    contract_messages = {
        "GENERATION_NOT_FOUND": "Generation not found",
        "CATEGORY_UNKNOWN": f"Invalid category: {category}",
        "SUGGESTION_NOT_FOUND": "Suggestion not found",
    }
    message = contract_messages.get(error.reason, error.message)
    return JSONResponse({"success": False, "message": message, "error": message}, status_code=400)
