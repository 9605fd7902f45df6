"""The synchronous client. ``make docs`` makes this file of ``_async_client.py``. Do not edit it."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


class Job(JobRecord):
    """A job at the server. Its fields are those of the latest answer."""

    _client: Client = PrivateAttr()

    def refresh(self) -> Job:
        """Read the job again, and return it."""
        self.__dict__.update((self._client.job(self.id)).__dict__)
        return self

    def wait(self, progress: Callable[[Job], object] | None = None, timeout_seconds: float | None = None) -> Job:
        """Wait until the job is completed, and return it. Its channel tells when to read it; without one, it is polled.

        Args:
            progress: is called with the job after each answer.
            timeout_seconds: None: wait as long as it takes.

        Raises:
            JobFailed: the job failed, or was cancelled.
            JobTimeout: the job has not ended in time. It goes on.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        with _Events(self) as events:
            for pause in polling_pauses():
                self.refresh()
                if progress is not None:
                    progress(self)
                if self.ended:
                    break
                if deadline is not None and time.monotonic() >= deadline:
                    raise JobTimeout(f"The job {self.id} has not ended after {timeout_seconds:g} seconds. It goes on.")
                events.pause(pause, deadline)
        if self.status == "failed":
            raise JobFailed(self)
        return self

    def cancel(self) -> None:
        """Cancel the job. Nothing happens if it has ended."""
        try:
            self._client.request("DELETE", f"/api/jobs/{self.id}")
        except ApiError as error:
            if error.code != "JOB_FINISHED":
                raise

    def retry(self) -> Job:
        """Start the failed or cancelled job again. Return the new job."""
        data = self._client.data("POST", f"/api/jobs/{self.id}/retry")
        return self._client._job(data)

    def save(self, folder: str | Path, format: str = "", progress: Progress | None = None) -> list[Path]:
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
            return [self._client.save_stem(stem, target, format, progress) for stem in stems]
        paths = {
            "generation": f"/download/{self.clip_id}.wav",
            "analysis": f"/export/analysis/{self.track_id}",
            "export": f"/export/archive/{self.id}",
        }
        if self.job_type == "download" and self.track_id:
            return [self._client.save_track(self.track_id, target, progress)]
        if self.job_type not in paths:
            raise ValueError(f"A job of the type {self.job_type} has no files.")
        return [self._client.save(paths[self.job_type], target, progress)]


