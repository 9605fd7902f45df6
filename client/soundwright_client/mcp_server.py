"""The platform as tools for AI agents (Model Context Protocol). docs/MCP.md is its manual.

Tools take and return IDs and paths, never audio. Needs the extra ``mcp``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from starlette.routing import Route

from soundwright_client._async_client import AsyncClient, AsyncJob
from soundwright_client.cli.batch import run_job
from soundwright_client.errors import SoundwrightError

_INSTRUCTIONS = """Soundwright separates songs into stems, analyses them, and generates clips of audio.
Songs are tracks with an ID: search the library, upload a file or download a link. Work is done by jobs with an ID. Tools that start
a job wait for its end, unless `wait` is false; then `get_job` returns its state. Files are exchanged as paths, never as bytes."""
_TRACK_FIELDS = {"id", "title", "artist", "bpm", "key", "duration_seconds", "status"}

TrackId = Annotated[str, Field(description="ID of a track")]
JobId = Annotated[str, Field(description="ID of a job")]
Wait = Annotated[bool, Field(description="Whether to wait for the end of the job")]


@dataclass(frozen=True)
class Tools:
    """The tools and resources. Their descriptions are for agents.

    Attributes:
        server: the address of the platform.
        token: the API token for all calls; None: each caller sends its own in the ``Authorization`` header.
        folder: tools read and write files below it alone; None: they have no access to files.
    """

    server: str
    token: str | None
    folder: Path | None

    @contextlib.asynccontextmanager
    async def platform(self, context: Context) -> AsyncIterator[AsyncClient]:
        """Yield a client with the caller's rights and quotas. Errors become sentences for the agent."""
        scheme, _, sent = (context.headers or {}).get("authorization", "").partition(" ")
        sent = sent.strip() if scheme.lower() == "bearer" else ""
        try:
            async with AsyncClient(self.server, sent if self.token is None else self.token) as client:
                yield client
        except (SoundwrightError, OSError) as error:
            raise ToolError(str(error)) from None

    def local(self, path: str) -> Path:
        """Return a path below the folder that the tools may use."""
        if self.folder is None:
            raise ToolError("This server has no access to files. Start it with --folder, or use `download_link`.")
        found = (self.folder / path).resolve()
        if not found.is_relative_to(self.folder.resolve()):
            raise ToolError(f"{path} is outside {self.folder}, the only folder that these tools may use.")
        return found

    async def search_library(
        self,
        context: Context,
        words: Annotated[str, Field(description="Words, or their beginnings; empty: the newest")] = "",
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> list[dict[str, Any]]:
        """Search the caller's tracks, and the generated clips of the library."""
        found: list[dict[str, Any]] = []
        async with self.platform(context) as client:
            async for track in client.tracks(words, page_size=limit):
                found.append({"kind": "track", **track.model_dump(include=_TRACK_FIELDS)})
                if len(found) == limit:
                    break
            count = len(found)
            async for clip in client.clips(words, prefix=True, per_page=limit):
                if len(found) - count == limit:
                    break
                found.append({"kind": "clip", "id": clip.id, "title": clip.prompt, "duration_seconds": clip.duration})
        return found

    async def upload_track(
        self, context: Context, path: Annotated[str, Field(description="Path of an audio file")], title: str = ""
    ) -> dict[str, Any]:
        """Upload an audio file. Returns its track."""
        async with self.platform(context) as client:
            return (await client.upload(self.local(path), title=title)).model_dump(include=_TRACK_FIELDS)

    async def download_link(
        self, context: Context, url: Annotated[str, Field(description="Link to a recording, album or playlist")]
    ) -> list[dict[str, Any]]:
        """Download the recordings of a link into the library. Returns a job with a track_id for each, and does not wait."""
        async with self.platform(context) as client:
            return [_summary(job) for job in await client.download_link(url)]

    async def separate_track(
        self,
        context: Context,
        track_id: TrackId,
        model: Annotated[str, Field(description="A model of list_models, or auto")] = "auto",
        stems: Annotated[list[str], Field(description="Such as vocals; empty: all")] = [],  # noqa: B006
        quality: Literal["fast", "balanced", "best"] = "balanced",
        wait: Wait = True,
    ) -> dict[str, Any]:
        """Separate a track into stems. Returns the job with its stems; save_result downloads them."""
        async with self.platform(context) as client:
            chosen: dict[str, Any] = {"quality": quality} if model == "auto" else {}
            start = client.separate(track_id, model=model, stems=stems, **chosen)
            return _summary(await _finish(context, start) if wait else await start)

    async def analyze_track(self, context: Context, track_id: TrackId, wait: Wait = True) -> dict[str, Any]:
        """Measure the tempo, key, loudness and more of a track."""
        async with self.platform(context) as client:
            start = client.analyze(track_id)
            return _summary(await _finish(context, start) if wait else await start)

    async def generate_clip(
        self,
        context: Context,
        prompt: Annotated[str, Field(description="Description of the sound")],
        seconds: Annotated[float, Field(ge=1)] = 8,
        loop: bool = False,
        seed: Annotated[int, Field(description="-1: random")] = -1,
        wait: Wait = True,
    ) -> dict[str, Any]:
        """Generate a clip of audio from a description. Returns the job with the ID of the clip."""
        async with self.platform(context) as client:

            async def start() -> AsyncJob:
                return (await client.generate(prompt, duration=seconds, loop=loop, seed=seed))[0]

            return _summary(await _finish(context, start()) if wait else await start())

    async def list_jobs(
        self,
        context: Context,
        status: Literal["", "queued", "processing", "completed", "failed", "cancelled"] = "",
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> list[dict[str, Any]]:
        """List the caller's jobs, newest first."""
        async with self.platform(context) as client:
            found = []
            async for job in client.jobs(status=status, page_size=limit):
                found.append(_summary(job))
                if len(found) == limit:
                    break
            return found

    async def get_job(self, context: Context, job_id: JobId) -> dict[str, Any]:
        """Return the state of a job, and its result once it is completed."""
        async with self.platform(context) as client:
            return _summary(await client.job(job_id))

    async def cancel_job(self, context: Context, job_id: JobId) -> str:
        """Cancel a job that waits or runs."""
        async with self.platform(context) as client:
            await (await client.job(job_id)).cancel()
            return "The job is cancelled, unless it had ended."

    async def save_result(
        self,
        context: Context,
        job_id: JobId,
        path: Annotated[str, Field(description="Folder for the files")] = "soundwright",
        format: Literal["", "flac", "wav16", "wav24", "wav32f", "mp3", "m4a"] = "",
    ) -> list[str]:
        """Save the stems, clip, analysis or recording that a completed job made. Returns the paths."""
        async with self.platform(context) as client:
            job = await client.job(job_id)
            if job.status != "completed":
                raise ToolError(f"The job is {job.status}. Save its result when it is completed.")
            return [str(file) for file in await job.save(self.local(path), format)]

    async def list_models(self, context: Context) -> list[dict[str, Any]]:
        """List the models for separations, their stems, and whether they are available."""
        fields = {"name", "description", "stem_types", "available", "unavailable_reason"}
        async with self.platform(context) as client:
            return [model.model_dump(include=fields) for model in await client.models()]

    async def job_resource(self, job_id: str, context: Context) -> dict[str, Any]:
        """A job and its result."""
        async with self.platform(context) as client:
            return (await client.job(job_id)).model_dump(mode="json")

    async def analysis_resource(self, track_id: str, context: Context) -> dict[str, Any]:
        """All values of the analysis of a track."""
        async with self.platform(context) as client:
            return await client.analysis(track_id)


def build_server(tools: Tools) -> MCPServer:
    """Return the MCP server of ``tools``."""
    built = MCPServer("soundwright", instructions=_INSTRUCTIONS, log_level="WARNING")
    for tool in (
        *(tools.search_library, tools.upload_track, tools.download_link, tools.separate_track, tools.analyze_track),
        *(tools.generate_clip, tools.list_jobs, tools.get_job, tools.cancel_job, tools.save_result, tools.list_models),
    ):
        built.add_tool(tool)
    built.resource("soundwright://jobs/{job_id}", mime_type="application/json")(tools.job_resource)
    built.resource("soundwright://tracks/{track_id}/analysis", mime_type="application/json")(tools.analysis_resource)
    return built


def serve_http(tools: Tools, host: str, port: int) -> None:
    """Serve streamable HTTP until the process is stopped.

    There are no sessions: callers without a token could fill the memory with them, and what is asked in one needs none.
    """
    app = build_server(tools).streamable_http_app(stateless_http=True, host=host)
    for route in app.routes:
        if isinstance(route, Route):
            route.methods = {"POST"}  # GET would open a stream on which nothing is ever sent
    uvicorn.run(app, host=host, port=port, log_level="warning")


async def _finish(context: Context, start: Any) -> AsyncJob:
    """Wait for a job, and report its progress. If the caller gives up, cancel it."""
    reports: set[asyncio.Task[None]] = set()
    shown: list[tuple[float, str]] = []

    def show(step: str, percent: float, seconds_left: float | None = None) -> None:
        if shown[-1:] != [(percent, step)]:
            shown.append((percent, step))
            report = asyncio.ensure_future(context.report_progress(percent, 100, step))
            reports.add(report)
            report.add_done_callback(reports.discard)

    job = await run_job(start, show, "working")
    await asyncio.gather(*reports, return_exceptions=True)
    return job


def _summary(job: AsyncJob) -> dict[str, Any]:
    """Return a job without what fills the context of an agent."""
    fields = {"id", "job_type", "title", "status", "progress", "track_id", "model", "degraded_reason", "error"}
    found = job.model_dump(mode="json", include=fields)
    if job.job_type == "generation":
        found["clip_id"] = job.clip_id
    if job.job_type == "analysis" and job.result:
        values = job.result.model_dump(mode="json").items()
        found["values"] = {name: value for name, value in values if not isinstance(value, list | dict)}
    elif job.result:
        found["stems"] = [{"id": stem.id, "name": stem.stem_type} for stem in job.result.stems]
    return found
