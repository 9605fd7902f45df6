"""Votes with feedback, and the older rating."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field, field_validator
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response

from kit.errors import AppError, Code
from services.gateway.clients import Gateway
from services.gateway.soundbox.dialect import SuccessRoute
from services.gateway.soundbox.examples import described
from services.gateway.soundbox.files import clip_of_file
from services.gateway.soundbox.identity import acting
from services.gateway.soundbox.params import (
    IdsBody,
    Text,
    UserBody,
    clean,
    fitted,
    is_one_of,
    json_values,
    known_ids,
    refusal,
    user_of,
)
from services.gateway.soundbox.wire import clip_id

__all__ = ["vote_routes"]

_REASON_LIMIT = 50
_REASON_COUNT_LIMIT = 10
_NOTES_LIMIT = 1000


class VoteBody(UserBody):
    """What a listener says of a clip. Voting again replaces all of it."""

    vote: int = Field(0, description="-1, 0 (takes it back) or 1", examples=[1])
    feedback_reasons: list[str] = Field(
        [], description=f"at most {_REASON_COUNT_LIMIT} short words", examples=[["catchy"]]
    )
    notes: Text = Field("", description="private")
    suggested_model: str = Field("", description="music or audio, when it is filed wrongly")

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

    filename: Text = Field("", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.wav"])
    rating: int | None = Field(..., description="1 to 5; null takes it back", examples=[4])

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


def vote_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox votes"])
    catalog = gateway.clients.catalog

    @router.post(
        "/api/library/{gen_id}/vote",
        **described({"success": True, "upvotes": 13, "downvotes": 1, "user_vote": 1}, VoteBody),
    )
    async def vote(request: Request, gen_id: str) -> Response:
        """Vote for or against a clip, or take your vote back."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            body = fitted(VoteBody, values)
            answer = await catalog.Vote(
                pb.VoteRequest(
                    generation_id=clip_id(gen_id),
                    vote=body.vote,
                    feedback_reasons=body.feedback_reasons,
                    notes=body.notes,
                    suggested_model=body.suggested_model,
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

    @router.post("/api/library/votes", **described({"abc123": 1, "def456": 0, "votes": {"abc123": 1}}, IdsBody))
    async def check_votes(request: Request) -> Response:
        """Your votes on several clips; 0 for none. Under ``votes`` those alone that you cast."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True):
            given = fitted(IdsBody, values).generation_ids
            ids = known_ids(given)
            answer = await catalog.GetVotes(pb.GetVotesRequest(generation_ids=sorted(set(ids.values()))))
        cast = {name: answer.votes[ids[name]] for name in given if ids.get(name, "") in answer.votes}
        return JSONResponse({**dict.fromkeys(given, 0), **cast, "votes": cast})

    @router.get(
        "/api/library/{gen_id}/feedback",
        **described(
            {
                "positive_reasons": {"catchy": 2},
                "negative_reasons": {"too_short": 1},
                "total_votes": 5,
                "positive": {"catchy": 2},
                "negative": {"too_short": 1},
                "reclassify": {"music": 0, "audio": 1},
            }
        ),
    )
    async def get_feedback(gen_id: str) -> Response:
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
    router = APIRouter(tags=["soundbox votes"], route_class=SuccessRoute)

    @router.post("/rate", **described({"success": True}, RateBody))
    async def rate(request: Request) -> Response:
        """Give a file one to five stars, the same for everybody. /api/library/{gen_id}/vote is the better way."""
        values = await json_values(request)
        with acting(user_of(request, values)):
            body = fitted(RateBody, {"rating": "missing", **values})
            try:
                await gateway.clients.catalog.RateGeneration(
                    pb.RateGenerationRequest(generation_id=clip_of_file(body.filename, ".wav"), rating=body.rating)
                )
            except AppError as error:
                if error.code is Code.NOT_FOUND:
                    raise AppError(Code.NOT_FOUND, "RATED_FILE_NOT_FOUND", "File not found") from None
                raise
        return JSONResponse({"success": True})

    return router
