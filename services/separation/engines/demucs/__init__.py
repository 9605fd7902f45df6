"""The ``demucs`` engine: the published Demucs models.

``engine`` and ``files`` import no ML library; ``weights`` imports PyTorch and Demucs.
"""

from soundwright.services.separation.engines.demucs.engine import DemucsEngine

__all__ = ["DemucsEngine"]
