"""Settings of analysis."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kit.settings import Settings

__all__ = ["AnalysisSettings"]


class AnalysisSettings(Settings):
    """Shared settings, and analysis's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    analysis_slot_count: int = Field(1, ge=1, description="jobs at the same time")
    analysis_attempt_limit: int = Field(3, ge=1)
