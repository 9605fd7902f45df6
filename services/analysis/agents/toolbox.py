"""Calling tools by name, within the bounds of one question.

Whoever picks a tool, a model or the rules, goes through here: names and arguments are checked, a call that was made
already is not made again, there is a limit, and a tool that starts work needs the user's own wish.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from kit.errors import AppError
from kit.log import get_logger
from services.analysis.agents.wishes import wished_work

__all__ = ["JOB_LIMIT", "Found", "Tool", "ToolCall", "Toolbox", "Turn"]

JOB_LIMIT = 5
"""Jobs that one question may start."""
_ARGUMENTS_LENGTH = 8000
_NAME_LENGTH = 60
log = get_logger()


@dataclass(frozen=True)
class ToolCall:
    """What a tool was asked and what it gave: ``value`` is JSON-ready, ``summary`` a line for people."""

    name: str
    arguments: dict[str, Any]
    value: dict[str, Any]
    summary: str
    failed: bool = False

    def shown(self) -> dict[str, Any]:
        """As answers show it."""
        return {"name": self.name, "arguments": self.arguments, "result": self.summary, "ok": not self.failed}


@dataclass
class Turn:
    """One question.

    Args:
        id: UUID, chosen by the caller, who repeats it when asking again.
        message: the user's words.
        track_ids: the recordings that the user pointed at.
        call_limit: tools that may be called.
    """

    id: str
    message: str
    track_ids: tuple[str, ...]
    call_limit: int
    calls: list[ToolCall] = field(default_factory=list)

    @property
    def wishes(self) -> frozenset[str]:
        return wished_work(self.message)

    @property
    def job_count(self) -> int:
        return sum("job_id" in call.value for call in self.calls)

    @property
    def is_spent(self) -> bool:
        return len(self.calls) >= self.call_limit


@dataclass(frozen=True)
class Found:
    """What a tool gives."""

    value: dict[str, Any]
    summary: str


@dataclass(frozen=True)
class Tool:
    """A tool: ``run`` takes the turn and an instance of ``parameters``; ``work`` is the kind of work it starts, if any."""

    name: str
    description: str
    parameters: type[BaseModel]
    run: Callable[[Turn, Any], Awaitable[Found]]
    work: str = ""

    def schema(self) -> dict[str, Any]:
        """As chat completions describe functions."""
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
        """Call a tool and note the call in the turn. Whatever goes wrong is an answer too, not an exception.

        Args:
            turn: the question.
            name: of the tool, as it was picked.
            arguments: a mapping, or one as JSON text.
            allowed: names that may be picked.
        """
        call = await self._call(turn, name, arguments, allowed)
        if call not in turn.calls:
            turn.calls.append(call)
        log.info("agent.tool", tool=call.name if call.name in self._tools else "unknown", failed=call.failed)
        return call

    async def _call(self, turn: Turn, name: str, arguments: dict[str, Any] | str, allowed: Sequence[str]) -> ToolCall:
        tool = self._tools.get(name)
        if tool is None or name not in allowed:
            return _failed(name[:_NAME_LENGTH], {}, f"There is no such tool. There are: {', '.join(allowed)}.")
        try:
            given = _mapping(arguments)
            parameters = tool.parameters.model_validate(given)
        except ValidationError as error:
            fields = sorted({".".join(map(str, problem["loc"])) or "arguments" for problem in error.errors()})
            return _failed(name, {}, f"These arguments do not fit: {', '.join(fields)[:200]}.")
        except ValueError:
            return _failed(name, {}, "The arguments are no JSON object.")
        shown = parameters.model_dump(exclude_defaults=True)
        for made in turn.calls:
            if (made.name, made.arguments) == (name, shown) and not made.failed:
                return made
        if turn.is_spent:
            return _failed(name, shown, f"No more than {turn.call_limit} tools may be called for one question.")
        if tool.work and tool.work not in turn.wishes:
            return _failed(name, shown, f"The user's message does not ask for {tool.work}, so none was started.")
        if tool.work and turn.job_count >= JOB_LIMIT:
            return _failed(name, shown, f"No more than {JOB_LIMIT} jobs may be started for one question.")
        try:
            found = await tool.run(turn, parameters)
        except AppError as error:
            return _failed(name, shown, error.message)
        return ToolCall(name, shown, found.value, found.summary)


def _mapping(arguments: dict[str, Any] | str) -> dict[str, Any]:
    if isinstance(arguments, dict):
        return arguments
    if len(arguments) > _ARGUMENTS_LENGTH:
        raise ValueError("too long")
    try:
        value = json.loads(arguments or "{}")
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _failed(name: str, arguments: dict[str, Any], problem: str) -> ToolCall:
    return ToolCall(name, arguments, {"error": problem}, problem, failed=True)
