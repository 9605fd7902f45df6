"""A client of the live channels for stories: writes and reads the messages as they are."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import websockets
from websockets.asyncio.client import ClientConnection

from tests.stacks import Stack

DEADLINE_SECONDS = 60.0
_HEARTBEAT_SECONDS = 1.0


def socket_url(base_url: str, **parameters: str) -> str:
    return f"{base_url.replace('http', 'ws', 1)}/socket/websocket?{urlencode(parameters)}"


class Phoenix:
    """One socket, vsn 2.0.0."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._ref = 0

    async def send(self, topic: str, event: str, join_ref: Any = None, payload: Any = None) -> str:
        self._ref += 1
        ref = str(self._ref)
        join_ref = ref if event == "phx_join" else join_ref
        await self.socket.send(json.dumps([join_ref, ref, topic, event, {} if payload is None else payload]))
        return ref

    async def next(self) -> list[Any]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            message: list[Any] = json.loads(await self.socket.recv())
        return message

    async def join(self, topic: str) -> dict[str, Any]:
        """Join; the payload of the reply, which is the next message."""
        ref = await self.send(topic, "phx_join")
        join_ref, reply_ref, replied, event, payload = await self.next()
        assert (reply_ref, replied, event) == (ref, topic, "phx_reply")
        assert join_ref in (ref, None)
        answer: dict[str, Any] = payload
        return answer

    async def follow(self, topic: str) -> list[tuple[str, dict[str, Any]]]:
        """Everything that is told of a topic until its job has ended."""
        told: list[tuple[str, dict[str, Any]]] = []
        beating = asyncio.create_task(self._beat())
        try:
            while not told or told[-1][0] == "job:progress":
                _, ref, name, event, payload = await self.next()
                assert ref is None or name == "phoenix"
                if name == topic:
                    told.append((event, payload))
        finally:
            beating.cancel()
        return told

    async def _beat(self) -> None:
        """Keep the server from closing the socket while a job takes long."""
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            await self.send("phoenix", "heartbeat")

    async def closed(self) -> int:
        """The close code, once the server has closed; what it said before is passed over."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            try:
                while True:
                    await self.socket.recv()
            except websockets.ConnectionClosed as end:
                return end.rcvd.code if end.rcvd else 1006

    async def quiet(self) -> bool:
        """Whether nothing was on its way before the answer to a heartbeat."""
        ref = await self.send("phoenix", "heartbeat")
        return (await self.next())[1:4] == [ref, "phoenix", "phx_reply"]


def opened(stack: Stack | str, token: str = "", **options: Any) -> Any:
    """A socket for the length of the block, of whoever the token belongs to; without one, of nobody.

    In a cluster, the socket is at the last gateway, while requests go to all of them.
    """
    base_url = stack if isinstance(stack, str) else stack.gateway_urls[-1]
    parameters = {"vsn": "2.0.0"} | ({"token": token} if token else {})
    return websockets.connect(socket_url(base_url, **parameters), **options)


async def refused(url: str, **options: Any) -> int:
    """The status with which a handshake is refused; 101: it was not."""
    try:
        async with websockets.connect(url, **options):
            return 101
    except websockets.InvalidStatus as refusal:
        return refusal.response.status_code
