"""Settings of the library."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from kit.settings import Settings
from services.library.outbox import smtp_problem

__all__ = ["LibrarySettings"]


class LibrarySettings(Settings):
    """Shared settings, and the library's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    admin_email: str = "admin@localhost"
    admin_password: SecretStr = Field(SecretStr(""), description="of the first account; empty: made up, shown once")
    sweep_seconds: float = Field(5.0, gt=0, description="pause between two rounds of the sweeper")
    lost_command_seconds: float = Field(
        15.0, gt=0, description="a queued job this old whose command is not with the broker is published anew"
    )

    attempts_per_address: int = Field(
        30, ge=1, description="failed logins, registrations, links by mail that one address has before it must wait"
    )
    smtp_url: SecretStr = Field(
        SecretStr(""), description="smtp://user:password@host:port or smtps://...; empty: mails go to <data dir>/outbox"
    )
    mail_from: str = Field("soundwright@localhost", pattern=r"^[!-;=?-~]+@[!-;=?-~]+$", description="sender of mails")

    webhook_retry_seconds: Annotated[tuple[Annotated[float, Field(ge=0, le=86400)], ...], NoDecode] = Field(
        (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800),
        min_length=1,
        max_length=30,
        description="pauses after a failed delivery to a webhook, separated by commas, each up to a tenth longer or shorter",
    )

    @field_validator("webhook_retry_seconds", mode="before")
    @classmethod
    def _split_pauses(cls, value: object) -> object:
        return tuple(value.split(",")) if isinstance(value, str) else value

    @field_validator("smtp_url")
    @classmethod
    def _usable(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and (problem := smtp_problem(value.get_secret_value())):
            raise ValueError(problem)
        return value
