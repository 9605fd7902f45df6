"""The language model: a client for endpoints that are compatible with OpenAI's chat completions."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import openai

from soundwright.kit.log import get_logger
from soundwright.services.analysis.agents.replies import ModelError, PickedTool, ProviderState, Reply

_OPENAI_URL = "https://api.openai.com/v1"
_RETRIES = 2
_ANSWER_TOKENS = 2000
_PING_TOKENS = 16
_TEMPERATURE = 0.2
# Reasoning models take other parameters: no temperature, another name for the token limit, and the role "developer"
# instead of "system".
_REASONING = re.compile(r"(^|/)(o[1-9]\b|o[1-9]-|gpt-[5-9])")
_UNSUPPORTED = ("max_tokens", "temperature")
log = get_logger()


class LanguageModel:
    """One model of one endpoint.

    Args:
        url: base URL of the endpoint, usually ``.../v1``. If empty, OpenAI's.
        key: API key, sent as a bearer token. Empty for servers that need none.
        timeout_seconds: deadline of one request. A request is retried at most twice.
    """

    def __init__(self, url: str, key: str, name: str, timeout_seconds: float) -> None:
        self.name = name
        self.costs_money = bool(key)
        self.host = urlsplit(url or _OPENAI_URL).hostname or ""
        self._reasons = _REASONING.search(name.lower()) is not None
        # Pass all values: the library would read missing ones from its own environment variables. It requires a key.
        self._client = openai.AsyncOpenAI(
            base_url=url or _OPENAI_URL, api_key=key or "none", timeout=timeout_seconds, max_retries=_RETRIES
        )

    async def close(self) -> None:
        await self._client.close()

    async def complete(
        self, instructions: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()
    ) -> Reply:
        """Continue a conversation.

        Args:
            instructions: system message. It is always the first message, because some endpoints reject later ones.
            messages: messages of the user and the assistant, and results of tools.
            tools: tools that the model may call. If empty, it answers with text.

        Raises ``ModelError``: the endpoint returned no usable answer.
        """
        return _reply(await self._create(self._client, instructions, messages, tools, _ANSWER_TOKENS))

    async def check(self, timeout_seconds: float) -> ProviderState:
        """Check the endpoint with a short completion. Many endpoints list their models without a valid key."""
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
                # The name of a deployment does not always show that it is a reasoning model.
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
    """Translate an error of the client library. The endpoint's own text is not used, because it may contain the key."""
    status_code = error.status_code if isinstance(error, openai.APIStatusError) else 0
    log.warning("agent.model_failed", error=type(error).__name__, status=status_code)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ModelError("unauthorized", "The language model's endpoint rejects the key.")
    if isinstance(error, openai.APITimeoutError):
        return ModelError("unreachable", "The language model did not answer in time.")
    if isinstance(error, openai.APIConnectionError):
        return ModelError("unreachable", "The language model's endpoint cannot be reached.")
    if isinstance(error, openai.NotFoundError):
        return ModelError("unreachable", "The endpoint does not have the model, or the URL is not that of its API.")
    if status_code:
        return ModelError("unreachable", f"The language model's endpoint answered with status {status_code}.")
    return ModelError("unreachable", "The language model's answer cannot be read.")


def _reply(answer: Any) -> Reply:
    """Parse an answer defensively: endpoints differ, and models may return invalid data."""
    try:
        message = answer.choices[0].message
        picked = tuple(
            PickedTool(str(call.id or place), str(call.function.name), str(call.function.arguments or ""))
            for place, call in enumerate(message.tool_calls or ())
        )
        content = message.content if isinstance(message.content, str) else ""
        usage = answer.usage
        counts = [getattr(usage, name, None) or 0 for name in ("prompt_tokens", "completion_tokens")]
        return Reply(content.strip(), picked, int(counts[0]), int(counts[1]))
    except (AttributeError, IndexError, TypeError, ValueError):
        raise ModelError("unreachable", "The language model's answer is not a chat completion.") from None
