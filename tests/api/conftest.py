"""One running stack for all stories. They speak HTTP and import nothing of the services."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from published import Document
from stories import UNHURRIED

from demo.stack import Stack, running
from tests.simulators.lalalai import LalalaiSimulator
from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import SpotifySimulator

SETTINGS = {
    **UNHURRIED,
    "SOUNDWRIGHT_ATTEMPTS_PER_ADDRESS": "100000",
    "SOUNDWRIGHT_LEASE_SECONDS": "5",
    "SOUNDWRIGHT_DOWNLOAD_ATTEMPT_LIMIT": "2",
    "SOUNDWRIGHT_DOWNLOAD_PENDING_LIMIT": "20",
    "HF_HUB_OFFLINE": "1",
}


@pytest.fixture(scope="session")
def spotify() -> Iterator[SpotifySimulator]:
    """What the stack takes for Spotify."""
    with SpotifySimulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def site() -> Iterator[MediaSite]:
    """Where the stack searches for recordings, and may fetch them although it is not public."""
    with MediaSite() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def lalalai() -> Iterator[LalalaiSimulator]:
    """What the stack takes for lalal.ai."""
    with LalalaiSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, spotify: SpotifySimulator, site: MediaSite, lalalai: LalalaiSimulator
) -> Iterator[Stack]:
    outside = {
        **spotify.settings,
        **lalalai.settings,
        "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": f"{site.address},{spotify.address}",
        "SOUNDWRIGHT_FETCH_SEARCH_URL": site.search_url,
    }
    with running(tmp_path_factory.mktemp("stack"), SETTINGS | outside) as started:
        yield started


@pytest.fixture(scope="session")
def document(stack: Stack) -> Document:
    """What the stack says of itself."""
    return Document(stack.base_url)


@pytest.fixture(scope="session")
def admin(stack: Stack, document: Document) -> Iterator[httpx.Client]:
    """The administrator's client. Whatever it is answered has to be as the published document says."""
    with stack.client() as client:
        client.event_hooks = {"response": [document.hold]}
        yield client


@pytest.fixture(scope="session")
def other(stack: Stack, document: Document) -> Iterator[httpx.Client]:
    """Somebody else's client, which takes the document at its word, too."""
    environment = {**os.environ, "SOUNDWRIGHT_DATA_DIR": str(stack.data_dir)}
    command = [sys.executable, "-m", "services.library", "create-account", "other@example.org"]
    token = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    with httpx.Client(base_url=stack.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=120) as client:
        client.event_hooks = {"response": [document.hold]}
        yield client
