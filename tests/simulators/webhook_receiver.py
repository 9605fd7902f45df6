"""A webhook endpoint: records requests, and answers with the statuses that the test sets."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.simulators.server import Handler, Simulator


@dataclass(frozen=True)
class Received:
    """One request. Names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.body)
        return message

    def signed_by(self, secret: str) -> list[bool]:
        """Return which of the signatures ``secret`` makes, at whatever time the message was sent."""
        time = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        expected = Webhook(secret).sign(self.headers["webhook-id"], time, self.body.decode())
        return [given == expected for given in self.headers["webhook-signature"].split(" ")]

    def verified(self, secret: str) -> bool:
        """Return whether the library of Standard Webhooks accepts the message, which must be recent."""
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


class WebhookReceiver(Simulator):
    """
    Attributes:
        received: every request, in order.
        answers: statuses (with headers) to give next, one after the other; then 204 for ever.
        held: while set to an unset event, answers wait for it.
        waiting: set once a request waits.
        most_at_once: how many requests were there at the same time at most.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(_Handler, host, port)
        self.received: list[Received] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.held: threading.Event | None = None
        self.waiting = threading.Event()
        self.body = b""
        self.most_at_once = 0
        self.at_once = 0
        self.lock = threading.Lock()

    def answer_with(self, statuses: Sequence[int], **headers: str) -> None:
        self.answers = [(status, headers) for status in statuses]

    def to(self, path: str) -> list[Received]:
        """What came to this path."""
        return [received for received in list(self.received) if received.path == path]


class _Handler(Handler):
    simulator: WebhookReceiver

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        simulator = self.simulator
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with simulator.lock:
            simulator.at_once += 1
            simulator.most_at_once = max(simulator.most_at_once, simulator.at_once)
            simulator.received.append(Received(self.path, headers, body))
            status, answered = simulator.answers.pop(0) if simulator.answers else (204, {})
            held = simulator.held
        if held is not None:
            simulator.waiting.set()
            held.wait(30.0)
        with simulator.lock:
            simulator.at_once -= 1
        self.answer(status, b"" if status == 204 else simulator.body, **answered)
