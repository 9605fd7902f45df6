"""The dialect of the browser pages: its paths and its error pages."""

import re

from starlette.responses import Response

from soundwright.services.gateway.callers.access import Access, RouteAccess
from soundwright.services.gateway.callers.dialect import Dialect
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.web.templates import PAGE_HEADERS, render_template
from soundwright.services.gateway.wire.problems import Problem

_TITLES = {
    403: "Not allowed",
    404: "Page not found",
    405: "Method not allowed",
    429: "Too many requests",
    503: "Service unavailable",
}


def render(problem: Problem) -> Response:
    title = _TITLES.get(problem.status, "The request failed" if problem.status < 500 else "Something went wrong")
    return Response(
        render_template("problem.html", title=title, message=problem.message, code=problem.reason),
        status_code=problem.status,
        media_type="text/html",
        headers={**PAGE_HEADERS, **problem.headers},
    )


PAGES = Dialect(
    name="pages",
    title="Pages",
    paths=re.compile(r"/$|/favicon\.ico$|/(users|auth|assets|studio)(/|$)"),
    render=render,
    default_access=RouteAccess(Access.BROWSER, RateClass.PAGES),
)
