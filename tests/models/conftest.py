"""What several tests of engines share."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small random models for the audiocraft engine."""
    from tests.models import tiny_audiocraft

    folder = tmp_path_factory.mktemp("models")
    tiny_audiocraft.save_all(folder)
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch computes on one thread, so that results have the same bits on every machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
