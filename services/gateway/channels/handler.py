"""The interface between a WebSocket and the protocol that it carries."""

from __future__ import annotations

from typing import Protocol


class MalformedMessage(ValueError):
    """A text that is not a message of the protocol."""


class SocketHandler(Protocol):
    """Handles the messages of one socket."""

    async def receive(self, text: str) -> None:
        """Handle a text message of the client.

        Raises:
            MalformedMessage: the text is not a message of the protocol. The socket is closed.
        """
        ...

    async def drain(self) -> None:
        """Wait until the send buffer has room for the response to another message."""
        ...

    async def next_message(self) -> str:
        """Wait for the next message to send and return it."""
        ...

    def close(self) -> None:
        """Release resources after the socket has closed."""
        ...
