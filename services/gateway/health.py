"""Whether the stack can take work: asked all the time in the background, so that the answer is always at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib import metadata
from typing import Annotated, NotRequired

from pydantic import Field
from starlette.responses import JSONResponse
from typing_extensions import TypedDict

from kit.log import get_logger
from services.gateway.answers import Answer

__all__ = ["PIPELINE_STAGE_COUNT", "UNHEALTHY", "Health", "HealthReport"]

PIPELINE_STAGE_COUNT = 4
log = get_logger()


class HealthReport(TypedDict):
    """Whether the stack can take work."""

    status: Annotated[
        str,
        Field(description="ok (healthy, where Audio Pipeline alone is spoken), starting or degraded", examples=["ok"]),
    ]
    version: Annotated[str, Field(examples=["1.0.0"])]
    pipeline_stages: Annotated[int, Field(examples=[PIPELINE_STAGE_COUNT])]
    waiting_for: NotRequired[
        Annotated[list[str], Field(description="components that do not serve", examples=[["analysis"]])]
    ]


UNHEALTHY = Answer(
    "Components are missing.",
    HealthReport,
    example={
        "status": "degraded",
        "version": "1.0.0",
        "pipeline_stages": PIPELINE_STAGE_COUNT,
        "waiting_for": ["analysis"],
    },
)


class Health:
    """The latest word of every component.

    Args:
        checks: component name to a call that says whether it serves, within a deadline of its own.
    """

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[bool]]]) -> None:
        self._checks = dict(checks)
        self._waiting_for = sorted(checks)
        self._has_been_complete = False
        self.version = metadata.version("soundwright")

    @property
    def waiting_for(self) -> list[str]:
        """Components that do not serve at the moment."""
        return self._waiting_for

    @property
    def word(self) -> str:
        """``ok``, ``starting`` until all components have served once, ``degraded`` when one is missing later."""
        if not self._waiting_for:
            return "ok"
        return "degraded" if self._has_been_complete else "starting"

    async def serves(self, component: str) -> bool:
        return component not in self._waiting_for

    async def look(self) -> None:
        """Ask every component once."""
        answers = await asyncio.gather(*(check() for check in self._checks.values()), return_exceptions=True)
        waiting = sorted(name for name, answer in zip(self._checks, answers, strict=True) if answer is not True)
        if waiting != self._waiting_for:
            log.info("health.changed", waiting_for=waiting)
        self._waiting_for = waiting
        self._has_been_complete = self._has_been_complete or not waiting

    async def run(self, pause_seconds: float) -> None:
        """Look again and again, more often until everything is there for the first time."""
        while True:
            await self.look()
            await asyncio.sleep(pause_seconds if self._has_been_complete else min(0.1, pause_seconds))

    def answer(self, word_for_ok: str = "ok", version: str | None = None) -> JSONResponse:
        """``GET /health``: 200 once all components serve, else 503 and which ones do not."""
        word = self.word
        body: HealthReport = {
            "status": word_for_ok if word == "ok" else word,
            "version": version or self.version,
            "pipeline_stages": PIPELINE_STAGE_COUNT,
        }
        if word != "ok":
            body["waiting_for"] = self._waiting_for
        return JSONResponse(body, status_code=200 if word == "ok" else 503)
