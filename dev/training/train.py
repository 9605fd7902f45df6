"""Trains a separation network: ``python -m dev.training.train CONFIGURATION SONGS OUTPUT``.

``SONGS`` contains the folders ``train`` and ``validation`` with rendered songs. ``OUTPUT`` receives ``checkpoint.pt`` with
the state of the training, ``network.safetensors`` with the best averaged parameters so far, and ``curve.csv``. The same
command goes on where an interrupted training stopped.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dev.training.configuration import Configuration, read_configuration
from dev.training.examples import Examples, find_songs, validation_segments
from dev.training.losses import masking_loss, moving_loss, si_sdr
from soundwright.services.separation.engines.small.engine import SAMPLE_RATE_HZ
from soundwright.services.separation.engines.small.network import SmallNetwork
from soundwright.services.separation.service import STEMS

_SILENT_RMS = 1e-3
_VALIDATION_SECONDS = 10


class Training:
    """The state of a training, and its steps.

    Args:
        configuration: the network and how it is trained.
        output: the folder for results. A checkpoint in it is loaded.
        device: as PyTorch names it.
        weights: a safetensors file with parameters to begin with; by default, they are random.
    """

    def __init__(self, configuration: Configuration, output: Path, device: str, weights: Path | None = None) -> None:
        self.configuration = configuration
        self.step = 0
        self.best_score = -math.inf
        self.bad_validation_count = 0
        self._options = configuration.optimization
        self._output = output
        self._device = torch.device(device)
        torch.manual_seed(self._options.seed)
        self._network, self._average = (
            SmallNetwork(configuration.network.channel_count).to(self._device, memory_format=torch.channels_last)
            for _ in range(2)
        )
        if weights:
            self._network.load_state_dict(safetensors.torch.load_file(weights, self._device.type))
        self._average.requires_grad_(False)
        self._average.load_state_dict(self._network.state_dict())
        self._optimizer = torch.optim.AdamW(
            _groups(self._network, self._options.weight_decay), lr=0.0, betas=(0.9, 0.98)
        )
        masks, shares = self._network.masks.masks, self._network.low.shares
        self._masks: Any = torch.compile(masks) if self._options.compile else masks
        self._shares: Any = torch.compile(shares) if self._options.compile else shares
        self._load()

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, or the network has stopped to improve."""
        return self.step >= self._options.step_count or self.bad_validation_count >= self._options.patience

    def learning_rate(self) -> float:
        """Return the learning rate of the next step: a linear rise, then half a cosine down to zero."""
        options = self._options
        if self.step < options.warmup_step_count:
            return options.learning_rate * (self.step + 1) / options.warmup_step_count
        share = (self.step - options.warmup_step_count) / max(1, options.step_count - options.warmup_step_count)
        return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))

    def update(self, stems: Tensor) -> float:
        """Take one step of the optimiser and return the loss.

        Args:
            stems: float32 [items, 4, 2, frames].
        """
        stems = stems.to(self._device, non_blocking=True)
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate()
        loss = self._loss(stems)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._options.gradient_norm)
        self._optimizer.step()
        self.step += 1
        # A short average at first, so that it does not keep the random parameters.
        decay = min(self._options.ema_decay, self.step / (self.step + 10))
        with torch.no_grad():
            averages, values = list(self._average.parameters()), list(self._network.parameters())
            torch._foreach_lerp_(averages, values, 1 - decay)
        return float(loss.detach()) if self.step % 10 == 0 else math.nan

    def _loss(self, stems: Tensor) -> Tensor:
        """Return the sum of the losses of both stages. The second one learns from the estimates of the first, and does not change it."""
        first, second = self._network.masks, self._network.low
        spectra = first.spectrum(stems)
        mix = spectra.sum(dim=1)
        with self._autocast():
            masks = self._masks(mix)
        with torch.no_grad():
            estimates = second.spectrum(first.masked(mix, masks, stems.shape[-1]))
        with self._autocast():
            shares = self._shares(second.divided(estimates)[0])
        loss: Tensor = masking_loss(first, masks, spectra)
        return loss + moving_loss(second, shares, estimates, second.spectrum(stems))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._options.bfloat16)

    def validate(self, segments: list[Tensor]) -> Mapping[str, float]:
        """Return the mean improvement of the SI-SDR in dB by the averaged network, of each stem and of all (``mean``)."""
        with torch.inference_mode():
            return self._validate(segments)

    def _validate(self, segments: list[Tensor]) -> Mapping[str, float]:
        improvements: dict[str, list[float]] = {stem: [] for stem in STEMS}
        for segment in segments:
            stems = segment[None].to(self._device)
            mix = stems.sum(dim=1)
            with self._autocast():
                estimates = self._average(mix / mix.std().clamp_min(1e-4))
            gains = (si_sdr(estimates, stems) - si_sdr(mix[:, None].expand_as(stems), stems))[0]
            for name, gain, stem in zip(STEMS, gains.tolist(), stems[0], strict=True):
                if float(stem.square().mean().sqrt()) > _SILENT_RMS:
                    improvements[name].append(gain)
        scores = {stem: float(np.mean(values)) if values else 0.0 for stem, values in improvements.items()}
        return {**scores, "mean": float(np.mean(list(scores.values())))}

    def note(self, scores: Mapping[str, float]) -> None:
        """Keep the averaged network if it is the best so far, and count validations without an improvement."""
        if scores["mean"] > self.best_score:
            self.best_score, self.bad_validation_count = scores["mean"], 0
            state = {name: value.contiguous().cpu() for name, value in self._average.state_dict().items()}
            _replace(self._output / "network.safetensors", safetensors.torch.save(state))
        else:
            self.bad_validation_count += 1

    def save(self) -> None:
        """Store the state of the training."""
        state = {
            "step": self.step,
            "best_score": self.best_score,
            "bad_validation_count": self.bad_validation_count,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        path = self._output / "checkpoint.pt"
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def _load(self) -> None:
        path = self._output / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self._device, weights_only=True)
        self.step, self.best_score = state["step"], state["best_score"]
        self.bad_validation_count = state["bad_validation_count"]
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configuration", type=Path)
    parser.add_argument("songs", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--weights", type=Path, help="safetensors file with parameters to begin with")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after this time; the same command goes on"
    )
    options = parser.parse_args()
    for split in ("train", "validation"):
        if not find_songs(options.songs / split):
            parser.error(
                f"There are no songs in {options.songs / split}. Render some first:"
                f" python -m dev.training.render --split {split} {options.songs}"
            )
    options.output.mkdir(parents=True, exist_ok=True)
    if options.device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
    configuration = read_configuration(options.configuration)
    training = Training(configuration, options.output, options.device, options.weights)
    songs = find_songs(options.songs / "validation")
    validation = validation_segments(songs, _VALIDATION_SECONDS * SAMPLE_RATE_HZ)
    examples = _batches(configuration, options.songs / "train", training.step)
    deadline = time.monotonic() + 60 * options.minutes
    run(training, examples, validation, options.output / "curve.csv", deadline)


