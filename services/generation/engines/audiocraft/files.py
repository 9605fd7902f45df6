"""Finds the files of checkpoints, text encoders and codecs in a folder of models or in the cache of the model hub.

Imports no ML library, so that a machine without weights reports this without loading PyTorch.
"""

from collections.abc import Sequence
from pathlib import Path

from soundwright.kit import errors
from soundwright.kit.engines.hub import cached_file, hub_file
from soundwright.kit.errors import AppError

CHECKPOINT = ("state_dict.bin", "compression_state_dict.bin")
TEXT_ENCODER = ("config.json", "tokenizer.json", "model.safetensors")
CODEC = ("config.json", "model.safetensors")  # of checkpoints that name their codec instead of holding it


def find(model: str, repository: str, filenames: Sequence[str], model_dir: Path | None) -> Path:
    """Return the folder with the files of a hub repository, which are downloaded if necessary.

    With ``model_dir``, that folder is the only source. It contains one folder for each repository, named as the repository
    without its owner (``musicgen-small``, ``t5-base``, ``encodec_32khz``).

    Raises ``MODEL_UNAVAILABLE`` if a file is missing.
    """
    name = repository.rpartition("/")[2]
    if model_dir is not None:
        missing = [filename for filename in filenames if not (model_dir / name / filename).is_file()]
        if missing:
            raise unavailable(model, f"the folder of models holds no {name}/{missing[0]}")
        return model_dir / name
    try:
        folders = {hub_file(repository, filename).parent for filename in filenames}
    except Exception as error:  # the hub, its cache and its proxies fail in many ways, all with the same remedy
        raise unavailable(model, f"the model hub gave no {repository} ({type(error).__name__})") from error
    if len(folders) > 1:
        raise unavailable(model, f"the cache holds files of different versions of {repository}")
    return folders.pop()


def are_present(repository: str, filenames: Sequence[str], model_dir: Path | None) -> bool:
    """Return whether :func:`find` would find the files without the network."""
    if model_dir is not None:
        return all((model_dir / repository.rpartition("/")[2] / filename).is_file() for filename in filenames)
    return all(cached_file(repository, filename) is not None for filename in filenames)


def unavailable(model: str, why: str) -> AppError:
    return errors.MODEL_UNAVAILABLE(why=why, model=model)
