"""Loads models of audiocraft without running code from their files.

A checkpoint is a pickle with tensors and a configuration, which is YAML or consists of OmegaConf objects. PyTorch's
restricted unpickler loads it: it creates only tensors, plain values and, with this module, OmegaConf containers.

This module imports PyTorch and audiocraft. Import it only when weights are needed.
"""

import collections
import pickle
import typing
import warnings
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, nodes
from omegaconf.base import ContainerMetadata, Metadata

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.services.generation.engines.audiocraft import files, library

CONFIGURATION = [
    *(DictConfig, ListConfig, Metadata, ContainerMetadata),
    *(nodes.AnyNode, nodes.StringNode, nodes.IntegerNode, nodes.FloatNode, nodes.BooleanNode),
    *(typing.Any, dict, list, int, float, str, bool, collections.defaultdict),
]


def load(kind: Any, model: str, checkpoint: Path, model_dir: Path | None, device: str) -> Any:
    """Load a model to ``device``.

    Args:
        model: the name of the model, for error messages.
        model_dir: the folder with text encoders and codecs; see :func:`files.find`.
        device: ``cpu``, ``cuda`` and so on. ``cuda`` means the current CUDA device.

    Raises:
        AppError: ``MODEL_UNAVAILABLE`` if a file is damaged or the text encoder or codec is missing; ``CHECKPOINT_UNTRUSTED`` if
            loading a file would run code.
        torch.OutOfMemoryError: the memory of the device does not suffice.
    """
    with (
        library.pretrained(lambda name, filenames: files.find(model, name, filenames, model_dir)),
        torch.serialization.safe_globals(CONFIGURATION),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # audiocraft uses deprecated functions
        try:
            return kind.get_pretrained(str(checkpoint), device=device)
        except (AppError, torch.OutOfMemoryError):
            raise
        except pickle.UnpicklingError as error:
            raise errors.CHECKPOINT_UNTRUSTED(
                (
                    f"The checkpoint of the model {model!r} is damaged, or contains code that would run when it is loaded. Download "
                    "it from its publisher again."
                ),
                model=model,
            ) from error
        except Exception as error:  # damaged files and other kinds of models raise many types of errors
            raise files.unavailable(model, f"its checkpoint cannot be loaded ({type(error).__name__})") from error
