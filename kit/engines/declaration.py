"""What every engine declares, and the methods that a registry calls."""

from dataclasses import dataclass
from typing import Protocol

NONE_STATED = "none stated"
"""The licence of weights whose authors state none."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A published signal-to-distortion ratio (SDR). Higher is better. Scores on different test sets do not compare.

    Args:
        stem: the stem that was measured; empty for the mean of all stems.
        test_set: the recordings on which it was measured.
    """

    stem: str = ""
    sdr_db: float
    test_set: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How much better a stem is than the mix, on one set of songs, so that models compare.

    Args:
        db: the mean improvement of the scale-invariant signal-to-distortion ratio (SI-SDR) in dB.
        is_measured: whether it was measured. Otherwise it is estimated from a published score.
    """

    stem: str
    db: float
    is_measured: bool = True


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A file that a model needs. An unverified fact is None.

    Args:
        sha256: its SHA-256 as 64 hex digits. A file with other content is not loaded.
        mirrors: addresses of copies, tried in order if the repository does not answer. They need ``sha256``.
    """

    name: str
    size_bytes: int | None = None
    sha256: str | None = None
    mirrors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mirrors and self.sha256 is None:
            raise ValueError(f"{self.name} has mirrors and no SHA-256.")


@dataclass(frozen=True, kw_only=True)
class ModelDeclaration:
    """The facts about one model. Everything that lists, loads or documents models reads them from here.

    An unverified fact is None.

    Args:
        name: the name that requests use; unique within a registry.
        architecture: name of the network or method, for example ``Hybrid Transformer Demucs``.
        outputs: names of what the model produces, in the order in which they are listed.
        sample_rate_hz: sample rate of the outputs; None if it is the sample rate of the input.
        code_licence: licence of the code that runs the model, as an SPDX identifier.
        weights_licence: licence of the weights, as an SPDX identifier where there is one, or :data:`NONE_STATED`; empty
            if there are no weights. Without a stated licence an operator has to allow the model.
        licence_note: what else the authors say about the licence of the weights, with the address; empty if nothing.
        source: repository of the weights on the model hub (``owner/name``); empty if they are not on the hub.
        files: the files of the model; empty if they are not known before the download.
        gains: the only figures by which models are compared; empty or without some stems if they are not known.
        relative_cost: computing time relative to ``htdemucs`` on the same machine; None if it is not known.
        needs_weights: whether the engine loads weights before it can run the model.
        memory_bytes: main memory that the model needs on a CPU; None if it is not measured.
        device_memory_bytes: GPU memory that the model needs; None if it is not measured.
        fallback: name of the model that runs instead when the weights are not available; empty if there is none.
        listed: whether requests may name the model. Other models are fallbacks and steps of a pipeline.
    """

    name: str
    description: str
    architecture: str
    outputs: tuple[str, ...]
    code_licence: str
    needs_weights: bool
    weights_licence: str = ""
    licence_note: str = ""
    sample_rate_hz: int | None = None
    source: str = ""
    files: tuple[ModelFile, ...] = ()
    scores: tuple[Score, ...] = ()
    gains: tuple[Gain, ...] = ()
    relative_cost: float | None = None
    memory_bytes: int | None = None
    device_memory_bytes: int | None = None
    fallback: str = ""
    listed: bool = True

    def __post_init__(self) -> None:
        if self.needs_weights != bool(self.weights_licence):
            raise ValueError(f"{self.name}: weights_licence is needed for weights, and only for them.")

    @property
    def licence(self) -> str:
        """Licence of the weights; of the code if there are no weights."""
        return self.weights_licence or self.code_licence

    @property
    def is_licensed(self) -> bool:
        """Whether the licences of the code and of the weights, if there are weights, are stated."""
        return self.weights_licence != NONE_STATED

    @property
    def has_mirrors(self) -> bool:
        """Whether other places than the hub have a file of the model."""
        return any(file.mirrors for file in self.files)

    @property
    def size_bytes(self) -> int | None:
        """Size of the download; None if it is not known."""
        sizes = [file.size_bytes for file in self.files]
        return None if not sizes or None in sizes else sum(size for size in sizes if size is not None)


class Engine(Protocol):
    """Runs one or more models. Each service extends this Protocol with the method that does its work.

    The constructor must be quick and must not import an ML library: the service process builds engines too, to read
    their declarations. An engine without weights inherits all methods below.
    """

    name: str
    models: tuple[ModelDeclaration, ...]

    def is_installed(self) -> bool:
        """Return whether the libraries of the engine are installed."""
        return True

    def is_present(self, model: str) -> bool:
        """Return whether the weights of ``model`` can be loaded without the network."""
        return True

    def is_local(self, model: str) -> bool:
        """Return whether the operator supplies the weights of ``model``, so that their licence is the operator's matter."""
        return False

    def load(self, model: str) -> None:
        """Load the weights of ``model`` into memory and download them if necessary. Loading twice does nothing.

        Raises ``MODEL_UNAVAILABLE``, ``WEIGHTS_CHANGED``, ``CHECKPOINT_UNTRUSTED``, ``MODEL_UNSUPPORTED`` or
        ``OUT_OF_MEMORY``.
        """
        return

    def unload(self, model: str) -> None:
        """Free the memory of ``model``. Does nothing if it is not loaded."""
        return
