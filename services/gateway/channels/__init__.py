"""WebSockets: access and limits, the Phoenix channel protocol, and the feed of job events."""

from soundwright.services.gateway.channels.authenticator import SocketAuthenticator
from soundwright.services.gateway.channels.feed import JobFeed
from soundwright.services.gateway.channels.operations import SOCKET_OPERATIONS
from soundwright.services.gateway.channels.topics import Push
from soundwright.services.gateway.channels.transport import SocketProtocol, Sockets

__all__ = ["SOCKET_OPERATIONS", "JobFeed", "Push", "SocketAuthenticator", "SocketProtocol", "Sockets"]
