"""Small things: a prompt to start from, reports of errors in pages, figures."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from soundwright.generation.v1 import generation_service_pb2 as generation_pb
from soundwright.library.v1 import catalog_service_pb2 as pb
from starlette.responses import JSONResponse, Response

from kit.log import get_logger
from services.gateway.clients import Gateway
from services.gateway.soundbox.dialect import SuccessRoute
from services.gateway.soundbox.examples import described
from services.gateway.soundbox.params import json_values

__all__ = ["utility_routes"]

_STATS = {
    "total_generations": 31,
    "total_votes": 9,
    "total_favorites": 4,
    "categories": {"music": 77, "audio": 61},
    "generations": 31,
    "music": 20,
    "audio": 11,
    "votes": 9,
    "feedback": 3,
}
log = get_logger()


class PromptBody(BaseModel):
    """What the prompt is for."""

    model: str = Field("music", description="music; anything else: a sound effect")


class ErrorBody(BaseModel):
    """What went wrong in a page."""

    message: str = Field("", examples=["Audio playback failed"])
    url: str = Field("", examples=["/api/radio/shuffle"])
    stack: str = Field("", description="not kept")
    userAgent: str = ""
    timestamp: str = ""


def utility_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox utility"], route_class=SuccessRoute)
    clients = gateway.clients

    @router.post(
        "/random-prompt",
        **described({"success": True, "prompt": "upbeat synthwave with pulsing bass"}, PromptBody, body_required=False),
    )
    async def random_prompt(request: Request) -> Response:
        """A prompt to start from."""
        model = (await json_values(request)).get("model")
        wanted = "music" if model in (None, "", "music") else "audio"
        answer = await clients.generation.SuggestPrompt(generation_pb.SuggestPromptRequest(model=wanted))
        return JSONResponse({"success": True, "prompt": answer.prompt})

    @router.post("/api/log-error", **described({"logged": True}, ErrorBody))
    async def log_error(request: Request) -> Response:
        """Tell the server about an error in a page. One short line of it is kept."""
        values = await json_values(request)
        log.warning(
            "client.error",
            error=_line(values.get("message"), 500),
            url=_line(values.get("url"), 200).partition("?")[0],  # queries may hold secrets
            user_agent=_line(values.get("userAgent"), 100),
            client_time=_line(values.get("timestamp"), 50),
        )
        return JSONResponse({"logged": True})

    @router.get("/api/stats", **described(_STATS))
    async def get_stats() -> Response:
        """How much of everything there is."""
        answer = await clients.catalog.GetStats(pb.GetStatsRequest())
        return JSONResponse(
            {
                "total_generations": answer.generation_count,
                "total_votes": answer.vote_count,
                "total_favorites": answer.favorite_count,
                "categories": dict(answer.category_count_by_model),
                "generations": answer.generation_count,
                "music": 0,
                "audio": 0,
                **answer.count_by_model,
                "votes": answer.vote_count,
                "feedback": answer.feedback_count,
            }
        )

    return router


def _line(value: Any, limit: int) -> str:
    """What a stranger wrote, as one line of text that can be printed."""
    text = str(value)[:limit] if isinstance(value, str | int | float) else ""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
