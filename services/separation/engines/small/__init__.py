"""The ``small`` engine: a learned separator whose weights are part of Soundwright.

``engine`` imports no ML library.
"""

from soundwright.services.separation.engines.small.engine import SmallEngine

__all__ = ["SmallEngine"]
