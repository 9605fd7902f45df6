"""The asynchronous client. ``make docs`` makes the synchronous one, ``_sync_client.py``, of this file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from pydantic import PrivateAttr
from websockets.exceptions import WebSocketException

from soundwright_client.errors import ApiError, ConnectionFailed, JobFailed, JobTimeout
from soundwright_client.transfer import (
    CHANNEL_PAUSE_SECONDS,
    PROGRESS_PAUSE_SECONDS,
    USER_AGENT,
    MediaFile,
    Progress,
    attempts,
    local_name,
    next_page,
    polling_pauses,
    segment,
    write_partial,
)
from soundwright_client.types import Clip, JobRecord, Plan, SeparationModel, Stem, Track

_TIMEOUT = httpx.Timeout(60, connect=10, read=600)  # an upload is answered after the whole file was examined


class AsyncJob(JobRecord):
    """A job at the server. Its fields are those of the latest answer."""

    _client: AsyncClient = PrivateAttr()

    async def refresh(self) -> AsyncJob:
        """Read the job again, and return it."""
        self.__dict__.update((await self._client.job(self.id)).__dict__)
        return self

    async def wait(
        self, progress: Callable[[AsyncJob], object] | None = None, timeout_seconds: float | None = None
    ) -> AsyncJob:
        """Wait until the job is completed, and return it. Its channel tells when to read it; without one, it is polled.

        Args:
            progress: is called with the job after each answer.
            timeout_seconds: None: wait as long as it takes.

        Raises:
            JobFailed: the job failed, or was cancelled.
            JobTimeout: the job has not ended in time. It goes on.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        async with _Events(self) as events:
            for pause in polling_pauses():
                await self.refresh()
                if progress is not None:
                    progress(self)
                if self.ended:
                    break
                if deadline is not None and time.monotonic() >= deadline:
                    raise JobTimeout(f"The job {self.id} has not ended after {timeout_seconds:g} seconds. It goes on.")
                await events.pause(pause, deadline)
        if self.status == "failed":
            raise JobFailed(self)
        return self

    async def cancel(self) -> None:
        """Cancel the job. Nothing happens if it has ended."""
        try:
            await self._client.request("DELETE", f"/api/jobs/{self.id}")
        except ApiError as error:
            if error.code != "JOB_FINISHED":
                raise

    async def retry(self) -> AsyncJob:
        """Start the failed or cancelled job again. Return the new job."""
        data = await self._client.data("POST", f"/api/jobs/{self.id}/retry")
        return self._client._job(data)

    async def save(self, folder: str | Path, format: str = "", progress: Progress | None = None) -> list[Path]:
        """Download what the completed job made into ``folder``, and return the files.

        These are the stems of a separation, the clip of a generation, the values of an analysis, the recording of a download
        and the archive of an export.

        Args:
            format: convert stems to ``flac``, ``wav16``, ``wav24``, ``wav32f``, ``mp3`` or ``m4a``. Empty: as they are stored.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        if self.job_type == "processing":
            stems = self.result.stems if self.result else []
            return [await self._client.save_stem(stem, target, format, progress) for stem in stems]
        paths = {
            "generation": f"/download/{self.clip_id}.wav",
            "analysis": f"/export/analysis/{self.track_id}",
            "export": f"/export/archive/{self.id}",
        }
        if self.job_type == "download" and self.track_id:
            return [await self._client.save_track(self.track_id, target, progress)]
        if self.job_type not in paths:
            raise ValueError(f"A job of the type {self.job_type} has no files.")
        return [await self._client.save(paths[self.job_type], target, progress)]


class _Events:
    """The events of the channel of a job. They end the pauses between two requests for its state."""

    def __init__(self, job: AsyncJob) -> None:
        self._job = job
        self._socket: Any = None
        self._stack = contextlib.AsyncExitStack()
        self._works = job._client.has_channels

    async def __aenter__(self) -> _Events:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def pause(self, seconds: float, deadline: float | None) -> None:
        """Return when the job has news, or after ``seconds`` if there is no channel; at ``deadline`` at the latest."""
        now = time.monotonic()
        left = float("inf") if deadline is None else max(0.0, deadline - now)
        if self._works:
            try:
                await self._news(now, now + min(left, CHANNEL_PAUSE_SECONDS))
            except (OSError, ValueError, WebSocketException):
                self._works = False
            else:
                return
        await asyncio.sleep(min(seconds, left))

    async def _news(self, start: float, end: float) -> None:
        if self._socket is None:
            self._socket = await self._stack.enter_async_context(self._job._client._channels())
            await self._socket.send(json.dumps(["1", "1", f"jobs:{self._job.id}", "phx_join", {}]))
        while (left := end - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self._socket.recv(), left)  # noqa: TID251 (Python 3.10)
            except asyncio.TimeoutError:  # noqa: UP041 (Python 3.10)
                break
            _, _, _, event, payload = json.loads(message)
            if event in ("job:completed", "job:failed"):
                self._works = False  # nothing follows
                return
            if event == "job:progress":
                end = min(end, start + PROGRESS_PAUSE_SECONDS)
            elif event in ("phx_close", "phx_error") or payload.get("status") == "error":
                raise ConnectionError
        await self._socket.send(json.dumps([None, "0", "phoenix", "heartbeat", {}]))


class AsyncClient:
    """A client of the API of one server. Use it in a ``with`` block, or call :meth:`aclose`.

    Requests are sent again after errors that pass, if that is safe: reads, changes that can be repeated, and new jobs and
    uploads, which have an idempotency key each.

    Args:
        server: the address of the server.
        token: an API token. Empty: only routes that the server opens to everybody.
        transport: replaces the network, for tests.
    """

    def __init__(
        self,
        server: str = "http://127.0.0.1:4000",
        token: str = "",
        *,
        timeout: httpx.Timeout | float = _TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {token}"} if token else {})
        self.server = server.rstrip("/")
        self.has_channels = transport is None
        self._http = httpx.AsyncClient(
            base_url=self.server, headers=headers, timeout=timeout, follow_redirects=True, transport=transport
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # songs

    async def upload(
        self,
        file: str | Path,
        *,
        title: str = "",
        artist: str = "",
        album: str = "",
        progress: Progress | None = None,
        idempotency_key: str = "",
    ) -> Track:
        """Upload an audio file. Empty fields come from its tags.

        Args:
            idempotency_key: repeated uploads of the same file with the same key return the same track.
        """
        fields = {name: text for name, text in (("title", title), ("artist", artist), ("album", album)) if text}
        key = idempotency_key or uuid.uuid4().hex
        with Path(file).open("rb") as opened:
            content = {"file": (Path(file).name, MediaFile(opened, progress))}
            sent = await self.request("POST", "/api/tracks", files=content, data=fields, key=key)
        return Track.model_validate(sent.json()["data"])

    async def tracks(self, search: str = "", **filters: Any) -> AsyncIterator[Track]:
        """Iterate over your tracks, newest first. ``filters`` are the parameters of ``GET /api/tracks``."""
        async for each in self._pages("/api/tracks", {"q": search, **filters}):
            yield Track.model_validate(each)

    async def track(self, track_id: str) -> Track:
        """Return a track."""
        return Track.model_validate(await self.data("GET", f"/api/tracks/{segment(track_id)}"))

    async def update_track(self, track_id: str, **changes: Any) -> Track:
        """Change the ``title``, ``artist``, ``album``, ``bpm``, ``key`` or ``tags`` of a track."""
        return Track.model_validate(await self.data("PATCH", f"/api/tracks/{segment(track_id)}", json=changes))

    async def delete_track(self, track_id: str) -> None:
        """Delete a track, its files, stems and analysis, and cancel its jobs."""
        await self.request("DELETE", f"/api/tracks/{segment(track_id)}")

    async def save_track(self, track_id: str, target: str | Path, progress: Progress | None = None) -> Path:
        """Download the recording of a track. See :meth:`save`."""
        return await self.save((await self.track(track_id)).file_path or "", target, progress)

    async def download_link(self, url: str, *, quality: str = "", idempotency_key: str = "") -> list[AsyncJob]:
        """Download the recordings of a link into the library. Return a job for each.

        Args:
            quality: ``lossless`` (FLAC), ``high`` (default), ``medium`` or ``low``.
        """
        body = {"url": url, "quality": quality}
        started = await self._start("/api/download/track", body, idempotency_key)
        return [await self.job(each["job_id"]) for each in started["jobs"]]

    # stems

    async def separate(
        self,
        source: Track | str | Path,
        *,
        model: str = "auto",
        stems: Sequence[str] = (),
        format: str = "",
        quality: str = "",
        idempotency_key: str = "",
        progress: Progress | None = None,
        **parameters: Any,
    ) -> AsyncJob:
        """Start a separation, and return its job.

        Args:
            source: a track, the ID of a track, or the :class:`~pathlib.Path` of an audio file, which is uploaded first.
            stems: such as ``["vocals"]``; empty: all of the model.
            format: of the stems: ``flac`` (default), ``wav16``, ``wav24`` or ``wav32f``.
            quality: for the model ``auto``: ``fast``, ``balanced`` (default) or ``best``.
            progress: of the upload.
            parameters: further ones of ``POST /api/processing/separate``, such as ``chain``.
        """
        body = {"track_id": await self._track_id(source, progress), "model": model, "stems": list(stems)}
        body |= {"format": format, "quality": quality} | parameters
        return await self.job((await self._start("/api/processing/separate", body, idempotency_key))["job_id"])

    async def plan(self, tracks: Iterable[Track | str], *, model: str = "auto", **parameters: Any) -> list[Plan]:
        """Return what separations of ``tracks`` would run, how good that is and how long it takes. Nothing starts."""
        body = {"track_ids": [_id(each) for each in tracks], "model": model, **parameters}
        return [
            Plan.model_validate(each)
            for each in await self.data("POST", "/api/processing/plan", json=body, repeatable=True)
        ]

    async def models(self) -> list[SeparationModel]:
        """Return the models that separate songs."""
        found = await self.data("GET", "/api/processing/models")
        return [SeparationModel.model_validate(each) for each in found["models"]]

    async def stems(self, track: Track | str) -> list[Stem]:
        """Return the stems of the latest separation of a track."""
        found = await self.data("GET", f"/api/tracks/{segment(_id(track))}/stems")
        return [Stem.model_validate(each) for each in found["stems"]]

    async def save_stem(
        self, stem: Stem, target: str | Path, format: str = "", progress: Progress | None = None
    ) -> Path:
        """Download a stem, converted to ``format`` if it is given. See :meth:`save`."""
        path = f"{stem.download_url}?format={format}" if format else stem.download_url
        return await self.save(path, target, progress)

    # analyses

    async def analyze(
        self,
        source: Track | str | Path,
        *,
        features: Sequence[str] = ("all",),
        idempotency_key: str = "",
        progress: Progress | None = None,
    ) -> AsyncJob:
        """Start an analysis, and return its job.

        Args:
            source: a track, the ID of a track, or the :class:`~pathlib.Path` of an audio file, which is uploaded first.
            features: such as ``tempo``, ``key``, ``chords``, ``bars``, ``sections`` and ``notes`` (docs/API.md lists them), or ``all``.
            progress: of the upload.
        """
        body = {"track_id": await self._track_id(source, progress), "features": list(features)}
        return await self.job((await self._start("/api/analysis/analyze", body, idempotency_key))["job_id"])

    async def analysis(self, track: Track | str) -> dict[str, Any]:
        """Return what the analyses of a track measured: each feature from the latest analysis that has it."""
        values: dict[str, Any] = await self.data("GET", f"/api/analysis/{segment(_id(track))}")
        return values

    # clips

    async def generate(
        self,
        prompt: str,
        *,
        duration: float = 8,
        model: str = "music",
        variations: int = 1,
        idempotency_key: str = "",
        **parameters: Any,
    ) -> list[AsyncJob]:
        """Start the generation of clips. Return a job for each variation.

        Args:
            duration: seconds.
            parameters: further ones of ``POST /generate``: ``loop``, ``seed``, ``continue_from``.
        """
        body = {"prompt": prompt, "duration": duration, "model": model, "variations": variations, **parameters}
        started = await self.request("POST", "/generate", json=body, key=idempotency_key or uuid.uuid4().hex)
        return [await self.job(each) for each in started.json()["job_ids"]]

    async def clips(self, search: str = "", **filters: Any) -> AsyncIterator[Clip]:
        """Iterate over the clips of the library. ``filters`` are the parameters of ``GET /api/library``."""
        page = pages = 1
        while page <= pages:
            parameters = {"search": search, "per_page": 100, **filters, "page": page}
            found = (await self.request("GET", "/api/library", params=parameters)).json()
            for each in found["items"]:
                yield Clip.model_validate(each)
            page, pages = page + 1, found["pages"]

    async def clip(self, clip_id: str) -> Clip:
        """Return a clip."""
        return Clip.model_validate((await self.request("GET", f"/api/library/{segment(clip_id)}")).json())

    async def save_clip(self, clip_id: str, target: str | Path, progress: Progress | None = None) -> Path:
        """Download a clip as a WAV file. See :meth:`save`."""
        return await self.save(f"/download/{segment(clip_id.replace('-', ''))}.wav", target, progress)

    # jobs

    async def jobs(self, **filters: Any) -> AsyncIterator[AsyncJob]:
        """Iterate over your jobs, newest first. ``filters`` are the parameters of ``GET /api/jobs``."""
        async for each in self._pages("/api/jobs", filters):
            yield self._job(each)

    async def job(self, job_id: str) -> AsyncJob:
        """Return a job."""
        return self._job(await self.data("GET", f"/api/jobs/{segment(job_id)}"))

    # the server

    async def health(self) -> dict[str, Any]:
        """Return the status and the version of the server. Needs no token."""
        answer: dict[str, Any] = (await self.request("GET", "/health")).json()
        return answer

    async def storage(self) -> dict[str, Any]:
        """Return ``used_bytes``, ``limit_bytes`` and ``available_bytes`` of your account."""
        used: dict[str, Any] = await self.data("GET", "/api/users/me/storage")
        return used

    # requests of all kinds

    async def save(self, path: str, target: str | Path, progress: Progress | None = None) -> Path:
        """Download the file at a path of the API, and return where it is.

        The file gets its name when it is complete.

        Args:
            target: the file to write; if it is a folder, the server names the file.
        """
        place = Path(target)
        for pause in attempts():
            try:
                async with self._http.stream("GET", path) as response:
                    if response.is_error:
                        await response.aread()
                        raise ApiError(response)
                    file = place / local_name(response) if place.is_dir() else place
                    await _write(response, file, progress)
                    return file
            except ApiError as error:
                if pause is None or not error.passes:
                    raise
                pause = max(pause, error.retry_after_seconds or 0)
            except httpx.TransportError as error:
                if pause is None:
                    raise self._failure(error) from error
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def data(self, method: str, path: str, **request: Any) -> Any:
        """Send a request, and return ``data`` of the answer."""
        return (await self.request(method, path, **request)).json()["data"]

    async def request(
        self, method: str, path: str, *, key: str = "", repeatable: bool = False, **request: Any
    ) -> httpx.Response:
        """Send a request to any route, again after errors that pass.

        Args:
            key: the ``Idempotency-Key``, which makes a POST repeatable.
            repeatable: whether a POST without a key may be sent twice.
            request: arguments of :meth:`httpx.AsyncClient.request`.

        Raises:
            ApiError: the server refused it.
            ConnectionFailed: the server does not answer.
        """
        headers = {"Idempotency-Key": key} if key else {}
        safe = repeatable or bool(key) or method != "POST"
        for pause in attempts():
            try:
                response = await self._http.request(method, path, headers=headers, **request)
                if not response.is_error:
                    return response
                error = ApiError(response)
                if pause is None or not (safe and error.passes):
                    raise error
                pause = max(pause, error.retry_after_seconds or 0)
            except httpx.TransportError as error:
                if pause is None or not safe:
                    raise self._failure(error) from error
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    def _channels(self) -> Any:
        """Return the WebSocket of all channels, as a context manager."""
        from websockets.asyncio.client import connect  # takes longer to import than many programs run

        headers = {name: self._http.headers[name] for name in ("Authorization",) if name in self._http.headers}
        address = f"{self.server.replace('http', 'ws', 1)}/socket/websocket?vsn=2.0.0"
        return connect(address, additional_headers=headers, user_agent_header=USER_AGENT, close_timeout=1)

    def _failure(self, error: httpx.TransportError) -> ConnectionFailed:
        return ConnectionFailed(f"{self.server} does not answer ({error or type(error).__name__}).")

    async def _start(self, path: str, body: Mapping[str, Any], key: str) -> Any:
        return await self.data("POST", path, json=body, key=key or uuid.uuid4().hex)

    async def _pages(self, path: str, parameters: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        address: str | None = path
        query: Mapping[str, Any] | None = {"page_size": 100, **parameters}
        while address:
            answer = await self.request("GET", address, params=query)
            for each in answer.json()["data"]:
                yield each
            address, query = next_page(answer), None

    async def _track_id(self, source: Track | str | Path, progress: Progress | None) -> str:
        # A string is never a path: an ID that somebody else chose must not read a file.
        return (await self.upload(source, progress=progress)).id if isinstance(source, Path) else _id(source)

    def _job(self, data: Mapping[str, Any]) -> AsyncJob:
        job = AsyncJob.model_validate(data)
        job._client = self
        return job


def _id(track: Track | str) -> str:
    return track.id if isinstance(track, Track) else track


async def _write(response: httpx.Response, file: Path, progress: Progress | None) -> None:
    partial = write_partial(file)
    size = response.headers.get("Content-Length")
    try:
        with partial.open("wb") as opened:
            async for piece in response.aiter_bytes():
                opened.write(piece)
                if progress is not None:
                    progress(response.num_bytes_downloaded, int(size) if size else None)
        partial.replace(file)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
