"""Routes for those who run the platform."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from kit.run import Runtime
from services.gateway import refusals
from services.gateway.answers import Answer, answers
from services.gateway.settings import GatewaySettings

__all__ = ["ops_routes"]

_METRICS = "soundwright_sockets_open 3.0\n"


class Alive(TypedDict):
    status: Literal["ok"]


class Readiness(TypedDict):
    """Whether the gateway can do its work, and what it lacks."""

    ready: Annotated[bool, Field(examples=[True])]
    failing: Annotated[list[str], Field(examples=[[]])]


def ops_routes(runtime: Runtime[GatewaySettings]) -> APIRouter:
    """``/livez``, ``/readyz`` and, for callers on this machine, ``/metrics``."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez")
    @answers(Alive)
    async def is_alive() -> Response:
        """Whether this process answers."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz")
    @answers(Readiness, also={503: Answer("Not yet.", Readiness, example={"ready": False, "failing": ["library"]})})
    async def is_ready() -> Response:
        """Whether the gateway can do its work."""
        failing = await runtime.failing()
        return JSONResponse({"ready": not failing, "failing": failing}, status_code=503 if failing else 200)

    @router.get("/metrics")
    @answers({"type": "string"}, refusals.NOT_FOUND, media_type="text/plain", example=_METRICS)
    async def get_metrics(request: Request) -> Response:
        """Measurements of this process, for Prometheus."""
        if not _local(request):
            raise HTTPException(404)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def _local(request: Request) -> bool:
    """Whether the caller sits on this machine, and is no proxy that speaks for somebody else."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via")):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
