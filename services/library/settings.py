"""Settings of the library."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from kit.settings import Settings

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
