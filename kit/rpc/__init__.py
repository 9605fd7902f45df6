"""gRPC between components: one server, one kind of channel, one encoding of errors, and who may call what."""

from kit.rpc.budgets import RateLimits
from kit.rpc.client import connect, healthy, require_serving
from kit.rpc.interceptor import Admit, Context
from kit.rpc.server import RpcServer
from kit.rpc.tokens import AuthenticateToken, KnownCredentials, RecentTokens, token_lookup
from kit.rpc.transport import is_local

__all__ = [
    "Admit",
    "AuthenticateToken",
    "Context",
    "KnownCredentials",
    "RateLimits",
    "RecentTokens",
    "RpcServer",
    "connect",
    "healthy",
    "is_local",
    "require_serving",
    "token_lookup",
]
