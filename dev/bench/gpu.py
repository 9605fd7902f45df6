"""Separation and generation on a GPU: each model at each batch size, the throughput of a full queue, and the first stem.

Models whose weights are missing get random ones: the running time of a network does not depend on its weights.

    make bench-gpu                                               # writes build/bench-gpu.md
    python -m dev.bench.gpu --models htdemucs --batches 1 16         # a part of it
    python -m dev.bench.gpu --device cpu --models small --jobs 0     # try this program without a GPU
    python -m dev.bench.gpu --url https://sound.example --token ...  # from a request to a cluster, with its workers at zero, to
                                                                 # the end of the job, with --seconds of audio
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from dev.bench.separation import (
    ALLOCATOR,
    FULL_SIZE,
    MODEL,
    SMALL,
    Setup,
    job_seconds,
    peak_bytes,
    settings_of,
    uploaded,
    write_model,
)
from dev.bench.separation import write_song as write_song_of
from soundwright.kit.audio import AudioFile
from soundwright.kit.errors import AppError
from soundwright.services.generation.engines.audiocraft.engine import AudiocraftEngine
from soundwright.services.generation.service import Take
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.engines.networks import Bag, NetworkEngine
from soundwright.services.separation.engines.networks.bag import read_frames
from soundwright.services.separation.engines.roformer import RoformerEngine
from soundwright.services.separation.engines.roformer.models import CONFIGS
from soundwright.services.separation.registry import build_registry
from soundwright.services.separation.settings import SeparationSettings
from soundwright_client.local import running

WARM_UP_SECONDS = 120.0
CLIP_SECONDS = 10.0
MUSICGEN = """
compression_model: encodec
encodec: {autoencoder: seanet, quantizer: rvq, sample_rate: 32000, channels: 1, causal: no, renormalize: no}
seanet:
    {dimension: 128, channels: 1, causal: no, n_filters: 64, n_residual_layers: 1, ratios: [8, 5, 4, 4], lstm: 2,
    norm: weight_norm, encoder: {},
    decoder: {trim_right_ratio: 1.0, final_activation: null, final_activation_params: null}}
rvq: {n_q: 4, bins: 2048, q_dropout: no, kmeans_init: no}
lm_model: transformer_lm
transformer_lm:
    {n_q: 4, card: 2048, dim: 1024, num_heads: 16, num_layers: 24, hidden_scale: 4, dropout: 0.0, activation: gelu,
    norm_first: yes, bias_ff: no, bias_attn: no, bias_proj: no, causal: yes, custom: no, memory_efficient: yes,
    attention_as_float32: no, positional_embedding: sin, weight_init: gaussian, zero_bias_init: yes,
    cross_attention: no, two_step_cfg: no}
codebooks_pattern: {modeling: delay, delay: {delays: [0, 1, 2, 3], flatten_first: 0, empty_initial: 0}}
classifier_free_guidance: {training_dropout: 0.3, inference_coef: 3.0}
attribute_dropout: {}
dataset: {segment_duration: 30}
fuser:
    {cross_attention_pos_emb: no, cross_attention_pos_emb_scale: 1, sum: [], prepend: [], cross: [description],
    input_interpolate: []}
conditioners:
    description: {model: t5, t5: {name: t5-base, finetune: no, word_dropout: 0.3, normalize_text: no}}
"""
MODES = ("exact", "mixed")
HEAD = (
    "| what | mode | batch | times real time | networks alone | peak memory, MiB | jobs per hour | first stem, s |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cpu, cuda, cuda:1 and so on; without it CUDA, or nothing is measured")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="(default: all)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES, help="precisions of a GPU (default: all)")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8, 16], metavar="SEGMENTS")
    parser.add_argument("--clips", nargs="*", type=int, default=[1, 4, 8, 16], help="clips that MusicGen makes at once")
    parser.add_argument("--seconds", type=float, default=240, help="length of the song (default: %(default)g)")
    parser.add_argument("--jobs", type=int, default=24, help="songs in the full queue; 0: none (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help="use a small network for the queue, to try this program")
    parser.add_argument("--output", type=Path, help="file that gets the table, too")
    parser.add_argument("--url", help="measure the first stem of a running installation")
    parser.add_argument("--token", help="API token for --url")
    options = parser.parse_args()
    lines: list[str] = []
    for line in measured(options):
        print(line, flush=True)
        lines.append(line)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text("\n".join(lines) + "\n")


def measured(options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the report."""
    with tempfile.TemporaryDirectory(prefix="gpu-bench-") as name:
        folder = Path(name)
        if options.url:
            write_song(folder, options.seconds)
            yield HEAD
            yield first_stem_of(options.url, options.token, folder)
            return
        device = options.device or in_new_process(_cuda)
        if not device:
            yield "PyTorch finds no GPU. Nothing was measured."
            return
        write_song(folder, options.seconds)
        yield f"{in_new_process(device_name, device)}, {options.seconds:g} s of audio:\n"
        yield HEAD
        for model in options.models or network_models():
            for mode in options.modes if device != "cpu" else MODES[:1]:
                yield from in_new_process(rows, model, mode, options.batches, device, folder, options.seconds)
        if options.clips:
            yield from in_new_process(clip_rows, options.clips, device, folder)
        if options.jobs:
            yield from queue_rows(Setup(folder, device, SMALL if options.small else FULL_SIZE), options)


