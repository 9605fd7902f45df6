"""Time and memory of separation, compared with the ``demucs`` command line and, where they are installed, other programs.

All programs start as new processes, alternate, and use the same model file, threads, song and machine. The model is a
full-size ``htdemucs`` with random weights: the running time of a network does not depend on its weights.

    make .servers/peers/.ready                      # install audio-separator and unblend
    python -m dev.bench.separation                      # compare with other programs
    python -m dev.bench.separation --device cuda        # the same on a GPU; dev.bench.gpu measures batches and queues
    python -m dev.bench.separation --memory 180 1200    # speed and memory by length, with a small network
    python -m dev.bench.separation --memory 3600 --full # one hour with the full-size network; this is slow
    python -m dev.bench.separation --memory 240 3600 --model spleeter   # a model that comes with the platform
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import numpy as np
import psutil
from numpy.typing import NDArray

from dev.bench import peers
from soundwright.services.separation.engines.demucs.engine import DemucsEngine
from soundwright.services.separation.engines.networks import CpuMode
from soundwright_client.local import running

REPOSITORY = Path(__file__).resolve().parents[2]
RATE_HZ = 44_100
MODEL = "htdemucs"
GPU_MEMORY = "gpu-memory"
"""File with the most memory of a GPU that the last new process reserved, in bytes."""
WARM_UP_SECONDS = 10
_RSS_BYTES = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
ALLOCATOR = "glibc.malloc.hugetlb=1"
STEMS = ["drums", "bass", "other", "vocals"]
FULL_SIZE: Mapping[str, Any] = {
    "channels": 48,
    "dconv_mode": 3,
    "bottom_channels": 512,
    "t_layers": 5,
    "segment": Fraction(39, 5),
}
SMALL: Mapping[str, Any] = {
    "channels": 4,
    "depth": 2,
    "lstm_layers": 0,
    "dconv_mode": 0,
    "resample": False,
    "segment": Fraction(39, 5),
}


@dataclass(frozen=True)
class Run:
    """Time and memory that one process used."""

    wall_seconds: float
    cpu_seconds: float
    peak_mebibytes: float


@dataclass(frozen=True)
class Setup:
    """Where the benchmark keeps its files, and what it measures."""

    folder: Path
    device: str
    size: Mapping[str, Any]

    @property
    def modes(self) -> tuple[CpuMode, ...]:
        return ("exact", "mixed", "fast") if self.device == "cpu" else ("exact", "mixed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="length of the song (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 and so on (default: %(default)s)")
    parser.add_argument("--price", type=float, help="price of an hour of the machine, for the cost of an hour of audio")
    parser.add_argument("--small", action="store_true", help="use a small network, to try this program")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program (default: %(default)s)")
    parser.add_argument(
        "--memory", type=float, nargs="+", metavar="SECONDS", help="measure speed and peak memory at these lengths"
    )
    parser.add_argument("--only-ours", action="store_true", help="with --memory: do not measure the command line")
    parser.add_argument("--full", action="store_true", help="with --memory: use the full-size network")
    parser.add_argument("--model", help="with --memory: a model whose weights are installed, and nothing else")
    parser.add_argument("--separate-with", nargs=3, metavar=("MODEL", "SONG", "STEMS"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--separate", nargs=6, metavar=("SONG", "MODELS", "STEMS", "ENCODING", "MODE", "DEVICE"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.separate:
        song, models, stems, encoding, mode, device = options.separate
        separate(Path(song), Path(models), Path(stems), encoding, mode, device)
        return
    if options.separate_with:
        model, song, stems = options.separate_with
        separate_with(model, Path(song), Path(stems))
        return
    with tempfile.TemporaryDirectory(prefix="separation-bench-") as folder:
        if options.memory and options.model:
            measure_lengths(Path(folder), options.memory, options.model)
        elif options.memory:
            compare_lengths(Path(folder), options.memory, FULL_SIZE if options.full else SMALL, options.only_ours)
        else:
            setup = Setup(Path(folder), options.device, SMALL if options.small else FULL_SIZE)
            compare_with_command_line(setup, options.seconds, options.rounds, options.price)


def separate(song: Path, models: Path, stems: Path, encoding: Any, mode: CpuMode, device: str) -> None:
    """Separate ``song`` as a job does, but without bus and store. On a GPU, write its memory to the file ``GPU_MEMORY``."""
    from soundwright.kit.audio import AudioFile
    from soundwright.kit.file_names import encoding_extension
    from soundwright.services.separation.stems import write_stems

    stems.mkdir(parents=True, exist_ok=True)
    files = {stem: stems / f"{stem}.{encoding_extension(encoding)}" for stem in STEMS}
    mix = AudioFile(song)
    write_stems(engine(models, mode, device).separate(mix, MODEL), mix, files, encoding, lambda share: None)
    if device != "cpu":
        (models.parent / GPU_MEMORY).write_text(str(peak_bytes(device)))


def separate_with(model: str, song: Path, stems: Path) -> None:
    """Separate ``song`` to FLAC files with an installed model, as a job does, but without bus and store."""
    from soundwright.kit.audio import AudioFile
    from soundwright.services.separation.registry import build_registry
    from soundwright.services.separation.settings import SeparationSettings
    from soundwright.services.separation.stems import write_stems
    from soundwright.services.separation.upright import Upright, separated

    stems.mkdir(parents=True, exist_ok=True)
    registry, mix = build_registry(SeparationSettings()), AudioFile(song)
    outputs = registry.declaration(model).outputs
    with registry.use(model) as engine:
        blocks = separated(engine, Upright(mix), model, outputs)
        write_stems(blocks, mix, {stem: stems / f"{stem}.flac" for stem in outputs}, "flac", lambda share: None)


def engine(models: Path, mode: CpuMode, device: str = "cpu") -> DemucsEngine:
    """Return the engine that the settings of a mode give."""
    return DemucsEngine(
        model_dir=models,
        device=device,
        cpu_mode=mode,
        gpu_mode="exact" if mode == "exact" else "mixed",
        compiled_dir=models.parent / "compiled",
    )


def peak_bytes(device: str) -> int:
    """Return the most memory that this process has held: of the GPU, or the main memory for ``cpu``."""
    import torch

    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_BYTES
    return torch.cuda.max_memory_reserved(device)


def compare_with_command_line(setup: Setup, seconds: float, rounds: int, price: float | None) -> None:
    folder, song, models = setup.folder, setup.folder / "song.wav", setup.folder / "models"
    write_song(song, seconds)
    write_model(models, setup.size)
    if setup.device == "cpu":
        export_networks(models)
    cli, ours = command_lines(folder, setup.device)
    commands: dict[str, Callable[[], Run]] = {"demucs --shifts 0": lambda: measure([*cli, "--shifts", "0", str(song)])}
    stems: dict[str, Path] = {}  # of those that are compared with the first one
    for mode in setup.modes:
        new = [*ours, "wav32f", mode, setup.device]
        commands[f"Soundwright, new process, {mode}"] = functools.partial(measure, new)
        commands[f"Soundwright, job on a running stack (FLAC), {mode}"] = functools.partial(measure_job, setup, mode)
        stems[f"Soundwright, new process, {mode}"] = folder / "ours"
    if setup.size is FULL_SIZE:  # the small network is of a kind that the others do not know
        for name, peer in peers.prepare(folder, MODEL, STEMS, setup.size, setup.device).items():
            commands[name] = functools.partial(measure, peer.command, peer.environment)
            stems[name] = peer.stems
    # The last one, because it replaces the stems of the first one.
    commands["demucs, default options (1 random shift)"] = lambda: measure([*cli, str(song)])
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    agreements: dict[str, float] = {}
    gpu_bytes: dict[str, int] = {}
    for index in range(rounds):
        # Alternate the order, so that a machine that becomes slower or faster affects all programs equally.
        for name, run in list(commands.items())[:: -1 if index % 2 else 1]:
            runs[name].append(run())
            print(f"round {index + 1} of {rounds}: {name}: {runs[name][-1].wall_seconds:.1f} s", file=sys.stderr)
            if index == 0 and name in stems:
                agreements[name] = agreement_db(folder / "cli" / MODEL / song.stem, stems[name])
                if setup.device != "cpu" and "new process" in name:
                    gpu_bytes[name] = int((folder / GPU_MEMORY).read_text())
    first = next(iter(runs.values()))
    print(
        f"\nSeparation of {seconds:g} s with {MODEL} on {setup.device}, {os.cpu_count()} CPUs, median of {rounds} runs each:\n"
    )
    print(
        "| | wall, s | ratio | lowest to highest, s | times real time | CPU, s | ratio | peak memory, MiB | agreement, dB | peak GPU memory, MiB |"
        " price of an hour of audio |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, measured in runs.items():
        wall, cpu = median_seconds(measured)
        wall_base, cpu_base = median_seconds(first)
        low, high = min(run.wall_seconds for run in measured), max(run.wall_seconds for run in measured)
        peak = max(run.peak_mebibytes for run in measured)
        agreement = f"{agreements[name]:.0f}" if name in agreements else ""
        gpu = f"{gpu_bytes[name] / 1024**2:.0f}" if name in gpu_bytes else ""
        cost = "" if price is None else f"{price * wall / seconds:.4f}"
        print(
            f"| {name} | {wall:.1f} | {wall / wall_base:.2f} | {low:.1f} to {high:.1f} | {seconds / wall:.2f}"
            f" | {cpu:.1f} | {cpu / cpu_base:.2f} | {peak:.0f} | {agreement} | {gpu} | {cost} |"
        )


def agreement_db(reference: Path, stems: Path) -> float:
    """Return the lowest signal-to-noise ratio of stems against those of the command line."""
    import soundfile

    ratios = []
    for stem in STEMS:
        expected, _ = soundfile.read(reference / f"{stem}.wav")
        actual, _ = soundfile.read(stems / f"{stem}.wav")
        error = np.square(expected - actual).sum()
        ratios.append(np.square(expected).sum() / error if error else math.inf)
    return 10 * math.log10(min(ratios))


def export_networks(models: Path) -> None:
    """Let OpenVINO's networks be made before anything is measured."""
    modes: tuple[CpuMode, ...] = ("mixed", "fast")
    for mode in modes:
        engine(models, mode).load(MODEL)


