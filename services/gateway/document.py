"""The published document, ``/openapi.json`` (OpenAPI 3.1): what FastAPI knows of the routes, and what only we know.

Parameters and summaries come from the routes' signatures. What a route answers and refuses it says itself, see
:mod:`services.gateway.answers`. Who may call, the budgets, and what every call may meet follow from the rules by which
the guard decides, and examples of refusals are rendered by the dialect that will render them: none of it is written twice.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from importlib import metadata
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import refusals
from services.gateway.answers import Answer, Described, described
from services.gateway.auth import FIELD, HEADER, SAFE_METHODS, SESSION_COOKIE, VISIT_COOKIE
from services.gateway.dialect import Access, Dialect, Rule, dialect_for, rule_for
from services.gateway.document_texts import ABOUT, HEADERS, TAGS
from services.gateway.problem import INTERNAL, Problem
from services.gateway.schemas import Schemas

__all__ = ["Site"]

_RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_MULTIPART = "multipart/form-data"
_HEADERS_BY_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After",)}
_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, from `POST /api/tokens` or the settings.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "A browser that is logged in.",
    },
    "visit": {
        "type": "apiKey",
        "in": "cookie",
        "name": VISIT_COOKIE,
        "description": "A browser that is not logged in. Any page gives it.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": HEADER,
        "description": 'The token against forgery, from the `<meta name="csrf-token">` of any page. '
        f"In a form it may be the field `{FIELD}` instead, in front of all files.",
    },
}


class Site(FastAPI):
    """One listener's routes, and the document about them. The first dialect answers for paths that no dialect claims.

    Args:
        sockets: the handshakes that are served in front of it, by path, as the document has them.
    """

    def __init__(self, dialects: Sequence[Dialect], sockets: Mapping[str, dict[str, Any]], **options: Any) -> None:
        super().__init__(version=metadata.version("soundwright"), description=ABOUT, openapi_url=None, **options)
        self._dialects = tuple(dialects)
        self._sockets = dict(sockets)
        self._text = b""
        self._making = asyncio.Lock()
        self.add_route("/openapi.json", self._document, include_in_schema=False)

    def openapi(self) -> dict[str, Any]:
        """The document; it is made when somebody asks for the first time."""
        if self.openapi_schema is None:
            known = get_openapi(
                title=self.title,
                version=self.version,
                summary=self.summary,
                description=self.description,
                license_info=self.license_info,
                routes=self.routes,
            )
            self.openapi_schema = _Completion(known, self._dialects).of(self, self._sockets)
        return self.openapi_schema

    async def _document(self, _: Request) -> Response:
        async with self._making:
            if not self._text:
                self._text = await asyncio.to_thread(
                    lambda: json.dumps(self.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
                )
        return Response(self._text, media_type="application/json")


class _Completion:
    """Adds to FastAPI's document what it cannot know."""

    def __init__(self, document: dict[str, Any], dialects: Sequence[Dialect]) -> None:
        self._document = document
        self._dialects = dialects
        self._schemas = Schemas()
        self._refused: dict[str, dict[str, Any]] = {}

    def of(self, site: FastAPI, sockets: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        paths = self._document["paths"]
        for route in iter_route_contexts(site.routes):
            for method in sorted(route.methods or ()):
                operation = paths.get(route.path_format, {}).get(method.lower())
                if operation is not None:
                    self._complete(operation, method, str(route.path_format), route)
        paths |= {path: {"get": operation} for path, operation in sockets.items()}
        used = {tag for path in paths.values() for operation in path.values() for tag in operation["tags"]}
        return {
            **self._document,
            "servers": [{"url": "/", "description": "This server."}],
            "components": {
                "schemas": self._schemas.named,
                "responses": self._refused,
                "headers": HEADERS,
                "securitySchemes": _SECURITY_SCHEMES,
            },
            "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
            "x-tagGroups": self._groups(used),
        }

    def _groups(self, used: Iterable[str]) -> list[dict[str, Any]]:
        groups = {dialect.title: f"{dialect.name} " for dialect in self._dialects} | {"Operations": "operations"}
        found = {
            title: [tag for tag in TAGS if tag in used and f"{tag} ".startswith(start)]
            for title, start in groups.items()
        }
        return [{"name": title, "tags": tags} for title, tags in found.items() if tags]

    def _complete(self, operation: dict[str, Any], method: str, path: str, route: Any) -> None:
        dialect = dialect_for(path, self._dialects)
        rule = rule_for(dialect, method, path)
        said = described(route.endpoint) or Described({200: Answer()})
        render = getattr(route.original_route, "render", dialect.render)
        operation["operationId"] = route.name
        operation["description"] = operation.get("description", "").replace("``", "`")
        operation["summary"] = _first_words(operation["description"])
        operation["security"] = _security(rule, method)
        if rule.rate_class is not None:
            operation["x-budget"] = rule.rate_class.value
        parameters = [*operation.get("parameters", []), *said.parameters]
        if parameters:
            operation["parameters"] = parameters
        for parameter in parameters:
            parameter["schema"].pop("title", None)
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            content["schema"] = self._schemas.placed(content["schema"])
            if kind != _MULTIPART:  # a file has no example
                content.setdefault("example", self._schemas.example(content["schema"], whole=False))
        common = ("X-Request-Id", *(_RATE_HEADERS if rule.rate_class else ()))
        responses = {status: self._answered(status, answer, common) for status, answer in said.answers.items()}
        problems = [(problem, dialect.render) for problem in _of_the_guard(rule, method)]
        if dialect.form_methods and method == "POST":  # the form may stand for another method, which is none here
            problems.append((refusals.METHOD_NOT_ALLOWED, dialect.render))
        problems += [(problem, render) for problem in (*_of_the_request(operation), *said.refusals)]
        by_status: dict[int, dict[str, Any]] = {}
        for problem, rendering in problems:
            response = rendering(problem)
            by_status.setdefault(response.status_code, {}).setdefault(problem.reason, (problem, response))
        for status, found in by_status.items():
            if status not in responses:  # a route may answer with it in a way of its own
                responses[status] = self._refusal(dialect, status, found, common)
        operation["responses"] = {str(status): responses[status] for status in sorted(responses)}

    def _answered(self, status: int, answer: Answer, common: Sequence[str]) -> dict[str, Any]:
        response: dict[str, Any] = {
            "description": answer.description or HTTPStatus(status).phrase,
            "headers": _headers((*common, *answer.headers)),
        }
        if answer.shape is not None:
            schema = self._schemas.of(answer.shape)
            content: dict[str, Any] = {"schema": schema}
            example = answer.example if answer.example is not None else self._schemas.example(schema)
            if example is not None:
                content["example"] = example
            response["content"] = {answer.media_type: content}
        return response

    def _refusal(self, dialect: Dialect, status: int, found: dict[str, Any], common: Sequence[str]) -> dict[str, Any]:
        """A reference to the response for these refusals, which many routes share."""
        headers = _headers((*common, *_HEADERS_BY_STATUS.get(status, ())))
        response: dict[str, Any] = {"description": ", ".join(f"`{reason}`" for reason in found), "headers": headers}
        media_type = next(iter(found.values()))[1].media_type
        if dialect.error is None:
            response["content"] = {media_type: {"schema": {"type": "string"}}}
        else:
            examples = {
                reason: {"summary": problem.message, "value": json.loads(answer.body)}
                for reason, (problem, answer) in found.items()
            }
            response["content"] = {media_type: {"schema": self._schemas.of(dialect.error), "examples": examples}}
        name = "_".join((dialect.name, str(status), *found))
        count = 1
        while self._refused.setdefault(unique := f"{name}_{count}" if count > 1 else name, response) != response:
            count += 1
        return {"$ref": f"#/components/responses/{unique}"}


def _first_words(text: str) -> str:
    """The first sentence of a description, as far as its first colon or semicolon."""
    return re.split(r"[.:;]( |$)", " ".join(text.partition("\n\n")[0].split()).replace("`", ""), maxsplit=1)[0]


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _security(rule: Rule, method: str) -> list[dict[str, list[str]]]:
    """Any of these will do; an empty one: nothing is needed, at least under open access."""
    guarded: dict[str, list[str]] = {} if method in SAFE_METHODS else {"csrf": []}
    ways: list[dict[str, list[str]]] = []
    if rule.access in (Access.ACCOUNT, Access.ANYONE):
        ways.append({"bearer": []})
    if rule.sessions:
        ways.append({"session": [], **guarded})
    if rule.access is Access.VISITOR:
        ways.append({"visit": [], **guarded} if guarded else {})
    if rule.access is Access.ANYONE:
        ways.append({})
    return ways


def _of_the_guard(rule: Rule, method: str) -> list[Problem]:
    found = [INTERNAL, refusals.SERVICE_UNAVAILABLE]
    if rule.access in (Access.ACCOUNT, Access.ANYONE):
        found.append(refusals.UNAUTHORIZED)
    if rule.access is not Access.PUBLIC:
        found.append(refusals.ACCOUNT_SUSPENDED)
        if rule.sessions and method not in SAFE_METHODS:
            found.append(refusals.CSRF_INVALID)
    if rule.rate_class is not None:
        found.append(refusals.RATE_LIMITED)
    return found


def _of_the_request(operation: dict[str, Any]) -> list[Problem]:
    """Refusals of whatever cannot be read."""
    found = []
    kinds = set(operation.get("requestBody", {}).get("content", {}))
    if _MULTIPART in kinds:
        found += [refusals.BAD_FORM, refusals.UPLOAD_STALLED, refusals.FILE_TOO_LARGE, refusals.STORAGE_FULL]
        found.append(refusals.NO_FILE)
    elif kinds:
        found += [refusals.BAD_REQUEST, refusals.TOO_LARGE, refusals.UNSUPPORTED_MEDIA_TYPE]
    parameters = operation.get("parameters", [])
    if any(parameter["name"] == "Idempotency-Key" for parameter in parameters):
        found += [refusals.IDEMPOTENCY_KEY_INVALID, refusals.IDEMPOTENCY_KEY_REUSED]
    return found
