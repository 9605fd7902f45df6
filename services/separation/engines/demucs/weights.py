"""Where Demucs networks come from: a folder or the Hugging Face hub, and never from code inside a file.

A checkpoint is data from elsewhere. Two of its forms can run code when they are read:

* A legacy ``.th`` file is a pickle. It is read with PyTorch's restricted unpickler, which builds tensors and plain
  values and knows Demucs' own network classes. A file that needs more is read only if the operator has vouched for its
  full SHA-256. The eight digits in the file's name do not vouch for anything: a collision takes minutes.
* A ``.safetensors`` file names, in its metadata, the class to build. Only Demucs' network classes are accepted.

This module imports PyTorch and Demucs; import it when weights are needed.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs import hf, repo, states
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from safetensors import safe_open

from kit.errors import AppError, Code
from kit.hub import hub_file
from services.separation.engines.networks import Bag

__all__ = ["load_from_folder", "load_from_hub", "on_device"]

OVERLAP = 0.25  # of ``demucs.apply.apply_model``
NETWORK_CLASSES = {f"{network.__module__}.{network.__qualname__}": network for network in (Demucs, HDemucs, HTDemucs)}


def load_from_folder(folder: Path, name: str, trusted_sha256: frozenset[str] = frozenset()) -> BagOfModels:
    """Load a model from a folder of ``<signature>.safetensors`` or ``<signature>[-<checksum>].th`` files.

    ``name`` is a signature or the name of a bag, ``<name>.yaml``, as in the folders that Demucs' ``--repo`` takes.

    Raises:
        AppError: ``MODEL_UNAVAILABLE`` if the folder does not hold the model or a file of it is damaged,
            ``CHECKPOINT_UNTRUSTED`` if reading it might run code.
    """
    if not folder.is_dir():
        raise _unavailable(name, "the folder of models does not exist")
    try:
        networks = _SafeRepo(folder, trusted_sha256)
        return _as_bag(repo.AnyModelRepo(networks, repo.BagOnlyRepo(folder, networks)).get_model(name))
    except AppError:
        raise
    except Exception as error:  # whatever a damaged file makes its readers raise
        raise _unavailable(name, str(error).replace(str(folder), "the folder of models")) from error


def load_from_hub(name: str, repository: str) -> BagOfModels:
    """Load an official model from the Hugging Face cache, or else from the hub; the standard variables of
    ``huggingface_hub`` (``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT``) apply.

    A cached model costs no network traffic. Without a network this fails within seconds.

    Raises:
        AppError: ``MODEL_UNAVAILABLE`` if the weights are not cached and the hub cannot be reached or has none.
    """

    def file(filename: str) -> Path:
        return hub_file(repository, filename)

    try:
        return repo.BagOnlyRepo(file(f"{name}.yaml").parent, _HubRepo(file)).get_model(name)
    except AppError:
        raise
    except Exception as error:  # the hub, its cache and its proxies fail in many ways, all with the same remedy
        raise _unavailable(name, f"the model hub gave no weights ({type(error).__name__})") from error


def on_device(models: BagOfModels, name: str, device: str) -> Bag:
    """Move the networks of a model to ``device``.

    Raises:
        AppError: ``MODEL_UNSUPPORTED``.
    """
    segments = {int(network.samplerate * network.segment) for network in models.models}
    if len(segments) != 1 or models.audio_channels not in (1, 2):
        raise AppError(
            Code.UNPROCESSABLE,
            "MODEL_UNSUPPORTED",
            f"The model {name!r} is not supported: its networks must be mono or stereo and have one segment length.",
        )
    return Bag(
        networks=tuple(network.to(device).eval() for network in models.models),
        weights=np.array(models.weights, np.float32),
        stems=tuple(models.sources),
        sample_rate_hz=int(models.samplerate),
        channel_count=models.audio_channels,
        segment_frames=segments.pop(),
        overlap=OVERLAP,
        device=device,
    )


class _HubRepo(repo.ModelOnlyRepo):  # type: ignore[misc]
    """Networks of one hub repository."""

    def __init__(self, file: Callable[[str], Path]) -> None:
        self._file = file

    def get_model(self, sig: str) -> Any:
        return _load_safetensors(self._file(f"{sig}.safetensors"))


class _SafeRepo(repo.LocalRepo):  # type: ignore[misc]
    """Demucs' local repository, with safetensors files as well, and without running code from its files."""

    def __init__(self, root: Path, trusted_sha256: frozenset[str]) -> None:
        self._trusted_sha256 = trusted_sha256
        super().__init__(root)

    def scan(self) -> None:
        super().scan()
        for path in self.root.glob("*.safetensors"):
            self._models[path.stem] = path
            self._checksums.pop(path.stem, None)

    def get_model(self, sig: str) -> Any:
        path: Path = self._models[sig]
        if path.suffix == ".safetensors":
            return _load_safetensors(path)
        if sig in self._checksums:
            repo.check_checksum(path, self._checksums[sig])
        return _load_pickle(path, self._trusted_sha256)


def _load_safetensors(path: Path) -> Any:
    with safe_open(str(path), framework="pt") as file:
        metadata = file.metadata() or {}
    # Demucs imports whatever class the metadata names, and calls it with arguments from the metadata.
    if metadata.get("klass") not in NETWORK_CLASSES or "_class" in metadata.get("structure", ""):
        raise _untrusted(f"{path.name} asks for a class that is no Demucs network.")
    json.loads(metadata["args"])
    return hf.load_safetensors_model(path)


def _load_pickle(path: Path, trusted_sha256: frozenset[str]) -> Any:
    # One reading, so that what is checked is what is loaded.
    content = path.read_bytes()
    try:
        with torch.serialization.safe_globals([*NETWORK_CLASSES.values(), Fraction]):
            package = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        digest = hashlib.sha256(content).hexdigest()
        if digest not in trusted_sha256:
            raise _untrusted(
                f"{path.name} could run code when it is loaded. Use a .safetensors file, or, if you know where it comes"
                f" from, trust its SHA-256 {digest}."
            ) from error
        package = torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    if package["klass"] not in NETWORK_CLASSES.values():
        raise _untrusted(f"{path.name} asks for a class that is no Demucs network.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # arguments of the training code that a network no longer takes
        return states.load_model(package)


def _as_bag(model: Any) -> BagOfModels:
    return model if isinstance(model, BagOfModels) else BagOfModels([model])


def _unavailable(name: str, why: str) -> AppError:
    return AppError(
        Code.NOT_PROVISIONED,
        "MODEL_UNAVAILABLE",
        f"The weights of the model {name!r} are not available: {why}. Run `make models` on a machine with network access,"
        " or set the folder of models.",
        {"model": name},
    )


def _untrusted(why: str) -> AppError:
    return AppError(Code.UNPROCESSABLE, "CHECKPOINT_UNTRUSTED", f"The checkpoint was refused: {why}")
