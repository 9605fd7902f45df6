"""What is imported before a component answers. Each import delays the start of the platform."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from services.__main__ import COMPONENTS

# Jobs and configured connections need these. They take between 0.1 and several seconds.
_SLOW = (
    "demucs", "huggingface_hub", "librosa", "matplotlib", "motor", "numba", "openai", "openvino", "opentelemetry.sdk", "scipy.fft",
    "scipy.ndimage", "scipy.signal", "spotipy", "torch", "transformers", "yt_dlp",
)  # fmt: skip


def printed_by(code: str) -> Any:
    return json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_starts_without_slow_libraries(component: str) -> None:
    imports = f"import json, sys, kit.run, services.{component}.app, services.{component}.settings"
    assert printed_by(f"{imports}; print(json.dumps([name for name in {_SLOW} if name in sys.modules]))") == []


def test_a_supervisor_forks_with_one_thread_and_without_variables_of_its_own() -> None:
    found = printed_by("""
import json, os
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.pop(variable, None)
os.environ["MKL_NUM_THREADS"] = "7"
import services.__main__ as command
before = dict(os.environ)
command._import_shared_modules()
print(json.dumps([len(os.listdir("/proc/self/task")), os.environ == before]))
""")
    assert found == [1, True]