def in_new_process(function: Any, *arguments: Any) -> Any:
    """Return the result of a function in a new process, whose memory and device nothing else uses."""
    os.environ["GLIBC_TUNABLES"] = ALLOCATOR  # as the launcher starts a worker
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _cuda() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else ""


def device_name(device: str) -> str:
    """Return the name of the hardware, and the version of PyTorch."""
    import torch

    from dev.bench.__main__ import processor

    if device == "cpu":
        return f"{processor()}, PyTorch {torch.__version__}"
    facts = torch.cuda.get_device_properties(device)
    return f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, PyTorch {torch.__version__}"


def network_models() -> list[str]:
    """Return the models that this program can measure."""
    registry = build_registry(SeparationSettings())
    known = {*CONFIGS, MODEL, *registry.present_models()}
    return [each.name for each in registry.declarations() if each.name in known]


def engine_of(model: str, mode: Any, batch: int, device: str) -> NetworkEngine:
    """Return an engine with the weights of a model, or with random ones if they are missing."""
    settings = SeparationSettings(separation_device=device, separation_gpu_mode=mode, separation_batch_size=batch)
    registry = build_registry(settings)
    if model in registry.present_models():
        engine = registry.engine(model)
        assert isinstance(engine, NetworkEngine)
        return engine
    kind = RandomRoformer if model in CONFIGS else RandomDemucs
    return kind(device=device, gpu_mode=mode, batch_size=batch)


class RandomDemucs(DemucsEngine):
    """The full-size Hybrid Transformer Demucs with random weights."""

    def load_bag(self, model: str, device: str) -> Bag:
        import torch
        from demucs.htdemucs import HTDemucs

        from soundwright.services.separation.engines.demucs import weights

        torch.manual_seed(0)
        (outputs,) = (each.outputs for each in self.models if each.name == model)
        return weights.on_device(weights.alone(HTDemucs(list(outputs), **FULL_SIZE)), model, device)


class RandomRoformer(RoformerEngine):
    """The published RoFormer networks with random weights."""

    def load_bag(self, model: str, device: str) -> Bag:
        import torch

        from soundwright.services.separation.engines.roformer import weights
        from soundwright.services.separation.engines.roformer.network import Roformer

        torch.manual_seed(0)
        return weights.on_device(Roformer(CONFIGS[model]).requires_grad_(False).eval(), device)


def rows(model: str, mode: Any, batches: list[int], device: str, folder: Path, seconds: float) -> list[str]:
    """Measure a model with each batch size, and return its rows. Encoding and storing do not count."""
    return [row(model, mode, batch, device, folder, seconds) for batch in batches]


def row(model: str, mode: Any, batch: int, device: str, folder: Path, seconds: float) -> str:
    engine = engine_of(model, mode, batch, device)
    forget_peak(device)
    try:
        engine.load(model)
        for _ in engine.separate(AudioFile(folder / "warm-up.wav"), model):
            pass
        started = time.perf_counter()
        for _ in engine.separate(AudioFile(folder / "song.wav"), model):
            pass
        speed = seconds / (time.perf_counter() - started)
        alone = speed_of_networks(engine._loaded[model], batch)
        # A batch that did not fit was computed in halves.
        actual = min(batch, engine._loaded[model].batch_size.limit)
    except AppError as error:
        return f"| {model} | {mode} | {batch} | {error.reason} | | | | |"
    finally:
        engine.unload(model)
    size = f"{batch}" if actual == batch else f"{batch}, as {actual}"
    return f"| {model} | {mode} | {size} | {speed:.1f} | {alone:.1f} | {peak_bytes(device) / 2**20:.0f} | | |"


