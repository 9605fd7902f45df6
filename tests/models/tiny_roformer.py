"""Small random RoFormer networks of the reference implementation, saved as the public checkpoints are."""

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from bs_roformer.bs_roformer import BSRoformer
from bs_roformer.bs_roformer import MaskEstimator as BandMaskEstimator
from mel_band_roformer.mel_band_roformer import MelBandRoformer
from torch import nn

from soundwright.kit.weights import ImportedModel, write_record

RATE_HZ = 8_000
SEGMENT_FRAMES = 4_096
N_FFT = 128
BANDS = (2,) * 10 + (5,) * 6 + (15,)
_MODEL = {
    "dim": 16, "depth": 2, "stereo": True, "time_transformer_depth": 1, "freq_transformer_depth": 2, "dim_head": 8,
    "heads": 2, "flash_attn": False, "stft_n_fft": N_FFT, "stft_hop_length": 32, "stft_win_length": N_FFT,
    "mask_estimator_depth": 2,
}  # fmt: skip


class _Tuples(yaml.SafeDumper):
    """Writes tuples with the tag that the published configurations have."""


_Tuples.add_representer(tuple, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:python/tuple", value))


def reference(kind: str, stem_count: int = 1, mlp_expansion: int = 4, seed: int = 1) -> nn.Module:
    """Return a network of the reference implementation: ``bs`` or ``mel``."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the constructors compute a spectrogram without a window
        if kind == "mel":
            network: Any = MelBandRoformer(**_MODEL, num_stems=stem_count, num_bands=12, sample_rate=RATE_HZ)
        else:
            network = BSRoformer(**_MODEL, num_stems=stem_count, freqs_per_bands=BANDS)
    if mlp_expansion != 4:  # a parameter of the training code that the constructors do not have
        sizes = network.band_split.dim_inputs
        network.mask_estimators = nn.ModuleList(
            BandMaskEstimator(_MODEL["dim"], sizes, 2, mlp_expansion) for _ in range(stem_count)
        )
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, mean=float(name.endswith("gamma")), std=0.2)
    return network.eval()


def config_text(
    kind: str, instruments: tuple[str, ...], target: str | None, mlp_expansion: int = 4, **model: Any
) -> str:
    """Return a configuration as it is published beside a checkpoint."""
    bands = {"num_bands": 12, "sample_rate": RATE_HZ} if kind == "mel" else {"freqs_per_bands": BANDS}
    expansion = {} if mlp_expansion == 4 else {"mlp_expansion_factor": mlp_expansion}
    training_only = {"attn_dropout": 0.1, "multi_stft_resolutions_window_sizes": (4096, 2048)}
    stem_count = 1 if target else len(instruments)
    document = {
        "audio": {"chunk_size": SEGMENT_FRAMES, "sample_rate": RATE_HZ, "num_channels": 2},
        "model": {**_MODEL, **bands, **expansion, **training_only, "num_stems": stem_count, **model},
        "training": {"instruments": list(instruments), "target_instrument": target, "lr": 1e-5},
        "inference": {"batch_size": 1, "num_overlap": 2},
    }
    return yaml.dump(document, Dumper=_Tuples)


def save(folder: Path, name: str, state: Mapping[str, Any], config: str, outputs: tuple[str, ...]) -> Path:
    """Save a checkpoint with its configuration and its record, as the import does, and return its path."""
    path = folder / f"{name}.ckpt"
    torch.save(dict(state), path)
    path.with_suffix(".yaml").write_text(config)
    record(path, outputs)
    return path


def record(path: Path, outputs: tuple[str, ...]) -> None:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    write_record(
        path.parent,
        ImportedModel(
            name=path.stem, engine="roformer", architecture="RoFormer", outputs=outputs, file=path.name, sha256=digest,
            size_bytes=len(content), licence="MIT",
        ),
    )  # fmt: skip
