"""Hybrid Transformer Demucs on a CPU with OpenVINO, instead of PyTorch.

This module imports PyTorch and Demucs; import it when weights are needed.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import demucs
import torch
from demucs.htdemucs import HTDemucs
from torch import Tensor

from soundwright.kit import compiled_model
from soundwright.kit.compiled_model import CompiledModel
from soundwright.services.separation.engines.demucs.core import Core, Plan, can_be_rewritten
from soundwright.services.separation.engines.demucs.transforms import InverseTransform
from soundwright.services.separation.engines.networks import exported

Mode = Literal["mixed", "fast"]
_ALL_LEVELS = frozenset(range(16))
PLANS: Mapping[Mode, Plan] = {
    "mixed": Plan(gates=_ALL_LEVELS, values=frozenset({3})),
    "fast": Plan(encoder=_ALL_LEVELS, gates=_ALL_LEVELS, values=_ALL_LEVELS),
}
# Rises when the form of the network changes, so that older exports are not used.
_FORM = 2


def export(networks: Sequence[Any], folder: Path, mode: Mode) -> None:
    """Export those networks that have this form, each to a folder of its own. Takes about half a minute for each."""
    for network in filter(can_be_rewritten, networks):
        core = Core(network, PLANS[mode])
        exported.export(core, core.examples, folder / _name(network, mode))


def compiled(networks: Sequence[Any], folder: Path, mode: Mode, thread_count: int | None) -> tuple[Any, ...] | None:
    """Return the networks, those of this form compiled; None if one of them has to be exported first.

    Args:
        networks: they lose their layers if they are compiled.
        thread_count: CPU threads; None: all cores.

    Raises ``OSError``: an exported network is damaged. It is removed.
    """
    alone = len(networks) == 1
    paths = {network: folder / _name(network, mode) for network in networks if can_be_rewritten(network)}
    if not all(path.is_dir() for path in paths.values()):
        return None
    models = {}
    for network, path in paths.items():
        try:
            models[network] = CompiledModel(path / exported.FILE, thread_count)
        except RuntimeError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise OSError(f"The exported network {path.name} is damaged.") from error
    return tuple(
        CompiledNetwork(network, models[network], keep_memory=alone) if network in models else network
        for network in networks
    )


def _name(network: HTDemucs, mode: Mode) -> str:
    """Return a name that differs for other weights, parameters, precisions and versions of the libraries."""
    args, kwargs = network._init_args_kwargs
    versions = (_FORM, torch.__version__, demucs.__version__, compiled_model.version())
    plan = [sorted(value) if isinstance(value, frozenset) else value for value in vars(PLANS[mode]).values()]
    digest = hashlib.sha256(repr((versions, plan, args, sorted(kwargs.items()))).encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:32]


class CompiledNetwork:
    """An exported network that is called like the network itself. Safe to use from several threads.

    Only the part between the transforms runs alone. So a thread transforms one segment while another computes the next.

    Args:
        network: it keeps its transforms, and loses its layers.
        keep_memory: whether the memory for intermediate results, about 0.6 GB, is kept for the next call.
    """

    concurrent_calls = CompiledModel.concurrent_calls
    """Calls at the same time that use all cores: one computes while another transforms."""

    def __init__(self, network: HTDemucs, model: CompiledModel, *, keep_memory: bool) -> None:
        self._model = model
        self._keep_memory = keep_memory
        self._transforms = network
        self._frame_count = int(network.segment * network.samplerate)
        self._stem_count = len(network.sources)
        spectrum_frames = -(-self._frame_count // network.hop_length)
        self._inverse = InverseTransform(network.nfft // 2, spectrum_frames, self._frame_count)
        for name, _ in list(network.named_children()):
            setattr(network, name, None)

    def valid_length(self, length: int) -> int:
        """Return the number of frames that the network reads for a window of at most so many frames."""
        return int(self._transforms.valid_length(length))

    def __call__(self, mix: Tensor) -> Tensor:
        """Return float32 [items, stems, channels, frames] for float32 [items, channels, frames]."""
        return torch.stack([self._separated(item[None]) for item in mix])

    def _separated(self, mix: Tensor) -> Tensor:
        spectrogram = self._transforms._magnitude(self._transforms._spec(mix))
        with self._model.run([spectrogram.numpy(), mix.numpy()], keep_memory=self._keep_memory) as outputs:
            spectrograms, waveforms, mean, deviation = map(torch.from_numpy, outputs)
            stems = self._inverse(spectrograms, mean, deviation).add_(waveforms)
        return stems.unflatten(0, (self._stem_count, -1))
