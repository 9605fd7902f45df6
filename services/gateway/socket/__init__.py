"""Live channels: the Phoenix channel protocol over WebSocket, and what is told there about jobs."""

from services.gateway.socket.feed import JobFeed
from services.gateway.socket.handshake import Doorkeeper
from services.gateway.socket.transport import Channels, SocketProtocol

__all__ = ["Channels", "Doorkeeper", "JobFeed", "SocketProtocol"]
