"""Generates takes in one batch and rates their quality. Runs in an engine process."""

import dataclasses
import errno
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from soundwright.kit import audio
from soundwright.kit.compute import Report
from soundwright.kit.engines import ModelSelection
from soundwright.services.generation.engines.device import Device, cuda_device
from soundwright.services.generation.quality import Quality, judge, wants_noise
from soundwright.services.generation.registry import Registry
from soundwright.services.generation.service import Clip, Interpretation, Samples, Take, makes_music

_LOADED_RATIO = 1e-3  # reported once the weights are loaded; before, the ratio is 0


@dataclasses.dataclass(frozen=True)
class TakeOrder:
    """A take to make.

    Args:
        take: without its lead-in, which the engine process reads.
        overlap_seconds: length of the end of the lead-in that the take repeats.
        file: receives the samples as a ``.npy`` file of float32 [channels, frames]. If its folder is gone, the take is
            not needed any more and is not stored.
    """

    take: Take
    file: Path
    lead_in: Path | None = None
    overlap_seconds: float = 0.0

    @property
    def score_file(self) -> Path:
        """Receives the notes as a MIDI file, if the engine knows them."""
        return self.file.with_suffix(".mid")


@dataclasses.dataclass(frozen=True)
class MadeTake:
    """What is known about a take whose samples are in its file. The last two are as in :class:`Clip`."""

    sample_rate_hz: int
    quality: Quality
    interpretation: Interpretation | None = None
    whole_seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Batch:
    """Takes that were made together, in the order of their orders.

    Args:
        device: the GPU after the work; None if there is none.
    """

    selection: ModelSelection
    takes: list[MadeTake]
    device: Device | None


def make_takes(
    registry: Registry, report: Report, *, model: str, orders: Sequence[TakeOrder], device_name: str = ""
) -> Batch:
    """Generate the takes of ``orders`` in one batch and rate each.

    Reports 0 until the weights are loaded, then the progress ratio, and 1 while the takes are rated.

    Args:
        device_name: see :func:`soundwright.services.generation.engines.device.cuda_device`.
    """
    report(0.0)
    selection = registry.select(model)
    takes = [_with_lead_in(order) for order in orders]
    with registry.use(selection.model) as engine:
        clips = engine.generate(selection.model, takes, lambda ratio: report(max(ratio, _LOADED_RATIO)))
    report(1.0)
    is_music = makes_music(registry.declaration(model))
    made = [_keep(order, clip, is_music) for order, clip in zip(orders, clips, strict=True)]
    return Batch(selection, made, cuda_device(device_name))


def read_samples(file: Path) -> Clip:
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


def _keep(order: TakeOrder, clip: Clip, is_music: bool) -> MadeTake:
    take = order.take
    made_seconds = clip.samples.shape[1] / clip.sample_rate_hz
    quality = judge(
        clip.samples, clip.sample_rate_hz, take.duration_seconds if clip.whole_seconds is None else made_seconds,
        is_music=is_music, noise_is_wanted=wants_noise(take.prompt), is_loop=take.loop_seconds is not None,
    )  # fmt: skip
    try:
        if clip.score:
            order.score_file.write_bytes(clip.score)
        np.save(order.file, np.nan_to_num(clip.samples, posinf=0.0, neginf=0.0))
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno is None:  # NumPy does not say why it could write a part only
            raise OSError(errno.ENOSPC, str(error)) from error
        raise
    return MadeTake(clip.sample_rate_hz, quality, clip.interpretation, clip.whole_seconds)
