"""How often a call is repeated that breaks the connection: a request that kills each server must not be sent for minutes."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from soundwright.ingest.v1 import ingest_service_pb2 as pb

from kit.errors import AppError
from kit.rpc.client import _CallingChannel
from kit.rpc.transport import DelegatingChannel
from tests.signers import signer_of

SERVICE = "/soundwright.ingest.v1.IngestService"


@pytest.mark.parametrize(
    ("method", "request_message", "attempts"),
    [
        ("FinishUpload", pb.FinishUploadRequest(), 1),
        ("FinishDirectUpload", pb.FinishDirectUploadRequest(), 10),
        ("GetDirectUpload", pb.GetDirectUploadRequest(), 10),
    ],
)
async def test_a_call_that_kills_its_server_is_repeated_a_bounded_number_of_times(
    method: str, request_message: Any, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    async def die(_request: Any, **_details: Any) -> Any:
        seen.append(method)
        metadata = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, metadata, metadata, "Socket closed")

    async def at_once(_seconds: float) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep", at_once)
    monkeypatch.setattr(DelegatingChannel, "unary_unary", lambda *_arguments, **_options: die)
    channel = _CallingChannel(DelegatingChannel(), "ingest", signer_of("gateway"), 10.0)
    with pytest.raises(AppError, match="SERVICE_UNAVAILABLE"):
        await channel.unary_unary(f"{SERVICE}/{method}")(request_message, timeout=600.0)
    assert len(seen) == attempts
