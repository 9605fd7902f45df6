"""Documentation of the responses and forms of browser pages."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from soundwright.kit.errors import ErrorType
from soundwright.services.gateway.callers.csrf import FIELD
from soundwright.services.gateway.openapi.responses import ResponseDoc, RouteDoc, document

_FORM = "application/x-www-form-urlencoded"
_HTML = {"type": "string", "contentMediaType": "text/html"}
_PAGE = ResponseDoc(
    "The page.", _HTML, "text/html", example="<!DOCTYPE html> ...", headers=("Set-Cookie", "Cache-Control")
)
REDIRECT = ResponseDoc("A redirect.", headers=("Location", "Set-Cookie", "Cache-Control"))
F = TypeVar("F", bound=Callable[..., Any])


def page_responses(*errors: ErrorType, page: bool = True, redirect: bool = True) -> Callable[[F], F]:
    """Document a route that returns a page, redirects the browser, or does either."""
    by_status = ({200: _PAGE} if page else {}) | ({302: REDIRECT} if redirect else {})
    return document(RouteDoc(by_status, errors))


def form_body(fields: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return the OpenAPI request body of a form, from the description and an example of each field."""
    named = {
        name: {"type": "string", "description": text, "examples": [example]} for name, (text, example) in fields.items()
    }
    token = {"type": "string", "description": "The CSRF token of the page, unless the header contains it."}
    method = {"type": "string", "enum": ["put", "patch", "delete"], "description": "Overrides the method of the form."}
    schema = {"type": "object", "properties": {**named, FIELD: token, "_method": method}}
    return {"requestBody": {"required": True, "content": {_FORM: {"schema": schema}}}}