class _Events:
    """The events of the channel of a job. They end the pauses between two requests for its state."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._socket: Any = None
        self._stack = contextlib.ExitStack()
        self._works = job._client.has_channels

    def __enter__(self) -> _Events:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pause(self, seconds: float, deadline: float | None) -> None:
        """Return when the job has news, or after ``seconds`` if there is no channel; at ``deadline`` at the latest."""
        now = time.monotonic()
        left = float("inf") if deadline is None else max(0.0, deadline - now)
        if self._works:
            try:
                self._news(now, now + min(left, CHANNEL_PAUSE_SECONDS))
            except (OSError, ValueError, WebSocketException):
                self._works = False
            else:
                return
        time.sleep(min(seconds, left))

    def _news(self, start: float, end: float) -> None:
        if self._socket is None:
            self._socket = self._stack.enter_context(self._job._client._channels())
            self._socket.send(json.dumps(["1", "1", f"jobs:{self._job.id}", "phx_join", {}]))
        while (left := end - time.monotonic()) > 0:
            try:
                message = self._socket.recv(timeout=left)
            except TimeoutError:
                break
            _, _, _, event, payload = json.loads(message)
            if event in ("job:completed", "job:failed"):
                self._works = False  # nothing follows
                return
            if event == "job:progress":
                end = min(end, start + PROGRESS_PAUSE_SECONDS)
            elif event in ("phx_close", "phx_error") or payload.get("status") == "error":
                raise ConnectionError
        self._socket.send(json.dumps([None, "0", "phoenix", "heartbeat", {}]))


class Client:
    """A client of the API of one server. Use it in a ``with`` block, or call :meth:`close`.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {token}"} if token else {})
        self.server = server.rstrip("/")
        self.has_channels = transport is None
        self._http = httpx.Client(
            base_url=self.server, headers=headers, timeout=timeout, follow_redirects=True, transport=transport
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # songs

    def upload(
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
            sent = self.request("POST", "/api/tracks", files=content, data=fields, key=key)
        return Track.model_validate(sent.json()["data"])

    def tracks(self, search: str = "", **filters: Any) -> Iterator[Track]:
        """Iterate over your tracks, newest first. ``filters`` are the parameters of ``GET /api/tracks``."""
        for each in self._pages("/api/tracks", {"q": search, **filters}):
            yield Track.model_validate(each)

    def track(self, track_id: str) -> Track:
        """Return a track."""
        return Track.model_validate(self.data("GET", f"/api/tracks/{segment(track_id)}"))

    def update_track(self, track_id: str, **changes: Any) -> Track:
        """Change the ``title``, ``artist``, ``album``, ``bpm``, ``key`` or ``tags`` of a track."""
        return Track.model_validate(self.data("PATCH", f"/api/tracks/{segment(track_id)}", json=changes))

    def delete_track(self, track_id: str) -> None:
        """Delete a track, its files, stems and analysis, and cancel its jobs."""
        self.request("DELETE", f"/api/tracks/{segment(track_id)}")

    def save_track(self, track_id: str, target: str | Path, progress: Progress | None = None) -> Path:
        """Download the recording of a track. See :meth:`save`."""
        return self.save((self.track(track_id)).file_path or "", target, progress)

    def download_link(self, url: str, *, quality: str = "", idempotency_key: str = "") -> list[Job]:
        """Download the recordings of a link into the library. Return a job for each.

        Args:
            quality: ``lossless`` (FLAC), ``high`` (default), ``medium`` or ``low``.
        """
        body = {"url": url, "quality": quality}
        started = self._start("/api/download/track", body, idempotency_key)
        return [self.job(each["job_id"]) for each in started["jobs"]]

    # stems

    def separate(
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
    ) -> Job:
        """Start a separation, and return its job.

        Args:
            source: a track, the ID of a track, or the :class:`~pathlib.Path` of an audio file, which is uploaded first.
            stems: such as ``["vocals"]``; empty: all of the model.
            format: of the stems: ``flac`` (default), ``wav16``, ``wav24`` or ``wav32f``.
            quality: for the model ``auto``: ``fast``, ``balanced`` (default) or ``best``.
            progress: of the upload.
            parameters: further ones of ``POST /api/processing/separate``, such as ``chain``.
        """
        body = {"track_id": self._track_id(source, progress), "model": model, "stems": list(stems)}
        body |= {"format": format, "quality": quality} | parameters
        return self.job((self._start("/api/processing/separate", body, idempotency_key))["job_id"])

    def plan(self, tracks: Iterable[Track | str], *, model: str = "auto", **parameters: Any) -> list[Plan]:
        """Return what separations of ``tracks`` would run, how good that is and how long it takes. Nothing starts."""
        body = {"track_ids": [_id(each) for each in tracks], "model": model, **parameters}
        return [
            Plan.model_validate(each) for each in self.data("POST", "/api/processing/plan", json=body, repeatable=True)
        ]

    def models(self) -> list[SeparationModel]:
        """Return the models that separate songs."""
        found = self.data("GET", "/api/processing/models")
        return [SeparationModel.model_validate(each) for each in found["models"]]

    def stems(self, track: Track | str) -> list[Stem]:
        """Return the stems of the latest separation of a track."""
        found = self.data("GET", f"/api/tracks/{segment(_id(track))}/stems")
        return [Stem.model_validate(each) for each in found["stems"]]

    def save_stem(self, stem: Stem, target: str | Path, format: str = "", progress: Progress | None = None) -> Path:
        """Download a stem, converted to ``format`` if it is given. See :meth:`save`."""
        path = f"{stem.download_url}?format={format}" if format else stem.download_url
        return self.save(path, target, progress)

    # analyses

    def analyze(
        self,
        source: Track | str | Path,
        *,
        features: Sequence[str] = ("all",),
        idempotency_key: str = "",
        progress: Progress | None = None,
    ) -> Job:
        """Start an analysis, and return its job.

        Args:
            source: a track, the ID of a track, or the :class:`~pathlib.Path` of an audio file, which is uploaded first.
            features: such as ``tempo``, ``key``, ``chords``, ``bars``, ``sections`` and ``notes`` (docs/API.md lists them), or ``all``.
            progress: of the upload.
        """
        body = {"track_id": self._track_id(source, progress), "features": list(features)}
        return self.job((self._start("/api/analysis/analyze", body, idempotency_key))["job_id"])

    def analysis(self, track: Track | str) -> dict[str, Any]:
        """Return what the analyses of a track measured: each feature from the latest analysis that has it."""
        values: dict[str, Any] = self.data("GET", f"/api/analysis/{segment(_id(track))}")
        return values

    # clips

    def generate(
        self,
        prompt: str,
        *,
        duration: float = 8,
        model: str = "music",
        variations: int = 1,
        idempotency_key: str = "",
        **parameters: Any,
    ) -> list[Job]:
        """Start the generation of clips. Return a job for each variation.

        Args:
            duration: seconds.
            parameters: further ones of ``POST /generate``: ``loop``, ``seed``, ``continue_from``.
        """
        body = {"prompt": prompt, "duration": duration, "model": model, "variations": variations, **parameters}
        started = self.request("POST", "/generate", json=body, key=idempotency_key or uuid.uuid4().hex)
        return [self.job(each) for each in started.json()["job_ids"]]

    def clips(self, search: str = "", **filters: Any) -> Iterator[Clip]:
        """Iterate over the clips of the library. ``filters`` are the parameters of ``GET /api/library``."""
        page = pages = 1
        while page <= pages:
            parameters = {"search": search, "per_page": 100, **filters, "page": page}
            found = (self.request("GET", "/api/library", params=parameters)).json()
            for each in found["items"]:
                yield Clip.model_validate(each)
            page, pages = page + 1, found["pages"]

    def clip(self, clip_id: str) -> Clip:
        """Return a clip."""
        return Clip.model_validate((self.request("GET", f"/api/library/{segment(clip_id)}")).json())

    def save_clip(self, clip_id: str, target: str | Path, progress: Progress | None = None) -> Path:
        """Download a clip as a WAV file. See :meth:`save`."""
        return self.save(f"/download/{segment(clip_id.replace('-', ''))}.wav", target, progress)

    # jobs

    def jobs(self, **filters: Any) -> Iterator[Job]:
        """Iterate over your jobs, newest first. ``filters`` are the parameters of ``GET /api/jobs``."""
        for each in self._pages("/api/jobs", filters):
            yield self._job(each)

    def job(self, job_id: str) -> Job:
        """Return a job."""
        return self._job(self.data("GET", f"/api/jobs/{segment(job_id)}"))

    # the server

    def health(self) -> dict[str, Any]:
        """Return the status and the version of the server. Needs no token."""
        answer: dict[str, Any] = (self.request("GET", "/health")).json()
        return answer

    def storage(self) -> dict[str, Any]:
        """Return ``used_bytes``, ``limit_bytes`` and ``available_bytes`` of your account."""
        used: dict[str, Any] = self.data("GET", "/api/users/me/storage")
        return used

    # requests of all kinds

    def save(self, path: str, target: str | Path, progress: Progress | None = None) -> Path:
        """Download the file at a path of the API, and return where it is.

        The file gets its name when it is complete.

        Args:
            target: the file to write; if it is a folder, the server names the file.
        """
        place = Path(target)
        for pause in attempts():
            try:
                with self._http.stream("GET", path) as response:
                    if response.is_error:
                        response.read()
                        raise ApiError(response)
                    file = place / local_name(response) if place.is_dir() else place
                    _write(response, file, progress)
                    return file
            except ApiError as error:
                if pause is None or not error.passes:
                    raise
                pause = max(pause, error.retry_after_seconds or 0)
            except httpx.TransportError as error:
                if pause is None:
                    raise self._failure(error) from error
            time.sleep(pause)
        raise AssertionError("unreachable")

    def data(self, method: str, path: str, **request: Any) -> Any:
        """Send a request, and return ``data`` of the answer."""
        return (self.request(method, path, **request)).json()["data"]

    def request(
        self, method: str, path: str, *, key: str = "", repeatable: bool = False, **request: Any
    ) -> httpx.Response:
        """Send a request to any route, again after errors that pass.

        Args:
            key: the ``Idempotency-Key``, which makes a POST repeatable.
            repeatable: whether a POST without a key may be sent twice.
            request: arguments of :meth:`httpx.Client.request`.

        Raises:
            ApiError: the server refused it.
            ConnectionFailed: the server does not answer.
        """
        headers = {"Idempotency-Key": key} if key else {}
        safe = repeatable or bool(key) or method != "POST"
        for pause in attempts():
            try:
                response = self._http.request(method, path, headers=headers, **request)
                if not response.is_error:
                    return response
                error = ApiError(response)
                if pause is None or not (safe and error.passes):
                    raise error
                pause = max(pause, error.retry_after_seconds or 0)
            except httpx.TransportError as error:
                if pause is None or not safe:
                    raise self._failure(error) from error
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _channels(self) -> Any:
        """Return the WebSocket of all channels, as a context manager."""
        from websockets.sync.client import connect  # takes longer to import than many programs run

        headers = {name: self._http.headers[name] for name in ("Authorization",) if name in self._http.headers}
        address = f"{self.server.replace('http', 'ws', 1)}/socket/websocket?vsn=2.0.0"
        return connect(address, additional_headers=headers, user_agent_header=USER_AGENT, close_timeout=1)

    def _failure(self, error: httpx.TransportError) -> ConnectionFailed:
        return ConnectionFailed(f"{self.server} does not answer ({error or type(error).__name__}).")

    def _start(self, path: str, body: Mapping[str, Any], key: str) -> Any:
        return self.data("POST", path, json=body, key=key or uuid.uuid4().hex)

    def _pages(self, path: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        address: str | None = path
        query: Mapping[str, Any] | None = {"page_size": 100, **parameters}
        while address:
            answer = self.request("GET", address, params=query)
            for each in answer.json()["data"]:
                yield each
            address, query = next_page(answer), None

    def _track_id(self, source: Track | str | Path, progress: Progress | None) -> str:
        # A string is never a path: an ID that somebody else chose must not read a file.
        return (self.upload(source, progress=progress)).id if isinstance(source, Path) else _id(source)

    def _job(self, data: Mapping[str, Any]) -> Job:
        job = Job.model_validate(data)
        job._client = self
        return job


def _id(track: Track | str) -> str:
    return track.id if isinstance(track, Track) else track


def _write(response: httpx.Response, file: Path, progress: Progress | None) -> None:
    partial = write_partial(file)
    size = response.headers.get("Content-Length")
    try:
        with partial.open("wb") as opened:
            for piece in response.iter_bytes():
                opened.write(piece)
                if progress is not None:
                    progress(response.num_bytes_downloaded, int(size) if size else None)
        partial.replace(file)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
