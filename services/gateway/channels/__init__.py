"""WebSockets: access and limits, the Phoenix channel protocol, and the feed of job events."""

from services.gateway.channels.authenticator import SocketAuthenticator
from services.gateway.channels.feed import JobFeed
from services.gateway.channels.operations import SOCKET_OPERATIONS
from services.gateway.channels.topics import Push
from services.gateway.channels.transport import SocketProtocol, Sockets

__all__ = ["SOCKET_OPERATIONS", "JobFeed", "Push", "SocketAuthenticator", "SocketProtocol", "Sockets"]
