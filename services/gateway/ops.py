"""Routes for those who run the platform."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from kit.run import Runtime
from services.gateway.settings import GatewaySettings

__all__ = ["ops_routes"]


def ops_routes(runtime: Runtime[GatewaySettings]) -> APIRouter:
    """``/livez``, ``/readyz`` and, for callers on this machine, ``/metrics``."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez")
    async def livez() -> Response:
        """Whether this process answers."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz")
    async def readyz() -> Response:
        """Whether the gateway can do its work."""
        failing = await runtime.failing()
        return JSONResponse({"ready": not failing, "failing": failing}, status_code=503 if failing else 200)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
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
