"""Errors and access of the pipeline dialect."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import JSONResponse, Response

from services.gateway.dialect import Access, Dialect, Rule
from services.gateway.pipeline.wire import PipelineError
from services.gateway.problem import Problem

__all__ = ["PIPELINE"]

_PUBLIC = frozenset({"/health", "/config"})


def render(problem: Problem) -> Response:
    """``{"detail"}``: a sentence, or the framework's list for a form that lacks something."""
    detail: Any = problem.message
    status = problem.status
    if problem.framework_errors is not None:
        detail = problem.framework_errors
    elif status == 422:
        status = 400  # here 422 means that list, and nothing else
    return JSONResponse({"detail": detail}, status_code=status, headers=dict(problem.headers))


def rule(_method: str, path: str) -> Rule:
    return Rule(Access.PUBLIC if path in _PUBLIC else Access.ANYONE)


PIPELINE = Dialect(
    name="pipeline",
    title="Audio Pipeline",
    paths=re.compile(r"/(config|process|job|download)(/|$)"),
    render=render,
    error=PipelineError,
    rule=rule,
    cors=True,
)
