"""Suggestions of categories; three listeners who agree change a clip's."""

from __future__ import annotations

from typing import Annotated, NotRequired

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, field_validator
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import answers
from services.gateway.clients import Gateway
from services.gateway.soundbox.identity import acting
from services.gateway.soundbox.params import ClipId, Text, UserBody, UserId, body, fitted, json_values, refusal, user_of
from services.gateway.soundbox.shapes import Count, Done
from services.gateway.soundbox.wire import clip_id

__all__ = ["tag_routes"]

_CATEGORY_LIMIT = 64
_REFUSALS = (Code.INVALID_ARGUMENT, Code.UNPROCESSABLE, Code.NOT_FOUND, Code.CONFLICT)


class TagBody(UserBody):
    """A category, and whether a clip should have it."""

    model_config = ConfigDict(json_schema_extra={"required": ["category"]})

    category: Text = Field("", description="a key of /api/categories", examples=["ambient"])
    action: Text = Field("add", description="which way", json_schema_extra={"enum": ["add", "remove"]})

    @field_validator("category")
    @classmethod
    def _some_category(cls, value: str) -> str:
        if not value:
            raise refusal("Missing category")
        return value[:_CATEGORY_LIMIT]

    @field_validator("action")
    @classmethod
    def _one_of_two(cls, value: str) -> str:
        if value not in ("", "add", "remove"):
            raise refusal('action must be "add" or "remove"')
        return value or "add"


_Message = Annotated[str, Field(examples=["Suggestion recorded. 2/3 users have suggested this category."])]
_Action = Annotated[str, Field(description="add or remove", examples=["add"])]
_Categories = Annotated[list[str], Field(examples=[["electronic"]])]
_Counts = Annotated[dict[str, int], Field(description="how many listeners", examples=[{"ambient": 2}])]


class Suggested(Done):
    """A suggestion, and how many agree."""

    message: _Message
    current_votes: Annotated[Count, Field(examples=[2])]
    threshold: Annotated[Count, Field(examples=[3])]
    consensus_reached: bool
    action: _Action
    new_categories: NotRequired[_Categories]


class Withdrawn(Done):
    message: Annotated[str, Field(examples=["Suggestion withdrawn"])]
    action: _Action


class TagSuggestions(TypedDict):
    """What was suggested for a clip, and what of it by you."""

    suggestions: _Counts
    user_suggestions: Annotated[list[str], Field(examples=[["ambient"]])]
    current_categories: _Categories
    threshold: Annotated[Count, Field(examples=[3])]
    removals: Annotated[_Counts, Field(examples=[{}])]
    user_removals: Annotated[list[str], Field(examples=[[]])]


def tag_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox tags"])
    catalog = gateway.clients.catalog

    @router.post("/api/library/{gen_id}/suggest-tag", openapi_extra=body(TagBody))
    @answers(Suggested, refusals.USER_ID_FOREIGN)
    async def suggest_tag(request: Request, gen_id: ClipId) -> Response:
        """Suggest that a clip gets a category, or loses one."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            given = fitted(TagBody, values)
            try:
                answer = await catalog.SuggestTag(
                    pb.SuggestTagRequest(
                        generation_id=clip_id(gen_id), category=given.category, remove=given.action == "remove"
                    )
                )
            except AppError as error:
                return _refused(error, given.category)
        return JSONResponse(_suggested(answer, given.action))

    @router.post("/api/library/{gen_id}/cancel-tag", openapi_extra=body(TagBody))
    @answers(Withdrawn, refusals.USER_ID_FOREIGN)
    async def cancel_tag(request: Request, gen_id: ClipId) -> Response:
        """Withdraw a suggestion of yours."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            given = fitted(TagBody, values)
            try:
                await catalog.WithdrawTag(
                    pb.WithdrawTagRequest(
                        generation_id=clip_id(gen_id), category=given.category, remove=given.action == "remove"
                    )
                )
            except AppError as error:
                return _refused(error, given.category)
        return JSONResponse({"success": True, "message": "Suggestion withdrawn", "action": given.action})

    @router.get("/api/library/{gen_id}/tag-suggestions")
    @answers(TagSuggestions, refusals.USER_ID_FOREIGN, refusals.TAGGED_NOT_FOUND)
    async def get_tag_suggestions(gen_id: ClipId, user_id: UserId = "") -> Response:
        """What was suggested for a clip, and what of it by you."""
        with acting(user_id):
            try:
                answer = await catalog.GetTagSuggestions(pb.GetTagSuggestionsRequest(generation_id=clip_id(gen_id)))
            except AppError as error:
                if error.code is Code.NOT_FOUND:
                    raise AppError(Code.NOT_FOUND, "TAGGED_NOT_FOUND", "Generation not found") from None
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


def _suggested(answer: pb.SuggestTagResponse, action: str) -> Suggested:
    suggested: Suggested = {
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
        suggested["message"] = f"Category {done}! Consensus reached."
        suggested["new_categories"] = list(answer.categories)
    return suggested


def _refused(error: AppError, category: str) -> Response:
    """A suggestion that cannot be is a 400 with a ``message``, whatever is wrong with it."""
    if error.code not in _REFUSALS:
        raise error
    short = {
        "GENERATION_NOT_FOUND": "Generation not found",
        "CATEGORY_UNKNOWN": f"Invalid category: {category}",
        "SUGGESTION_NOT_FOUND": "Suggestion not found",
    }
    message = short.get(error.reason, error.message)
    return JSONResponse({"success": False, "message": message, "error": message}, status_code=400)
