"""The audiocraft engine: MusicGen, AudioGen and MAGNeT behind the Engine Protocol."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import AppError, Code
from services.generation.engines.audiocraft import files
from services.generation.service import Clip, Take

if TYPE_CHECKING:
    from services.generation.engines.audiocraft.model import Model

__all__ = ["CHECKPOINTS", "AudiocraftEngine"]

CHECKPOINTS = {
    "music": "facebook/musicgen-small",
    "audio": "facebook/audiogen-medium",
    "magnet-music": "facebook/magnet-small-10secs",
    "magnet-audio": "facebook/audio-magnet-small",
}
FAILURE_SECONDS = 30.0


class AudiocraftEngine:
    """Text to audio with audiocraft's networks. Safe to use from several threads, which take turns.

    A take with the same seed gives the same audio, whatever it is computed together with: each draws from a random
    generator of its own and attends to its own text only. Other numbers of threads, other devices and other sizes of a
    batch may round differently in the last digit, which now and then makes a network choose another token.

    Networks compute in half precision on a GPU and in single precision on a CPU.

    Args:
        checkpoints: repositories on the hub to use instead of those in :data:`CHECKPOINTS`, by model.
        model_dir: folder with the checkpoints, as :func:`services.generation.engines.audiocraft.files.find` describes it; the
            only source then. Without it, they come from the Hugging Face cache and hub.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; without it CUDA if there is any.
        thread_count: CPU threads; PyTorch's default without it.
        batch_size: takes computed at once at most, halved within a call when memory does not suffice.
        clock: monotonic seconds.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checkpoints = {**CHECKPOINTS, **(checkpoints or {})}
        self._model_dir = model_dir
        self._device = device
        self._thread_count = thread_count
        self._batch_size = batch_size
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: dict[str, Model] = {}
        self._failures: dict[str, tuple[float, AppError]] = {}

    def load(self, model: str) -> None:
        """Have the weights of ``model`` in memory, fetching them if need be. A failure is remembered for a while.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` when audiocraft is not installed or the weights cannot be had here,
                ``CHECKPOINT_UNTRUSTED`` when reading them could run code, ``OUT_OF_MEMORY``, ``MODEL_UNKNOWN``.
        """
        with self._lock:
            self._model(model)

    def unload(self, model: str) -> None:
        """Give the memory of ``model`` back; harmless when it is not loaded."""
        with self._lock:
            if self._loaded.pop(model, None) is not None:
                import torch

                torch.cuda.empty_cache()

    def generate(self, model: str, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        """A clip for each take; see ``Engine.generate``. All are computed in one batch, except that takes which go on from
        lead-ins of different length are computed one length after the other, and that memory may suffice for fewer.

        A take hears the end of its lead-in only, as much as a window hears of the one before it: 12 seconds with MusicGen.

        Raises:
            AppError: as :meth:`load`; ``OUT_OF_MEMORY`` when memory does not even suffice for one take.
        """
        with self._lock:
            loaded = self._model(model)
            import torch

            if self._thread_count is not None and torch.get_num_threads() != self._thread_count:
                torch.set_num_threads(self._thread_count)  # a property of the calling thread
            progress = _Progress(report, len(takes))
            clips: dict[int, Clip] = {}
            by_lead_in = sorted(range(len(takes)), key=lambda index: loaded.heard_tokens(takes[index]))
            for _, alike in groupby(by_lead_in, key=lambda index: loaded.heard_tokens(takes[index])):
                indices = list(alike)
                with self._placed():
                    made = self._generate(loaded, [takes[index] for index in indices], progress)
                clips.update(zip(indices, made, strict=True))
            return [clips[index] for index in range(len(takes))]

    def _generate(self, model: Model, takes: Sequence[Take], progress: _Progress) -> list[Clip]:
        import torch

        limit = self._batch_size
        clips: list[Clip] = []
        while len(clips) < len(takes):
            batch = takes[len(clips) : len(clips) + limit]
            try:
                made = model.run(batch, progress.of(len(batch)))
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise _out_of_memory() from error
                made = None
            if made is None:  # only here, as the error above keeps the tensors of the failed pass alive
                torch.cuda.empty_cache()
                limit = len(batch) // 2
                continue
            progress.done(len(batch))
            clips += made
        return clips

    def _model(self, model: str) -> Model:
        if model in self._loaded:
            return self._loaded[model]
        until, failure = self._failures.get(model, (-math.inf, None))
        if failure is not None and self._clock() < until:
            raise AppError(failure.code, failure.reason, failure.message, failure.meta)
        try:
            self._loaded[model] = self._load(model)
        except AppError as error:
            self._failures[model] = (self._clock() + FAILURE_SECONDS, error)
            raise
        return self._loaded[model]

    def _load(self, model: str) -> Model:
        if model not in CHECKPOINTS:
            known = ", ".join(CHECKPOINTS)
            raise AppError(Code.NOT_FOUND, "MODEL_UNKNOWN", f"There is no model {model!r}. Use one of: {known}.")
        # First what is quick to find out: importing PyTorch and audiocraft takes seconds and much memory.
        if importlib.util.find_spec("audiocraft") is None:
            raise _not_installed(model)
        checkpoint = files.find(model, self._checkpoints[model], files.CHECKPOINT, self._model_dir)
        try:
            from services.generation.engines.audiocraft import weights
            from services.generation.engines.audiocraft.model import KINDS, Model
        except ImportError as error:
            raise _not_installed(model) from error
        import torch

        kind = KINDS[model]
        try:
            with self._placed():
                network = weights.load(kind.network, model, checkpoint, self._model_dir, self._placement().type)
        except torch.OutOfMemoryError as error:
            raise _out_of_memory() from error
        return Model(kind, network)

    def _placement(self) -> Any:
        import torch

        return torch.device(self._device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def _placed(self) -> contextlib.AbstractContextManager[object]:
        """Makes the device the current one: audiocraft knows devices by their kind, without a number."""
        import torch

        device = self._placement()
        return torch.cuda.device(device) if device.index is not None else contextlib.nullcontext()


class _Progress:
    """The share done of several batches, which does not fall when one has to be started again."""

    def __init__(self, report: Callable[[float], None], take_count: int) -> None:
        self._report = report
        self._take_count = take_count
        self._done_count = 0
        self._share = 0.0
        report(0.0)

    def of(self, take_count: int) -> Callable[[float], None]:
        """What a batch of so many takes reports to."""

        def report(share: float) -> None:
            self._share = max(self._share, (self._done_count + share * take_count) / self._take_count)
            self._report(self._share)

        return report

    def done(self, take_count: int) -> None:
        self._done_count += take_count


def _not_installed(model: str) -> AppError:
    return AppError(
        Code.NOT_PROVISIONED,
        "MODEL_UNAVAILABLE",
        f"The model {model!r} needs audiocraft, which is not installed here. Run `make setup`.",
        {"model": model},
    )


def _out_of_memory() -> AppError:
    return AppError(
        Code.UNAVAILABLE,
        "OUT_OF_MEMORY",
        "CUDA out of memory: this model needs more than is free. Try again later, ask for less, or use the CPU.",
    )
