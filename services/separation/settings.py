"""Settings of separation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from kit.settings import Settings

__all__ = ["SeparationSettings"]


class SeparationSettings(Settings):
    """Shared settings, and separation's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore", protected_namespaces=())

    separation_slot_count: int = Field(1, ge=1, description="jobs at the same time")
    separation_thread_count: int = Field(0, ge=0, description="CPU threads of one job; 0: as many as there are cores")
    separation_batch_size: int = Field(0, ge=0, description="segments computed at once; 0: 4 on a GPU, 1 on a CPU")
    separation_device: str = Field("", description="cpu, cuda, cuda:1, ...; empty: CUDA if there is any")
    separation_model_dir: Path | None = Field(None, description="folder with models; empty: cache and hub")
    separation_trusted_sha256: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="digests of pickled checkpoints that may be loaded, separated by commas"
    )
    separation_mixing_slot_count: int = Field(2, ge=1, description="mixes at the same time, beside the jobs")
    separation_attempt_limit: int = Field(3, ge=1)
    separation_lalalai_slot_count: int = Field(
        4, ge=1, description="jobs at lalal.ai at the same time, beside those that are computed here"
    )
    lalalai_key: SecretStr = Field(SecretStr(""), description="for people without a key of their own; empty: none")
    lalalai_url: str = Field("https://www.lalal.ai", pattern=r"^https?://[^/?#@\s]+/?$")
    lalalai_timeout_seconds: float = Field(30.0, gt=0, description="for one request to lalal.ai")
    lalalai_transfer_seconds: float = Field(1800.0, gt=0, description="for sending or fetching one file")
    lalalai_deadline_seconds: float = Field(3 * 3600.0, gt=0, description="for one attempt at a job, pauses included")
    lalalai_poll_seconds: float = Field(
        2.0, gt=0, le=15, description="first pause between questions, which grow to 15 s"
    )
    lalalai_retry_seconds: float = Field(30.0, gt=0, description="first pause when lalal.ai is busy; doubled each time")
    lalalai_retry_limit_seconds: float = Field(600.0, gt=0, description="longest such pause")
    pipeline_model: str = Field("htdemucs", description="model of the pipeline's first stage")

    @field_validator("separation_trusted_sha256", mode="before")
    @classmethod
    def _split_digests(cls, value: object) -> object:
        return frozenset(filter(None, value.split(","))) if isinstance(value, str) else value
