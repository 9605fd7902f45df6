"""The MinIO SDK still has the private calls of ``kit.adapters.s3.multipart``."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from minio import Minio

from kit.adapters.s3.multipart import PRIVATE_CALLS

ADAPTER = Path(__file__).parents[2] / "kit" / "adapters" / "s3"


@pytest.mark.parametrize("name", PRIVATE_CALLS)
def test_a_private_call_has_the_parameters_that_the_adapter_uses(name: str) -> None:
    parameters = list(inspect.signature(getattr(Minio, name)).parameters)[1:]
    assert parameters[: len(PRIVATE_CALLS[name])] == list(PRIVATE_CALLS[name])


def test_the_sdk_has_no_public_calls_for_single_parts_yet() -> None:
    public = [name for name in dir(Minio) if not name.startswith("_")]
    assert not [name for name in public if "multipart" in name or "upload_part" in name]


def test_private_calls_are_in_one_module() -> None:
    used = {path.name: set(re.findall(r"lient\.(_[a-z]\w+)", path.read_text())) for path in ADAPTER.glob("*.py")}
    assert used.pop("multipart.py") == set(PRIVATE_CALLS)
    assert not any(used.values())
