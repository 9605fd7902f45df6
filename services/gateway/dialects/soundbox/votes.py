"""Routes of votes, feedback and ratings."""

from typing import Annotated

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
from soundwright.services.gateway.dialects.soundbox.dialect import SuccessRoute
from soundwright.services.gateway.dialects.soundbox.files import clip_id_of_file
from soundwright.services.gateway.dialects.soundbox.identity import sent_by_user
from soundwright.services.gateway.dialects.soundbox.params import (
    ClipId,
    IdsBody,
    Text,
    UserBody,
    clean,
    is_one_of,
    json_body,
    must,
    valid_ids,
)
from soundwright.services.gateway.dialects.soundbox.serializers import clip_id
from soundwright.services.gateway.dialects.soundbox.shapes import Count, Done
from soundwright.services.gateway.openapi.responses import documented

_REASON_LIMIT = 50
_REASON_COUNT_LIMIT = 10
_NOTES_LIMIT = 1000


class VoteBody(UserBody):
    """A vote with feedback. It replaces an earlier vote of the user."""

    vote: int = Field(
        0,
        description="1: upvote, -1: downvote, 0: withdraw the vote.",
        json_schema_extra={"enum": [-1, 0, 1]},
        examples=[1],
    )
    feedback_reasons: list[str] = Field(
        [],
        description="The reasons for the vote.",
        json_schema_extra={"maxItems": _REASON_COUNT_LIMIT},
        examples=[["catchy"]],
    )
    notes: Annotated[
        Text, must(lambda text: len(text) <= _NOTES_LIMIT, f"notes must have at most {_NOTES_LIMIT} characters")
    ] = Field("", description="Private notes.", json_schema_extra={"maxLength": _NOTES_LIMIT})
    suggested_model: str = Field(
        "",
        description="The correct model, if the clip is filed under a wrong one.",
        json_schema_extra={"enum": ["", "music", "audio"]},
    )

    @field_validator("vote", mode="before")
    @classmethod
    def _check_vote(cls, value: object) -> int:
        if not is_one_of(value, (-1, 0, 1)):
            raise errors.BAD_REQUEST("vote must be -1, 0, or 1")
        return int(value)

    @field_validator("feedback_reasons", mode="before")
    @classmethod
    def _check_reasons(cls, value: object) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > _REASON_COUNT_LIMIT:
            raise errors.BAD_REQUEST(f"feedback_reasons must be a list with max {_REASON_COUNT_LIMIT} items")
        if not all(isinstance(reason, str) for reason in value):
            raise errors.BAD_REQUEST("feedback_reasons must be strings")
        return [kept for reason in value if (kept := clean(reason, _REASON_LIMIT))]

    @field_validator("suggested_model", mode="before")
    @classmethod
    def _check_suggested_model(cls, value: object) -> str:
        if value in (None, ""):
            return ""
        if value not in ("music", "audio"):
            raise errors.BAD_REQUEST('suggested_model must be "music" or "audio"')
        return str(value)


class RateBody(UserBody):
    """A rating of a clip."""

    model_config = ConfigDict(json_schema_extra={"required": ["filename", "rating"]})

    filename: Annotated[Text, must(bool, "No filename")] = Field(
        "", description="The `filename` of the clip.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.wav"]
    )
    rating: int | None = Field(
        ...,
        description="The number of stars. Null: withdraw the rating.",
        json_schema_extra={"minimum": 1, "maximum": 5},
        examples=[4],
    )

    @field_validator("rating", mode="before")
    @classmethod
    def _check_rating(cls, value: object) -> int | None:
        if value is None:
            return None
        if not is_one_of(value, (1, 2, 3, 4, 5)):
            raise errors.BAD_REQUEST("Rating must be 1-5 or null")
        return int(value)


class Voted(Done):
    """The votes for a clip, and the vote of the user."""

    upvotes: Annotated[Count, Field(examples=[13])]
    downvotes: Annotated[Count, Field(examples=[1])]
    user_vote: Annotated[int, Field(ge=-1, le=1, examples=[1])]


VotesById = Annotated[
    dict[str, int | dict[str, int]],
    Field(
        description="The vote of the user for each clip, 0 for none. `votes` contains only the clips with a vote.",
        examples=[{"7f0c2a9e41d84b6fb1a35d90c2e8f714": 1, "votes": {"7f0c2a9e41d84b6fb1a35d90c2e8f714": 1}}],
    ),
]
_Reasons = Annotated[dict[str, int], Field(description="The number of votes by reason.", examples=[{"catchy": 2}])]


class Feedback(TypedDict):
    """The feedback for a clip."""

    positive_reasons: _Reasons
    negative_reasons: _Reasons
    total_votes: Count
    positive: _Reasons
    negative: _Reasons
    reclassify: Annotated[dict[str, int], Field(examples=[{"music": 0, "audio": 1}])]


def vote_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox votes"])
    catalog = gateway.clients.catalog

    @router.post("/api/library/{gen_id}/vote", openapi_extra=json_body(VoteBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Voted, errors.USER_ID_FOREIGN, errors.GENERATION_NOT_FOUND)
    async def vote(request: Request, gen_id: ClipId) -> Response:
        """Vote for a clip. Replaces an earlier vote of the user; 0 withdraws it."""
        async with sent_by_user(request, VoteBody, is_named=True) as given:
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

    @router.post("/api/library/votes", openapi_extra=json_body(IdsBody))
    @access(Access.OPEN, RateClass.POLLING)
    @documented(VotesById, errors.USER_ID_FOREIGN)
    async def check_votes(request: Request) -> Response:
        """Check votes. Returns the vote of the user for each given clip, 0 for none."""
        async with sent_by_user(request, IdsBody, is_named=True) as sent:
            given = sent.generation_ids
            ids = valid_ids(given)
            answer = await catalog.GetVotes(pb.GetVotesRequest(generation_ids=sorted(set(ids.values()))))
        cast = {name: answer.votes[ids[name]] for name in given if ids.get(name, "") in answer.votes}
        return JSONResponse({**dict.fromkeys(given, 0), **cast, "votes": cast})

    @router.get("/api/library/{gen_id}/feedback")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Feedback, errors.GENERATION_NOT_FOUND)
    async def get_feedback(gen_id: ClipId) -> Response:
        """Get the feedback for a clip. Returns the numbers of votes by reason."""
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

    router.routes.extend(_rating_routes(gateway).routes)
    return router


def _rating_routes(gateway: Gateway) -> APIRouter:
    """Return the route of ratings, whose errors contain ``success``."""
    router = APIRouter(tags=["soundbox votes"], route_class=SuccessRoute)

    @router.post("/rate", openapi_extra=json_body(RateBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(Done, errors.USER_ID_FOREIGN, errors.RATED_FILE_NOT_FOUND)
    async def rate(request: Request) -> Response:
        """Rate a clip. All users share one rating; use `/api/library/{gen_id}/vote` for votes of each user."""
        async with sent_by_user(request, RateBody, rating="missing") as given:
            try:
                await gateway.clients.catalog.RateGeneration(
                    pb.RateGenerationRequest(generation_id=clip_id_of_file(given.filename, ".wav"), rating=given.rating)
                )
            except AppError as error:
                if error.code is Code.NOT_FOUND:
                    raise errors.RATED_FILE_NOT_FOUND() from None
                raise
        return JSONResponse({"success": True})

    return router
