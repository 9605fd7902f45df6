"""What an engine process does: choose the engine, make takes in one batch, judge them."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kit import audio
from kit.compute import Report
from kit.errors import AppError
from kit.log import get_logger
from services.generation.engines.audiocraft import files
from services.generation.engines.audiocraft.engine import CHECKPOINTS, AudiocraftEngine
from services.generation.engines.device import Device, cuda_device
from services.generation.engines.procedural.engine import ProceduralEngine
from services.generation.quality import Quality, judge, wants_noise
from services.generation.service import MODELS, Clip, Engine, Samples, Take, is_music
from services.generation.settings import GenerationSettings

__all__ = ["Batch", "Choice", "EngineRoom", "MadeTake", "TakeOrder", "build_engines", "make_takes", "read_samples"]

# The model came to nothing for good or for now: the built-in engine can still do the job.
_FALLBACK_REASONS = {"MODEL_UNAVAILABLE", "CHECKPOINT_UNTRUSTED", "MODEL_UNSUPPORTED"}
_LOADED_SHARE = 1e-3  # reported once the weights are there: before, it is 0
log = get_logger()


@dataclasses.dataclass(frozen=True)
class Choice:
    """The engine that does a job, and why, if it is not the one that was asked for."""

    engine: str
    engine_model: str
    degraded: bool = False
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class TakeOrder:
    """A take to make.

    Args:
        take: without its lead-in, which an engine process reads by itself.
        lead_in: an audio file to go on from.
        overlap_seconds: how much of the lead-in's end the take repeats.
        file: where the samples go, as a ``.npy`` file of float32 [channels, frames]. Once its folder is gone, nobody wants
            the take any more.
    """

    take: Take
    file: Path
    lead_in: Path | None = None
    overlap_seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class MadeTake:
    """What is known of a take whose samples lie in its file."""

    sample_rate_hz: int
    quality: Quality


@dataclasses.dataclass(frozen=True)
class Batch:
    """Takes that were made together, in the order of their orders."""

    choice: Choice
    takes: list[MadeTake]
    device: Device | None


class EngineRoom:
    """The engines of one process, with the weights that they hold.

    Args:
        networks: the engine with the models that were asked for; None: it is not wanted here.
        built_in: the engine that needs no weights.
        checkpoints: what ``networks`` loads for each model.
        fallback: ``built_in`` does the job when ``networks`` cannot have a model.
        loaded_limit: models in memory at once; the one used longest ago goes first.
        idle_seconds: without work for so long, all go.
        device: see :func:`services.generation.engines.device.cuda_device`.
        is_at_hand: whether a model's weights can be had without the network.
    """

    def __init__(
        self, *, networks: Engine | None, built_in: Engine, checkpoints: dict[str, str], fallback: bool, loaded_limit: int,
        idle_seconds: float, device: str = "", is_at_hand: Callable[[str], bool] = lambda model: False,
    ) -> None:  # fmt: skip
        self._networks = networks
        self._built_in = built_in
        self._checkpoints = checkpoints
        self._fallback = fallback
        self._loaded_limit = loaded_limit
        self._idle_seconds = idle_seconds
        self._device = device
        self._is_at_hand = is_at_hand
        self._loaded: list[str] = []  # used longest ago first
        self._lock = threading.Lock()
        self._idle_timer: threading.Timer | None = None

    def device(self) -> Device | None:
        return cuda_device(self._device)

    def at_hand(self) -> frozenset[str]:
        """Models that need not be fetched."""
        return frozenset(model for model in MODELS if self._is_at_hand(model))

    def loaded(self) -> tuple[str, ...]:
        return tuple(self._loaded)

    def choose(self, model: str) -> Choice:
        """Who makes ``model`` here, its weights loaded.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` or its like, when there is no falling back.
        """
        if self._networks is None:
            return self._built_in_choice(model)
        try:
            with self._lock:
                self._load(self._networks, model)
        except AppError as error:
            if not self._fallback or error.reason not in _FALLBACK_REASONS:
                raise
            log.warning("model.degraded", requested=model, used=self._built_in.name, reason=error.message)
            return dataclasses.replace(self._built_in_choice(model), degraded=True, reason=error.message)
        finally:
            self._rest()
        return Choice(self._networks.name, self._checkpoints[model])

    def generate(self, choice: Choice, model: str, takes: Sequence[Take], report: Report) -> list[Clip]:
        """The takes, made by the engine of ``choice``."""
        networks = self._networks
        if networks is None or choice.engine != networks.name:
            return self._built_in.generate(model, takes, report)
        try:
            with self._lock:
                return networks.generate(model, takes, report)
        finally:
            self._rest()

    def _built_in_choice(self, model: str) -> Choice:
        return Choice(self._built_in.name, "composer" if is_music(model) else "sound-designer")

    def _load(self, networks: Engine, model: str) -> None:
        if model in self._loaded:
            self._loaded.remove(model)
        elif self._is_at_hand(model):
            self._make_room(networks)
        networks.load(model)
        # What had to be fetched might not have been there, and nothing goes for what does not come.
        self._make_room(networks)
        self._loaded.append(model)

    def _make_room(self, networks: Engine) -> None:
        while len(self._loaded) >= self._loaded_limit:
            networks.unload(self._loaded.pop(0))

    def _rest(self) -> None:
        """Count the idle time anew."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if not self._loaded:
            return
        self._idle_timer = threading.Timer(self._idle_seconds, self._unload_all)
        self._idle_timer.daemon = True
        self._idle_timer.start()

    def _unload_all(self) -> None:
        assert self._networks is not None
        if not self._lock.acquire(blocking=False):
            return  # they are at work, and the time is counted anew after it
        try:
            while self._loaded:
                self._networks.unload(self._loaded.pop())
        finally:
            self._lock.release()
        log.info("models.unloaded", idle_seconds=self._idle_seconds)


def audiocraft_is_installed() -> bool:
    """Whether there is any use in trying to load a network."""
    return importlib.util.find_spec("audiocraft") is not None


def build_engines(settings: GenerationSettings) -> EngineRoom:
    """The engines as ``settings`` describe them; nothing is loaded yet."""
    networks: Engine | None = None
    if settings.generation_engine != "procedural":
        networks = AudiocraftEngine(
            checkpoints=settings.generation_checkpoints,
            model_dir=settings.generation_model_dir,
            device=settings.generation_device or None,
            thread_count=settings.generation_thread_count or None,
            batch_size=settings.generation_batch_size,
        )
    checkpoints = {**CHECKPOINTS, **settings.generation_checkpoints}
    return EngineRoom(
        networks=networks,
        built_in=ProceduralEngine(),
        checkpoints=checkpoints,
        fallback=settings.fallback,
        loaded_limit=settings.generation_loaded_model_limit,
        idle_seconds=settings.generation_idle_seconds,
        device=settings.generation_device,
        is_at_hand=lambda model: files.are_at_hand(checkpoints[model], files.CHECKPOINT, settings.generation_model_dir),
    )


def make_takes(room: EngineRoom, report: Report, *, model: str, orders: Sequence[TakeOrder]) -> Batch:
    """Make the takes of ``orders`` in one batch and judge each.

    Reports 0 until the weights are there, more while the takes are made, 1 while they are judged.
    """
    report(0.0)
    choice = room.choose(model)
    takes = [_with_lead_in(order) for order in orders]
    clips = room.generate(choice, model, takes, lambda share: report(max(share, _LOADED_SHARE)))
    report(1.0)
    made = [_keep(order, clip, model) for order, clip in zip(orders, clips, strict=True)]
    return Batch(choice, made, room.device())


def read_samples(file: Path) -> Clip:
    """All of an audio file."""
    recording = audio.AudioFile(file)
    samples = np.concatenate(list(recording.blocks(1 << 16)), axis=1)
    return Clip(samples, recording.sample_rate_hz)


def _with_lead_in(order: TakeOrder) -> Take:
    if order.lead_in is None:
        return order.take
    whole = read_samples(order.lead_in)
    overlap = round(order.overlap_seconds * whole.sample_rate_hz)
    heard: Samples = whole.samples[:, : whole.samples.shape[1] - overlap]
    return dataclasses.replace(order.take, lead_in=Clip(heard, whole.sample_rate_hz))


def _keep(order: TakeOrder, clip: Clip, model: str) -> MadeTake:
    take = order.take
    quality = judge(
        clip.samples, clip.sample_rate_hz, take.duration_seconds,
        is_music=is_music(model), noise_is_wanted=wants_noise(take.prompt), is_loop=take.loop_seconds is not None,
    )  # fmt: skip
    with contextlib.suppress(FileNotFoundError):
        np.save(order.file, np.nan_to_num(clip.samples, posinf=0.0, neginf=0.0))
    return MadeTake(clip.sample_rate_hz, quality)