def median_seconds(runs: list[Run]) -> tuple[float, float]:
    """Return the median wall time and the median CPU time in seconds."""
    return statistics.median(run.wall_seconds for run in runs), statistics.median(run.cpu_seconds for run in runs)


def compare_lengths(folder: Path, lengths: list[float], size: Mapping[str, Any], only_ours: bool) -> None:
    song, models = folder / "song.wav", folder / "models"
    write_model(models, size)
    if size is FULL_SIZE:
        export_networks(models)
    cli, ours = command_lines(folder)
    kind = "full-size" if size is FULL_SIZE else "small"
    print(f"Separation by length, {kind} network with the windows of {MODEL}:\n")
    commands = {"Soundwright (FLAC)": [*ours, "flac", "mixed", "cpu"]}
    if not only_ours:
        commands["demucs --shifts 0 (WAV)"] = [*cli, "--shifts", "0", str(song)]
    print_lengths(song, lengths, commands)


def measure_lengths(folder: Path, lengths: list[float], model: str) -> None:
    song = folder / "song.wav"
    command = [sys.executable, __file__, "--separate-with", model, str(song), str(folder / "ours")]
    print_lengths(song, lengths, {model: command})


def print_lengths(song: Path, lengths: list[float], commands: Mapping[str, Sequence[str]]) -> None:
    """Run commands, by name, with songs of these lengths in the file ``song``. Print a table."""
    print("| length, s | | wall, s | times real time | busy CPUs | peak memory, MiB |\n|---:|---|---:|---:|---:|---:|")
    for seconds in lengths:
        write_song(song, seconds)
        for name, command in commands.items():
            run = measure(command)
            speed, busy = seconds / run.wall_seconds, run.cpu_seconds / run.wall_seconds
            print(
                f"| {seconds:g} | {name} | {run.wall_seconds:.1f} | {speed:.2f} | {busy:.2f} | {run.peak_mebibytes:.0f} |",
                flush=True,
            )


