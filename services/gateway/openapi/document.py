"""Builds the OpenAPI 3.1 document, ``/openapi.json``, by completing the one that FastAPI generates.

Parameters and descriptions come from the signatures and docstrings of the routes. Responses and errors come from
:mod:`soundwright.services.gateway.openapi.responses`. Security and rate limits come from the access declarations that the access control
middleware enforces. The dialect of a route renders the examples of its errors.
"""

import asyncio
import dataclasses
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

from soundwright.kit import errors
from soundwright.kit.errors import ErrorType
from soundwright.services.gateway.callers.access import Access, RouteAccess, access, declared_access
from soundwright.services.gateway.callers.dialect import Dialect, dialect_for
from soundwright.services.gateway.openapi.responses import ResponseDoc, RouteDoc, route_doc
from soundwright.services.gateway.openapi.security import SECURITY_SCHEMES, access_errors, security_of
from soundwright.services.gateway.openapi.texts import ABOUT, HEADERS, TAGS
from soundwright.services.gateway.wire.problems import Problem, problem_of
from soundwright.services.gateway.wire.schemas import Schemas

_RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_MULTIPART = "multipart/form-data"
_HEADERS_BY_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After",)}


class DocumentedApp(FastAPI):
    """The FastAPI application of one listener, with its OpenAPI document.

    Args:
        sockets: OpenAPI operations of the WebSocket handshakes, by path.
    """

    def __init__(self, dialects: Sequence[Dialect], sockets: Mapping[str, dict[str, Any]], **options: Any) -> None:
        super().__init__(version=metadata.version("soundwright"), description=ABOUT, openapi_url=None, **options)
        self._dialects = tuple(dialects)
        self._sockets = dict(sockets)
        self._json = b""
        self._build_lock = asyncio.Lock()
        self.add_route("/openapi.json", self._document, include_in_schema=False)

    def openapi(self) -> dict[str, Any]:
        """Return the document. The first call builds it."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                summary=self.summary,
                description=self.description,
                license_info=self.license_info,
                routes=self.routes,
            )
            self.openapi_schema = _DocumentBuilder(document, self._dialects).build(self, self._sockets)
        return self.openapi_schema

    @access(Access.PUBLIC)
    async def _document(self, _: Request) -> Response:
        async with self._build_lock:
            if not self._json:
                self._json = await asyncio.to_thread(
                    lambda: json.dumps(self.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
                )
        return Response(self._json, media_type="application/json")


class _DocumentBuilder:
    """Completes the document that FastAPI generates."""

    def __init__(self, document: dict[str, Any], dialects: Sequence[Dialect]) -> None:
        self._document = document
        self._dialects = dialects
        self._schemas = Schemas()
        self._error_responses: dict[str, dict[str, Any]] = {}

    def build(self, site: FastAPI, sockets: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
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
                "responses": self._error_responses,
                "headers": HEADERS,
                "securitySchemes": SECURITY_SCHEMES,
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
        declared = declared_access(route.endpoint) or RouteAccess(Access.PUBLIC)
        doc = route_doc(route.endpoint) or RouteDoc({200: ResponseDoc()})
        render = getattr(route.original_route, "render", dialect.render)
        operation["operationId"] = route.name
        operation["description"] = operation.get("description", "").replace("``", "`")
        operation["summary"] = _summary(operation["description"])
        operation["security"] = security_of(declared.access, method)
        if declared.rate_class is not None:
            operation["x-rate-limit"] = declared.rate_class.value
        parameters = [*operation.get("parameters", []), *doc.parameters]
        if parameters:
            operation["parameters"] = parameters
        for parameter in parameters:
            parameter["schema"].pop("title", None)
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            content["schema"] = self._schemas.reference(content["schema"])
            if kind != _MULTIPART and content["schema"].get("format") != "binary":  # a file has no example
                content.setdefault("example", self._schemas.example(content["schema"], whole=False))
        common = ("X-Request-Id", *(_RATE_HEADERS if declared.rate_class else ()))
        responses = {status: self._response(status, response, common) for status, response in doc.responses.items()}
        common_errors = [errors.INTERNAL, errors.SERVICE_UNAVAILABLE, errors.HOST_NOT_ALLOWED]
        if "{" in path:
            common_errors.append(errors.PATH_INVALID)
        common_errors += access_errors(declared.access, method)
        if declared.rate_class is not None:
            common_errors.append(errors.RATE_LIMITED)
        if declared.access is Access.BROWSER and method == "POST":  # a form can override the method, see form_method
            common_errors.append(errors.METHOD_NOT_ALLOWED)
        problems = [(error, dialect.render) for error in common_errors]
        problems += [(error, render) for error in (*_request_errors(operation), *doc.errors)]
        by_status: dict[int, dict[str, Any]] = {}
        for error, render_problem in problems:
            problem = _shown(error)
            response = render_problem(problem)
            by_status.setdefault(response.status_code, {}).setdefault(problem.reason, (problem, response))
        for status, found in by_status.items():
            if status not in responses:  # a response that the route documents itself has priority
                responses[status] = self._error_response(dialect, status, found, common)
        operation["responses"] = {str(status): responses[status] for status in sorted(responses)}

    def _response(self, status: int, doc: ResponseDoc, common: Sequence[str]) -> dict[str, Any]:
        response: dict[str, Any] = {
            "description": doc.description or HTTPStatus(status).phrase,
            "headers": _headers((*common, *doc.headers)),
        }
        if doc.model is not None:
            schema = self._schemas.of(doc.model)
            content: dict[str, Any] = {"schema": schema}
            example = doc.example if doc.example is not None else self._schemas.example(schema)
            if example is not None:
                content["example"] = example
            response["content"] = dict.fromkeys(doc.media_type.split(", "), content)
        return response

    def _error_response(
        self, dialect: Dialect, status: int, found: dict[str, Any], common: Sequence[str]
    ) -> dict[str, Any]:
        """Return a reference to the response for these problems. Routes with the same problems share it."""
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
        while (
            self._error_responses.setdefault(unique := f"{name}_{count}" if count > 1 else name, response) != response
        ):
            count += 1
        return {"$ref": f"#/components/responses/{unique}"}


def _summary(text: str) -> str:
    """Return the first sentence of a description, up to its first colon or semicolon."""
    return re.split(r"[.:;]( |$)", " ".join(text.partition("\n\n")[0].split()).replace("`", ""), maxsplit=1)[0]


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _shown(error: ErrorType) -> Problem:
    """Return an example of the response to ``error``. Without a file, FastAPI answers for the dialect with its format."""
    problem = problem_of(error.shown)
    if error is errors.FILE_MISSING:
        missing = {"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}
        problem = dataclasses.replace(problem, framework_errors=[missing])
    return problem


def _request_errors(operation: dict[str, Any]) -> list[ErrorType]:
    """Return the errors that malformed requests cause, given the parameters and body of an operation."""
    found = []
    kinds = set(operation.get("requestBody", {}).get("content", {}))
    if _MULTIPART in kinds:
        found += [errors.FORM_INVALID, errors.REQUEST_TIMEOUT, errors.FILE_TOO_LARGE, errors.STORAGE_FULL]
        found += [errors.QUOTA_EXCEEDED, errors.FILE_MISSING]
    elif kinds:
        found += [errors.BAD_REQUEST, errors.TOO_LARGE, errors.UNSUPPORTED_MEDIA_TYPE]
    parameters = operation.get("parameters", [])
    if any(parameter["name"] == "Idempotency-Key" for parameter in parameters):
        found += [errors.IDEMPOTENCY_KEY_INVALID, errors.IDEMPOTENCY_KEY_REUSED, errors.QUOTA_EXCEEDED]
    return found
