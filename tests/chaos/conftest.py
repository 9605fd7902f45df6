"""Stacks that are made to suffer. They are their own: nothing else should run on one that is killed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from work import FRAME_COUNT, LONG_FRAME_COUNT, RATE_HZ, SETTINGS, Work

from soundwright_client.local import Stack, running


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be hit in mid-job. What is in it does not matter to the machinery."""
    return _noise(tmp_path_factory.mktemp("song") / "song.wav", FRAME_COUNT)


@pytest.fixture(scope="session")
def long_song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough not to end before somebody who asks politely is heard."""
    return _noise(tmp_path_factory.mktemp("song") / "long_song.wav", LONG_FRAME_COUNT)


def _noise(path: Path, frame_count: int) -> Path:
    soundfile.write(path, np.random.default_rng(1).normal(0.0, 0.1, frame_count), RATE_HZ, "PCM_16")
    return path


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for a module: it has to survive all that is done to it."""
    with running(tmp_path_factory.mktemp("chaos"), SETTINGS) as started:
        yield started


@pytest.fixture
def work(stack: Stack) -> Iterator[Work]:
    """A client of a healthy stack. What was promised to it is checked at the end, whatever the test did."""
    client = Work(stack)
    try:
        client.until_healthy()
        yield client
        client.until_healthy()
        client.assert_promises()
    finally:
        client.close()
