"""Settings of generation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from kit.settings import Settings
from services.generation.service import MODELS
from services.generation.tiers import TIERS, Tier

__all__ = ["GenerationSettings"]

V = TypeVar("V")


class GenerationSettings(Settings):
    """Shared settings, and generation's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore", protected_namespaces=())

    generation_engine: Literal["auto", "procedural"] = Field(
        "auto", description="auto: audiocraft; procedural: the one that needs no weights, for everything"
    )
    generation_slot_count: int = Field(1, ge=1, description="jobs at the same time; as many may share a batch")
    generation_process_count: int = Field(1, ge=1, description="engine processes, each with weights of its own")
    generation_batch_size: int = Field(8, ge=1, description="takes computed at once at most")
    generation_thread_count: int = Field(0, ge=0, description="CPU threads of a process; 0: the library's choice")
    generation_device: str = Field("", description="cpu, cuda, cuda:1, ...; empty: CUDA if there is any")
    generation_model_dir: Path | None = Field(None, description="folder with checkpoints; empty: cache and hub")
    generation_checkpoints: dict[str, str] = Field(
        {}, description='JSON: repositories of the hub by model, e.g. {"music": "facebook/musicgen-medium"}'
    )
    generation_loaded_model_limit: int = Field(1, ge=1, description="models that a process keeps in memory")
    generation_idle_seconds: float = Field(600.0, gt=0, description="without work for so long, models are unloaded")
    generation_attempt_limit: int = Field(3, ge=1)
    generation_queue_limit: int = Field(100, ge=0, description="unfinished jobs of all callers; 0: any number")
    generation_tiers: dict[str, Tier] = Field(
        {}, description='JSON: {"free": {"pending_limit": 5, "hourly_limit": 0, "max_seconds": 60}}; others as usual'
    )

    @field_validator("generation_checkpoints")
    @classmethod
    def _known_models(cls, value: dict[str, str]) -> dict[str, str]:
        return _only(value, MODELS)

    @field_validator("generation_tiers")
    @classmethod
    def _known_tiers(cls, value: dict[str, Tier]) -> dict[str, Tier]:
        return _only(value, tuple(TIERS))


def _only(value: dict[str, V], names: tuple[str, ...]) -> dict[str, V]:
    if unknown := sorted(set(value) - set(names)):
        raise ValueError(f"unknown: {', '.join(unknown)}; use {', '.join(names)}")
    return value
