"""The paths and the error format of the soundbox dialect."""

import re
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from soundwright.kit.errors import AppError
from soundwright.services.gateway.callers.access import Access, RouteAccess
from soundwright.services.gateway.callers.dialect import Dialect
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.dialects.soundbox.shapes import SoundboxError
from soundwright.services.gateway.wire.problems import Problem, problem_of

_CONTRACT_MESSAGES = {
    "NOT_FOUND": "Not found",
    "FILE_NOT_FOUND": "Not found",
    "GENERATION_NOT_FOUND": "Not found",
    "JOB_NOT_FOUND": "Job not found",
    "PLAYLIST_NOT_FOUND": "Playlist not found",
    "UNAUTHORIZED": "Authentication required",
}


def _body(problem: Problem) -> dict[str, Any]:
    """Return ``{"error"}``. The sentence contains the messages of invalid fields; other details become fields of the body."""
    details = problem.details or {}
    messages = [f"{field} {text}" for field, texts in details.items() if isinstance(texts, list) for text in texts]
    values = {name: value for name, value in details.items() if not isinstance(value, list)}
    return {"error": "; ".join(messages) or _CONTRACT_MESSAGES.get(problem.reason, problem.message), **values}


def _response(problem: Problem, body: dict[str, Any]) -> Response:
    status = 400 if problem.status == 422 else problem.status  # in this contract, invalid parameters are 400
    return JSONResponse(body, status_code=status, headers=dict(problem.headers))


def render(problem: Problem) -> Response:
    return _response(problem, _body(problem))


class SuccessRoute(APIRoute):
    """A route whose error responses contain ``success: false``, as the contract prescribes."""

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
        return _response(problem, {"success": False, **_body(problem)})


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
    default_access=RouteAccess(Access.OPEN, RateClass.POLLING),
    cors=True,
)
