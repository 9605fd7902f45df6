"""Separates and analyses files: a few at a time, with progress, and without repeating finished work."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import string
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from soundwright_client._async_client import AsyncClient, AsyncJob
from soundwright_client.errors import ApiError, ConnectionFailed, SoundwrightError
from soundwright_client.types import Stem

AUDIO_SUFFIXES = set(
    ".aac .aif .aiff .au .caf .flac .m4a .mka .mkv .mp3 .mp4 .oga .ogg .opus .wav .w64 .webm".split()  # noqa: SIM905
)
_AT_ONCE = 3
"""While one file is separated, the next one is uploaded and the last one is downloaded."""
_CANCEL_SECONDS = 10
_COMMON_ERRORS = ("UNAUTHORIZED", "QUOTA_EXCEEDED", "VALIDATION_ERROR", "MODEL_UNAVAILABLE")
_STATE = ".soundwright.json"


def audio_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files, and those audio files that lie in the folders, by name, except hidden ones."""
    found: list[Path] = []
    for path in paths:
        found += (
            sorted(each for each in path.iterdir() if each.suffix.lower() in AUDIO_SUFFIXES and _is_visible(each))
            if path.is_dir()
            else [path]
        )
    return list(dict.fromkeys(found))


def _is_visible(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")  # macOS keeps notes on song.mp3 in ._song.mp3


def sizes_and_times(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the size and the time of the last change of each audio file in ``folder``."""
    found = {}
    for file in audio_files([folder]):
        with contextlib.suppress(FileNotFoundError):  # it was removed or renamed just now
            facts = file.stat()
            found[file] = (facts.st_size, facts.st_mtime_ns)
    return found


def track_names(files: Sequence[Path]) -> dict[Path, str]:
    """Return the name of each file without its extension, and with a number if files of several folders have the same name."""
    seen: Counter[str] = Counter()
    names = {}
    for file in files:
        seen[file.stem] += 1
        names[file] = file.stem if seen[file.stem] == 1 else f"{file.stem} ({seen[file.stem]})"
    return names


class Bars:
    """A line on the terminal for each file that is in work. Shows nothing if standard error is no terminal."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}", markup=False),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextlib.contextmanager
    def line(self, name: str) -> Any:
        """Show a line during the block. Yield the function that changes it: ``show(step, percent, seconds_left)``."""
        task: TaskID = self._progress.add_task(name, total=100, left="")

        def show(step: str, percent: float, seconds_left: float | None = None) -> None:
            left = step if seconds_left is None else f"{step}, {duration(seconds_left)} left"
            self._progress.update(task, completed=percent, left=left)

        try:
            yield show
        finally:
            self._progress.remove_task(task)


Show = Callable[..., None]


def duration(seconds: float) -> str:
    """Return a length of time as ``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def error_ends_all(error: Exception) -> bool:
    """Return whether all other files would fail, too."""
    return isinstance(error, ConnectionFailed) or getattr(error, "code", "") in _COMMON_ERRORS


async def each_file(files: Sequence[Path], work: Callable[[Path], Any]) -> AsyncIterator[tuple[Path, Any]]:
    """Do ``work`` with all files, a few at a time. Yield each file with its result, or with the error, as they are done."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(file: Path) -> tuple[Path, Any]:
        async with room:
            try:
                return file, await work(file)
            except (SoundwrightError, OSError) as error:
                if error_ends_all(error):
                    raise
                return file, error

    tasks = [asyncio.ensure_future(one(file)) for file in files]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def upload(client: AsyncClient, file: Path, show: Show) -> str:
    """Upload a file, and return the ID of its track. The same file becomes the same track, however often it is uploaded."""
    key = await asyncio.to_thread(_digest, file)
    track = await client.upload(
        file,
        progress=lambda done, size: show("uploading", 100 * done / (size or 1)),
        idempotency_key=f"soundwright-{key}",
    )
    return track.id


async def run_job(start: Any, show: Show, step: str) -> AsyncJob:
    """Start a job, and wait for its end. If this is cancelled, cancel the job at the server."""
    starting: asyncio.Future[AsyncJob] = asyncio.ensure_future(start)
    try:
        job = await asyncio.shield(starting)
        return await job.wait(lambda each: _show_job(each, show, step))
    except asyncio.CancelledError:
        with anyio.move_on_after(_CANCEL_SECONDS, shield=True), contextlib.suppress(SoundwrightError):
            await (await starting).cancel()
        raise


def _show_job(job: Any, show: Show, step: str) -> None:
    waiting = f"waiting at position {job.queue_position}" if job.queue_position else step
    show(waiting, job.progress, job.estimated_seconds_left)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        digest = hashlib.sha256()
        while piece := opened.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@dataclass
class Done:
    """What was made of a file."""

    files: list[str] = field(default_factory=list)
    model: str | None = None
    degraded_reason: str | None = None
    track_id: str = ""
    job_id: str = ""
    skipped: bool = False


@dataclass
class Separation:
    """Separates files into ``folder``.

    The folder keeps a list of what is done (``.soundwright.json``), so that the same command after an interruption does only the
    rest, and continues jobs that have gone on at the server.

    Args:
        filename: the path of each stem, with ``{track}``, ``{stem}``, ``{model}`` and ``{ext}``.
        parameters: of :meth:`AsyncClient.separate`.
        conversion: the format of the downloads, if it is not that of the separation.
    """

    client: AsyncClient
    folder: Path
    filename: str
    parameters: dict[str, Any]
    conversion: str = ""

    def __post_init__(self) -> None:
        self._state_file = self.folder / _STATE
        self._state: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, ValueError):
            self._state = dict(json.loads(self._state_file.read_text()))

    async def separate(self, file: Path, track: str, show: Show) -> Done:
        """Separate a file. ``track`` is its name in ``filename``."""
        entry = self._entry(file)
        if entry.get("files") and all((self.folder / name).is_file() for name in entry["files"]):
            return Done(entry["files"], entry.get("model"), entry.get("degraded_reason"), skipped=True)
        job = await self._job(file, entry, show)
        show("saving", 100)
        stems = job.result.stems if job.result else []
        names = [str((await self._save(stem, track, job)).relative_to(self.folder)) for stem in stems]
        entry.update(files=names, model=job.model, degraded_reason=job.degraded_reason)
        self._keep()
        return Done(names, job.model, job.degraded_reason, entry["track_id"], job.id)

    async def _job(self, file: Path, entry: dict[str, Any], show: Show) -> AsyncJob:
        if "track_id" in entry:
            with contextlib.suppress(ApiError):  # the track was deleted, is of another server, or the job failed
                job = await self._start(entry)
                if job.status != "failed":
                    return await run_job(already(job), show, "separating")
        entry.update(track_id=await upload(self.client, file, show), key=uuid.uuid4().hex)
        self._keep()
        return await run_job(self._start(entry), show, "separating")

    async def _start(self, entry: dict[str, Any]) -> AsyncJob:
        return await self.client.separate(entry["track_id"], idempotency_key=entry["key"], **self.parameters)

    async def _save(self, stem: Stem, track: str, job: AsyncJob) -> Path:
        fields = {"track": track, "stem": stem.stem_type, "model": job.model or ""}
        extension = self.conversion or {"audio/flac": "flac"}.get(stem.content_type, "wav")
        safe = {name: re.sub(r"[/\\]", "_", text).strip(". ") or "_" for name, text in fields.items()}
        target = self.folder / self.filename.format(**safe, ext=extension)
        return await self.client.save_stem(stem, target, self.conversion)

    def _entry(self, file: Path) -> dict[str, Any]:
        facts = file.stat()
        identity = [str(file.resolve()), facts.st_size, facts.st_mtime_ns, self.filename, self.conversion]
        text = json.dumps([identity, sorted(self.parameters.items())])
        return self._state.setdefault(hashlib.sha256(text.encode()).hexdigest()[:32], {"source": file.name})

    def _keep(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self._state_file.with_suffix(".partial")
        partial.write_text(json.dumps(self._state, indent=1))
        partial.replace(self._state_file)


async def already(job: AsyncJob) -> AsyncJob:
    return job


def filename_problem(filename: str) -> str:
    """Return what is wrong with the pattern of ``--filename``; empty: nothing."""
    try:
        parsed = list(string.Formatter().parse(filename))
    except ValueError:
        return "--filename has a brace without its other half."
    if any(form or conversion for _, _, form, conversion in parsed):
        return "--filename takes fields as they are, such as {stem}, without : and !."
    fields = {name for _, name, _, _ in parsed if name is not None}
    if unknown := fields - {"track", "stem", "model", "ext"}:
        return f"--filename has {{{sorted(unknown)[0]}}}. It can have {{track}}, {{stem}}, {{model}} and {{ext}}."
    if "stem" not in fields:
        return "--filename needs {stem}, because all stems of a song would get the same name."
    if Path(filename).is_absolute() or ".." in Path(filename).parts:
        return "--filename has to stay in the folder of --output."
    return ""
