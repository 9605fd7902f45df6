"""Settings of the library."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

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

    smtp_url: SecretStr = Field(
        SecretStr(""), description="smtp://user:password@host:port or smtps://...; empty: mails go to <data dir>/outbox"
    )
    mail_from: str = Field("soundwright@localhost", pattern=r"^[!-;=?-~]+@[!-;=?-~]+$", description="sender of mails")

    @field_validator("smtp_url")
    @classmethod
    def _usable(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and (problem := smtp_problem(value.get_secret_value())):
            raise ValueError(problem)
        return value
