"""The ``Bus`` port: commands, each to one worker, events, each to every subscriber, and shared counters."""

from collections.abc import Callable, Mapping
from typing import Protocol


class Delivery(Protocol):
    """One delivery of one message. The receiver calls exactly one of ``ack``, ``nak`` and ``term``."""

    payload: bytes
    headers: Mapping[str, str]

    async def ack(self) -> None:
        """Acknowledge the message and wait for the broker's confirmation."""
        ...

    async def nak(self, delay_seconds: float) -> None:
        """Request another delivery after the delay."""
        ...

    async def term(self) -> None:
        """Drop the message. It is not delivered again."""
        ...

    async def in_progress(self) -> None:
        """Restart the acknowledgement timeout of the delivery."""
        ...


class Consumer(Protocol):
    """A durable group of workers on a queue.

    It delivers the oldest message first. Each command lets a worker run one job; the ledger chooses which.
    """

    async def next(self) -> Delivery:
        """Wait for the next message and return it. Cancelling the wait loses no message."""
        ...

    async def close(self) -> None:
        """Leave the group."""
        ...


class Subscription(Protocol):
    """A subscription to events."""

    async def close(self) -> None:
        """Unsubscribe."""
        ...


class Bus(Protocol):
    """Transports commands, each to one worker until it is acknowledged, and events, each to every subscriber."""

    async def publish(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish a message and wait until the broker has stored it.

        The broker drops the message if it has seen ``message_id`` recently.
        """
        ...

    async def publish_transient(self, subject: str, payload: bytes) -> None:
        """Publish a message that may be lost, for example progress."""
        ...

    async def consumer(self, durable: str, subject: str, *, ack_wait_seconds: float) -> Consumer:
        """Join the durable consumer of a command subject. If the broker is away, it delivers once the broker is back."""
        ...

    async def subscribe(self, pattern: str, listener: Callable[[str, bytes], None]) -> Subscription:
        """Call ``listener`` with the subject and payload of each message that is published from now on, in order.

        In a pattern, ``*`` matches one token and a final ``>`` matches the rest. Every subscription receives every
        message. Messages are lost while the connection is down, and if they arrive faster than the listener handles
        them. The subscription begins, or resumes, with the next connection if there is none. The listener must not
        block; its exceptions are logged.
        """
        ...

    async def increment(self, counter: str, amount: int = 1) -> int:
        """Add to a counter that all processes share, and return the sum. Concurrent calls get different sums.

        The broker forgets a counter two minutes after its last increment, and may forget all of them when it restarts.
        """
        ...

    async def backlog(self, subject: str) -> int:
        """Return the number of unfinished messages of a command subject, both waiting and delivered."""
        ...

    async def check(self) -> None:
        """Return if the broker can be used.

        Raises ``AppError``: the connection is down, or the broker does not answer; with a sentence for the operator.
        """
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...
