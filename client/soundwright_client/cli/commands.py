"""The commands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from soundwright_client._async_client import AsyncClient
from soundwright_client._sync_client import Client
from soundwright_client.cli import batch, connection
from soundwright_client.cli.foreign import ForeignCommand
from soundwright_client.errors import ConnectionFailed, SoundwrightError

FAILED, NO_SERVER = 1, 3
"""Exit codes, beside 0, 2 for a wrong use, and 130 after Ctrl-C."""
_WATCH_SECONDS = 2.0
_FORMATS = ("flac", "wav16", "wav24", "wav32f", "mp3", "m4a")
_LOSSY = ("mp3", "m4a")

app = typer.Typer(
    name="soundwright",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Separate songs into stems, analyse them, and generate audio, on a Soundwright server.",
    epilog="Exit codes: 0 done, 1 something failed, 2 wrong use, 3 no server, 130 interrupted.",
)
library = typer.Typer(no_args_is_help=True, help="Search your tracks and the clips of the library.")
app.add_typer(library, name="library")
_WIDTH = None if sys.stdout.isatty() else 200  # columns are complete in files and pipes
out = Console(soft_wrap=True, highlight=False, markup=False, width=_WIDTH)
err = Console(stderr=True, highlight=False, markup=False)


Server = Annotated[
    str,
    typer.Option("--server", envvar="SOUNDWRIGHT_SERVER", help="Address of the server.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: one line for each file, or one list.")]
Files = Annotated[list[Path], typer.Argument(help="Audio files, or folders with audio files.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the files.", show_default=False)]


def fail(message: str, code: int = FAILED) -> NoReturn:
    err.print(message, style="red", soft_wrap=True)
    raise typer.Exit(code)


@contextlib.contextmanager
def errors_are_sentences() -> Iterator[None]:
    """Turn errors into a sentence and an exit code."""
    try:
        yield
    except ConnectionFailed as error:
        fail(error.message, NO_SERVER)
    except SoundwrightError as error:
        if error.code == "UNAUTHORIZED":
            fail("The server does not know your token. Log in with `soundwright login`, or set SOUNDWRIGHT_TOKEN.")
        fail(error.message)
    except (OSError, ValueError) as error:
        fail(str(error))


@contextlib.contextmanager
def connected(server: str) -> Iterator[connection.Connection]:
    """Yield the server of a command. One that starts for the length of the command says so."""
    with errors_are_sentences(), contextlib.ExitStack() as stack:
        starting = not connection.server_of(server) and connection.is_installed() and err.is_terminal
        with err.status("Looking for a server, or starting one") if starting else contextlib.nullcontext():
            found = stack.enter_context(connection.connect(server))
        if found.embedded:
            err.print(
                "No server runs, so one runs until this command ends. `soundwright serve` keeps one.", soft_wrap=True
            )
        yield found


@contextlib.contextmanager
def client_of(server: str) -> Iterator[Client]:
    with connected(server) as found, Client(found.server, found.token) as client:
        yield client


def run(server: str, work: Any) -> int:
    """Run ``work(client)``, a coroutine that returns the number of failures, and exit with 1 if there were some."""

    async def with_client(found: connection.Connection) -> int:
        async with AsyncClient(found.server, found.token) as client:
            work_of: Coroutine[Any, Any, int] = work(client)
            return await work_of

    with connected(server) as found:
        try:
            failures = asyncio.run(with_client(found))
        except KeyboardInterrupt:
            fail("Interrupted. Unfinished jobs are cancelled. The same command does the rest.", 130)
    if failures:
        raise typer.Exit(FAILED)
    return failures


def report(as_json: bool, text: str, facts: dict[str, Any]) -> None:
    """Print one result."""
    # On a terminal, progress bars are below, which only their own console moves out of the way.
    console = err if out.is_terminal and err.is_terminal else out
    console.print(json.dumps(facts, default=str) if as_json else text, soft_wrap=True)
    sys.stdout.flush()


def report_failure(as_json: bool, name: str, error: Any) -> None:
    message = getattr(error, "message", str(error))
    if as_json:
        report(True, "", {"file": name, "error": message, "code": getattr(error, "code", "")})
    err.print(f"{name}: {message}", style="red", soft_wrap=True)


def table(*columns: str) -> Table:
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        rows.add_column(column, no_wrap=column == "id", min_width=36 if column == "id" else None, overflow="fold")
    return rows


# songs


@app.command(cls=ForeignCommand)
def separate(
    files: Files,
    output: Annotated[
        Path, typer.Option("--output", "--out", "--output_dir", "-o", help="Folder for the stems.")
    ] = Path("separated"),
    model: Annotated[
        str, typer.Option("--model", "--name", "--model_filename", "-m", "-n", help="See `soundwright models`.")
    ] = "auto",
    stems: Annotated[
        str, typer.Option("--stems", "--single_stem", help="Only these, separated by commas.", show_default="all")
    ] = "",
    format: Annotated[
        str, typer.Option("--format", "-f", "--output_format", help="flac, wav16, wav24, wav32f, mp3 or m4a.")
    ] = "flac",
    quality: Annotated[str, typer.Option(help="For the model auto: fast, balanced or best.")] = "balanced",
    filename: Annotated[
        str, typer.Option(help="Path of each stem: {track}, {stem}, {model}, {ext}.")
    ] = "{track}/{stem}.{ext}",
    two_stems: Annotated[str, typer.Option("--two-stems", help="This stem and the rest, as in demucs.")] = "",
    mp3: Annotated[bool, typer.Option("--mp3", hidden=True)] = False,
    flac: Annotated[bool, typer.Option("--flac", hidden=True)] = False,
    int24: Annotated[bool, typer.Option("--int24", hidden=True)] = False,
    float32: Annotated[bool, typer.Option("--float32", hidden=True)] = False,
    server: Server = "",
    as_json: Json = False,
) -> None:
    """Separate songs into stems. The same command after an interruption does only the rest."""
    chosen = "mp3" if mp3 else "flac" if flac else "wav24" if int24 else "wav32f" if float32 else format
    make = separation_factory(output, model, two_stems or stems, chosen, quality, filename)
    found = existing(files)

    async def work(client: AsyncClient) -> int:
        return await separate_files(make(client), found, as_json)

    run(server, work)


def separation_factory(output: Path, model: str, stems: str, format: str, quality: str, filename: str) -> Any:
    """Check the options, and return what makes a :class:`batch.Separation` with a client."""
    chosen = {"wav": "wav16", "aac": "m4a"}.get(format.lower(), format.lower())
    if chosen not in _FORMATS:
        fail(f"The format {format} is unknown. Use one of: {', '.join(_FORMATS)}.", 2)
    if problem := batch.filename_problem(filename):
        fail(problem, 2)
    wanted = [name.strip().lower() for name in stems.split(",") if name.strip()]
    conversion = chosen if chosen in _LOSSY else ""
    parameters = {"model": model, "stems": wanted, "format": "" if conversion else chosen}
    parameters["quality"] = quality if model == "auto" else ""
    return lambda client: batch.Separation(client, output, filename, parameters, conversion)


def existing(paths: list[Path]) -> list[Path]:
    """Return the audio files that the arguments name."""
    for path in paths:
        if not path.exists():
            fail(f"{path} does not exist.", 2)
    files = batch.audio_files(paths)
    if not files:
        fail(f"{paths[0]} has no audio files.", 2)
    return files


async def separate_files(separation: batch.Separation, files: list[Path], as_json: bool) -> int:
    """Separate files, and print what was made of each. Return the number of failures."""
    names, failures = batch.track_names(files), 0
    with batch.Bars(err) as bars:

        async def one(file: Path) -> batch.Done:
            with bars.line(file.name) as show:
                return await separation.separate(file, names[file], show)

        async for file, result in batch.each_file(files, one):
            if isinstance(result, Exception):
                failures += 1
                report_failure(as_json, str(file), result)
                continue
            paths = [str(separation.folder / name) for name in result.files]
            note = " (done before)" if result.skipped else f" by {result.model}"
            text = "\n".join([f"{file}{note}:", *(f"  {path}" for path in paths)])
            facts = {"file": str(file), "stems": paths, "model": result.model, "skipped": result.skipped}
            facts |= {"degraded_reason": result.degraded_reason, "track_id": result.track_id, "job_id": result.job_id}
            report(as_json, text, facts)
            if result.degraded_reason and not result.skipped:
                err.print(f"{file}: {result.degraded_reason}", style="yellow", soft_wrap=True)
    return failures


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(help="Folder to watch.", exists=True, file_okay=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the stems.")] = Path("separated"),
    model: Annotated[str, typer.Option("--model", "-m", "-n")] = "auto",
    stems: Annotated[str, typer.Option(help="Only these, separated by commas.", show_default="all")] = "",
    format: Annotated[str, typer.Option("--format", "-f")] = "flac",
    quality: Annotated[str, typer.Option()] = "balanced",
    filename: Annotated[str, typer.Option()] = "{track}/{stem}.{ext}",
    server: Server = "",
    as_json: Json = False,
) -> None:
    """Separate the files of a folder, and those that appear in it, until Ctrl-C. Options are those of `separate`."""
    make = separation_factory(output, model, stems, format, quality, filename)
    if (output / filename).parent.resolve() == folder.resolve():
        fail("The stems would be separated again. Choose another --output, or a --filename with a folder.", 2)

    async def work(client: AsyncClient) -> int:
        separation = make(client)
        seen: dict[Path, tuple[int, int]] = {}
        done: set[tuple[Path, tuple[int, int]]] = set()
        err.print(f"Watching {folder}. Ctrl-C ends it.", soft_wrap=True)
        while True:
            facts = batch.sizes_and_times(folder)
            # A file that is still being written differs from the scan before.
            ready = [file for file, each in facts.items() if seen.get(file) == each and (file, each) not in done]
            try:
                if ready:
                    await separate_files(separation, ready, as_json)
                done |= {(file, facts[file]) for file in ready}
            except ConnectionFailed as error:
                err.print(f"{error.message} Trying again.", style="yellow", soft_wrap=True)
            seen = facts
            await asyncio.sleep(_WATCH_SECONDS)

    run(server, work)


@app.command()
def analyze(
    files: Files,
    output: Output = None,
    features: Annotated[
        str,
        typer.Option(
            help="tempo, key, energy, spectral, mfcc, chroma, chords, bars, sections, notes, piano_notes, melody, vocal_activity, lyrics or all."
        ),
    ] = "all",
    server: Server = "",
    as_json: Json = False,
) -> None:
    """Measure tempo, key, loudness and more. With --output, each song gets a JSON file with all values."""
    found = existing(files)
    names = batch.track_names(found)
    wanted = [name.strip() for name in features.split(",") if name.strip()]

    async def work(client: AsyncClient) -> int:
        failures = 0
        with batch.Bars(err) as bars:

            async def one(file: Path) -> dict[str, Any]:
                with bars.line(file.name) as show:
                    track_id = await batch.upload(client, file, show)
                    job = await batch.run_job(client.analyze(track_id, features=wanted), show, "analysing")
                    path = f"/export/analysis/{track_id}"
                    saved = [await client.save(path, output / f"{names[file]}.json")] if output else []
                values = job.result.model_dump() if job.result else {}
                return {"file": str(file), "track_id": track_id, **values, "saved": [str(path) for path in saved]}

            async for file, facts in batch.each_file(found, one):
                if isinstance(facts, Exception):
                    failures += 1
                    report_failure(as_json, str(file), facts)
                    continue
                shown = (("tempo", "{:.1f} bpm"), ("key", "{}"), ("loudness_lufs", "{:.1f} LUFS"))
                text = ", ".join(form.format(facts[name]) for name, form in shown if facts.get(name) is not None)
                report(as_json, f"{file}: {text or ', '.join(wanted)}", facts)
        return failures

    run(server, work)


@app.command()
def download(
    url: Annotated[str, typer.Argument(help="Link to Spotify, to a page with a recording, or to an audio file.")],
    output: Output = None,
    quality: Annotated[str, typer.Option(help="lossless, high, medium or low.")] = "high",
    server: Server = "",
    as_json: Json = False,
) -> None:
    """Download the recordings of a link into your library. With --output, also to this machine."""

    async def work(client: AsyncClient) -> int:
        jobs = await client.download_link(url, quality=quality)
        return await finish(client, jobs, output, as_json, "downloading")

    run(server, work)


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="Description of the sound.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the clips.")] = Path("generated"),
    duration: Annotated[float, typer.Option("--duration", "-d", min=1, help="Seconds.")] = 8,
    model: Annotated[str, typer.Option("--model", "-m", help="music, audio, magnet-music or magnet-audio.")] = "music",
    loop: Annotated[bool, typer.Option("--loop", help="The clip loops seamlessly.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed and prompt give the same clip.", show_default="random")] = -1,
    variations: Annotated[int, typer.Option(min=1, max=8)] = 1,
    continue_from: Annotated[str, typer.Option(help="ID of a clip to continue.")] = "",
    server: Server = "",
    as_json: Json = False,
) -> None:
    """Generate a clip from a prompt."""

    async def work(client: AsyncClient) -> int:
        options: dict[str, Any] = {"model": model, "loop": loop, "seed": seed, "variations": variations}
        jobs = await client.generate(prompt, duration=duration, continue_from=continue_from, **options)
        return await finish(client, jobs, output, as_json, "generating")

    run(server, work)


async def finish(client: AsyncClient, jobs: list[Any], output: Path | None, as_json: bool, step: str) -> int:
    """Wait for jobs, save what they made, and print it. Return the number of failures."""
    by_name = {Path(f"{job.title or job.id} {number}" if len(jobs) > 1 else job.title or job.id): job
               for number, job in enumerate(jobs, 1)}  # fmt: skip
    failures = 0
    with batch.Bars(err) as bars:

        async def one(name: Path) -> dict[str, Any]:
            with bars.line(str(name)) as show:
                job = await batch.run_job(batch.already(by_name[name]), show, step)
                saved = await job.save(output) if output else []
            made = {"clip_id": job.clip_id} if job.job_type == "generation" else {"track_id": job.track_id}
            facts = {"job_id": job.id, **made, "title": job.title, "model": job.model}
            return {**facts, "degraded_reason": job.degraded_reason, "files": [str(path) for path in saved]}

        async for name, facts in batch.each_file(list(by_name), one):
            if isinstance(facts, Exception):
                failures += 1
                report_failure(as_json, str(name), facts)
                continue
            place = ", ".join(facts["files"]) or f"track {facts.get('track_id')}"
            report(as_json, f"{facts['title']}: {place}", facts)
            if facts["degraded_reason"]:
                err.print(f"{facts['degraded_reason']} {facts['model']} ran.", style="yellow", soft_wrap=True)
    return failures


# lists


@library.command("search")
def library_search(
    words: Annotated[list[str] | None, typer.Argument(help="Words, or the beginnings of words.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Of tracks, and of clips.")] = 20,
    server: Server = "",
    as_json: Json = False,
) -> None:
    """Search your tracks, and the clips of the library."""
    text = " ".join(words or [])
    with client_of(server) as client:
        tracks = [each for each, _ in zip(client.tracks(text), range(limit), strict=False)]
        clips = [each for each, _ in zip(client.clips(text, prefix=True), range(limit), strict=False)]
    if as_json:
        found = [{"kind": "track", **each.model_dump()} for each in tracks]
        out.print(json.dumps(found + [{"kind": "clip", **each.model_dump()} for each in clips], default=str))
        return
    rows = table("kind", "id", "title", "length", "tempo", "key")
    for track in tracks:
        title = f"{track.artist} - {track.title}" if track.artist else track.title
        tempo = f"{track.bpm:.0f}" if track.bpm else ""
        rows.add_row("track", track.id, title, batch.duration(track.duration_seconds), tempo, track.key or "")
    for clip in clips:
        rows.add_row("clip", clip.id, clip.prompt, batch.duration(clip.duration), "", "")
    out.print(rows if tracks or clips else "Nothing was found.")


@app.command()
def jobs(
    status: Annotated[str, typer.Option(help="queued, processing, completed, failed or cancelled.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    live: Annotated[bool, typer.Option("--live", help="Refresh the table until Ctrl-C.")] = False,
    cancel: Annotated[list[str] | None, typer.Option(help="Cancel this job instead of listing.")] = None,
    server: Server = "",
    as_json: Json = False,
) -> None:
    """List your jobs, newest first, or cancel some."""
    with client_of(server) as client:
        if cancel:
            for job_id in cancel:
                client.job(job_id).cancel()
                report(as_json, f"Cancelled {job_id}.", {"job_id": job_id, "cancelled": True})
            return

        def listed() -> list[Any]:
            return [each for each, _ in zip(client.jobs(status=status, page_size=limit), range(limit), strict=False)]

        if as_json:
            out.print(json.dumps([each.model_dump() for each in listed()], default=str))
        elif live:
            with Live(jobs_table(listed()), console=out, auto_refresh=False) as shown:
                while True:
                    time.sleep(_WATCH_SECONDS)
                    shown.update(jobs_table(listed()), refresh=True)
        else:
            found = listed()
            out.print(jobs_table(found) if found else "There are no jobs.")


def jobs_table(found: list[Any]) -> Table:
    rows = table("id", "type", "title", "model", "status", "left")
    for job in found:
        left = "" if job.estimated_seconds_left is None else batch.duration(job.estimated_seconds_left)
        state = f"{job.status} {job.progress} %" if job.status in ("processing", "downloading") else job.status
        state = "cancelled" if job.error_code == "CANCELLED" else state
        rows.add_row(job.id, job.job_type, job.title or "", job.model or "", state, left)
    return rows


@app.command()
def models(server: Server = "", as_json: Json = False) -> None:
    """List the models that separate songs."""
    with client_of(server) as client:
        found = client.models()
    if as_json:
        out.print(json.dumps([each.model_dump() for each in found], default=str))
        return
    rows = table("model", "stems", "weights", "")
    for each in found:
        state = "ready" if each.available else "not available"
        rows.add_row(each.name, ", ".join(each.stem_types), each.weights_licence or "none needed", state)
    out.print(rows)


# the server


@app.command()
def status(server: Server = "", as_json: Json = False) -> None:
    """Show the server of the commands, its version, and what your account uses."""
    with connected(server) as found, Client(found.server, found.token) as client:
        facts: dict[str, Any] = {"server": found.server, "version": client.health().get("version")}
        facts |= {"embedded": found.embedded, "logged_in": bool(found.token)}
        if found.token:
            facts |= {"used_bytes": client.storage()["used_bytes"]}
            facts["unfinished_jobs"] = sum(1 for state in ("queued", "processing") for _ in client.jobs(status=state))
    text = f"{facts['server']} runs Soundwright {facts['version']}."
    if found.token:
        used = f"{facts['used_bytes'] / 1e6:.1f} MB of files, {facts['unfinished_jobs']} unfinished jobs."
        report(as_json, f"{text} Your account: {used}", facts)
    else:
        report(as_json, f"{text} You are not logged in: `soundwright login`.", facts)


@app.command()
def login(
    server: Server = connection.LOCAL_SERVER,
    email: Annotated[str, typer.Option(help="Create a token for this account, with its password.")] = "",
    as_json: Json = False,
) -> None:
    """Keep an API token for a server, and make it the default server.

    Asks for the token, or for the password of --email. Without a terminal, it reads that from standard input.
    """
    address = connection.server_of(server)
    asked = "Password" if email else "API token"
    secret = typer.prompt(asked, hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    if (not secret.isascii() and not email) or not secret:
        fail(f"The {asked} is missing, or has characters that no token has.", 2)
    with errors_are_sentences():
        connection.check(address)
        if email:
            wanted = {"email": email, "password": secret, "name": f"soundwright on {platform.node()}"[:100]}
            with Client(address) as client:
                secret = client.data("POST", "/api/tokens", json=wanted)["token"]
        with Client(address, secret) as client:
            client.storage()
        place = connection.remember(address, secret)
    report(as_json, f"Logged in to {address}. The token is in {place}.", {"server": address, "token_in": place})


@app.command()
def logout(server: Server = "", as_json: Json = False) -> None:
    """Forget the API token for a server. The token stays valid: revoke it in the studio."""
    address = connection.server_of(server)
    known = connection.forget_token(address)
    report(as_json, f"Forgot the token for {address}." if known else "There was no token.", {"forgotten": known})


@app.command()
def serve() -> None:
    """Run the platform on this machine until Ctrl-C, as `make run` does. Settings are environment variables."""
    if not connection.is_installed():
        fail("The platform is not installed here, only its client. Follow the README of Soundwright.", NO_SERVER)
    folder = connection.data_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["SOUNDWRIGHT_DATA_DIR"] = str(folder)
    defaults = {"OPEN_ACCESS": "true", "FALLBACK": "true", "SEPARATION_ANONYMOUS_LIMIT": "50", "LOG_FORMAT": "console"}
    for name, setting in (defaults | {f"{name}_PORT": port for name, port in connection.PORTS.items()}).items():
        os.environ.setdefault(f"SOUNDWRIGHT_{name}", setting)
    for name in connection.OWN_VARIABLES:
        os.environ.pop(name, None)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "soundwright.services", "all"])  # noqa: S606


@app.command()
def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP. Callers send their own API token.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address for --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port for --http.")] = 8765,
    folder: Annotated[
        Path | None,
        typer.Option(help="The only folder whose files the tools read and write.", show_default="., none with --http"),
    ] = None,
    server: Server = "",
) -> None:
    """Serve the tools of the platform to an AI agent (MCP), over standard input and output or HTTP."""
    try:
        from soundwright_client.mcp_server import Tools, build_server, serve_http
    except ModuleNotFoundError:
        fail("The package mcp is missing. Install it: pip install 'soundwright-client[mcp]'", 2)
    with connected(server) as found:
        if http:
            serve_http(Tools(found.server, None, folder), host, port)
        else:
            build_server(Tools(found.server, found.token, folder or Path())).run()
