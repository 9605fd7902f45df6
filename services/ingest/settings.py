"""Settings of the ingest service."""

from pydantic import Field, SecretStr, field_validator

from soundwright.kit.settings import Settings


class IngestSettings(Settings):
    """The shared settings and those of ingest."""

    ingest_slot_count: int = Field(
        2, ge=1, description="Number of uploads that are probed, and of downloads that are converted, in parallel."
    )
    abandoned_upload_seconds: float = Field(
        6 * 3600.0, gt=0, description="Age in seconds after which an unfinished upload is deleted."
    )

    spotify_client_id: str = Field("", description="Client ID of a Spotify application. If empty, Spotify is disabled.")
    spotify_client_secret: SecretStr = Field(SecretStr(""), description="Client secret of the Spotify application.")
    spotify_accounts_url: str = Field("https://accounts.spotify.com", description="Base URL of the Spotify login.")
    spotify_api_url: str = Field("https://api.spotify.com/v1", description="Base URL of the Spotify Web API.")
    spotify_short_url: str = Field(
        "https://spotify.link", description="Base URL at which short links of Spotify are resolved."
    )
    spotify_timeout_seconds: float = Field(8.0, gt=0, description="Timeout of a request to Spotify in seconds.")
    spotify_patience_seconds: float = Field(
        25.0, gt=0, description="Time limit of a request to Spotify with its retries, in seconds."
    )
    collection_limit: int = Field(1000, ge=1, le=2000, description="Maximum number of entries of an album or playlist.")

    download_slot_count: int = Field(4, ge=1, description="Number of parallel downloads.")
    download_attempt_limit: int = Field(3, ge=1, description="Attempts per download.")
    download_pending_limit: int = Field(2000, ge=0, description="Unfinished downloads per caller. 0 means no limit.")
    download_queue_limit: int = Field(
        20_000, ge=0, description="Unfinished downloads of all callers. 0 means no limit."
    )
    fetch_search_url: str = Field(
        "ytsearch10:{query}", description="URL of the search with yt-dlp. {query} stands for artist and title."
    )
    fetch_seconds: float = Field(900.0, gt=0, description="Time limit of a download in seconds.")
    fetch_idle_seconds: float = Field(
        30.0, gt=0, description="Time without data in seconds after which a download is cancelled."
    )

    @field_validator("fetch_search_url")
    @classmethod
    def _has_query(cls, value: str) -> str:
        if "{query}" not in value:
            raise ValueError("must contain {query}, which stands for artist and title")
        return value
