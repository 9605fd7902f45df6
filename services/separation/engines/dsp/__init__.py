"""The ``dsp`` engine: four stems from published signal processing methods, no weights."""

from services.separation.engines.dsp.engine import DspEngine

__all__ = ["DspEngine"]