def command_lines(folder: Path, device: str = "cpu") -> tuple[list[str], list[str]]:
    """Return the ``demucs`` command without options, and our command without encoding, mode and device.

    Both use ``song.wav`` and ``models`` in ``folder``.
    """
    models = str(folder / "models")
    cli = [sys.executable, "-m", "demucs", "-n", MODEL, "--repo", models, "-d", device, "-o", str(folder / "cli")]
    cli += ["--float32", "--clip-mode", "none"]
    return cli, [sys.executable, __file__, "--separate", str(folder / "song.wav"), models, str(folder / "ours")]


def measure_job(setup: Setup, mode: CpuMode) -> Run:
    """Measure a job on a running stack from the request to its end. The stack runs only for this measurement."""
    with running(setup.folder / "data", settings_of(setup, mode, 1)) as stack, stack.client() as client:
        track = uploaded(setup, client)
        time.sleep(WARM_UP_SECONDS)  # a running worker loads its model before the first request
        worker = engine_process(stack.process_id)
        before = worker.cpu_times()
        wall_seconds = job_seconds(client, track, 1)
        after = worker.cpu_times()
        status = Path(f"/proc/{worker.pid}/status")
        peak = next((int(line.split()[1]) for line in _lines(status) if line.startswith("VmHWM")), 0) / 1024
    return Run(wall_seconds, after.user + after.system - before.user - before.system, peak)


