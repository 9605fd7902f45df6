"""Settings of the generation service."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from soundwright.kit.gpu import GPU_SLOT_COUNT
from soundwright.kit.settings import Settings
from soundwright.services.generation.engines.audiocraft.engine import MODELS
from soundwright.services.generation.tiers import TIERS, Tier

V = TypeVar("V")


class GenerationSettings(Settings):
    """The shared settings and those of generation."""

    model_config = SettingsConfigDict(protected_namespaces=())

    generation_engine: Literal["auto", "procedural"] = Field(
        "auto", description="auto uses audiocraft. procedural uses the engine without weights for all models."
    )
    generation_slot_count: int = Field(
        0, ge=0, description="Number of parallel jobs, which can share a batch. 0 means 1, or 4 on a GPU."
    )
    generation_process_count: int = Field(
        1, ge=1, description="Number of engine processes. Each loads its own weights."
    )
    generation_batch_size: int = Field(8, ge=1, description="Maximum number of takes per batch.")
    generation_thread_count: int = Field(
        0, ge=0, description="CPU threads per process. 0 means the default of PyTorch."
    )
    generation_device: str = Field(
        "",
        pattern=r"^(cpu|cuda(:\d+)?)?$",
        description="Device: cpu, cuda, cuda:1 and so on. If empty, CUDA is used if available.",
    )
    generation_model_dir: Path | None = Field(
        None, description="Folder with checkpoints. If empty, they come from the cache and the hub."
    )
    generation_checkpoints: dict[str, str] = Field(
        {}, description='Hub repositories by model, as JSON, for example {"music": "facebook/musicgen-medium"}.'
    )
    generation_loaded_model_limit: int = Field(1, ge=1, description="Number of models that a process keeps in memory.")
    generation_attempt_limit: int = Field(3, ge=1, description="Attempts per job.")
    generation_queue_limit: int = Field(100, ge=0, description="Maximum number of unfinished jobs. 0 means no limit.")
    generation_tiers: dict[str, Tier] = Field(
        {},
        description='JSON: {"free": {"pending_limit": 5, "hourly_limit": 0, "max_seconds": 60, "starvation_seconds": 600}}; '
        "starvation_seconds is optional, other tiers keep their defaults",
    )

    def on(self, has_gpu: bool) -> "GenerationSettings":
        """Return the settings with the number of slots for this hardware, where it is 0."""
        slot_count = self.generation_slot_count or (GPU_SLOT_COUNT if has_gpu else 1)
        return self.model_copy(update={"generation_slot_count": slot_count})

    @field_validator("generation_checkpoints")
    @classmethod
    def _known_models(cls, value: dict[str, str]) -> dict[str, str]:
        return _only(value, tuple(declaration.name for declaration in MODELS))

    @field_validator("generation_tiers", mode="before")
    @classmethod
    def _complete_tiers(cls, value: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
        known = _only(value, tuple(TIERS))
        return {name: {"starvation_seconds": TIERS[name].starvation_seconds, **tier} for name, tier in known.items()}


def _only(value: dict[str, V], names: tuple[str, ...]) -> dict[str, V]:
    if unknown := sorted(set(value) - set(names)):
        raise ValueError(f"unknown: {', '.join(unknown)}; use {', '.join(names)}")
    return value
