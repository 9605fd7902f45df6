"""Errors, access and budgets of the forge dialect."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import JSONResponse, Response

from services.gateway.dialect import Access, Dialect, Rule
from services.gateway.forge.shapes import ForgeError
from services.gateway.limits import RateClass
from services.gateway.problem import Problem

__all__ = ["FORGE"]

_SHORT = {
    "UNAUTHORIZED": "Unauthorized",
    "ACCESS_DENIED": "Access denied",
    "NOT_FOUND": "Not found",
    "TRACK_NOT_FOUND": "Track not found",
    "JOB_NOT_FOUND": "Job not found",
    "STEM_NOT_FOUND": "Stem not found",
    "ANALYSIS_NOT_FOUND": "No analysis data",
    "FILE_NOT_FOUND": "File not found",
    "NO_STEMS": "No stems available",
    "TASK_NOT_FOUND": "Task not found",
    "LALALAI_NOT_CONFIGURED": "lalal.ai API key not configured",
    "RATE_LIMITED": "rate limit exceeded",
    "INTERNAL": "Internal Server Error",
}
# Codes that the contract spells its own way.
_CODES = {"URL_INVALID": "invalid_url", "SPOTIFY_ERROR": "spotify_error", "SPOTIFY_UNAUTHORIZED": "unauthorized"}
_HEAVY = re.compile(
    r"/api/(processing/separate|analysis/analyze|download/track|spotify/import|agents/chat"
    r"|webhooks/[^/]+/test|webhooks/deliveries/[^/]+/replay)"
)
_POLLING = re.compile(r"/api/((processing|analysis|download)/job|jobs|tracks)/[^/]+")


def render(problem: Problem) -> Response:
    """``{"error", "code", "message"}``; ``details`` with a validation error, ``retry_after`` with a refusal."""
    body: dict[str, Any]
    if problem.status == 422 and problem.details:
        body = {"error": "validation failed", "code": "VALIDATION_ERROR", "message": problem.message}
        body["details"] = dict(problem.details)
    else:
        error = _SHORT.get(problem.reason, problem.message)
        code = _CODES.get(problem.reason, problem.reason)
        body = {"error": error, "code": code, "message": problem.message, **(problem.details or {})}
    return JSONResponse(body, status_code=problem.status, headers=dict(problem.headers))


def rule(method: str, path: str) -> Rule:
    """Accounts only, by token or by the session of a browser; a budget for each kind of call."""
    if path.startswith(("/export/", "/files/")):
        return Rule(Access.ACCOUNT, RateClass.FILES, sessions=True)
    if not path.startswith("/api/"):
        return Rule(Access.PUBLIC)
    if (method, path) == ("POST", "/api/tokens"):
        return Rule(Access.PUBLIC, RateClass.NORMAL)  # the password in the body says who calls
    if method == "POST" and _HEAVY.fullmatch(path):
        return Rule(Access.ACCOUNT, RateClass.HEAVY, sessions=True)
    if method == "GET" and _POLLING.fullmatch(path):
        return Rule(Access.ACCOUNT, RateClass.POLLING, sessions=True)
    return Rule(Access.ACCOUNT, RateClass.NORMAL, sessions=True)


FORGE = Dialect(
    name="forge",
    title="Sound Forge Alchemy",
    paths=re.compile(r"/(api|export|files)(/|$)"),
    render=render,
    error=ForgeError,
    rule=rule,
)
