"""Settings of ingest."""

from __future__ import annotations

import pytest

from kit.settings import SettingsError, load
from services.ingest.settings import IngestSettings


def test_defaults() -> None:
    settings = load(IngestSettings)
    assert (settings.fetch_allow_hosts, settings.spotify_client_id) == ((), "")
    assert settings.fetch_search_url.startswith("ytsearch")
    assert settings.spotify_accounts_url == "https://accounts.spotify.com"
    assert settings.spotify_api_url == "https://api.spotify.com/v1"


def test_allowed_hosts_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_FETCH_ALLOW_HOSTS", "media.internal, 10.0.0.1:9000 ,,[fd00::1]:80")
    assert load(IngestSettings).fetch_allow_hosts == ("media.internal", "10.0.0.1:9000", "[fd00::1]:80")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FETCH_ALLOW_HOSTS", "http://media.internal"),
        ("FETCH_ALLOW_HOSTS", "media.internal/path"),
        ("FETCH_ALLOW_HOSTS", "media.internal:port"),
        ("FETCH_ALLOW_HOSTS", "user@media.internal"),
        ("FETCH_SEARCH_URL", "https://search.internal/"),
        ("COLLECTION_LIMIT", "0"),
    ],
)
def test_errors_name_the_invalid_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SOUNDWRIGHT_{name}", value)
    with pytest.raises(SettingsError, match=f"SOUNDWRIGHT_{name}"):
        load(IngestSettings)


def test_errors_do_not_show_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_SPOTIFY_CLIENT_SECRET", "very secret")
    settings = load(IngestSettings)
    assert "very secret" not in repr(settings) + str(settings.model_dump())
