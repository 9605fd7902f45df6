"""What pages say of themselves in the published document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from services.gateway.answers import Answer, Described, says
from services.gateway.auth import FIELD
from services.gateway.problem import Problem

__all__ = ["ELSEWHERE", "form_body", "shows"]

_FORM = "application/x-www-form-urlencoded"
_HTML = {"type": "string", "contentMediaType": "text/html"}
_PAGE = Answer("The page.", _HTML, "text/html", example="<!DOCTYPE html> ...", headers=("Set-Cookie", "Cache-Control"))
ELSEWHERE = Answer("Go there.", headers=("Location", "Set-Cookie", "Cache-Control"))
F = TypeVar("F", bound=Callable[..., Any])


def shows(*refusals: Problem, page: bool = True, elsewhere: bool = True) -> Callable[[F], F]:
    """A route that answers with a page, or sends the browser elsewhere, or does either."""
    by_status = ({200: _PAGE} if page else {}) | ({302: ELSEWHERE} if elsewhere else {})
    return says(Described(by_status, refusals))


def form_body(fields: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """What ``/openapi.json`` says about a form, from what each field is, and an example of it."""
    named = {
        name: {"type": "string", "description": what, "examples": [example]} for name, (what, example) in fields.items()
    }
    token = {"type": "string", "description": "the page's token, unless it is in the header"}
    method = {
        "type": "string",
        "enum": ["put", "patch", "delete"],
        "description": "what a form that is posted stands for",
    }
    schema = {"type": "object", "properties": {**named, FIELD: token, "_method": method}}
    return {"requestBody": {"required": True, "content": {_FORM: {"schema": schema}}}}
