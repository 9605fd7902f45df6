"""Demucs networks from the bytes of a checkpoint, and never from code inside it.

A checkpoint is data from elsewhere. Two of its forms can run code when they are read:

* A legacy ``.th`` file is a pickle. It is read with PyTorch's restricted unpickler, which builds tensors and plain
  values and knows Demucs' own network classes. A file that needs more is read only if the operator has vouched for its
  full SHA-256. The eight digits in the file's name do not vouch for anything: a collision takes minutes.
* A ``.safetensors`` file names, in its metadata, the class to build. Only Demucs' network classes are accepted.

This module imports PyTorch and Demucs; import it when weights are needed.
"""

import hashlib
import io
import json
import pickle
import warnings
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from demucs import states
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs

from soundwright.kit import errors
from soundwright.kit.errors import AppError

SUFFIXES = (".safetensors", ".th")
NETWORK_CLASSES = {f"{network.__module__}.{network.__qualname__}": network for network in (Demucs, HDemucs, HTDemucs)}
_ARCHITECTURES = {Demucs: "Demucs", HDemucs: "Hybrid Demucs", HTDemucs: "Hybrid Transformer Demucs"}


def read_network(name: str, content: bytes, trusted_sha256: frozenset[str] = frozenset()) -> Any:
    """Return the network in a checkpoint.

    Args:
        name: name of the file, for its suffix and for errors.
        trusted_sha256: full SHA-256 digests (hex) of legacy checkpoints that may be unpickled.

    Raises:
        AppError: ``CHECKPOINT_UNTRUSTED`` if reading it might run code, ``MODEL_UNSUPPORTED`` if it is quantized.
        Exception: of many types, if it is damaged.
    """
    if Path(name).suffix == ".safetensors":
        return _from_safetensors(name, content)
    return _from_pickle(name, content, trusted_sha256)


def architecture(network: Any) -> str:
    return _ARCHITECTURES[type(network)]


def _from_safetensors(name: str, content: bytes) -> Any:
    metadata = _metadata(content)
    # Demucs imports whatever class the metadata names, and calls it with arguments from the metadata.
    if metadata.get("klass") not in NETWORK_CLASSES:
        raise _untrusted(f"{name} asks for a class that is no Demucs network.")
    if "structure" in metadata:
        raise errors.MODEL_UNSUPPORTED(f"{name} is quantized. Use a checkpoint that is not.")
    args, kwargs = (json.loads(metadata[key], object_hook=_with_fractions) for key in ("args", "kwargs"))
    package = {
        "klass": NETWORK_CLASSES[metadata["klass"]], "args": args, "kwargs": kwargs,
        "state": safetensors.torch.load(content),
    }  # fmt: skip
    return states.load_model(package)


def _metadata(content: bytes) -> Mapping[str, str]:
    """Return the metadata in the header of a safetensors file: eight bytes of length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__")
    return metadata if isinstance(metadata, dict) else {}


def _with_fractions(value: dict[str, Any]) -> Any:
    return Fraction(value["numerator"], value["denominator"]) if value.get("_type") == "fraction" else value


def _from_pickle(name: str, content: bytes, trusted_sha256: frozenset[str]) -> Any:
    try:
        with torch.serialization.safe_globals([*NETWORK_CLASSES.values(), Fraction]):
            package = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        digest = hashlib.sha256(content).hexdigest()
        if digest not in trusted_sha256:
            raise _untrusted(
                f"{name} could run code when it is loaded. Use a .safetensors file, or, if you know where it comes from,"
                f" trust its SHA-256 {digest}."
            ) from error
        package = torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    if package["klass"] not in NETWORK_CLASSES.values():
        raise _untrusted(f"{name} asks for a class that is no Demucs network.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # arguments of the training code that a network no longer takes
        return states.load_model(package)


def _untrusted(why: str) -> AppError:
    return errors.CHECKPOINT_UNTRUSTED(why=why)
