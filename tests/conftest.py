"""What every test gets: an environment that says nothing about any stack of the developer's own."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> None:
    for name in [name for name in os.environ if name.startswith("SOUNDWRIGHT_")]:
        del os.environ[name]
