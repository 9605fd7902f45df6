"""Builds JSON Schemas of request and response types, and examples from the examples of their fields."""

from typing import Any, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

REFERENCE = "#/components/schemas/"


class PlainSchema(GenerateJsonSchema):
    """Generates JSON Schemas without titles of fields, which would only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class Schemas:
    """The schemas of a document.

    Attributes:
        named: schemas that others refer to, by name.
    """

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        # By id(model). The model is stored too, so that its id is not reused.
        self._cache: dict[int, tuple[Any, dict[str, Any]]] = {}

    def of(self, model: Any) -> dict[str, Any]:
        """Return the schema of a type that pydantic supports, or of a JSON Schema, as a reference if it has a name."""
        if id(model) not in self._cache:
            self._cache[id(model)] = model, self._of(model)
        return self._cache[id(model)][1]

    def _of(self, model: Any) -> dict[str, Any]:
        if isinstance(model, dict):
            return self.reference(model)
        adapter = TypeAdapter[Any](model)
        schema = adapter.json_schema(
            mode="serialization", ref_template=REFERENCE + "{model}", schema_generator=PlainSchema
        )
        if get_origin(model) is not None:
            schema.pop("title", None)  # the title of a generic type contains its arguments
        return self.reference(schema)

    def reference(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a reference to ``schema`` if it has a name, otherwise ``schema`` itself. Store named schemas."""
        schema = dict(schema)
        for name, part in schema.pop("$defs", {}).items():
            self._name(name, part)
        title = schema.get("title", "")
        if title.isidentifier():
            self._name(title, schema)
            return {"$ref": REFERENCE + title}
        return schema

    def _name(self, name: str, schema: dict[str, Any]) -> None:
        if self.named.setdefault(name, schema) != schema:
            raise ValueError(f"Two schemas have the name {name}.")

    def example(self, schema: dict[str, Any], *, whole: bool = True) -> Any:
        """Return an example that matches ``schema``; None if there is none, or if it can be null and names no other.

        Args:
            whole: include all fields, not only those that are required or have an example.
        """
        if "$ref" in schema:
            return self.example(self.named[schema["$ref"].removeprefix(REFERENCE)], whole=whole)
        if listed := schema.get("examples") or schema.get("enum"):
            return listed[0]
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        if alternatives := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            first = alternatives[0]
            is_null = {"type": "null"} in alternatives and not first.keys() & {"$ref", "const", "enum", "examples"}
            return None if is_null else self.example(first, whole=whole)
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
