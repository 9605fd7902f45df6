"""Where audiocraft's models come from: a folder or the Hugging Face hub, and never from code inside a file.

A checkpoint is a pickle with tensors and a configuration, which audiocraft writes as YAML or as OmegaConf's own objects.
PyTorch's restricted unpickler reads it: it builds tensors and plain values, and here OmegaConf's containers.

This module imports PyTorch and audiocraft; import it when weights are needed.
"""

from __future__ import annotations

import collections
import pickle
import typing
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, nodes
from omegaconf.base import ContainerMetadata, Metadata

from kit.errors import AppError, Code
from kit.hub import hub_file
from services.generation.engines.audiocraft import library

__all__ = ["load"]

LANGUAGE_MODEL = "state_dict.bin"
CODEC = "compression_state_dict.bin"
TEXT_ENCODER = ("config.json", "tokenizer.json", "model.safetensors")
CONFIGURATION = [
    *(DictConfig, ListConfig, Metadata, ContainerMetadata),
    *(nodes.AnyNode, nodes.StringNode, nodes.IntegerNode, nodes.FloatNode, nodes.BooleanNode),
    *(typing.Any, dict, list, int, float, str, bool, collections.defaultdict),
]


def load(kind: Any, model: str, checkpoint: str, model_dir: Path | None, device: str) -> Any:
    """A model of the class ``kind`` from the checkpoint ``checkpoint``, a repository of the hub, on ``device``.

    With ``model_dir``, that folder is the only source: it holds a folder for the checkpoint and one for the text encoder
    that the checkpoint asks for, each named as its repository without the owner (``musicgen-small``, ``t5-base``) and with
    the files of that repository. Without it, files come from the hub's cache or else from the hub.

    Raises:
        AppError: ``MODEL_UNAVAILABLE`` if files are missing or damaged, ``CHECKPOINT_UNTRUSTED`` if reading one would
            run code.
        torch.OutOfMemoryError: if the device has too little memory.
    """

    def folder(repository: str, *filenames: str) -> Path:
        return _folder(model, repository, filenames, model_dir)

    source = folder(checkpoint, LANGUAGE_MODEL, CODEC)
    with (
        library.text_encoders(lambda name: folder(name, *TEXT_ENCODER)),
        torch.serialization.safe_globals(CONFIGURATION),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # audiocraft calls what has since been deprecated
        try:
            return kind.get_pretrained(str(source), device=device)
        except (AppError, torch.OutOfMemoryError):
            raise
        except pickle.UnpicklingError as error:
            raise AppError(
                Code.UNPROCESSABLE,
                "CHECKPOINT_UNTRUSTED",
                f"The checkpoint {checkpoint} was refused: it is damaged, or it could run code when it is loaded. Get it"
                " from its publisher again.",
                {"model": model},
            ) from error
        except Exception as error:  # whatever a damaged file, or a model of another kind, makes its readers raise
            raise _unavailable(model, f"{checkpoint} cannot be read ({type(error).__name__})") from error


def _folder(model: str, repository: str, filenames: Sequence[str], model_dir: Path | None) -> Path:
    """The folder with the files of a repository."""
    name = repository.rpartition("/")[2]
    if model_dir is not None:
        missing = [filename for filename in filenames if not (model_dir / name / filename).is_file()]
        if missing:
            raise _unavailable(model, f"the folder of models holds no {name}/{missing[0]}")
        return model_dir / name
    try:
        folders = {hub_file(repository, filename).parent for filename in filenames}
    except Exception as error:  # the hub, its cache and its proxies fail in many ways, all with the same remedy
        raise _unavailable(model, f"the model hub gave no {repository} ({type(error).__name__})") from error
    if len(folders) > 1:
        raise _unavailable(model, f"the cache holds files of different versions of {repository}")
    return folders.pop()


def _unavailable(model: str, why: str) -> AppError:
    return AppError(
        Code.NOT_PROVISIONED,
        "MODEL_UNAVAILABLE",
        f"The weights of the model {model!r} are not available: {why}. Run `make models` on a machine with network access,"
        " or set the folder of models.",
        {"model": model},
    )
