"""Settings of ingest."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kit.settings import Settings

__all__ = ["IngestSettings"]


class IngestSettings(Settings):
    """Shared settings, and ingest's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    ingest_slot_count: int = Field(2, ge=1, description="uploads that are inspected at the same time")
    abandoned_upload_seconds: float = Field(6 * 3600.0, gt=0, description="an unfinished upload this old is removed")
