"""Engines and the models that they declare (docs/decisions/0015).

An engine module declares its models as data and implements one Protocol. A registry holds the engines of a service: it
lists their models, loads them, and selects a fallback when weights are missing.
"""

from soundwright.kit.engines.availability import ModelAvailability, ModelState
from soundwright.kit.engines.declaration import NONE_STATED, Engine, Gain, ModelDeclaration, ModelFile, Score
from soundwright.kit.engines.registry import EngineRegistry, FallbackPolicy, ModelSelection
from soundwright.kit.engines.speeds import MeasuredSpeeds

__all__ = [
    "NONE_STATED",
    "Engine",
    "EngineRegistry",
    "FallbackPolicy",
    "Gain",
    "MeasuredSpeeds",
    "ModelAvailability",
    "ModelDeclaration",
    "ModelFile",
    "ModelSelection",
    "ModelState",
    "Score",
]
