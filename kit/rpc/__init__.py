"""gRPC between components: the server, the channels, the encoding of errors, and who may call which method."""

from soundwright.kit.rpc.budgets import RateLimits
from soundwright.kit.rpc.client import connect, healthy, require_serving
from soundwright.kit.rpc.interceptor import Admit, Context
from soundwright.kit.rpc.server import RpcServer
from soundwright.kit.rpc.tokens import AuthenticateToken, KnownCredentials, RecentTokens, token_lookup
from soundwright.kit.rpc.transport import is_local

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