def run(training: Training, batches: Iterator[Tensor], validation: list[Tensor], curve: Path, deadline: float) -> None:
    """Train until the end or the deadline. After each validation, store the state and a line of the curve."""
    every = training.configuration.optimization.validation_step_count
    losses: list[float] = []
    start_time, start_step = time.monotonic(), training.step
    while not training.is_over:
        losses.append(training.update(next(batches)))
        is_late = time.monotonic() > deadline
        if training.step % every and not is_late and training.step < training.configuration.optimization.step_count:
            continue
        scores = training.validate(validation)
        training.note(scores)
        training.save()
        seconds = time.monotonic() - start_time
        row = {
            "step": training.step,
            "loss": f"{np.nanmean(losses):.5f}" if not np.all(np.isnan(losses)) else "",
            **{f"{name}_si_sdr_improvement_db": f"{score:.2f}" for name, score in scores.items()},
            "steps_per_second": f"{(training.step - start_step) / seconds:.2f}",
        }
        _append(curve, row)
        print(row, flush=True)
        losses = []
        if is_late:
            return


def _batches(configuration: Configuration, folder: Path, step: int) -> Iterator[Tensor]:
    options = configuration.optimization
    count = options.step_count * options.batch_size
    examples = Examples(
        find_songs(folder), configuration.segment_frames, options.seed, options.remix_probability, count
    )
    loader = DataLoader(
        examples,
        batch_size=options.batch_size,
        sampler=range(step * options.batch_size, count),
        num_workers=options.worker_count,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if options.worker_count else None,
    )
    return iter(loader)


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters that are trained. Only matrices decay."""
    trained = [value for value in network.parameters() if value.requires_grad]
    return [
        {"params": [value for value in trained if value.ndim > 1], "weight_decay": weight_decay},
        {"params": [value for value in trained if value.ndim <= 1], "weight_decay": 0.0},
    ]


def _append(path: Path, row: Mapping[str, object]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def _replace(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


if __name__ == "__main__":
    main()
