"""Engines whose network runs with PyTorch, with weights from a package. This module imports no PyTorch."""

import importlib.util
from typing import Any

from soundwright.kit import errors
from soundwright.kit.packaged_weights import PackagedWeights
from soundwright.services.analysis.service import Engine


class TorchEngine(Engine):
    """Loads the only model of the engine. ``_network`` is what :meth:`read_network` has returned; None: it is not loaded."""

    weights: PackagedWeights

    def __init__(self) -> None:
        self._network: Any = None

    def read_network(self, content: bytes) -> Any:
        """Return the network of a safetensors file. May import PyTorch."""
        raise NotImplementedError

    def is_installed(self) -> bool:
        return importlib.util.find_spec("torch") is not None

    def is_present(self, model: str) -> bool:
        """Return whether the file of the weights is there, or the package that contains them."""
        return self.weights.is_present()

    def load(self, model: str) -> None:
        """See :class:`soundwright.kit.engines.declaration.Engine`."""
        if self._network is None:
            if not self.is_installed():
                raise errors.MODEL_NOT_INSTALLED(model=model)
            self._network = self.read_network(self.weights.content())

    def unload(self, model: str) -> None:
        """See :class:`soundwright.kit.engines.declaration.Engine`."""
        self._network = None
