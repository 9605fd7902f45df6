"""WebSockets: access and limits, the Phoenix channel protocol, and the feed of job events."""

from services.gateway.channels.authenticator import ConnectionIdentity, SocketAuthenticator
from services.gateway.channels.channels import channels_endpoint
from services.gateway.channels.feed import JobFeed
from services.gateway.channels.handler import MalformedMessage, SocketHandler
from services.gateway.channels.operations import socket_operations
from services.gateway.channels.topics import JobTopic, JobTopics, KnownJob, Push
from services.gateway.channels.transport import Endpoint, SocketProtocol, Sockets

__all__ = [
    "ConnectionIdentity",
    "Endpoint",
    "JobFeed",
    "JobTopic",
    "JobTopics",
    "KnownJob",
    "MalformedMessage",
    "Push",
    "SocketAuthenticator",
    "SocketHandler",
    "SocketProtocol",
    "Sockets",
    "channels_endpoint",
    "socket_operations",
]
