"""Loading audiocraft's models, never with code from inside a file.

A checkpoint is a pickle with tensors and a configuration, which audiocraft writes as YAML or as OmegaConf's own objects.
PyTorch's restricted unpickler reads it: it builds tensors and plain values, and here OmegaConf's containers.

This module imports PyTorch and audiocraft; import it when weights are needed.
"""

from __future__ import annotations

import collections
import pickle
import typing
import warnings
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, nodes
from omegaconf.base import ContainerMetadata, Metadata

from kit.errors import AppError, Code
from services.generation.engines.audiocraft import files, library

__all__ = ["load"]

CONFIGURATION = [
    *(DictConfig, ListConfig, Metadata, ContainerMetadata),
    *(nodes.AnyNode, nodes.StringNode, nodes.IntegerNode, nodes.FloatNode, nodes.BooleanNode),
    *(typing.Any, dict, list, int, float, str, bool, collections.defaultdict),
]


def load(kind: Any, model: str, checkpoint: Path, model_dir: Path | None, device: str) -> Any:
    """A model of the class ``kind``, on ``device``.

    Args:
        kind: class of audiocraft.
        model: its name here, for messages.
        checkpoint: the folder with its files.
        model_dir: where the text encoder that it asks for is looked for; see :func:`files.find`.
        device: ``cpu``, ``cuda``, ...: the current one of its kind.

    Raises:
        AppError: ``MODEL_UNAVAILABLE`` if a file is damaged or the text encoder missing, ``CHECKPOINT_UNTRUSTED`` if
            reading a file would run code.
        torch.OutOfMemoryError: if the device has too little memory.
    """
    with (
        library.text_encoders(lambda name: files.find(model, name, files.TEXT_ENCODER, model_dir)),
        torch.serialization.safe_globals(CONFIGURATION),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # audiocraft calls what has since been deprecated
        try:
            return kind.get_pretrained(str(checkpoint), device=device)
        except (AppError, torch.OutOfMemoryError):
            raise
        except pickle.UnpicklingError as error:
            raise AppError(
                Code.UNPROCESSABLE,
                "CHECKPOINT_UNTRUSTED",
                f"The checkpoint of the model {model!r} was refused: it is damaged, or it could run code when it is loaded."
                " Get it from its publisher again.",
                {"model": model},
            ) from error
        except Exception as error:  # whatever a damaged file, or a model of another kind, makes its readers raise
            raise files.unavailable(model, f"its checkpoint cannot be read ({type(error).__name__})") from error
