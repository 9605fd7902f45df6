"""The RPCs of the platform, and calls of gRPC clients."""

import importlib
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from dev.tools import stubs
from soundwright.kit.rpc.errors import error_from_rpc
from tests.stacks import Stack

PROTO = stubs.ROOT / "proto"
CONTRACTS = sorted(path.relative_to(PROTO).with_suffix("") for path in PROTO.rglob("*_service.proto"))
METHODS: list[MethodDescriptor] = [
    method
    for path in CONTRACTS
    for service in importlib.import_module(".".join(path.parts) + "_pb2").DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
"""Every RPC of the platform."""


def address(stack: Stack, component: str) -> str:
    return stack.settings.grpc_address(component)


async def call(stack: Stack, component: str, stub: Any, method: str, request: Any, token: str) -> Any:
    async with grpc.aio.insecure_channel(address(stack, component)) as channel:
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        return await getattr(stub(channel), method)(request, metadata=metadata, timeout=60)


async def refused(*arguments: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call(*arguments)
    error = error_from_rpc(failure.value)
    assert error is not None
    return error.reason


def component_of(method: MethodDescriptor) -> str:
    component = method.containing_service.full_name.split(".")[1]
    return "separation" if component == "models" else component  # one of the two that serve it


def short(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}.{method.name}"


def path_of(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


async def outcome(channel: grpc.aio.Channel, method: MethodDescriptor, payload: bytes, metadata: Any) -> str:
    """Return OK, the reason of a refusal, or the status of an error that has no reason."""
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    call: Any = kind(path_of(method), request_serializer=lambda content: content)(
        payload, metadata=metadata, timeout=60
    )
    try:
        if method.server_streaming:
            async for _ in call:
                call.cancel()
                return "OK"
        else:
            await call
    except grpc.aio.AioRpcError as failure:
        refusal = error_from_rpc(failure)
        return f"{failure.code().name}: {failure.details()}" if refusal is None else refusal.reason
    return "OK"
