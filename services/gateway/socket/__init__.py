"""WebSockets: who may open one and how it ends, the Phoenix channel protocol, and what becomes known about jobs."""

from services.gateway.socket.channels import channels_endpoint
from services.gateway.socket.feed import JobFeed
from services.gateway.socket.handshake import Doorkeeper, Visitor
from services.gateway.socket.operations import OPERATIONS
from services.gateway.socket.talk import MalformedMessage, Talk
from services.gateway.socket.topics import KnownJob
from services.gateway.socket.transport import Endpoint, SocketProtocol, Sockets

__all__ = [
    "OPERATIONS",
    "Doorkeeper",
    "Endpoint",
    "JobFeed",
    "KnownJob",
    "MalformedMessage",
    "SocketProtocol",
    "Sockets",
    "Talk",
    "Visitor",
    "channels_endpoint",
]
