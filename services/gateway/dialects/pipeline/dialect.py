"""The paths and the error format of the pipeline dialect."""

import re
from typing import Any

from starlette.responses import JSONResponse, Response

from soundwright.services.gateway.callers.access import Access, RouteAccess
from soundwright.services.gateway.callers.dialect import Dialect
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.dialects.pipeline.serializers import PipelineError
from soundwright.services.gateway.wire.problems import Problem


def render(problem: Problem) -> Response:
    """Return ``{"detail"}`` with a sentence, or with FastAPI's list of errors if the form is incomplete."""
    detail: Any = problem.message
    status = problem.status
    if problem.framework_errors is not None:
        detail = problem.framework_errors
    elif status == 422:
        status = 400  # in this contract, 422 always has FastAPI's list
    return JSONResponse({"detail": detail}, status_code=status, headers=dict(problem.headers))


PIPELINE = Dialect(
    name="pipeline",
    title="Audio Pipeline",
    paths=re.compile(r"/(config|process|job|download)(/|$)"),
    render=render,
    error=PipelineError,
    default_access=RouteAccess(Access.OPEN, RateClass.POLLING),
    cors=True,
)
