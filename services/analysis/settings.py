"""Settings of the analysis service."""

from pathlib import Path

from pydantic import Field, SecretStr

from soundwright.kit.settings import Settings
from soundwright.kit.worker.kind import JobLimits


class AnalysisSettings(Settings):
    """The shared settings and those of analysis."""

    analysis_slot_count: int = Field(1, ge=1, description="Number of parallel jobs.")
    analysis_attempt_limit: int = Field(3, ge=1, description="Attempts per job.")
    analysis_pending_limit: int = Field(200, ge=1, description="Unfinished jobs of one kind that an account can have.")
    analysis_anonymous_limit: int = Field(
        10, ge=1, description="Unfinished jobs of one kind that a caller without an account can have."
    )
    analysis_queue_limit: int = Field(2000, ge=1, description="Unfinished jobs of one kind that all callers can have.")

    analysis_whisper_dir: Path | None = Field(
        None,
        description="Folder with a Whisper model in the form of CTranslate2, which reads lyrics. If empty, the model whisper "
        "comes from the cache of the hub.",
    )

    llm_url: str = Field(
        "",
        pattern=r"^(https?://[^?#\s]+)?$",
        description="Base URL of an API compatible with OpenAI chat completions, for example http://127.0.0.1:11434/v1. If "
        "empty, the API of OpenAI.",
    )
    llm_key: SecretStr = Field(SecretStr(""), description="API key. Leave empty if the API requires none.")
    llm_model: str = Field("", max_length=200, description="Name of the model. If empty, agents answer by rules.")
    llm_timeout_seconds: float = Field(30.0, gt=0, description="Timeout of a request to the model in seconds.")
    agent_seconds: float = Field(
        60.0,
        gt=0,
        le=100,
        description="Time limit for an answer of the model with all tool calls, in seconds. After it, the rules answer.",
    )
    agent_tool_limit: int = Field(8, ge=1, le=50, description="Maximum number of tool calls per question.")
    agent_history_limit: int = Field(
        12, ge=0, le=100, description="Number of earlier messages that are sent to the model."
    )

    @property
    def has_model(self) -> bool:
        return bool(self.llm_model and (self.llm_url or self.llm_key.get_secret_value()))

    @property
    def job_limits(self) -> JobLimits:
        return JobLimits(self.analysis_pending_limit, self.analysis_anonymous_limit, self.analysis_queue_limit)
