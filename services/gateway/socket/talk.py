"""What a socket needs of whatever is spoken on it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["MalformedMessage", "Talk"]


class MalformedMessage(ValueError):
    """The text is no message of the protocol."""


class Talk(Protocol):
    """What is spoken on one socket."""

    async def take(self, text: str) -> None:
        """The client says ``text``.

        Raises:
            MalformedMessage: it does not speak the protocol, which ends the socket.
        """
        ...

    async def room(self) -> None:
        """Wait until so little is left to say that the client may ask for more."""
        ...

    async def next(self) -> str:
        """What to say now. Waits until there is something."""
        ...

    def end(self) -> None:
        """The socket has ended."""
        ...
