"""What several tests of engines share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small random models for the audiocraft engine."""
    from tests.models import tiny_audiocraft

    folder = tmp_path_factory.mktemp("models")
    tiny_audiocraft.save_all(folder)
    return folder
