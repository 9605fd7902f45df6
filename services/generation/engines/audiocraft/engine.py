"""The audiocraft engine: MusicGen, AudioGen and MAGNeT behind the Engine Protocol."""

import contextlib
import dataclasses
import functools
import gc
import importlib.util
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundwright.kit import errors
from soundwright.kit.engines import ModelDeclaration
from soundwright.kit.errors import AppError
from soundwright.services.generation.engines.audiocraft import files
from soundwright.services.generation.service import MUSIC, SOUND, Clip, Engine, Take

if TYPE_CHECKING:
    from soundwright.services.generation.engines.audiocraft.model import Model

# The code of audiocraft is under MIT, its weights under CC-BY-NC 4.0 (LICENSE_weights and the model cards of audiocraft). Sizes and digests of the files on the hub are
# not verified, and the memory on a GPU is not measured, so these facts stay None.
_declare = functools.partial(ModelDeclaration, code_licence="MIT", weights_licence="CC-BY-NC-4.0", needs_weights=True)
MODELS = (
    _declare(
        name="music",
        description="MusicGen small: text to music",
        architecture="MusicGen",
        outputs=(MUSIC,),
        sample_rate_hz=32_000,
        source="facebook/musicgen-small",
        fallback="composer",
    ),
    _declare(
        name="audio",
        description="AudioGen medium: text to sound effects",
        architecture="AudioGen",
        outputs=(SOUND,),
        sample_rate_hz=16_000,
        source="facebook/audiogen-medium",
        fallback="sound-designer",
    ),
    _declare(
        name="magnet-music",
        description="MAGNeT small: text to music, all tokens of a window at once",
        architecture="MAGNeT",
        outputs=(MUSIC,),
        sample_rate_hz=32_000,
        source="facebook/magnet-small-10secs",
        fallback="composer",
    ),
    _declare(
        name="magnet-audio",
        description="MAGNeT small: text to sound effects, all tokens of a window at once",
        architecture="MAGNeT",
        outputs=(SOUND,),
        sample_rate_hz=16_000,
        source="facebook/audio-magnet-small",
        fallback="sound-designer",
    ),
)


