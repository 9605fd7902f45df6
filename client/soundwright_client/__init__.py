"""Python client of Soundwright. docs/CLIENT.md is its manual."""

from soundwright_client._async_client import AsyncClient, AsyncJob
from soundwright_client._sync_client import Client, Job
from soundwright_client.errors import (
    ApiError,
    ConnectionFailed,
    JobFailed,
    JobTimeout,
    SignatureInvalid,
    SoundwrightError,
)
from soundwright_client.types import Clip, JobResult, Plan, SeparationModel, Stem, Track
from soundwright_client.webhooks import verify_webhook

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Clip",
    "ConnectionFailed",
    "Job",
    "JobFailed",
    "JobResult",
    "JobTimeout",
    "Plan",
    "SeparationModel",
    "SignatureInvalid",
    "SoundwrightError",
    "Stem",
    "Track",
    "verify_webhook",
]
