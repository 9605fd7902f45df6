"""Suggestions of categories; three listeners who agree change a clip's."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field, field_validator
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response

from kit.errors import AppError, Code
from services.gateway.clients import Gateway
from services.gateway.soundbox.examples import described
from services.gateway.soundbox.identity import acting
from services.gateway.soundbox.params import Text, UserBody, UserId, fitted, json_values, refusal, user_of
from services.gateway.soundbox.wire import clip_id

__all__ = ["tag_routes"]

_CATEGORY_LIMIT = 64
_REFUSALS = (Code.INVALID_ARGUMENT, Code.UNPROCESSABLE, Code.NOT_FOUND, Code.CONFLICT)
_RECORDED = {
    "success": True,
    "message": "Suggestion recorded. 2/3 users have suggested this category.",
    "current_votes": 2,
    "threshold": 3,
    "consensus_reached": False,
    "action": "add",
}


class TagBody(UserBody):
    """A category, and whether a clip should have it."""

    category: Text = Field("", description="a key of /api/categories", examples=["ambient"])
    action: Text = Field("add", description="add or remove")

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


def tag_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox tags"])
    catalog = gateway.clients.catalog

    @router.post("/api/library/{gen_id}/suggest-tag", **described(_RECORDED, TagBody))
    async def suggest_tag(request: Request, gen_id: str) -> Response:
        """Suggest that a clip gets a category, or loses one."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            body = fitted(TagBody, values)
            try:
                answer = await catalog.SuggestTag(
                    pb.SuggestTagRequest(
                        generation_id=clip_id(gen_id), category=body.category, remove=body.action == "remove"
                    )
                )
            except AppError as error:
                return _refused(error, body.category)
        return JSONResponse(_suggested(answer, body.action))

    @router.post(
        "/api/library/{gen_id}/cancel-tag",
        **described({"success": True, "message": "Suggestion withdrawn", "action": "add"}, TagBody),
    )
    async def cancel_tag(request: Request, gen_id: str) -> Response:
        """Withdraw a suggestion of yours."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            body = fitted(TagBody, values)
            try:
                await catalog.WithdrawTag(
                    pb.WithdrawTagRequest(
                        generation_id=clip_id(gen_id), category=body.category, remove=body.action == "remove"
                    )
                )
            except AppError as error:
                return _refused(error, body.category)
        return JSONResponse({"success": True, "message": "Suggestion withdrawn", "action": body.action})

    @router.get(
        "/api/library/{gen_id}/tag-suggestions",
        **described(
            {
                "suggestions": {"ambient": 2},
                "user_suggestions": ["ambient"],
                "current_categories": ["electronic"],
                "threshold": 3,
                "removals": {},
                "user_removals": [],
            }
        ),
    )
    async def get_tag_suggestions(gen_id: str, user_id: UserId = "") -> Response:
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


def _suggested(answer: pb.SuggestTagResponse, action: str) -> dict[str, Any]:
    body: dict[str, Any] = {
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
        body |= {"message": f"Category {done}! Consensus reached.", "new_categories": list(answer.categories)}
    return body


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
