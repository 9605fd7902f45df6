"""A language model as the platform sees it: chat completions with tools, after OpenAI's API, from a script."""

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.simulators.server import Handler, Simulator

KEY = "key-of-the-model"
Request = dict[str, Any]


def says(content: str) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def picks(*tools: tuple[str, dict[str, Any] | str]) -> dict[str, Any]:
    """A message that calls tools; arguments that are text are sent as they are."""
    calls = [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for place, (name, given) in enumerate(tools)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


class LanguageModelSimulator(Simulator):
    """Answers with what the script says, in order; then always with :attr:`then`.

    Attributes:
        script: messages, statuses of failures, raw bodies (bytes), functions of the request that give one of these, or
            None for no answer at all until the end of the block.
        then: what comes when the script is at its end.
        seen: bodies of all requests, in order.
        wants_reasoning: it refuses max_tokens and temperature, as models that reason do.
    """

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.script: deque[Any] = deque()
        self.then: Any = says("Nothing to say.")
        self.seen: list[Request] = []
        self.wants_reasoning = False
        self.released = threading.Event()
        self.lock = threading.Lock()

    def plays(self, *script: Any, then: Any = None) -> None:
        with self.lock:
            self.script, self.then = deque(script), then or says("Nothing to say.")
            self.seen.clear()
            self.wants_reasoning = False
            self.released.clear()

    @property
    def settings(self) -> dict[str, str]:
        """What makes a stack use this simulator."""
        return {
            "SOUNDWRIGHT_LLM_URL": f"{self.url}/v1",
            "SOUNDWRIGHT_LLM_KEY": KEY,
            "SOUNDWRIGHT_LLM_MODEL": "scripted",
        }

    def results(self, place: int = -1) -> list[Any]:
        """What the tools had given in the request at ``place``."""
        return [json.loads(each["content"]) for each in self.seen[place]["messages"] if each["role"] == "tool"]

    def __exit__(self, *details: object) -> None:
        self.released.set()
        super().__exit__(*details)


class _Handler(Handler):
    simulator: LanguageModelSimulator

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = self.simulator
        if self.path != "/v1/chat/completions":
            return self._fail(404, "no such path")
        if self.headers["Authorization"] != f"Bearer {KEY}":
            return self._fail(401, f"Incorrect API key provided: {self.headers['Authorization']}")
        with model.lock:
            model.seen.append(body)
            if model.wants_reasoning and ("max_tokens" in body or "temperature" in body):
                return self._fail(400, "Unsupported parameter: 'max_tokens'", param="max_tokens")
            answer: Any = model.script.popleft() if model.script else model.then
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(body)
        if answer is None:
            model.released.wait(60)
            return self._fail(500, "too late")
        if isinstance(answer, int):
            return self._fail(answer, "as told")
        if isinstance(answer, bytes):
            return self.answer(200, answer, "application/json")
        reason = "tool_calls" if answer.get("tool_calls") else "stop"
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": answer, "finish_reason": reason}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
        return self.answer(200, json.dumps(completion).encode(), "application/json")

    def _fail(self, status: int, message: str, param: str | None = None) -> None:
        error = {"error": {"message": message, "type": "error", "param": param, "code": None}}
        self.answer(status, json.dumps(error).encode(), "application/json")
