"""The published document as a test reads it: operations by route, and whether an answer is what it promises."""

import datetime
import json
import re
import uuid
from typing import Any

import httpx
from jsonschema import Draft202012Validator, FormatChecker

_FORMATS = FormatChecker(formats=())
_TEMPLATE = re.compile(r"{\w+}")


def _part(parameter: re.Match[str]) -> str:
    return ".+" if parameter[0] == "{path}" else "[^/]+"


class Document:
    """What a listener says of itself at ``/openapi.json``."""

    def __init__(self, url: str) -> None:
        answer = httpx.get(f"{url}/openapi.json", timeout=60)
        assert answer.status_code == 200
        self.text = answer.text
        self.tree: dict[str, Any] = answer.json()
        self.operations: dict[str, dict[str, Any]] = {
            f"{method.upper()} {path}": operation
            for path, methods in self.tree["paths"].items()
            for method, operation in methods.items()
        }
        self.components = _strict(self.tree.get("components", {}))
        # A path without parameters is meant before one that has them.
        templates = sorted(self.tree["paths"], key=lambda path: (path.count("{"), path))
        self._templates = [(re.compile(_TEMPLATE.sub(_part, path)), path) for path in templates]

    def route_of(self, request: httpx.Request) -> str | None:
        return self.route_at(request.method, request.url.path)

    def route_at(self, method: str, path: str) -> str | None:
        path = path.removesuffix("/") or "/"
        routes = (f"{method} {template}" for pattern, template in self._templates if pattern.fullmatch(path))
        return next((route for route in routes if route in self.operations), None)

    def hold(self, answer: httpx.Response) -> None:
        """For ``event_hooks`` of a client: all that it is answered must be as it was promised."""
        route = self.route_of(answer.request)
        if route is None:
            return
        if "json" in answer.headers.get("content-type", ""):
            answer.read()
        broken = self.broken_promises(route, answer)
        assert not broken, f"{route} {answer.status_code}: {broken}"

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self.tree
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def response(self, route: str, status: int) -> dict[str, Any] | None:
        """What is said of an answer with this status."""
        said = self.operations[route]["responses"].get(str(status))
        return self.resolved(said) if said else None

    def broken_promises(self, route: str, answer: httpx.Response) -> list[str]:
        said = self.response(route, answer.status_code)
        if said is None:
            return [f"{answer.status_code} is not among its answers: {answer.text[:200]}"]
        missing = [name for name in said.get("headers", {}) if name.startswith("X-R") and name not in answer.headers]
        found = [f"there is no header {name}" for name in missing]
        kind = answer.headers.get("content-type", "").partition(";")[0]
        contents = said.get("content", {})
        if not contents:
            return found + (["there is a body"] if answer.is_stream_consumed and answer.content else [])
        content = next(
            (contents[name] for name in (kind, kind.partition("/")[0] + "/*", "*/*") if name in contents), None
        )
        if content is None:
            return [*found, f"{kind} is not among {list(contents)}"]
        if kind.endswith("json"):
            found += problems(json.loads(answer.content), content["schema"], self)
        return found


def problems(value: Any, schema: dict[str, Any], document: Document) -> list[str]:
    """Return why ``value`` does not fit a JSON Schema of the document."""
    validator = Draft202012Validator({**_strict(schema), "components": document.components}, format_checker=_FORMATS)
    return [f"{error.json_path}: {error.message:.200}" for error in validator.iter_errors(value)]


def _strict(schema: Any) -> Any:
    """Return a copy in which an object has no fields but those that are named, unless the schema says that it may.

    What is not described would go unnoticed otherwise.
    """
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema else {}
    return closed | {name: _strict(part) for name, part in schema.items()}


@_FORMATS.checks("uuid", ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(uuid.UUID(value)) == value


@_FORMATS.checks("date-time", ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.datetime.fromisoformat(value).utcoffset() is not None
