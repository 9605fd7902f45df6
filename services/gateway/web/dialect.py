"""Errors, access and budgets of the pages."""

from __future__ import annotations

import re

from starlette.responses import Response

from services.gateway.dialect import Access, Dialect, Rule
from services.gateway.limits import RateClass
from services.gateway.problem import Problem
from services.gateway.web.templates import PAGE_HEADERS, rendered

__all__ = ["PAGES"]

_SECRET = re.compile(r"(/users/(?:log-in|log_in|confirm|settings/confirm-email)/).+")
_FILES = re.compile(r"/jobs/[^/]+/files/|/tracks/[^/]+/audio$")
_TITLES = {
    403: "Not allowed",
    404: "There is no such page",
    405: "That does not work here",
    429: "Please wait a moment",
    503: "Not available at the moment",
}


def render(problem: Problem) -> Response:
    """A page that says what is wrong."""
    title = _TITLES.get(problem.status, "That did not work" if problem.status < 500 else "Something went wrong")
    return Response(
        rendered("problem.html", title=title, message=problem.message, code=problem.reason),
        status_code=problem.status,
        media_type="text/html",
        headers={**PAGE_HEADERS, **problem.headers},
    )


def rule(_method: str, path: str) -> Rule:
    if path.startswith("/assets/"):
        return Rule(Access.PUBLIC)
    return Rule(Access.VISITOR, RateClass.FILES if _FILES.match(path) else RateClass.PAGES, sessions=True)


def logged_path(path: str) -> str:
    """Links in mails hold a secret, which is no business of the log."""
    return _SECRET.sub(r"\1[secret]", path)


PAGES = Dialect(
    name="pages",
    title="Pages",
    paths=re.compile(r"/$|/(users|auth|assets|jobs|tracks|live)(/|$)"),
    render=render,
    rule=rule,
    logged_path=logged_path,
    form_methods=True,
)
