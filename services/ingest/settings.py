"""Settings of ingest."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from kit.settings import Settings

__all__ = ["IngestSettings"]


class IngestSettings(Settings):
    """Shared settings, and ingest's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    ingest_slot_count: int = Field(2, ge=1, description="uploads that are inspected at the same time")
    abandoned_upload_seconds: float = Field(6 * 3600.0, gt=0, description="an unfinished upload this old is removed")

    spotify_client_id: str = Field("", description="of an application registered with Spotify; empty: no Spotify")
    spotify_client_secret: SecretStr = SecretStr("")
    spotify_accounts_url: str = "https://accounts.spotify.com"
    spotify_api_url: str = "https://api.spotify.com/v1"
    spotify_short_url: str = Field(
        "https://spotify.link", description="where links of Spotify's short host are resolved"
    )
    spotify_timeout_seconds: float = Field(8.0, gt=0, description="for one request to Spotify")
    spotify_patience_seconds: float = Field(25.0, gt=0, description="for one request with its repetitions and pauses")
    collection_limit: int = Field(1000, ge=1, le=2000, description="entries of an album or playlist that are read")

    download_slot_count: int = Field(2, ge=1, description="downloads at the same time")
    download_attempt_limit: int = Field(3, ge=1)
    download_pending_limit: int = Field(2000, ge=0, description="unfinished downloads of one caller; 0: any number")
    fetch_search_url: str = Field(
        "ytsearch10:{query}", description="what yt-dlp is asked for candidates; {query} is artist and title"
    )
    fetch_seconds: float = Field(900.0, gt=0, description="deadline for fetching one recording")
    fetch_idle_seconds: float = Field(30.0, gt=0, description="a connection on which nothing arrives is given up")

    @field_validator("fetch_search_url")
    @classmethod
    def _has_query(cls, value: str) -> str:
        if "{query}" not in value:
            raise ValueError("needs {query}, where artist and title go")
        return value
