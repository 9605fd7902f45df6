"""Calls of gRPC clients with an API token."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from kit.rpc.errors import error_from_rpc
from tests.stacks import Stack


def address(stack: Stack, component: str) -> str:
    return stack.settings.grpc_address(component)


async def call(stack: Stack, component: str, stub: Any, method: str, request: Any, token: str) -> Any:
    async with grpc.aio.insecure_channel(address(stack, component)) as channel:
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        return await getattr(stub(channel), method)(request, metadata=metadata, timeout=30)


async def refused(*arguments: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call(*arguments)
    error = error_from_rpc(failure.value)
    assert error is not None
    return error.reason
