"""``python -m demo [SONG]``: start a stack, then separate and analyse a song through its public API."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.stack import Stack, running

OUTPUT = Path("demo-output")
_POLL_SECONDS = 0.5
_JOB_LIMIT_SECONDS = 4 * 3600.0
console = Console()


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or (arguments and not Path(arguments[0]).is_file()):
        console.print(f"File not found: {' '.join(arguments)}. Use: make demo SONG=path/to/song.mp3", style="red")
        return 2
    song = Path(arguments[0]) if arguments else _own_song()
    started = time.monotonic()
    try:
        with console.status("Starting the stack: broker, library, ingest, separation, analysis, generation, gateway"):
            context = running(OUTPUT / "data")
            stack = context.__enter__()
        try:
            console.print(f"The stack is ready at {stack.base_url} ({time.monotonic() - started:.1f} s).")
            _demonstrate(stack, song)
        finally:
            with console.status("Stopping the stack"):
                context.__exit__(None, None, None)
    except (RuntimeError, httpx.HTTPError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted. The stack is stopped.")
        return 130
    console.print("The stack is stopped. Run `make run` to start one that keeps running.")
    return 0


def _own_song() -> Path:
    """Render the demo song and return its path."""
    from demo.song import render_demo_song

    path = OUTPUT / "soundwright-demo.wav"
    with console.status("Rendering a song"):
        known = render_demo_song(path)
    console.print(f"Rendered {path}: {known}.")
    return path


def _demonstrate(stack: Stack, song: Path) -> None:
    folder = OUTPUT / song.stem
    folder.mkdir(parents=True, exist_ok=True)
    with stack.client() as client:
        with song.open("rb") as file:
            track = _data(client.post("/api/tracks", files={"file": (song.name, file)}))
        seconds = float(track["duration_seconds"])
        rate = f"{track['sample_rate_hz']} Hz, {track['channel_count']} channels"
        console.print(f"Uploaded {track['title']!r}: {seconds:.1f} s, {rate}.")
        started = time.monotonic()
        jobs = {
            "Separation": (
                "processing",
                _data(client.post("/api/processing/separate", json={"track_id": track["id"]})),
            ),
            "Analysis": ("analysis", _data(client.post("/api/analysis/analyze", json={"track_id": track["id"]}))),
        }
        columns = (TextColumn("{task.description:<11}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            done = {
                name: _wait(client, f"/api/{area}/job/{job['job_id']}", _bar(progress, name))
                for name, (area, job) in jobs.items()
            }
        elapsed = time.monotonic() - started
        separation, analysis = done["Separation"], done["Analysis"]
        table = Table(title=f"Stems by {separation['engine']} ({separation['model']})", title_justify="left")
        for heading in ("stem", "length", "format", "link", "file"):
            table.add_column(heading, overflow="fold")
        for stem in separation["stems"]:
            path = folder / Path(stem["file_path"]).name
            _download(client, stem["download_url"], path)
            table.add_row(
                stem["stem_type"],
                f"{stem['duration_seconds']:.2f} s",
                f"{stem['sample_rate_hz']} Hz, {stem['channel_count']} ch",
                stack.base_url + stem["download_url"],
                str(path),
            )
        console.print(table)
        if separation.get("degraded"):
            console.print(
                f"Degraded: {separation['requested_model']} was requested. {separation['degraded_reason']}",
                style="yellow",
                markup=False,
            )
        _download(client, f"/export/analysis/{track['id']}", folder / "analysis.json")
        console.print(_values(analysis["result"]))
        console.print(f"Both jobs took {elapsed:.1f} s, {seconds / elapsed:.1f} times real time.")
        console.print(f"Files: {folder.resolve()}")


def _values(result: dict[str, Any]) -> Table:
    table = Table(title="Analysis", title_justify="left")
    table.add_column("measure")
    table.add_column("value")
    rows = (
        ("tempo", f"{result['tempo']:.1f} bpm (confidence {result['tempo_confidence']:.2f})"),
        ("key", f"{result['key']} (confidence {result['key_confidence']:.2f})"),
        ("energy", f"{result['energy']:.3f}"),
        ("loudness", f"{_number(result['loudness_lufs'])} LUFS, true peak {_number(result['true_peak_dbtp'])} dBTP"),
        ("spectral centroid", f"{result['spectral_centroid']:.0f} Hz"),
        ("beats", str(len(result["beats"]))),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _bar(progress: Progress, name: str) -> Callable[[int], None]:
    task = progress.add_task(name, total=100)
    return lambda percent: progress.update(task, completed=percent)


def _wait(client: httpx.Client, path: str, show: Callable[[int], None]) -> dict[str, Any]:
    """Poll a job until it ends, and return it."""
    deadline = time.monotonic() + _JOB_LIMIT_SECONDS
    while time.monotonic() < deadline:
        job = _data(client.get(path))
        show(int(job["progress"]))
        if job["status"] == "completed":
            return job
        if job["status"] == "failed":
            raise RuntimeError(f"The job failed: {job['error']}")
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"The job did not end within {_JOB_LIMIT_SECONDS / 3600:g} hours.")


def _data(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    if response.is_error:
        raise RuntimeError(f"{response.request.method} {response.request.url.path}: {body.get('error', body)}")
    data: dict[str, Any] = body["data"]
    return data


def _download(client: httpx.Client, path: str, target: Path) -> None:
    with client.stream("GET", path) as response:
        response.raise_for_status()
        with target.open("wb") as file:
            for piece in response.iter_bytes():
                file.write(piece)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
