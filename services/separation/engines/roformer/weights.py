"""RoFormer networks from the bytes of a checkpoint, and never from code inside it.

A ``.safetensors`` file holds tensors and nothing else. Other checkpoints are pickles: PyTorch's restricted unpickler reads
them, which builds tensors and plain values only. The sizes of all tensors are compared with those of the configured network
before a network exists.

This module imports PyTorch; import it when weights are needed.
"""

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from soundwright.kit import errors
from soundwright.kit.errors import AppError, ErrorType
from soundwright.services.separation.engines.networks import Bag
from soundwright.services.separation.engines.roformer.config import RoformerConfig
from soundwright.services.separation.engines.roformer.network import Roformer

SUFFIXES = (".safetensors", ".ckpt", ".pth", ".pt")
_STATE_KEYS = ("state_dict", "model_state_dict", "state")


def read_network(name: str, content: bytes, config: RoformerConfig) -> Roformer:
    """Return the network in a checkpoint.

    Args:
        name: name of the file, for its suffix and for errors.

    Raises:
        AppError: ``CHECKPOINT_UNTRUSTED`` if reading it might run code or exhaust the memory, ``MODEL_UNSUPPORTED`` if it
            is not a checkpoint of such a network.
        Exception: of many types, if it is damaged.
    """
    state = safetensors.torch.load(content) if Path(name).suffix == ".safetensors" else _unpickled(name, content)
    with torch.device("meta"):
        network = Roformer(config)
    _check_state(name, state, network)
    network.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    return network.requires_grad_(False).eval()


def on_device(network: Roformer, device: str) -> Bag:
    config = network.config
    return Bag(
        networks=(network.to(device),),
        weights=np.ones((1, len(config.stems)), np.float32),
        stems=config.stems,
        remainder=config.remainder,
        sample_rate_hz=config.sample_rate_hz,
        channel_count=config.channel_count,
        segment_frames=config.window_frames,
        overlap=config.overlap,
        device=device,
        is_level_normalised=config.is_level_normalised,
    )


def _unpickled(name: str, content: bytes) -> Mapping[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise _refused(errors.CHECKPOINT_UNTRUSTED, f"{name} is compressed, which PyTorch's own files are not.")
    try:
        package = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(
            errors.CHECKPOINT_UNTRUSTED, f"{name} could run code when it is loaded. Use a .safetensors file."
        ) from error
    for key in _STATE_KEYS:
        if isinstance(package, dict) and isinstance(package.get(key), dict):
            package = package[key]
    if not isinstance(package, dict):
        raise _refused(errors.MODEL_UNSUPPORTED, f"{name} does not contain the parameters of a network.")
    return package


def _check_state(name: str, state: Mapping[str, Any], network: Roformer) -> None:
    expected = {key: value.shape for key, value in network.state_dict().items()}
    found = {key: getattr(value, "shape", None) for key, value in state.items()}
    if expected != found:
        wrong = [key for key in {**expected, **found} if key not in expected or expected[key] != found.get(key)]
        raise _refused(
            errors.MODEL_UNSUPPORTED,
            f"{name} and its configuration do not describe the same network: they differ in {len(wrong)} parameters, the"
            f" first of which is {str(wrong[0])[:80]!r}. Use the configuration that was published with the checkpoint.",
        )
    if not all(value.is_floating_point() and bool(value.isfinite().all()) for value in state.values()):
        raise _refused(errors.MODEL_UNSUPPORTED, f"{name} contains parameters that are not finite numbers.")


def _refused(error: ErrorType, why: str) -> AppError:
    return error(f"The checkpoint was refused: {why}")
