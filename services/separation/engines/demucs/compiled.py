"""Hybrid Transformer Demucs on a CPU with OpenVINO, instead of PyTorch.

This module imports PyTorch and Demucs; import it when weights are needed.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import demucs
import torch
from demucs.htdemucs import HTDemucs
from torch import Tensor

from services.separation.engines.demucs.stages import STAGES, Stages, can_be_split
from services.separation.engines.networks import exported
from services.separation.engines.networks.exported import CompiledStages, Precision

__all__ = ["CompiledNetwork", "Mode", "compiled", "export"]

Mode = Literal["mixed", "fast"]
PRECISIONS: Mapping[Mode, Mapping[str, Precision]] = {
    "mixed": {"encoder": "float32", "transformer": "bfloat16", "decoder": "float32"},
    "fast": dict.fromkeys(STAGES, "bfloat16"),
}
# Rises when the stages change, so that older exports are not used.
_FORM = 1


def export(networks: Sequence[Any], folder: Path) -> None:
    """Export those networks that have this form, each to a folder of its own. Takes about half a minute for each."""
    for network in filter(can_be_split, networks):
        stages = Stages(network)
        exported.export(stages.modules, stages.examples, folder / _name(network))


def compiled(networks: Sequence[Any], folder: Path, mode: Mode, thread_count: int | None) -> tuple[Any, ...] | None:
    """Return the networks, those of this form compiled; None if one of them has to be exported first.

    Args:
        networks: they lose their layers if they are compiled.
        thread_count: CPU threads; None: all cores.

    Raises:
        OSError: an exported network is damaged. It is removed.
    """
    alone = len(networks) == 1
    paths = {network: folder / _name(network) for network in networks if can_be_split(network)}
    if not all(path.is_dir() for path in paths.values()):
        return None
    compiled_stages = {}
    for network, path in paths.items():
        try:
            compiled_stages[network] = CompiledStages(path, PRECISIONS[mode], thread_count)
        except RuntimeError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise OSError(f"The exported network {path.name} is damaged.") from error
    return tuple(
        CompiledNetwork(network, compiled_stages[network], keep_memory=alone) if network in compiled_stages else network
        for network in networks
    )


def _name(network: HTDemucs) -> str:
    """Return a name that differs for networks with other weights or parameters, and for other versions of the libraries."""
    args, kwargs = network._init_args_kwargs
    versions = (_FORM, torch.__version__, demucs.__version__, exported.version())
    digest = hashlib.sha256(repr((versions, args, sorted(kwargs.items()))).encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:32]


class CompiledNetwork:
    """An exported network that is called like the network itself. Safe to use from several threads.

    Args:
        network: it keeps its transforms, and loses its layers.
        stages: the same network.
        keep_memory: whether the memory for intermediate results, about 0.6 GB, is kept for the next call.
    """

    def __init__(self, network: HTDemucs, stages: CompiledStages, *, keep_memory: bool) -> None:
        self._stages = stages
        self._keep_memory = keep_memory
        self._lock = threading.Lock()
        self._transforms = network
        self._frame_count = int(network.segment * network.samplerate)
        for name, _ in list(network.named_children()):
            setattr(network, name, None)

    def valid_length(self, length: int) -> int:
        """Return the number of frames that the network reads for a window of at most so many frames."""
        return int(self._transforms.valid_length(length))

    def __call__(self, mix: Tensor) -> Tensor:
        """Return float32 [items, stems, channels, frames] for float32 [items, channels, frames]."""
        return torch.cat([self._separated(item[None]) for item in mix])

    def _separated(self, mix: Tensor) -> Tensor:
        spectrum = self._transforms._spec(mix)
        magnitude = self._transforms._magnitude(spectrum)
        with self._lock:  # a stage keeps its outputs until it runs again
            hidden, hidden_t, *rest = self._stages.run("encoder", [magnitude.numpy(), mix.numpy()])
            hidden, hidden_t = self._stages.run("transformer", [hidden, hidden_t])
            spectrograms, waveforms = self._stages.run("decoder", [hidden, hidden_t, *rest])
            masked = self._transforms._mask(spectrum, torch.from_numpy(spectrograms))
            stems = self._transforms._ispec(masked, self._frame_count) + torch.from_numpy(waveforms)
            if not self._keep_memory:
                self._stages.release()
        return stems
