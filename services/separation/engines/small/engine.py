"""Separation with the small network that Soundwright ships. ``dev/training/`` has its data and its training."""

from pathlib import Path
from typing import Any

import numpy as np

from soundwright.kit.engines import ModelDeclaration, ModelFile
from soundwright.kit.packaged_weights import installed_files
from soundwright.kit.weights import read_verified
from soundwright.services.separation.engines.networks import Bag, CpuMode, NetworkEngine
from soundwright.services.separation.engines.scale import measured
from soundwright.services.separation.service import STEMS

WEIGHTS = Path(__file__).with_name("small.safetensors")
"""The parameters."""

CHANNEL_COUNT = 24
"""Size of the network, which ``dev/training/cpu.yaml`` configures."""

SAMPLE_RATE_HZ = 44_100
"""Sample rate of the network."""

# 9 seconds. Windows begin at multiples of 8,192 frames, the coarsest steps of the network, so that one window or many
# give the same.
_WINDOW_FRAMES = 48 * 8192
_OVERLAP = 0.25
_REMAINDER = "other"  # the rest of the recording, so that the stems add up to it at any sample rate
_ESTIMATED = tuple(stem for stem in STEMS if stem != _REMAINDER)

SMALL = ModelDeclaration(
    name="small",
    description="A small network, trained on rendered songs: its weights are part of Soundwright",
    architecture="TFC-TDF U-Net",
    outputs=STEMS,
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    licence_note="docs/models/small.md lists the sounds of the training songs and their licences.",
    needs_weights=True,
    relative_cost=0.1,
    memory_bytes=900_000_000,
    gains=measured(drums=3.6, bass=6.5, other=-4.8, vocals=1.3),
    files=(
        ModelFile(
            name=WEIGHTS.name,
            size_bytes=5_688_164,
            sha256="18ea7bc507d614554c278c5b96845fd13d780824f9292218035d30a533280bc7",
        ),
    ),
    fallback="dsp",
)


class SmallEngine(NetworkEngine):
    """The network behind the Engine Protocol.

    Args:
        cpu_mode: how a CPU with bfloat16 computes; others compute in float32. ``exact``: in float32. ``mixed`` and ``fast``:
            convolutions and dense layers in bfloat16, which agrees to more than 40 dB.
    """

    name = "small"
    models = (SMALL,)
    adds_up = True

    def __init__(self, *, cpu_mode: CpuMode = "exact", **options: Any) -> None:
        super().__init__(**options)
        self._cpu_mode = cpu_mode

    def is_present(self, model: str) -> bool:
        """Return whether the file of the weights is there."""
        return WEIGHTS.is_file()

    def load_bag(self, model: str, device: str) -> Bag:
        """Return the network on ``device``.

        Raises ``MODEL_UNAVAILABLE`` if the file is missing, ``WEIGHTS_CHANGED`` if it is damaged.
        """
        (file,) = SMALL.files
        with installed_files(model):
            content = read_verified(WEIGHTS, file.sha256, model)
        from soundwright.services.separation.engines.networks import precision
        from soundwright.services.separation.engines.small.network import read_network

        in_bfloat16 = precision.uses_bfloat16(device, self._cpu_mode)
        return Bag(
            networks=(read_network(content, CHANNEL_COUNT, in_bfloat16=in_bfloat16).to(device),),
            weights=np.ones((1, len(_ESTIMATED)), np.float32),
            stems=_ESTIMATED,
            remainder=_REMAINDER,
            rows=tuple(map(STEMS.index, _ESTIMATED)),
            sample_rate_hz=SAMPLE_RATE_HZ,
            channel_count=2,
            segment_frames=_WINDOW_FRAMES,
            overlap=_OVERLAP,
            device=device,
        )
