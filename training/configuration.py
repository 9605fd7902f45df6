"""The configuration of a training run, from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.separation.engines.roformer.config import RoformerConfig

__all__ = ["Configuration", "Optimization", "read_configuration"]


class Optimization(BaseModel):
    """How the network is trained.

    Attributes:
        seed: all random numbers follow from it.
        step_count: steps of the optimiser in all. The learning rate falls to zero with the last one.
        batch_size: examples in a step.
        segment_seconds: length of an example.
        learning_rate: largest learning rate, after ``warmup_step_count`` steps.
        weight_decay: of AdamW, for matrices only.
        gradient_norm: gradients are scaled down to this norm.
        ema_decay: share of the moving average of the parameters that a step keeps (exponential moving average).
        bfloat16: whether the layers compute in bfloat16. The loss and the transforms always use float32.
        compile: whether ``torch.compile`` compiles the layers. It needs a compiler.
        remix_probability: share of examples whose stems come from different songs.
        validation_step_count: steps between two validations.
        patience: validations without an improvement before the training stops early.
        worker_count: processes that prepare examples; 0: the training process itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(17, ge=0)
    step_count: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    segment_seconds: float = Field(ge=0.5, le=30)
    learning_rate: float = Field(5e-4, gt=0)
    warmup_step_count: int = Field(200, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    gradient_norm: float = Field(1.0, gt=0)
    ema_decay: float = Field(0.999, ge=0, lt=1)
    bfloat16: bool = True
    compile: bool = False
    remix_probability: float = Field(0.5, ge=0, le=1)
    validation_step_count: int = Field(500, ge=1)
    patience: int = Field(10, ge=1)
    worker_count: int = Field(2, ge=0)


class Configuration(BaseModel):
    """A network and how to train it.

    Attributes:
        network: the network. It estimates all stems except the last one, which is the rest of the recording.
        optimization: the training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: RoformerConfig
    optimization: Optimization

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.segment_frames <= 4 * self.network.n_fft:
            raise ValueError("segment_seconds is too short for the spectrogram")
        return self

    @property
    def segment_frames(self) -> int:
        """Length of an example."""
        return round(self.optimization.segment_seconds * self.network.sample_rate_hz)


def read_configuration(path: Path) -> Configuration:
    """Return the configuration in a YAML file.

    Raises:
        pydantic.ValidationError: a value is missing, unknown or out of range.
    """
    sections = yaml.safe_load(path.read_text())
    # Strict validation takes no list for a tuple.
    network = {key: tuple(value) if isinstance(value, list) else value for key, value in sections["network"].items()}
    return Configuration.model_validate({**sections, "network": RoformerConfig.model_validate(network)})
