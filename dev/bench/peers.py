"""Other programs for separation, with which ``dev.bench.separation`` compares: audio-separator and unblend.

They do not fit into the environment of Soundwright, so ``make .servers/peers/.ready`` gives them one of their own. Both expect
models from a hub, and get the random weights of the benchmark instead: audio-separator finds its list of models and the model
among its downloads, and unblend imports the parameters.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BIN = Path(__file__).resolve().parents[2] / ".servers" / "peers" / "bin"
# What audio-separator expects in its list of models, beside those of Demucs.
_LISTS = (
    "vr_download_list", "mdx_download_list", "mdx_download_vip_list", "mdx23c_download_list", "mdx23c_download_vip_list",
    "roformer_download_list",
)  # fmt: skip
_UNBLEND = """
import sys
import soundfile
from unblend import Separator
song, out, device = sys.argv[1:]
separated = Separator("random", device=device).separate(song, shifts=0)
for stem, samples in separated.sources.items():
    soundfile.write(f"{out}/{stem}.wav", samples.T.numpy(), separated.sample_rate, "FLOAT")
"""


@dataclass(frozen=True)
class Peer:
    """A program: its command, what it needs in its environment, and the folder that receives ``drums.wav`` and so on."""

    command: Sequence[str]
    stems: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def prepare(folder: Path, model: str, stems: Sequence[str], network: Mapping[str, Any], device: str) -> dict[str, Peer]:
    """Return the programs that are installed, ready to separate ``song.wav`` with ``models`` in ``folder``.

    Args:
        model: name of the model: ``models/{model}.yaml`` names ``models/random-*.th``.
        network: arguments of the network, beside the stems.
    """
    found = {}
    if (_BIN / "audio-separator").exists():
        found["audio-separator, shifts 0"] = _audio_separator(folder, model, stems)
    if (_BIN / "unblend").exists():
        found["unblend, shifts 0"] = _unblend(folder, stems, network, device)
    return found


def _audio_separator(folder: Path, model: str, stems: Sequence[str]) -> Peer:
    """Prepare audio-separator. It has no option for the device, and uses a GPU if there is one."""
    models, out = folder / "audio-separator-models", folder / "audio-separator"
    shutil.copytree(folder / "models", models)
    out.mkdir()
    weights = next(models.glob("*.th"))
    files = {name: f"https://models.invalid/{name}" for name in (weights.name, f"{model}.yaml")}
    lists: dict[str, Any] = {key: {} for key in _LISTS}
    lists["demucs_download_list"] = {f"Demucs v4: {model}": files}
    (models / "download_checks.json").write_text(json.dumps(lists))
    # The program starts ffmpeg by this name. Its own is a Python package with another name.
    program = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    ffmpeg = subprocess.run([_BIN / "python", "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    link = folder / "bin" / "ffmpeg"
    link.parent.mkdir()
    link.symlink_to(ffmpeg)
    names = json.dumps({stem.title(): stem for stem in stems})
    command = [str(_BIN / "audio-separator"), str(folder / "song.wav"), "-m", f"{model}.yaml"]
    command += ["--model_file_dir", str(models), "--output_dir", str(out), "--output_format", "WAV", "--use_soundfile"]
    command += ["--demucs_shifts", "0", "--normalization", "1.0", "--custom_output_names", names]
    return Peer(command, out, {"PATH": f"{link.parent}:{os.environ['PATH']}"})


def _unblend(folder: Path, stems: Sequence[str], network: Mapping[str, Any], device: str) -> Peer:
    import safetensors.torch
    import torch

    out, weights, configuration = folder / "unblend", folder / "random.safetensors", folder / "random.json"
    out.mkdir()
    package = torch.load(next((folder / "models").glob("*.th")), map_location="cpu", weights_only=False)
    parameters = {name: value.float().contiguous() for name, value in package["state"].items()}
    safetensors.torch.save_file(parameters, weights)
    rate_hz = 44_100
    config = {name: value for name, value in network.items() if name != "segment"}
    fields = {
        "config": {**config, "sources": list(stems), "samplerate": rate_hz, "segment": float(network["segment"])},
        "sources": list(stems),
        "samplerate": rate_hz,
        "segment_samples": int(network["segment"] * rate_hz),
    }
    configuration.write_text(json.dumps(fields))
    environment = {"HOME": str(folder)}
    importing = [str(_BIN / "unblend"), "models", "import", str(weights), "--name", "random"]
    importing += ["--config", str(configuration), "--architecture", "htdemucs"]
    subprocess.run(importing, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    python = str(_BIN / "python")
    return Peer([python, "-c", _UNBLEND, str(folder / "song.wav"), str(out), device], out, environment)
