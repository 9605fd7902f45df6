"""The language model: any endpoint that speaks OpenAI's chat completions, through OpenAI's client library."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai

from kit.log import get_logger

__all__ = ["LanguageModel", "ModelError", "PickedTool", "ProviderState", "Reply"]

_OPENAI_URL = "https://api.openai.com/v1"
_RETRIES = 2
_ANSWER_TOKENS = 2000
_PING_TOKENS = 16
_TEMPERATURE = 0.2
# Models that reason take other parameters: no temperature, another name for the limit, and the developer's role for
# what others call the system's.
_REASONING = re.compile(r"(^|/)(o[1-9]\b|o[1-9]-|gpt-[5-9])")
_UNSUPPORTED = ("max_tokens", "temperature")
log = get_logger()


class ModelError(Exception):
    """The model gave nothing that can be used. ``status`` is as in :class:`ProviderState`; the text is for people."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class PickedTool:
    """A tool that the model wants called; ``arguments`` is what it wrote, JSON if all is well."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """What the model said. Tokens are as it counts them, 0 where it does not."""

    content: str
    picked: tuple[PickedTool, ...]
    input_token_count: int = 0
    output_token_count: int = 0

    def message(self) -> dict[str, Any]:
        """As the model wants to see it again."""
        calls = [
            {"id": each.id, "type": "function", "function": {"name": each.name, "arguments": each.arguments}}
            for each in self.picked
        ]
        return {"role": "assistant", "content": self.content, **({"tool_calls": calls} if calls else {})}


@dataclass(frozen=True)
class ProviderState:
    """Whether the model can be used: ``status`` is healthy, unauthorized, unreachable or not_configured."""

    status: str
    detail: str = ""
    latency_seconds: float | None = None


class LanguageModel:
    """One model of one endpoint.

    Args:
        url: where the endpoint's paths begin, ``.../v1`` as a rule; empty: OpenAI's.
        key: sent as a bearer token; empty for servers that want none.
        name: the model.
        timeout_seconds: for one request; it is repeated twice at most.
    """

    def __init__(self, url: str, key: str, name: str, timeout_seconds: float) -> None:
        self.name = name
        self.host = urlsplit(url or _OPENAI_URL).hostname or ""
        self._reasons = _REASONING.search(name.lower()) is not None
        # Given in full, for the library would take what is not from variables of its own. It insists on a key.
        self._client = openai.AsyncOpenAI(
            base_url=url or _OPENAI_URL, api_key=key or "none", timeout=timeout_seconds, max_retries=_RETRIES
        )

    async def close(self) -> None:
        await self._client.close()

    async def complete(
        self, instructions: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()
    ) -> Reply:
        """Go on with a conversation.

        Args:
            instructions: for the whole of it. They go first and nowhere else: some endpoints refuse them later on.
            messages: of users, of the assistant, and results of tools.
            tools: that may be picked; none: words alone.

        Raises:
            ModelError: no answer, or one that is none.
        """
        return _reply(await self._create(self._client, instructions, messages, tools, _ANSWER_TOKENS))

    async def check(self, timeout_seconds: float) -> ProviderState:
        """Use it, for a word: many endpoints list their models to anybody, so a list proves no key."""
        started = time.monotonic()
        client = self._client.with_options(timeout=timeout_seconds, max_retries=0)
        try:
            _reply(await self._create(client, "", [{"role": "user", "content": "Say yes."}], (), _PING_TOKENS))
        except ModelError as error:
            return ProviderState(error.status, str(error), time.monotonic() - started)
        return ProviderState("healthy", "", time.monotonic() - started)

    async def _create(
        self,
        client: openai.AsyncOpenAI,
        instructions: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        token_limit: int,
    ) -> Any:
        try:
            try:
                return await self._ask(client, instructions, messages, tools, token_limit)
            except openai.BadRequestError as error:
                # A deployment may hide behind any name what it is.
                if self._reasons or not _is_about_parameters(error):
                    raise
                self._reasons = True
                return await self._ask(client, instructions, messages, tools, token_limit)
        except openai.OpenAIError as error:
            raise _model_error(error) from None
        except ValueError:
            raise ModelError("unreachable", "The language model's answer is not JSON.") from None

    async def _ask(
        self,
        client: openai.AsyncOpenAI,
        instructions: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        token_limit: int,
    ) -> Any:
        asked: list[Any] = [*messages]
        if instructions:
            asked.insert(0, {"role": "developer" if self._reasons else "system", "content": instructions})
        options: dict[str, Any] = {"tools": list(tools)} if tools else {}
        if self._reasons:
            options["max_completion_tokens"] = token_limit
        else:
            options |= {"max_tokens": token_limit, "temperature": _TEMPERATURE}
        return await client.chat.completions.create(model=self.name, messages=asked, **options)


def _is_about_parameters(error: openai.BadRequestError) -> bool:
    return error.param in _UNSUPPORTED or any(name in str(error.message)[:1000] for name in _UNSUPPORTED)


def _model_error(error: openai.OpenAIError) -> ModelError:
    """What went wrong, in words of ours: an endpoint's own may repeat the key."""
    status_code = error.status_code if isinstance(error, openai.APIStatusError) else 0
    log.warning("agent.model_failed", error=type(error).__name__, status=status_code)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ModelError("unauthorized", "The language model's endpoint does not take the key.")
    if isinstance(error, openai.APITimeoutError):
        return ModelError("unreachable", "The language model did not answer in time.")
    if isinstance(error, openai.APIConnectionError):
        return ModelError("unreachable", "The language model's endpoint cannot be reached.")
    if isinstance(error, openai.NotFoundError):
        return ModelError("unreachable", "The endpoint does not know the model, or the address is not that of its API.")
    if status_code:
        return ModelError("unreachable", f"The language model's endpoint answered with status {status_code}.")
    return ModelError("unreachable", "The language model's answer cannot be read.")


def _reply(answer: Any) -> Reply:
    """Read an answer as what it says it is, but trust nothing: endpoints vary, and models make things up."""
    try:
        said = answer.choices[0].message
        picked = tuple(
            PickedTool(str(call.id or place), str(call.function.name), str(call.function.arguments or ""))
            for place, call in enumerate(said.tool_calls or ())
        )
        content = said.content if isinstance(said.content, str) else ""
        usage = answer.usage
        counts = [getattr(usage, name, None) or 0 for name in ("prompt_tokens", "completion_tokens")]
        return Reply(content.strip(), picked, int(counts[0]), int(counts[1]))
    except (AttributeError, IndexError, TypeError, ValueError):
        raise ModelError("unreachable", "The language model's answer is not a chat completion.") from None
