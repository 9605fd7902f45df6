"""``python -m demo SONG``: start a stack, then separate and analyse a song through its public API."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from soundwright.services.first_password import first_password, forget
from soundwright_client import Client, Job, SoundwrightError
from soundwright_client.local import Stack, end_by_signals, running

OUTPUT = Path("demo-output")
_JOB_LIMIT_SECONDS = 4 * 3600.0
_SHOWN = ("tempo", "key", "energy")
console = Console()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        console.print(f"File not found: {' '.join(arguments)}. Use: make demo SONG=path/to/song.mp3", style="red")
        return 2
    end_by_signals()
    try:
        with _stack() as stack:
            folder = _demonstrate(stack, Path(arguments[0]))
    except (RuntimeError, SoundwrightError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    for label, what in (
        ("Listen to the stems", str(folder)),
        ("Mix them yourself", "make run, then log in as the administrator"),
        ("Separate your song", "make demo SONG=path/to/song.mp3"),
    ):
        console.print(f"{label + ':':<20} {what}", soft_wrap=True, highlight=False, markup=False)
    return 0


@contextlib.contextmanager
def _stack() -> Iterator[Stack]:
    """Start a stack over the data directory of ``make run``, or use one that runs."""
    data_dir = Path(os.environ.get("SOUNDWRIGHT_DATA_DIR", "data"))
    if existing := _running_stack(data_dir):
        console.print(f"Soundwright runs at {existing.base_url}.")
        yield existing
        return
    data_dir.mkdir(parents=True, exist_ok=True)
    password = first_password(data_dir)
    settings = {"SOUNDWRIGHT_ADMIN_PASSWORD": password} if password else {}
    started = time.monotonic()
    context = running(data_dir, settings)
    with console.status("Starting the stack: broker, library, ingest, separation, analysis, generation, gateway"):
        stack = context.__enter__()
    try:
        console.print(f"Soundwright is ready after {time.monotonic() - started:.1f} s.")
        if password:
            text = f"Administrator: admin@localhost, password {password} (shown only this once)"
            console.print(text, markup=False, highlight=False)
            forget(data_dir)
        yield stack
    finally:
        with console.status("Stopping the stack"):
            context.__exit__(None, None, None)


def _running_stack(data_dir: Path) -> Stack | None:
    """Return the stack that ``make run`` has started over ``data_dir``, if it runs."""
    token_file = data_dir / "admin-token"
    if not token_file.exists():
        return None
    url = f"http://127.0.0.1:{os.environ.get('SOUNDWRIGHT_GATEWAY_PORT', '4000')}"
    stack = Stack(url, "", "", token_file.read_text().strip(), data_dir, process_id=0)
    with contextlib.suppress(httpx.HTTPError), stack.client() as client:
        if client.get("/api/tracks", params={"limit": 1}, timeout=5).is_success:
            return stack
    return None


def _demonstrate(stack: Stack, song: Path) -> Path:
    """Separate and analyse ``song``, print the results, and return the folder of the stems."""
    folder = OUTPUT / song.stem
    folder.mkdir(parents=True, exist_ok=True)
    with Client(stack.base_url, stack.token) as client:
        # The same song becomes the same track, however often the demo runs.
        digest = hashlib.sha256(song.read_bytes()).hexdigest()
        track = client.upload(song, idempotency_key=f"demo-{digest}")
        seconds = track.duration_seconds
        console.print(f"Uploaded {song.name}: {seconds:.1f} s, {track.sample_rate_hz} Hz.", markup=False)
        started = time.monotonic()
        jobs = {"Separation": client.separate(track), "Analysis": client.analyze(track, features=_SHOWN)}
        columns = (TextColumn("{task.description:<11}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            for name, job in jobs.items():
                job.wait(_bar(progress, name), _JOB_LIMIT_SECONDS)
        elapsed = time.monotonic() - started
        reason = client.data("GET", f"/api/processing/job/{jobs['Separation'].id}")["model_reason"]
        table = Table("stem", "length", "file", box=box.SIMPLE)
        for stem in client.stems(track):
            path = client.save_stem(stem, folder / Path(stem.file_path).name)
            table.add_row(stem.stem_type, f"{stem.duration_seconds:.2f} s", path.name)
        console.print(table)
        client.save(f"/export/analysis/{track.id}", folder / "analysis.json")
        values = client.analysis(track)
    console.print(
        f"{values['tempo']:.1f} bpm, {values['key']}, {len(values['beats'])} beats, "
        f"{_number(values['loudness_lufs'])} LUFS, true peak {_number(values['true_peak_dbtp'])} dBTP"
    )
    console.print(f"Stems: {reason}", markup=False)
    console.print(f"Both jobs took {elapsed:.1f} s, {seconds / elapsed:.1f} times real time.\n")
    return folder


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _bar(progress: Progress, name: str) -> Callable[[Job], None]:
    task = progress.add_task(name, total=100)
    return lambda job: progress.update(task, completed=job.progress)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
