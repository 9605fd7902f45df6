"""The ``dsp`` engine: four-stem separation with published signal processing methods, without weights."""

from services.separation.engines.dsp.engine import DspEngine

__all__ = ["DspEngine"]
