"""Votes with feedback, and the older rating."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, field_validator
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import answers
from services.gateway.clients import Gateway
from services.gateway.soundbox.dialect import SuccessRoute
from services.gateway.soundbox.files import clip_of_file
from services.gateway.soundbox.identity import acting
from services.gateway.soundbox.params import (
    ClipId,
    IdsBody,
    Text,
    UserBody,
    body,
    clean,
    fitted,
    is_one_of,
    json_values,
    known_ids,
    refusal,
    user_of,
)
from services.gateway.soundbox.shapes import Count, Done
from services.gateway.soundbox.wire import clip_id

__all__ = ["vote_routes"]

_REASON_LIMIT = 50
_REASON_COUNT_LIMIT = 10
_NOTES_LIMIT = 1000


class VoteBody(UserBody):
    """What a listener says of a clip. Voting again replaces all of it."""

    vote: int = Field(0, description="0 takes it back", json_schema_extra={"enum": [-1, 0, 1]}, examples=[1])
    feedback_reasons: list[str] = Field(
        [], description="short words", json_schema_extra={"maxItems": _REASON_COUNT_LIMIT}, examples=[["catchy"]]
    )
    notes: Text = Field("", description="private", json_schema_extra={"maxLength": _NOTES_LIMIT})
    suggested_model: str = Field(
        "", description="when it is filed wrongly", json_schema_extra={"enum": ["", "music", "audio"]}
    )

    @field_validator("vote", mode="before")
    @classmethod
    def _one_of_three(cls, value: object) -> int:
        if not is_one_of(value, (-1, 0, 1)):
            raise refusal("vote must be -1, 0, or 1")
        return int(value)

    @field_validator("feedback_reasons", mode="before")
    @classmethod
    def _short_words(cls, value: object) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > _REASON_COUNT_LIMIT:
            raise refusal(f"feedback_reasons must be a list with max {_REASON_COUNT_LIMIT} items")
        if not all(isinstance(reason, str) for reason in value):
            raise refusal("feedback_reasons must be strings")
        return [kept for reason in value if (kept := clean(reason, _REASON_LIMIT))]

    @field_validator("notes")
    @classmethod
    def _not_a_book(cls, value: str) -> str:
        if len(value) > _NOTES_LIMIT:
            raise refusal(f"notes must have at most {_NOTES_LIMIT} characters")
        return value

    @field_validator("suggested_model", mode="before")
    @classmethod
    def _one_of_two(cls, value: object) -> str:
        if value in (None, ""):
            return ""
        if value not in ("music", "audio"):
            raise refusal('suggested_model must be "music" or "audio"')
        return str(value)


class RateBody(UserBody):
    """A rating of a file."""

    model_config = ConfigDict(json_schema_extra={"required": ["filename", "rating"]})

    filename: Text = Field("", description="as clips name it", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.wav"])
    rating: int | None = Field(
        ..., description="stars; null takes them back", json_schema_extra={"minimum": 1, "maximum": 5}, examples=[4]
    )

    @field_validator("filename")
    @classmethod
    def _some_name(cls, value: str) -> str:
        if not value:
            raise refusal("No filename")
        return value

    @field_validator("rating", mode="before")
    @classmethod
    def _stars(cls, value: object) -> int | None:
        if value is None:
            return None
        if not is_one_of(value, (1, 2, 3, 4, 5)):
            raise refusal("Rating must be 1-5 or null")
        return int(value)


class Voted(Done):
    """The votes on a clip, and yours."""

    upvotes: Annotated[Count, Field(examples=[13])]
    downvotes: Annotated[Count, Field(examples=[1])]
    user_vote: Annotated[int, Field(ge=-1, le=1, examples=[1])]


VotesById = Annotated[
    dict[str, int | dict[str, int]],
    Field(
        description="Your vote on each clip, 0 for none; under `votes` those alone that you cast.",
        examples=[{"7f0c2a9e41d84b6fb1a35d90c2e8f714": 1, "votes": {"7f0c2a9e41d84b6fb1a35d90c2e8f714": 1}}],
    ),
]
_Reasons = Annotated[dict[str, int], Field(description="how many said so", examples=[{"catchy": 2}])]


class Feedback(TypedDict):
    """What listeners said of a clip, summed up."""

    positive_reasons: _Reasons
    negative_reasons: _Reasons
    total_votes: Count
    positive: _Reasons
    negative: _Reasons
    reclassify: Annotated[dict[str, int], Field(examples=[{"music": 0, "audio": 1}])]


def vote_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox votes"])
    catalog = gateway.clients.catalog

    @router.post("/api/library/{gen_id}/vote", openapi_extra=body(VoteBody))
    @answers(Voted, refusals.USER_ID_FOREIGN, refusals.GENERATION_NOT_FOUND)
    async def vote(request: Request, gen_id: ClipId) -> Response:
        """Vote for or against a clip, or take your vote back."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            given = fitted(VoteBody, values)
            answer = await catalog.Vote(
                pb.VoteRequest(
                    generation_id=clip_id(gen_id),
                    vote=given.vote,
                    feedback_reasons=given.feedback_reasons,
                    notes=given.notes,
                    suggested_model=given.suggested_model,
                )
            )
        return JSONResponse(
            {
                "success": True,
                "upvotes": answer.upvote_count,
                "downvotes": answer.downvote_count,
                "user_vote": answer.vote,
            }
        )

    @router.post("/api/library/votes", openapi_extra=body(IdsBody))
    @answers(VotesById, refusals.USER_ID_FOREIGN)
    async def check_votes(request: Request) -> Response:
        """Your votes on several clips; 0 for none. Under ``votes`` those alone that you cast."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            given = fitted(IdsBody, values).generation_ids
            ids = known_ids(given)
            answer = await catalog.GetVotes(pb.GetVotesRequest(generation_ids=sorted(set(ids.values()))))
        cast = {name: answer.votes[ids[name]] for name in given if ids.get(name, "") in answer.votes}
        return JSONResponse({**dict.fromkeys(given, 0), **cast, "votes": cast})

    @router.get("/api/library/{gen_id}/feedback")
    @answers(Feedback, refusals.GENERATION_NOT_FOUND)
    async def get_feedback(gen_id: ClipId) -> Response:
        """What listeners said of a clip, summed up."""
        answer = await catalog.GetFeedback(pb.GetFeedbackRequest(generation_id=clip_id(gen_id)))
        positive, negative = dict(answer.positive_reasons), dict(answer.negative_reasons)
        return JSONResponse(
            {
                "positive_reasons": positive,
                "negative_reasons": negative,
                "total_votes": answer.vote_count,
                "positive": positive,
                "negative": negative,
                "reclassify": {model: answer.suggested_models.get(model, 0) for model in ("music", "audio")},
            }
        )

    router.include_router(_rating_routes(gateway))
    return router


def _rating_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(route_class=SuccessRoute)

    @router.post("/rate", openapi_extra=body(RateBody))
    @answers(Done, refusals.USER_ID_FOREIGN, refusals.RATED_FILE_NOT_FOUND)
    async def rate(request: Request) -> Response:
        """Give a file one to five stars, the same for everybody. /api/library/{gen_id}/vote is the better way."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            given = fitted(RateBody, {"rating": "missing", **values})
            try:
                await gateway.clients.catalog.RateGeneration(
                    pb.RateGenerationRequest(generation_id=clip_of_file(given.filename, ".wav"), rating=given.rating)
                )
            except AppError as error:
                if error.code is Code.NOT_FOUND:
                    raise AppError(Code.NOT_FOUND, "RATED_FILE_NOT_FOUND", "File not found") from None
                raise
        return JSONResponse({"success": True})

    return router
