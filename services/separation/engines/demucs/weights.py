"""Where Demucs networks come from: a folder, or the Hugging Face hub and its mirrors.

Every file is checked before it is loaded (:mod:`soundwright.kit.weights`). This module imports PyTorch and Demucs; import it when
weights are needed.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # type: ignore[import-untyped]
from demucs.apply import BagOfModels

from soundwright.kit import errors
from soundwright.kit.engines import ModelDeclaration, ModelFile
from soundwright.kit.engines.hub import model_file
from soundwright.kit.errors import AppError
from soundwright.kit.weights import read_verified
from soundwright.services.separation.engines.demucs.checkpoints import read_network
from soundwright.services.separation.engines.demucs.files import network_path
from soundwright.services.separation.engines.networks import Bag

OVERLAP = 0.25  # of ``demucs.apply.apply_model``


def load_from_folder(
    folder: Path, name: str, trusted_sha256: frozenset[str] = frozenset(), sha256: Mapping[str, str] | None = None
) -> BagOfModels:
    """Load a model from a folder of ``<signature>.safetensors`` or ``<signature>[-<checksum>].th`` files.

    ``name`` is a signature or the name of a bag, ``<name>.yaml``, as in the folders that Demucs' ``--repo`` takes.

    Args:
        sha256: SHA-256 of the files that are known, by name.

    Raises ``MODEL_UNAVAILABLE`` if the folder does not hold the model or a file of it is damaged, ``WEIGHTS_CHANGED``
    if a file has another digest, ``CHECKPOINT_UNTRUSTED`` if reading it might run code.
    """
    if not folder.is_dir():
        raise _unavailable(name, "the folder of models does not exist")

    def network(signature: str) -> Any:
        path = network_path(folder, signature)
        if path is None:
            raise _unavailable(name, f"the folder of models has no file for {signature}")
        content = read_verified(path, (sha256 or {}).get(path.name), name)
        checksum = path.stem.removeprefix(signature).removeprefix("-")
        if not hashlib.sha256(content).hexdigest().startswith(checksum):
            raise _unavailable(name, f"the checksum in the name of {path.name} is wrong")
        return read_network(path.name, content, trusted_sha256)

    try:
        if network_path(folder, name) is not None:
            return alone(network(name))
        return _bag((folder / f"{name}.yaml").read_bytes(), network)
    except AppError:
        raise
    except Exception as error:  # whatever a damaged file makes its readers raise
        raise _unavailable(name, str(error).replace(str(folder), "the folder of models")) from error


def load_from_hub(declaration: ModelDeclaration) -> BagOfModels:
    """Load a declared model from the Hugging Face cache, or else from the hub and its mirrors; the standard variables
    of ``huggingface_hub`` (``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT``) apply.

    A cached model costs no network traffic. Without a network this fails within seconds.

    Raises ``MODEL_UNAVAILABLE`` if the weights are not cached and the hub cannot be reached or has none,
    ``WEIGHTS_CHANGED`` if a file has another digest.
    """
    name = declaration.name
    files = {file.name: file for file in declaration.files}

    def content(filename: str) -> bytes:
        file = files.get(filename, ModelFile(name=filename))
        return read_verified(model_file(declaration.source, file), file.sha256, name)

    def network(signature: str) -> Any:
        filename = f"{signature}.safetensors"
        return read_network(filename, content(filename))

    try:
        return _bag(content(f"{name}.yaml"), network)
    except AppError:
        raise
    except Exception as error:  # the hub, its cache and its proxies fail in many ways, all with the same remedy
        raise _unavailable(name, f"the model hub gave no weights ({type(error).__name__})") from error


def alone(network: Any) -> BagOfModels:
    return BagOfModels([network])


def _bag(definition: bytes, network: Any) -> BagOfModels:
    bag = yaml.safe_load(definition)
    return BagOfModels([network(str(signature)) for signature in bag["models"]], bag.get("weights"), bag.get("segment"))


def on_device(models: BagOfModels, name: str, device: str) -> Bag:
    """Move the networks of a model to ``device``. Raises ``MODEL_UNSUPPORTED``."""
    segments = {int(network.samplerate * network.segment) for network in models.models}
    if len(segments) != 1 or models.audio_channels not in (1, 2):
        raise errors.MODEL_UNSUPPORTED(
            f"The model {name!r} is not supported: its networks must be mono or stereo and have one segment length."
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


def _unavailable(name: str, why: str) -> AppError:
    return errors.MODEL_UNAVAILABLE(why=why, model=name)
