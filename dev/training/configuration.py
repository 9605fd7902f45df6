"""The configuration of a training run, from a YAML file."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from soundwright.services.separation.engines.small.engine import SAMPLE_RATE_HZ


class Network(BaseModel):
    """The size of the network.

    Attributes:
        channel_count: size of the features of a band at the first level of the U-Net.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel_count: int = Field(ge=4, le=256)


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
        network: the network.
        optimization: the training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Network
    optimization: Optimization

    @property
    def segment_frames(self) -> int:
        """Length of an example."""
        return round(self.optimization.segment_seconds * SAMPLE_RATE_HZ)


def read_configuration(path: Path) -> Configuration:
    """Return the configuration in a YAML file.

    Raises:
        pydantic.ValidationError: a value is missing, unknown or out of range.
    """
    return Configuration.model_validate(yaml.safe_load(path.read_text()))
