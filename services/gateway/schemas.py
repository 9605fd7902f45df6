"""JSON Schemas of the types that routes read and write, and examples composed of the examples of their parts."""

from __future__ import annotations

from typing import Any, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

__all__ = ["PlainSchema", "Schemas"]

_REFERENCE = "#/components/schemas/"


class PlainSchema(GenerateJsonSchema):
    """Without a title for each field, which would only say its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class Schemas:
    """Schemas by name, as a document holds them.

    Attributes:
        named: those that others refer to.
    """

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._made: dict[
            int, tuple[Any, dict[str, Any]]
        ] = {}  # by the identity of a shape, which is kept so that it has one

    def of(self, shape: Any) -> dict[str, Any]:
        """The schema of a type that pydantic knows, or of one that is a schema already."""
        if id(shape) not in self._made:
            self._made[id(shape)] = shape, self._of(shape)
        return self._made[id(shape)][1]

    def _of(self, shape: Any) -> dict[str, Any]:
        if isinstance(shape, dict):
            return self.placed(shape)
        adapter = TypeAdapter[Any](shape)
        schema = adapter.json_schema(
            mode="serialization", ref_template=_REFERENCE + "{model}", schema_generator=PlainSchema
        )
        if get_origin(shape) is not None:
            schema.pop("title", None)  # a generic type's, whatever it is made of
        return self.placed(schema)

    def placed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """``schema``, or a reference to it if it has a name of its own."""
        schema = dict(schema)
        for name, part in schema.pop("$defs", {}).items():
            self._name(name, part)
        title = schema.get("title", "")
        if title.isidentifier():
            self._name(title, schema)
            return {"$ref": _REFERENCE + title}
        return schema

    def _name(self, name: str, schema: dict[str, Any]) -> None:
        if self.named.setdefault(name, schema) != schema:
            raise ValueError(f"Two schemas are called {name}.")

    def example(self, schema: dict[str, Any], *, whole: bool = True) -> Any:
        """A value that fits ``schema``; None if there is nothing to show.

        Args:
            whole: show all fields; else those alone that are required or have an example.
        """
        if "$ref" in schema:
            return self.example(self.named[schema["$ref"].removeprefix(_REFERENCE)], whole=whole)
        for keyword in ("examples", "enum"):
            if keyword in schema:
                return schema[keyword][0]
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in schema:
                return self.example(schema[keyword][0], whole=whole)
        match schema.get("type"):
            case "object":
                return self._object(schema, whole)
            case "array":
                return [self.example(schema["items"], whole=whole)] if "items" in schema else []
            case "string":
                return None if schema.get("format") == "binary" else "text"
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return False
        return None

    def _object(self, schema: dict[str, Any], whole: bool) -> dict[str, Any]:
        required = schema.get("required", ())
        composed = {
            name: self.example(part, whole=whole)
            for name, part in schema.get("properties", {}).items()
            if whole or name in required or "examples" in part
        }
        return {name: value for name, value in composed.items() if value is not None or name in required}
