"""What all engines with neural networks share: segments, batches, devices, sample rates and memory limits.

Nothing here imports an ML library before a model is loaded.
"""

from soundwright.services.separation.engines.networks.bag import Bag
from soundwright.services.separation.engines.networks.engine import CpuMode, NetworkEngine

__all__ = ["Bag", "CpuMode", "NetworkEngine"]
