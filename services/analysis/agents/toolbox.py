"""Calls tools by name, within the limits of one question.

All tool calls of the model and of the rules go through this module. It checks names and arguments, does not repeat a
successful call, enforces limits, and starts work only if the user's message asks for it.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.services.analysis.agents.requested_work import requested_work

JOB_LIMIT = 5
"""Maximum number of jobs that one question may start."""
_ARGUMENTS_LENGTH = 8000
_NAME_LENGTH = 60
log = get_logger()


@dataclass(frozen=True)
class ToolCall:
    """A tool call and its result. ``value`` is JSON-compatible. ``summary`` is one line for users. ``reason`` is the error code
    of a service, if one refused."""

    name: str
    arguments: dict[str, Any]
    value: dict[str, Any]
    summary: str
    failed: bool = False
    reason: str = ""

    def shown(self) -> dict[str, Any]:
        """Return the call as answers show it."""
        return {"name": self.name, "arguments": self.arguments, "result": self.summary, "ok": not self.failed}


@dataclass
class Turn:
    """One question.

    Args:
        id: UUID chosen by the caller, who repeats it when retrying.
    """

    id: str
    message: str
    track_ids: tuple[str, ...]
    call_limit: int
    calls: list[ToolCall] = field(default_factory=list)

    @property
    def requested_work(self) -> frozenset[str]:
        return requested_work(self.message)

    @property
    def job_count(self) -> int:
        return sum("job_id" in call.value for call in self.calls)

    @property
    def is_spent(self) -> bool:
        return len(self.calls) >= self.call_limit


@dataclass(frozen=True)
class Found:
    """The result of a tool."""

    value: dict[str, Any]
    summary: str


@dataclass(frozen=True)
class Tool:
    """A tool.

    ``run`` takes the turn and an instance of ``parameters``. ``work`` names the work that it starts, if any.
    """

    name: str
    description: str
    parameters: type[BaseModel]
    run: Callable[[Turn, Any], Awaitable[Found]]
    work: str = ""

    def schema(self) -> dict[str, Any]:
        """Return the description of the tool for chat completions."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters.model_json_schema(),
            },
        }


class Toolbox:
    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def schemas(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [self._tools[name].schema() for name in names]

    async def call(self, turn: Turn, name: str, arguments: dict[str, Any] | str, allowed: Sequence[str]) -> ToolCall:
        """Call a tool and add the call to the turn. Errors are returned as results, not raised.

        Args:
            arguments: a mapping, or JSON text of one.
        """
        call = await self._call(turn, name, arguments, allowed)
        if call not in turn.calls:
            turn.calls.append(call)
        log.info("agent.tool", tool=call.name if call.name in self._tools else "unknown", failed=call.failed)
        return call

    async def _call(self, turn: Turn, name: str, arguments: dict[str, Any] | str, allowed: Sequence[str]) -> ToolCall:
        tool = self._tools.get(name)
        if tool is None or name not in allowed:
            return _failed(name[:_NAME_LENGTH], {}, f"Unknown tool. Available tools: {', '.join(allowed)}.")
        try:
            given = _mapping(arguments)
            parameters = tool.parameters.model_validate(given)
        except ValidationError as error:
            fields = sorted({".".join(map(str, problem["loc"])) or "arguments" for problem in error.errors()})
            return _failed(name, {}, f"Invalid arguments: {', '.join(fields)[:200]}.")
        except ValueError:
            return _failed(name, {}, "The arguments are not a JSON object.")
        shown = parameters.model_dump(exclude_defaults=True)
        for made in turn.calls:
            if (made.name, made.arguments) == (name, shown) and not made.failed:
                return made
        if turn.is_spent:
            return _failed(name, shown, f"The limit of {turn.call_limit} tool calls for one question is reached.")
        if tool.work and tool.work not in turn.requested_work:
            return _failed(name, shown, f"The user's message does not request {tool.work}, so it was not started.")
        if tool.work and turn.job_count >= JOB_LIMIT:
            return _failed(name, shown, f"The limit of {JOB_LIMIT} jobs for one question is reached.")
        try:
            found = await tool.run(turn, parameters)
        except AppError as error:
            return _failed(name, shown, error.message, error.reason)
        return ToolCall(name, shown, found.value, found.summary)


def _mapping(arguments: dict[str, Any] | str) -> dict[str, Any]:
    if isinstance(arguments, dict):
        return arguments
    if len(arguments) > _ARGUMENTS_LENGTH:
        raise ValueError("too long")
    try:
        value = json.loads(arguments or "{}")
        json.dumps(value, ensure_ascii=False).encode()  # raises for half a surrogate pair
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _failed(name: str, arguments: dict[str, Any], problem: str, reason: str = "") -> ToolCall:
    return ToolCall(name, arguments, {"error": problem}, problem, failed=True, reason=reason)
