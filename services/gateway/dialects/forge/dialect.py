"""The forge dialect: its paths and the format of its errors."""

import re
from typing import Any

from starlette.responses import JSONResponse, Response

from soundwright.services.gateway.callers.access import Access, RouteAccess
from soundwright.services.gateway.callers.dialect import Dialect
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.dialects.forge.shapes import ForgeError
from soundwright.services.gateway.wire.problems import Problem

_SHORT = {
    "UNAUTHORIZED": "Unauthorized",
    "ACCESS_DENIED": "Access denied",
    "NOT_FOUND": "Not found",
    "TRACK_NOT_FOUND": "Track not found",
    "JOB_NOT_FOUND": "Job not found",
    "STEM_NOT_FOUND": "Stem not found",
    "SEGMENT_NOT_FOUND": "Segment not found",
    "ANALYSIS_NOT_FOUND": "No analysis data",
    "FILE_NOT_FOUND": "File not found",
    "NO_STEMS": "No stems available",
    "TASK_NOT_FOUND": "Task not found",
    "LALALAI_NOT_CONFIGURED": "lalal.ai API key not configured",
    "RATE_LIMITED": "rate limit exceeded",
    "INTERNAL": "Internal Server Error",
}
# Reasons for which the contract defines other codes.
_CODES = {"URL_INVALID": "invalid_url", "SPOTIFY_ERROR": "spotify_error", "SPOTIFY_UNAUTHORIZED": "unauthorized"}


def render(problem: Problem) -> Response:
    """Return ``{"error", "code", "message"}``, with ``details`` for a validation error and ``retry_after`` for a rate limit."""
    body: dict[str, Any]
    if problem.status == 422 and problem.details:
        body = {"error": "validation failed", "code": "VALIDATION_ERROR", "message": problem.message}
        body["details"] = dict(problem.details)
    else:
        error = _SHORT.get(problem.reason, problem.message)
        code = _CODES.get(problem.reason, problem.reason)
        body = {"error": error, "code": code, "message": problem.message, **(problem.details or {})}
    return JSONResponse(body, status_code=problem.status, headers=dict(problem.headers))


FORGE = Dialect(
    name="forge",
    title="Sound Forge Alchemy",
    paths=re.compile(r"/(api|export|files)(/|$)"),
    render=render,
    error=ForgeError,
    default_access=RouteAccess(Access.ACCOUNT, RateClass.NORMAL),
)
