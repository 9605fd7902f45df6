"""Settings of the separation service."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from soundwright.kit.gpu import GPU_SLOT_COUNT
from soundwright.kit.settings import NameSet, Settings
from soundwright.kit.worker.kind import JobLimits


class SeparationSettings(Settings):
    """The shared settings and those of separation."""

    model_config = SettingsConfigDict(protected_namespaces=())

    separation_slot_count: int = Field(0, ge=0, description="Number of parallel jobs. 0 means 1, or 4 on a GPU.")
    separation_process_count: int = Field(
        0, ge=0, description="Processes that compute the parallel jobs. 0 means one per job, or one for all on a GPU."
    )
    separation_loaded_model_limit: int = Field(2, ge=1, description="Number of models that a process keeps in memory.")
    separation_thread_count: int = Field(0, ge=0, description="CPU threads per job. 0 means one per core.")
    separation_batch_size: int = Field(
        0, ge=0, description="Segments per batch. 0 means 1 on a CPU, and on a GPU as many as fit."
    )
    separation_device: str = Field(
        "",
        pattern=r"^(cpu|cuda(:\d+)?)?$",
        description="Device: cpu, cuda, cuda:1 and so on. If empty, CUDA is used if available.",
    )
    separation_gpu_workers: bool = Field(
        False, description="Jobs run on GPUs in other processes of this service, for the choice of the model auto."
    )
    separation_cpu_mode: Literal["exact", "mixed", "fast"] = Field(
        "mixed",
        description="How a CPU computes networks. exact: in 32 bits with PyTorch. mixed: 16 bits where that costs "
        "least precision, and Demucs with OpenVINO. fast: with 16 bits nearly everywhere.",
    )
    separation_gpu_mode: Literal["exact", "mixed"] = Field(
        "exact",
        description="How a GPU computes networks. exact: in 32 bits. mixed: convolutions and products of matrices in 16.",
    )
    separation_compiled_dir: Path | None = Field(
        None, description="Folder for networks compiled for this CPU. If empty, a folder in the data directory."
    )
    separation_model_dir: Path | None = Field(
        None, description="Folder with models. If empty, models come from the cache and the hub."
    )
    separation_trusted_sha256: NameSet = Field(
        frozenset(), description="SHA-256 digests of the pickled checkpoints that may be loaded, separated by commas."
    )
    separation_mixing_slot_count: int = Field(2, ge=1, description="Number of parallel mixes, in addition to jobs.")
    separation_attempt_limit: int = Field(3, ge=1, description="Attempts per job.")
    separation_pending_limit: int = Field(
        200, ge=1, description="Unfinished jobs of one kind that an account can have."
    )
    separation_anonymous_limit: int = Field(
        10, ge=1, description="Unfinished jobs of one kind that a caller without an account can have."
    )
    separation_queue_limit: int = Field(
        2000, ge=1, description="Unfinished jobs of one kind that all callers can have."
    )
    separation_lalalai_slot_count: int = Field(
        4, ge=1, description="Number of parallel jobs at lalal.ai, in addition to local jobs."
    )
    lalalai_key: SecretStr = Field(SecretStr(""), description="lalal.ai key for users without their own key.")
    lalalai_url: str = Field(
        "https://www.lalal.ai", pattern=r"^https?://[^/?#@\s]+/?$", description="Base URL of the lalal.ai API."
    )
    lalalai_timeout_seconds: float = Field(30.0, gt=0, description="Timeout of a request to lalal.ai in seconds.")
    lalalai_transfer_seconds: float = Field(1800.0, gt=0, description="Timeout of an upload or download in seconds.")
    lalalai_deadline_seconds: float = Field(
        3 * 3600.0, gt=0, description="Time limit of an attempt in seconds, including waits."
    )
    lalalai_poll_seconds: float = Field(
        2.0,
        gt=0,
        le=15,
        description="First interval in seconds at which the state of a task is polled. It grows to 15.",
    )
    lalalai_retry_seconds: float = Field(
        30.0, gt=0, description="First delay in seconds before a retry. Each retry doubles it."
    )
    lalalai_retry_limit_seconds: float = Field(600.0, gt=0, description="Longest delay in seconds before a retry.")
    pipeline_model: str = Field(
        "", description="Model of the first stage of the pipeline. If empty, the default model is used."
    )

    def on(self, has_gpu: bool) -> "SeparationSettings":
        """Return the settings with the numbers of slots and of processes for this hardware, where they are 0.

        On a GPU, jobs share one process, its weights and its batches. A process that runs no separations only tries models,
        and needs no networks in the form that computes fastest.
        """
        slot_count = self.separation_slot_count or (GPU_SLOT_COUNT if has_gpu else 1)
        process_count = self.separation_process_count or (1 if has_gpu else slot_count)
        update: dict[str, Any] = {"separation_slot_count": slot_count, "separation_process_count": process_count}
        if not self.serves_queue("separation"):
            update["separation_cpu_mode"] = "exact"
        return self.model_copy(update=update)

    @property
    def job_limits(self) -> JobLimits:
        return JobLimits(self.separation_pending_limit, self.separation_anonymous_limit, self.separation_queue_limit)
