"""The published document as a test reads it: operations by route, and whether an answer is what it promises."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx

__all__ = ["Document", "problems"]

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
_KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "anyOf", "oneOf", "enum", "const", "minimum",
    "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "format", "description", "title", "default",
    "examples", "$ref", "contentMediaType", "contentSchema",
}  # fmt: skip


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
        # A path without parameters is meant before one that has them.
        templates = sorted(self.tree["paths"], key=lambda path: (path.count("{"), path))
        self._templates = [(re.compile(_TEMPLATE.sub(_part, path)), path) for path in templates]

    def route_of(self, request: httpx.Request) -> str | None:
        """Which route a request is for; None: none that is published."""
        return self.route_at(request.method, request.url.path)

    def route_at(self, method: str, path: str) -> str | None:
        """Which route a method and a decoded path are for; None: none that is published."""
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
        """``node``, or what it refers to."""
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
        """What in an answer is not as the document says."""
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


def problems(value: Any, schema: dict[str, Any], document: Document, at: str = "$") -> list[str]:
    """Why ``value`` does not fit a JSON Schema, as far as the document uses them.

    An object has no fields but those that are named, unless the schema says that it may: what is not described would go
    unnoticed otherwise.
    """
    schema = document.resolved(schema)
    unknown = schema.keys() - _KEYWORDS
    assert not unknown, f"this check does not know {unknown}"
    found = list(_of_alternatives(value, schema, document, at))
    kind = schema.get("type")
    if kind is not None:
        expected = _TYPES[kind]
        if not isinstance(value, expected) or (isinstance(value, bool) and kind in ("integer", "number")):
            return [*found, f"{at}: {value!r:.80} is no {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r:.80} is not one of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: {value!r:.80} is not {schema['const']!r}")
    if isinstance(value, dict):
        found += _of_object(value, schema, document, at)
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{at}: {len(value)} items")
        for index, item in enumerate(value):
            found += problems(item, schema.get("items", {}), document, f"{at}[{index}]")
    elif isinstance(value, str):
        found += _of_text(value, schema, at)
    elif isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{at}: {value} is out of range")
    return found


def _of_alternatives(value: Any, schema: dict[str, Any], document: Document, at: str) -> Iterator[str]:
    for keyword in ("anyOf", "oneOf"):
        tried = [problems(value, part, document, at) for part in schema.get(keyword, ())]
        if tried and all(tried):
            yield f"{at}: fits no alternative: {min(tried, key=len)}"


def _of_object(value: dict[str, Any], schema: dict[str, Any], document: Document, at: str) -> Iterator[str]:
    named = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}: {name} is missing"
    further = schema.get("additionalProperties", not named)
    for name, item in value.items():
        if name in named:
            yield from problems(item, named[name], document, f"{at}.{name}")
        elif further is False:
            yield f"{at}: {name} is not described"
        elif isinstance(further, dict):
            yield from problems(item, further, document, f"{at}.{name}")


def _of_text(value: str, schema: dict[str, Any], at: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{at}: {len(value)} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r:.80} does not match {schema['pattern']}"
    try:
        match schema.get("format"):
            case "uuid":
                assert str(uuid.UUID(value)) == value
            case "date-time":
                assert datetime.datetime.fromisoformat(value).utcoffset() is not None
    except (AssertionError, ValueError):
        yield f"{at}: {value!r:.80} is no {schema['format']}"
