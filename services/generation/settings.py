"""Settings of generation."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kit.settings import Settings

__all__ = ["GenerationSettings"]


class GenerationSettings(Settings):
    """Shared settings, and generation's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    generation_slot_count: int = Field(1, ge=1, description="jobs at the same time")
    generation_attempt_limit: int = Field(3, ge=1)
    generation_max_seconds: float = Field(120.0, gt=0, description="longest clip")
