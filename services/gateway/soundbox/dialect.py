"""Errors, access and budgets of the soundbox dialect."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from kit.errors import AppError
from services.gateway.dialect import Access, Dialect, Rule
from services.gateway.limits import RateClass
from services.gateway.problem import Problem, problem_of
from services.gateway.soundbox.shapes import SoundboxError

__all__ = ["SOUNDBOX", "SuccessRoute"]

_SHORT = {
    "NOT_FOUND": "Not found",
    "FILE_NOT_FOUND": "Not found",
    "GENERATION_NOT_FOUND": "Not found",
    "JOB_NOT_FOUND": "Job not found",
    "PLAYLIST_NOT_FOUND": "Playlist not found",
    "UNAUTHORIZED": "Authentication required",
}
_FILES = re.compile(r"/(audio|spectrogram|download|generate-spectrogram)/")
# Reading in batches; the method is POST only because the ids need a body.
_LOOKUPS = frozenset({"/api/library/votes", "/api/favorites/check", "/random-prompt"})


def _body(problem: Problem) -> dict[str, Any]:
    """``{"error"}``, with the fields that do not fit named in the sentence and other values beside it."""
    details = problem.details or {}
    complaints = [f"{field} {text}" for field, texts in details.items() if isinstance(texts, list) for text in texts]
    values = {name: value for name, value in details.items() if not isinstance(value, list)}
    return {"error": "; ".join(complaints) or _SHORT.get(problem.reason, problem.message), **values}


def _answer(problem: Problem, body: dict[str, Any]) -> Response:
    status = 400 if problem.status == 422 else problem.status  # here all parameters that do not fit are 400
    return JSONResponse(body, status_code=status, headers=dict(problem.headers))


def render(problem: Problem) -> Response:
    return _answer(problem, _body(problem))


class SuccessRoute(APIRoute):
    """A route whose contract says ``success`` in refusals, too."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except (AppError, HTTPException) as error:
                return self.render(problem_of(error))

        return handle

    @staticmethod
    def render(problem: Problem) -> Response:
        return _answer(problem, {"success": False, **_body(problem)})


def rule(method: str, path: str) -> Rule:
    """Under open access anyone may call. Pages read all the time and often; what writes has a smaller budget."""
    if path == "/api/log-error":
        return Rule(Access.ANYONE, RateClass.REPORTS)
    if _FILES.match(path):
        return Rule(Access.ANYONE, RateClass.FILES)
    reading = method in ("GET", "OPTIONS") or path in _LOOKUPS
    return Rule(Access.ANYONE, RateClass.POLLING if reading else RateClass.NORMAL)


SOUNDBOX = Dialect(
    name="soundbox",
    title="Sound Box",
    paths=re.compile(
        r"/(status|queue-status|generate|history|rate|random-prompt|download/[^/]*)$"
        r"|/(audio|spectrogram|generate-spectrogram)(/|$)"
        r"|/api/(library|queue|radio|favorites|categories|playlists|track|trending|most-played|history|stats|log-error)"
        r"(/|$)"
    ),
    render=render,
    error=SoundboxError,
    rule=rule,
    cors=True,
)