class AudiocraftEngine(Engine):
    """Text to audio with audiocraft's networks. Safe to use from several threads, which run one after the other.

    A take with the same seed gives the same audio in any batch: each take draws from its own random generator and
    attends to its own text only. Another number of threads, device or batch size may round the last digit differently,
    which occasionally makes a network choose another token.

    Networks compute in half precision on a GPU and in single precision on a CPU.

    Args:
        checkpoints: repositories on the hub that replace the declared ones, by model.
        model_dir: folder with the checkpoints, as :func:`soundwright.services.generation.engines.audiocraft.files.find` describes it.
            It is the only source then. Without it, checkpoints come from the Hugging Face cache and hub.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; without it CUDA if there is a CUDA device.
        thread_count: CPU threads; PyTorch's default without it.
        batch_size: greatest number of takes computed at once, halved within a call when memory is short.
    """

    name = "audiocraft"

    def __init__(
        self,
        *,
        checkpoints: Mapping[str, str] | None = None,
        model_dir: Path | None = None,
        device: str | None = None,
        thread_count: int | None = None,
        batch_size: int = 8,
    ) -> None:
        given = checkpoints or {}
        self.models = tuple(
            dataclasses.replace(declaration, source=given.get(declaration.name, declaration.source))
            for declaration in MODELS
        )
        self._checkpoints = {declaration.name: declaration.source for declaration in self.models}
        self._model_dir = model_dir
        self._device = device
        self._thread_count = thread_count
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._loaded: dict[str, Model] = {}

    def is_installed(self) -> bool:
        """Return whether audiocraft is installed. It is not imported, which takes seconds and much memory."""
        return importlib.util.find_spec("audiocraft") is not None

    def is_present(self, model: str) -> bool:
        """Return whether the checkpoint of ``model`` is on this machine. Its text encoder may be missing."""
        return files.are_present(self._checkpoints[model], files.CHECKPOINT, self._model_dir)

    def load(self, model: str) -> None:
        """Load the weights of ``model`` into memory and download them if necessary.

        Raises ``MODEL_UNAVAILABLE`` if audiocraft is not installed or the weights cannot be found or downloaded,
        ``CHECKPOINT_UNTRUSTED`` if reading them could run code, ``OUT_OF_MEMORY``, ``MODEL_UNKNOWN``.
        """
        with self._lock:
            self._model(model)

    def unload(self, model: str) -> None:
        """Free the memory of ``model``. Does nothing if it is not loaded."""
        with self._lock:
            if self._loaded.pop(model, None) is not None:
                import torch

                gc.collect()  # networks have cycles
                torch.cuda.empty_cache()

    def generate(self, model: str, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        """Return a clip for each take; see ``Engine.generate``.

        All takes are computed in one batch. Exceptions: lead-ins of different length are computed one length after the
        other, and batches are smaller when memory is short. A take reads only the end of its lead-in, as long as the
        overlap of two windows: 12 seconds with MusicGen.

        Raises the errors of :meth:`load`; ``OUT_OF_MEMORY`` if there is too little memory for one take.
        """
        with self._lock:
            loaded = self._model(model)
            import torch

            if self._thread_count is not None and torch.get_num_threads() != self._thread_count:
                torch.set_num_threads(self._thread_count)  # kept per calling thread
            progress = _Progress(report, len(takes))
            clips: dict[int, Clip] = {}
            by_lead_in = sorted(range(len(takes)), key=lambda index: loaded.heard_tokens(takes[index]))
            for _, alike in groupby(by_lead_in, key=lambda index: loaded.heard_tokens(takes[index])):
                indices = list(alike)
                with self._placed():
                    made = self._generate(loaded, [takes[index] for index in indices], progress)
                clips.update(zip(indices, made, strict=True))
            return [clips[index] for index in range(len(takes))]

    def _generate(self, model: "Model", takes: Sequence[Take], progress: "_Progress") -> list[Clip]:
        import torch

        limit = self._batch_size
        clips: list[Clip] = []
        while len(clips) < len(takes):
            batch = takes[len(clips) : len(clips) + limit]
            try:
                made = model.run(batch, progress.of(len(batch)))
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise errors.OUT_OF_MEMORY(
                        "CUDA out of memory: this model needs more than is free. Try again in a minute, ask for less, or use the CPU."
                    ) from error
                made = None
            if made is None:  # not in the except block, where the error keeps the tensors of the failed pass alive
                torch.cuda.empty_cache()
                limit = len(batch) // 2
                continue
            progress.done(len(batch))
            clips += made
        return clips

    def _model(self, model: str) -> "Model":
        if model not in self._loaded:
            self._loaded[model] = self._load(model)
        return self._loaded[model]

    def _load(self, model: str) -> "Model":
        if model not in self._checkpoints:
            known = ", ".join(self._checkpoints)
            raise errors.MODEL_UNKNOWN(model=model, known=known)
        # Quick checks first: importing PyTorch and audiocraft takes seconds and much memory.
        if not self.is_installed():
            raise _not_installed(model)
        checkpoint = files.find(model, self._checkpoints[model], files.CHECKPOINT, self._model_dir)
        try:
            from soundwright.services.generation.engines.audiocraft import weights
            from soundwright.services.generation.engines.audiocraft.model import KINDS, Model
        except ImportError as error:
            raise _not_installed(model) from error
        import torch

        kind = KINDS[model]
        try:
            with self._placed():
                network = weights.load(kind.network, model, checkpoint, self._model_dir, self._placement().type)
        except torch.OutOfMemoryError as error:
            raise errors.OUT_OF_MEMORY(
                "CUDA out of memory: this model needs more than is free. Try again in a minute, ask for less, or use the CPU."
            ) from error
        return Model(kind, network)

    def _placement(self) -> Any:
        import torch

        return torch.device(self._device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def _placed(self) -> contextlib.AbstractContextManager[object]:
        """Make the device the current one within the block: audiocraft addresses devices by kind, without a number."""
        import torch

        device = self._placement()
        return torch.cuda.device(device) if device.index is not None else contextlib.nullcontext()


class _Progress:
    """Reports the ratio done of several batches, which does not fall when a batch starts again."""

    def __init__(self, report: Callable[[float], None], take_count: int) -> None:
        self._report = report
        self._take_count = take_count
        self._done_count = 0
        self._share = 0.0
        report(0.0)

    def of(self, take_count: int) -> Callable[[float], None]:
        """Return the function that a batch of ``take_count`` takes reports to."""

        def report(share: float) -> None:
            self._share = max(self._share, (self._done_count + share * take_count) / self._take_count)
            self._report(self._share)

        return report

    def done(self, take_count: int) -> None:
        self._done_count += take_count


def _not_installed(model: str) -> AppError:
    return errors.MODEL_UNAVAILABLE(
        f"The model {model!r} needs audiocraft, which is not installed here. Run `make setup`.", model=model
    )
