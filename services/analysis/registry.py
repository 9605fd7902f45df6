"""The analysis engines, one registration each."""

from __future__ import annotations

from kit.engines import EngineRegistry
from services.analysis.engines.librosa_engine import LibrosaEngine
from services.analysis.service import Engine

Registry = EngineRegistry[Engine]


def build_registry() -> Registry:
    """Return all analysis engines."""
    registry = Registry()
    registry.register(LibrosaEngine())
    return registry
