"""Checks the health of all components in the background and serves the latest result."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib import metadata
from typing import Annotated, NotRequired

from pydantic import Field
from starlette.responses import JSONResponse
from typing_extensions import TypedDict

from soundwright.kit.log import get_logger
from soundwright.kit.pipeline import PIPELINE_STAGES
from soundwright.services.gateway.openapi.responses import ResponseDoc

log = get_logger()


class HealthReport(TypedDict):
    """The health of the platform."""

    status: Annotated[
        str,
        Field(description="`ok` (`healthy` on the Audio Pipeline listener), `starting` or `degraded`", examples=["ok"]),
    ]
    version: Annotated[str, Field(examples=["1.0.0"])]
    pipeline_stages: Annotated[int, Field(examples=[len(PIPELINE_STAGES)])]
    waiting_for: NotRequired[
        Annotated[
            list[str],
            Field(
                description="The components that do not respond or are not ready. Omitted if all are.",
                examples=[["analysis"]],
            ),
        ]
    ]


UNHEALTHY = ResponseDoc(
    "Some components do not respond or are not ready.",
    HealthReport,
    example={
        "status": "degraded",
        "version": "1.0.0",
        "pipeline_stages": len(PIPELINE_STAGES),
        "waiting_for": ["analysis"],
    },
)


class Health:
    """The latest known health of every component.

    Args:
        checks: by component name, a function that returns whether the component is ready. It must have its own timeout.
    """

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[bool]]]) -> None:
        self._checks = dict(checks)
        self._waiting_for = sorted(checks)
        self._has_been_complete = False
        self.version = metadata.version("soundwright")

    @property
    def waiting_for(self) -> list[str]:
        return self._waiting_for

    @property
    def status(self) -> str:
        """``ok`` if all components are ready, ``starting`` until they have all been ready once, ``degraded`` afterwards."""
        if not self._waiting_for:
            return "ok"
        return "degraded" if self._has_been_complete else "starting"

    async def check(self) -> None:
        results = await asyncio.gather(*(check() for check in self._checks.values()), return_exceptions=True)
        waiting = sorted(name for name, result in zip(self._checks, results, strict=True) if result is not True)
        if waiting != self._waiting_for:
            log.info("health.changed", waiting_for=waiting)
        self._waiting_for = waiting
        self._has_been_complete = self._has_been_complete or not waiting

    async def run(self, interval_seconds: float) -> None:
        """Check periodically, and more often until all components have been ready once."""
        while True:
            await self.check()
            await asyncio.sleep(interval_seconds if self._has_been_complete else min(0.1, interval_seconds))

    def response(self, ok_status: str = "ok", version: str | None = None) -> JSONResponse:
        """Return the response of ``GET /health``: 200 if all components are ready, otherwise 503 with the missing ones."""
        status = self.status
        body: HealthReport = {
            "status": ok_status if status == "ok" else status,
            "version": version or self.version,
            "pipeline_stages": len(PIPELINE_STAGES),
        }
        if status != "ok":
            body["waiting_for"] = self._waiting_for
        return JSONResponse(body, status_code=200 if status == "ok" else 503)
