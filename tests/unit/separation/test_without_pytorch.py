"""A machine that has neither PyTorch nor OpenVINO: models are chosen, and ``dsp`` separates."""

import json
import subprocess
import sys

_CODE = """
import asyncio, json, sys
sys.modules.update(torch=None, openvino=None)  # an import of these raises ModuleNotFoundError

import numpy as np

from soundwright.kit.engines import ModelAvailability
from soundwright.kit.errors import AppError
from soundwright.kit.gpu import has_gpu
from soundwright.services.separation.choice import Candidate, choose
from soundwright.services.separation.registry import build_registry
from soundwright.services.separation.settings import SeparationSettings
from tests.models.recordings import ArrayMix, joined

async def facts(registry):
    availability = ModelAvailability(registry, None)
    usable = await availability.usable()
    candidates = [Candidate(each, each.name in usable) for each in registry.models()]
    choice = choose(candidates, ("vocals", "drums", "bass", "other"), "best", 200.0, await has_gpu(""))
    expected = await availability.expected("htdemucs")
    networks = [each.name for each in registry.models() if each.needs_weights and each.name in usable]
    return {"networks": networks, "choice": choice.model, "expected": [expected.model, expected.reason]}

registry = build_registry(SeparationSettings(fallback=True))
found = asyncio.run(facts(registry))
found["selected"] = [registry.select(model).reason for model in ("small", "htdemucs")]
try:
    registry.load("spleeter")
except AppError as error:
    found["refused"] = [error.reason, error.message]
mix = ArrayMix(np.random.default_rng(0).uniform(-0.5, 0.5, (2, 44_100)).astype(np.float32), 44_100)
with registry.use("dsp") as engine:
    stems = joined(engine.separate(mix, "dsp"))
found["stems"] = sorted(stems)
found["error"] = float(np.abs(sum(stems.values()) - mix.samples).max())
print(json.dumps(found))
"""


def test_a_separation_needs_no_pytorch() -> None:
    found = json.loads(
        subprocess.run([sys.executable, "-c", _CODE], check=True, capture_output=True).stdout.splitlines()[-1]
    )
    assert found.pop("error") < 1e-6
    assert found == {
        "networks": [],
        "choice": "dsp",
        "expected": ["dsp", "htdemucs cannot run on this server."],
        "selected": ["small cannot run on this server.", "htdemucs cannot run on this server."],
        "refused": [
            "MODEL_UNSUPPORTED",
            "The model 'spleeter' needs PyTorch, which is not installed on this server. Install it, or use the model dsp.",
        ],
        "stems": ["bass", "drums", "other", "vocals"],
    }
