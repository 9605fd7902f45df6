"""Separation with Deezer's Spleeter. ``conversion.py`` has the origin of its parameters."""

from typing import Any

import numpy as np

from soundwright.services.separation.engines.networks import Bag, CpuMode, NetworkEngine
from soundwright.services.separation.engines.small import SmallEngine
from soundwright.services.separation.engines.spleeter.models import SPLEETER, SPLEETER_WITH_SMALL, WEIGHTS
from soundwright.services.separation.service import ACCOMPANIMENT, STEMS

_SAMPLE_RATE_HZ = 44_100
# The network gives the same for windows on a grid of 65,536 frames (1.5 s): see ``network``.
_GRID_FRAMES = 65_536
_WINDOW_FRAMES = 8 * _GRID_FRAMES
_MARGIN_FRAMES = 2 * _GRID_FRAMES
_OVERLAP = 1 / 16
_VOCALS = "vocals"


class SpleeterEngine(NetworkEngine):
    """The networks behind the Engine Protocol.

    Args:
        cpu_mode: how a CPU with bfloat16 computes; others compute in float32. ``exact``: in float32. ``mixed`` and ``fast``: the
            convolutions in bfloat16, which agrees to more than 45 dB.
    """

    name = "spleeter"
    models = (SPLEETER, SPLEETER_WITH_SMALL)

    def __init__(self, *, cpu_mode: CpuMode = "exact", **options: Any) -> None:
        super().__init__(**options)
        self._cpu_mode = cpu_mode
        self._small = SmallEngine(cpu_mode=cpu_mode, **options)

    def is_present(self, model: str) -> bool:
        """Return whether the files of the weights are there, or the package that contains them."""
        return WEIGHTS.is_present() and (model == SPLEETER.name or self._small.is_present("small"))

    def load_bag(self, model: str, device: str) -> Bag:
        """Return the networks of ``model`` on ``device``.

        Raises ``MODEL_UNAVAILABLE`` if a file is missing, ``WEIGHTS_CHANGED`` if it is damaged.
        """
        content = WEIGHTS.content()
        from soundwright.services.separation.engines.networks import precision
        from soundwright.services.separation.engines.spleeter.network import VocalsFirst, read_network

        in_bfloat16 = precision.uses_bfloat16(device, self._cpu_mode)
        network: Any = read_network(content, _MARGIN_FRAMES, in_bfloat16).to(device)
        stems: tuple[str, ...] = (_VOCALS,)
        remainder = ACCOMPANIMENT
        if model != SPLEETER.name:
            small = self._small.load_bag("small", device)
            others = tuple(stem for stem in small.stems if stem != _VOCALS)
            network = VocalsFirst(network, small.networks[0], [STEMS.index(stem) for stem in others])
            stems, remainder = (*others, _VOCALS), small.remainder
        return Bag(
            networks=(network,),
            weights=np.ones((1, len(stems)), np.float32),
            stems=stems,
            remainder=remainder,
            sample_rate_hz=_SAMPLE_RATE_HZ,
            channel_count=2,
            segment_frames=_WINDOW_FRAMES,
            overlap=_OVERLAP,
            device=device,
        )
