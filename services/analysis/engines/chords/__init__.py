"""The ``chords`` engine: chords of a large vocabulary with trained networks.

``engine`` imports no ML library.
"""

from soundwright.services.analysis.engines.chords.engine import ChordEngine

__all__ = ["ChordEngine"]
