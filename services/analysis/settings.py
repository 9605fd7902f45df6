"""Settings of analysis."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from kit.settings import Settings

__all__ = ["AnalysisSettings"]


class AnalysisSettings(Settings):
    """Shared settings, and analysis's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    analysis_slot_count: int = Field(1, ge=1, description="jobs at the same time")
    analysis_attempt_limit: int = Field(3, ge=1)

    llm_url: str = Field(
        "",
        pattern=r"^(https?://[^?#\s]+)?$",
        description="of an endpoint that speaks OpenAI's chat completions, such as http://127.0.0.1:11434/v1; empty: OpenAI's",
    )
    llm_key: SecretStr = Field(SecretStr(""), description="for that endpoint; empty: it wants none")
    llm_model: str = Field("", max_length=200, description="the model's name there; empty: agents answer by rules")
    llm_timeout_seconds: float = Field(30.0, gt=0, description="for one request to the model")
    agent_seconds: float = Field(
        60.0, gt=0, le=100, description="for a model's answer with all its tools; then the rules answer"
    )
    agent_tool_limit: int = Field(8, ge=1, le=50, description="tools that a model may call for one question")
    agent_history_limit: int = Field(12, ge=0, le=100, description="earlier messages that a model is shown")

    @property
    def has_model(self) -> bool:
        return bool(self.llm_model and (self.llm_url or self.llm_key.get_secret_value()))
