"""What a language model returns."""

from dataclasses import dataclass
from typing import Any


class ModelError(Exception):
    """The model returned no usable answer. ``status`` is as in :class:`ProviderState`. The message is for users."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class PickedTool:
    """A tool call that the model requests. ``arguments`` is the model's text, normally JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """An answer of the model. Token counts are those of the endpoint, or 0 if it does not report them."""

    content: str
    picked: tuple[PickedTool, ...]
    input_token_count: int = 0
    output_token_count: int = 0

    def message(self) -> dict[str, Any]:
        """Return the answer as a message for the next request."""
        calls = [
            {"id": each.id, "type": "function", "function": {"name": each.name, "arguments": each.arguments}}
            for each in self.picked
        ]
        return {"role": "assistant", "content": self.content, **({"tool_calls": calls} if calls else {})}


@dataclass(frozen=True)
class ProviderState:
    """State of the endpoint: ``status`` is healthy, unauthorized, unreachable or not_configured."""

    status: str
    detail: str = ""
    latency_seconds: float | None = None
