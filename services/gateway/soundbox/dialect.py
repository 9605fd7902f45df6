"""Errors and access of the soundbox dialect."""

from __future__ import annotations

import re

from starlette.responses import JSONResponse, Response

from services.gateway.dialect import Access, Dialect, Rule
from services.gateway.problem import Problem

__all__ = ["SOUNDBOX"]


def render(problem: Problem) -> Response:
    """``{"error"}``."""
    message = "Not found" if problem.reason == "NOT_FOUND" else problem.message
    return JSONResponse({"error": message}, status_code=problem.status, headers=dict(problem.headers))


def rule(_method: str, _path: str) -> Rule:
    return Rule(Access.ANYONE)


SOUNDBOX = Dialect(
    name="soundbox",
    paths=re.compile(r"/(status|queue-status|generate)$"),
    render=render,
    rule=rule,
    cors=True,
)
