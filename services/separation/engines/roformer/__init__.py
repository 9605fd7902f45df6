"""The ``roformer`` engine: BS-RoFormer and Mel-Band RoFormer.

``engine``, ``models`` and ``config`` import no ML library; ``network`` and ``weights`` import PyTorch.
"""

from soundwright.services.separation.engines.roformer.engine import RoformerEngine

__all__ = ["RoformerEngine"]
