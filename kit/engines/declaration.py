"""What every engine declares, and the methods that a registry calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Engine", "ModelDeclaration"]


@dataclass(frozen=True, kw_only=True)
class ModelDeclaration:
    """The facts about one model. Everything that lists, loads or documents models reads them from here.

    An unverified fact is None.

    Args:
        name: the name that requests use; unique within a registry.
        description: one line for model lists.
        outputs: names of what the model produces, in the order in which they are listed.
        sample_rate_hz: sample rate of the outputs; None if it is the sample rate of the input.
        licence: licence of the weights, as an SPDX identifier where there is one; of the engine if there are no weights.
        source: repository of the weights on the model hub (``owner/name``); empty if the engine needs no weights.
        size_bytes: size of the download; None if it is not verified.
        sha256: SHA-256 of the weights as hex digits; None if it is not verified or if there are several files.
        needs_weights: whether the engine loads weights before it can run the model.
        device_memory_bytes: GPU memory that the model needs; None if it is not measured.
        fallback: name of the model that runs instead when the weights are not available; empty if there is none.
        listed: whether requests may name the model. Other models are fallbacks and steps of a pipeline.
    """

    name: str
    description: str
    outputs: tuple[str, ...]
    licence: str
    needs_weights: bool
    sample_rate_hz: int | None = None
    source: str = ""
    size_bytes: int | None = None
    sha256: str | None = None
    device_memory_bytes: int | None = None
    fallback: str = ""
    listed: bool = True


class Engine(Protocol):
    """Runs one or more models. Each service extends this Protocol with the method that does its work.

    The constructor must be quick and must not import an ML library: the service process builds engines too, to read
    their declarations. An engine without weights inherits all methods below.

    Attributes:
        name: name of the engine in results.
        models: the models that it runs.
    """

    name: str
    models: tuple[ModelDeclaration, ...]

    def is_installed(self) -> bool:
        """Return whether the libraries of the engine are installed."""
        return True

    def is_present(self, model: str) -> bool:
        """Return whether the weights of ``model`` can be loaded without the network."""
        return True

    def load(self, model: str) -> None:
        """Load the weights of ``model`` into memory and download them if necessary. Loading twice does nothing.

        Raises:
            AppError: ``MODEL_UNAVAILABLE``, ``CHECKPOINT_UNTRUSTED``, ``MODEL_UNSUPPORTED`` or ``OUT_OF_MEMORY``.
        """
        return

    def unload(self, model: str) -> None:
        """Free the memory of ``model``. Does nothing if it is not loaded."""
        return