def settings_of(setup: Setup, mode: CpuMode, slots: int) -> dict[str, str]:
    """Return the settings of a stack. 0 slots: as many as the device gets without a setting."""
    return {
        "SOUNDWRIGHT_SEPARATION_MODEL_DIR": str(setup.folder / "models"),
        "SOUNDWRIGHT_SEPARATION_COMPILED_DIR": str(setup.folder / "compiled"),
        "SOUNDWRIGHT_SEPARATION_CPU_MODE": mode,
        "SOUNDWRIGHT_SEPARATION_GPU_MODE": "exact" if mode == "exact" else "mixed",
        "SOUNDWRIGHT_SEPARATION_DEVICE": setup.device,
        "SOUNDWRIGHT_SEPARATION_SLOT_COUNT": str(slots),
        "SOUNDWRIGHT_RATE_HEAVY_PER_MINUTE": "1000",
        "SOUNDWRIGHT_FALLBACK": "false",
    }


def uploaded(setup: Setup, client: httpx.Client) -> str:
    """Upload the song, and return the ID of its track."""
    with (setup.folder / "song.wav").open("rb") as file:
        return str(client.post("/api/tracks", files={"file": file}).raise_for_status().json()["data"]["id"])


def job_seconds(client: httpx.Client, track: str, count: int) -> float:
    """Return how long so many separations of a track take, requested at once."""
    started = time.perf_counter()
    request = {"track_id": track, "model": MODEL}
    answers = [client.post("/api/processing/separate", json=request).raise_for_status() for _ in range(count)]
    for job in [answer.json()["data"]["job_id"] for answer in answers]:
        while (state := client.get(f"/api/processing/job/{job}").json()["data"])["status"] != "completed":
            if state["status"] == "failed":
                raise SystemExit(state["error"])
            time.sleep(0.1)
    return time.perf_counter() - started


def engine_process(supervisor_id: int) -> psutil.Process:
    """Return the engine process of separation: the child process of the component that uses the most memory."""
    component = next(child for child in psutil.Process(supervisor_id).children() if child.name() == "separation")
    return max(component.children(), key=lambda process: int(process.memory_info().rss))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def measure(command: Sequence[str], variables: Mapping[str, str] = MappingProxyType({})) -> Run:
    """Run a command with more environment variables. Return its own time and peak memory, excluding earlier processes."""
    # Our processes get the settings that the launcher gives to a worker.
    own = {"GLIBC_TUNABLES": ALLOCATOR, "PYTHONPATH": str(REPOSITORY)} if __file__ in command else {}
    environment = {**os.environ, **own, **variables}
    started = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise SystemExit(log.read().decode(errors="replace"))
    wall_seconds = time.perf_counter() - started
    return Run(wall_seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_BYTES / 2**20)


def write_model(folder: Path, size: Mapping[str, Any]) -> None:
    """Save a network with random weights in the format of the command line: half precision, checksum in the name."""
    import torch
    from demucs.demucs import Demucs
    from demucs.htdemucs import HTDemucs
    from demucs.states import get_state, save_with_checksum

    torch.manual_seed(0)
    kind = HTDemucs if size is FULL_SIZE else Demucs
    network = kind(STEMS, **size)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".scale"):
                # Networks begin with tiny scales of their residual branches, and training raises them. With tiny scales, the
                # precision of these branches would not matter.
                parameter.uniform_(0.05, 0.5)
    args, kwargs = network._init_args_kwargs
    package = {"klass": kind, "args": args, "kwargs": kwargs, "state": get_state(network, None, half=True)}
    folder.mkdir()
    save_with_checksum(package, folder / "random.th")
    (folder / f"{MODEL}.yaml").write_text("models: ['random']\n")


def write_song(path: Path, seconds: float) -> None:
    """Write the project's demo song, repeated to ``seconds``, as a 16-bit stereo WAV file."""
    import soundfile

    samples = song_samples(min(seconds, 30))
    left = round(seconds * RATE_HZ)
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16") as file:
        while left:
            file.write(samples[:left])
            left -= min(left, len(samples))


def song_samples(seconds: float) -> NDArray[np.float32]:
    """Return the demo song, float32 [frames, 2]."""
    from soundwright.services.generation.engines.procedural.render import render_stems
    from soundwright.services.generation.engines.procedural.songs import song

    stems = render_stems(song("demo", seconds), RATE_HZ)
    mix = np.stack(list(stems.values())).sum(axis=0, dtype=np.float32).T
    return mix[: round(seconds * RATE_HZ)]


if __name__ == "__main__":
    main()
