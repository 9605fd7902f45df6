"""Routes for operators: liveness, readiness and metrics."""

from __future__ import annotations

import ipaddress
from typing import Literal

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from kit import errors
from kit.readiness import CheckReport, ReadinessReport
from kit.run import Runtime
from services.gateway.http.access import Access, access
from services.gateway.openapi.responses import ResponseDoc, documented
from services.gateway.settings import GatewaySettings

_METRICS = "soundwright_sockets_open 3.0\n"


class Alive(TypedDict):
    status: Literal["ok"]


_READY = CheckReport(ok=True, reason="", status_seconds=90.1, check_seconds=0.002)
_FAILING = CheckReport(
    ok=False,
    reason="The component does not answer. Check that it is running.",
    status_seconds=4.2,
    check_seconds=1.501,
)


def ops_routes(runtime: Runtime[GatewaySettings]) -> APIRouter:
    """Return the routes ``/livez``, ``/readyz`` and ``/metrics``."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez")
    @access(Access.PUBLIC)
    @documented(Alive)
    async def is_alive() -> Response:
        """Check liveness. The gateway process is running."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz")
    @access(Access.PUBLIC)
    @documented(
        ReadinessReport,
        example=ReadinessReport(ready=True, failing=[], checks={"blobs": _READY, "library": _READY}),
        responses={
            503: ResponseDoc(
                "The gateway is not ready.",
                ReadinessReport,
                example=ReadinessReport(
                    ready=False, failing=["library"], checks={"blobs": _READY, "library": _FAILING}
                ),
            )
        },
    )
    async def is_ready() -> Response:
        """Check readiness. Returns 200 if the gateway can serve requests, otherwise 503 with the reasons."""
        report = runtime.readiness.report()
        return JSONResponse(report, status_code=200 if report["ready"] else 503)

    @router.get("/metrics")
    @access(Access.PUBLIC)
    @documented({"type": "string"}, errors.NOT_FOUND, media_type="text/plain", example=_METRICS)
    async def get_metrics(request: Request) -> Response:
        """Get metrics. Returns the metrics of this process in the Prometheus text format. Callers on other machines get 404."""
        if not _is_local(request):
            raise HTTPException(404)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def _is_local(request: Request) -> bool:
    """Return whether the caller runs on this machine and is not a proxy."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via")):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
