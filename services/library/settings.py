"""Settings of the library service."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from soundwright.kit.security.identity import ANONYMOUS_ROLE, ROLE_RANKS
from soundwright.kit.settings import Settings
from soundwright.services.library.mail.transport import smtp_url_error


class LibrarySettings(Settings):
    """The shared settings and those of the library."""

    admin_email: str = Field("admin@localhost", description="Email address of the first administrator.")
    admin_password: SecretStr = Field(
        SecretStr(""), description="Password of the first administrator. If empty, it is generated and printed once."
    )
    sweep_seconds: float = Field(5.0, gt=0, description="Interval of the sweeper in seconds.")
    lost_command_seconds: float = Field(
        15.0,
        gt=0,
        description="Age in seconds after which the command of a queued job is published again if the broker lost it.",
    )

    orphan_age_hours: float = Field(
        24.0, ge=1, description="Age in hours at which files that no record names are deleted."
    )

    storage_quota_bytes: int = Field(
        0,
        ge=0,
        description="Bytes of tracks, stems, exports and clips that each account may store. 0: no limit. Administrators can set "
        "another quota for an account.",
    )
    storage_quotas: dict[str, Annotated[int, Field(ge=0)]] = Field(
        {},
        description='Bytes that accounts may store, by role, as JSON: {"pro": 50000000000}. It replaces the default quota. '
        "0: no limit. The role of anonymous callers is anonymous.",
    )

    attempts_per_address: int = Field(
        30,
        ge=1,
        description="Failed logins, registrations and link requests that one IP address may make without a wait.",
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="URL of the mail server: smtp://user:password@host:port or smtps://... If empty, emails are written "
        "to <data dir>/outbox.",
    )
    mail_from: str = Field(
        "soundwright@localhost", pattern=r"^[!-;=?-~]+@[!-;=?-~]+$", description="Sender address of emails."
    )

    webhook_retry_seconds: Annotated[tuple[Annotated[float, Field(ge=0, le=86400)], ...], NoDecode] = Field(
        (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800),
        min_length=1,
        max_length=30,
        description="Delays in seconds between the attempts to deliver to a webhook, separated by commas. Each varies by up "
        "to 10 percent.",
    )

    keep_stems_days: float = Field(0.0, ge=0, description="Age in days at which stems are deleted. 0: never.")
    keep_pipeline_days: float = Field(
        0.0, ge=0, description="Age in days at which the files of pipeline jobs are deleted. 0: never."
    )
    keep_exports_days: float = Field(
        0.0, ge=0, description="Age in days at which exported archives are deleted. 0: never."
    )
    keep_downloads_days: float = Field(
        0.0, ge=0, description="Age in days at which downloaded tracks are deleted. 0: never."
    )
    keep_anonymous_days: float = Field(
        30.0,
        ge=0,
        description="Age in days at which tracks of callers without an account are deleted, with their results. 0: never.",
    )
    keep_clips_days: float = Field(0.0, ge=0, description="Age in days at which generated clips are deleted. 0: never.")
    keep_audit_days: float = Field(
        0.0, ge=0, description="Age in days at which entries of the audit log are deleted. 0: never."
    )
    keep_jobs_days: float = Field(
        0.0, ge=0, description="Days after their end at which records of jobs without files are deleted. 0: never."
    )
    keep_deliveries_days: float = Field(
        30.0, ge=0, description="Age in days at which entries of the log of webhook deliveries are deleted. 0: never."
    )

    @field_validator("storage_quotas")
    @classmethod
    def _known_roles(cls, value: dict[str, int]) -> dict[str, int]:
        known = (ANONYMOUS_ROLE, *ROLE_RANKS)
        if unknown := sorted(set(value).difference(known)):
            raise ValueError(f"unknown role {unknown[0]!r}; use {', '.join(known)}")
        return value

    def storage_quota_of(self, role: str) -> int:
        """Return the quota of a role in bytes; 0: no limit."""
        return self.storage_quotas.get(role, self.storage_quota_bytes)

    @field_validator("webhook_retry_seconds", mode="before")
    @classmethod
    def _split_delays(cls, value: object) -> object:
        return tuple(value.split(",")) if isinstance(value, str) else value

    @field_validator("smtp_url")
    @classmethod
    def _valid_smtp_url(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and (error := smtp_url_error(value.get_secret_value())):
            raise ValueError(error)
        return value
