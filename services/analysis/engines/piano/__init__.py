"""The ``transkun`` engine: notes and pedals of a piano with a trained network.

``engine`` imports no ML library.
"""

from soundwright.services.analysis.engines.piano.engine import TranskunEngine

__all__ = ["TranskunEngine"]