def speed_of_networks(bag: Bag, batch: int) -> float:
    """Return how many times faster than real time the networks compute segments that are in memory, the median of five batches."""
    items = np.random.default_rng(0).standard_normal((batch, bag.channel_count, bag.segment_frames), np.float32)
    durations = []
    for _ in range(5):
        started = time.perf_counter()
        for network, run in zip(bag.networks, bag.runs, strict=True):
            surplus = read_frames(network, bag.segment_frames) - bag.segment_frames
            for _ in run(np.pad(items, ((0, 0), (0, 0), (0, surplus))), bag.rows):
                pass
        durations.append(time.perf_counter() - started)
    seconds = batch * bag.segment_frames * (1 - bag.overlap) / bag.sample_rate_hz
    return seconds / statistics.median(durations)


def forget_peak(device: str) -> None:
    """Measure the memory of a GPU from now on."""
    import torch

    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)


def clip_rows(counts: list[int], device: str, folder: Path) -> list[str]:
    """Measure MusicGen with random weights, for each number of clips made at once, and return its rows."""
    engine = RandomMusicGen(folder, device)
    engine.generate("music", [Take("warm up", 1.0, 0)], lambda share: None)
    made = []
    for count in counts:
        forget_peak(device)
        takes = [Take("calm piano", CLIP_SECONDS, seed) for seed in range(count)]
        started = time.perf_counter()
        engine.generate("music", takes, lambda share: None)
        speed = count * CLIP_SECONDS / (time.perf_counter() - started)
        mode = "exact" if device == "cpu" else "float16"
        made.append(f"| MusicGen small | {mode} | {count} | {speed:.2f} | | {peak_bytes(device) / 2**20:.0f} | | |")
    return made


class RandomMusicGen(AudiocraftEngine):
    """MusicGen small in its published size, with random weights. Its parts are those of Copet et al., 2023."""

    def __init__(self, folder: Path, device: str) -> None:
        super().__init__(device=device, batch_size=64)
        self._folder = folder

    def _load(self, model: str) -> Any:
        from soundwright.services.generation.engines.audiocraft import library  # before audiocraft
        from soundwright.services.generation.engines.audiocraft.model import KINDS, Model

        from audiocraft.models import builders  # isort: skip
        from omegaconf import OmegaConf

        save_text_encoder(self._folder / "t5")
        kind = self._placement().type
        config = {**OmegaConf.create(MUSICGEN), "device": kind, "dtype": "float32"}
        precision = {} if kind == "cpu" else {"dtype": "float16"}
        with library.pretrained(lambda name, filenames: self._folder / "t5"):
            language_model = builders.get_lm_model(OmegaConf.create({**config, **precision})).eval()
            codec = builders.get_compression_model(OmegaConf.create(config)).eval()
        return Model(KINDS[model], library.MusicGen("random", codec, language_model, max_duration=30))


def save_text_encoder(folder: Path) -> None:
    """Save a text encoder of the size of T5 base, with a tokenizer that knows letters."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    T5EncoderModel(T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12)).save_pretrained(folder)
    words = ["<pad>", "</s>", "<unk>", "\u2581", *"abcdefghijklmnopqrstuvwxyz"]
    T5Tokenizer(vocab=[(word, 0.0) for word in words]).save_pretrained(folder)


def write_song(folder: Path, seconds: float) -> None:
    write_song_of(folder / "song.wav", seconds)
    write_song_of(folder / "warm-up.wav", min(seconds, WARM_UP_SECONDS))


def queue_rows(setup: Setup, options: argparse.Namespace) -> Iterator[str]:
    """Measure a full queue, and the first job after the start of a stack without its weights in memory."""
    write_model(setup.folder / "models", setup.size)
    for mode in options.modes:
        for slots in (1, 0):
            name = "one job at a time" if slots else "as many jobs as the device gets"
            started = time.perf_counter()
            with running(setup.folder / "data", settings_of(setup, mode, slots)) as stack, stack.client() as client:  # type: ignore[arg-type]
                track = uploaded(setup, client)
                job_seconds(client, track, 1)
                first = time.perf_counter() - started
                wall = job_seconds(client, track, options.jobs)
            speed, jobs = options.jobs * options.seconds / wall, 3600 * options.jobs / wall
            yield f"| stack, {MODEL}, {name} | {mode} | | {speed:.1f} | | | {jobs:.0f} | {first:.1f} |"


def first_stem_of(url: str, token: str, folder: Path) -> str:
    """Measure a job of an installation from the request to its end. With no worker running, that contains the start of one."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=600) as client:
        track = uploaded(Setup(folder, "", FULL_SIZE), client)
        return f"| {url}, {MODEL} | | | | | | | {job_seconds(client, track, 1):.1f} |"


if __name__ == "__main__":
    main()
