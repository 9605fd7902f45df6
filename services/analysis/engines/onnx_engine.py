"""Engines whose network is an ONNX file in a package. Only this file of the package is read, and none of its code runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import compiled_model
from soundwright.kit.compiled_model import CompiledModel
from soundwright.kit.packaged_weights import installed_files, package_path
from soundwright.kit.weights import read_verified
from soundwright.services.analysis.service import Engine

Floats = NDArray[np.float32]


class OnnxEngine(Engine):
    """Runs the only model of the engine, which has one file, with OpenVINO.

    Attributes:
        folder: folder of the file among the installed packages.
        input_shape: shape of the network's input, if the network leaves it open.
    """

    package: str
    folder: str
    input_shape: Sequence[int] | None = None

    def __init__(self) -> None:
        self._network: CompiledModel | None = None

    def is_installed(self) -> bool:
        return compiled_model.is_installed()

    def is_present(self, model: str) -> bool:
        path = self._path(model)
        return path is not None and path.is_file()

    def load(self, model: str) -> None:
        if self._network is not None:
            return
        (file,) = self.models[0].files
        with installed_files(model):
            path = self._path(model)
            if path is None or not self.is_installed():
                raise FileNotFoundError(file.name)
            content = read_verified(path, file.sha256, model)
        self._network = CompiledModel(content, input_shape=self.input_shape)

    def unload(self, model: str) -> None:
        self._network = None

    def compute(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        assert self._network is not None, "load() comes first"
        with self._network.run(inputs, keep_memory=True) as outputs:
            return [output.copy() for output in outputs]

    def _path(self, model: str) -> Path | None:
        (file,) = self.models[0].files
        return package_path(self.package, f"{self.folder}/{file.name}")


def windows(blocks: Iterator[Floats], length: int, hop: int, lead: int) -> Iterator[tuple[Floats, int]]:
    """Yield overlapping windows of a signal, and how many samples of the signal begin in each: ``hop``, or fewer in the last one.

    Window ``i`` begins ``lead`` samples before sample ``i * hop``. Zeros surround the signal.
    """
    pending = np.zeros(lead, np.float32)
    for block in blocks:
        pending = np.concatenate([pending, block])
        start = 0
        while start + length <= pending.size:
            yield pending[start : start + length], hop
            start += hop
        pending = pending[start:]
    while pending.size > lead:
        yield (
            np.concatenate([pending[:length], np.zeros(max(0, length - pending.size), np.float32)]),
            min(hop, pending.size - lead),
        )
        pending = pending[hop:]
