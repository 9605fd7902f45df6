"""The analysis engines, one registration each, and which of them measures which features."""

from collections.abc import Collection, Mapping
from pathlib import Path

from soundwright.kit.engines import EngineRegistry
from soundwright.services.analysis.engines.chords import ChordEngine
from soundwright.services.analysis.engines.librosa_engine import LibrosaEngine
from soundwright.services.analysis.engines.melody import SwiftF0Engine
from soundwright.services.analysis.engines.notes import BasicPitchEngine
from soundwright.services.analysis.engines.piano import TranskunEngine
from soundwright.services.analysis.engines.vocal_activity import VocalLevelEngine
from soundwright.services.analysis.engines.whisper import WhisperEngine
from soundwright.services.analysis.service import Engine

Registry = EngineRegistry[Engine]


def build_registry(whisper_dir: Path | None = None, *, downloads: bool = False) -> Registry:
    """Return all analysis engines.

    Args:
        whisper_dir: folder with a Whisper model; None: the cache of the hub.
    """
    registry = Registry()
    registry.register(LibrosaEngine())
    registry.register(ChordEngine())
    registry.register(BasicPitchEngine())
    registry.register(TranskunEngine())
    registry.register(SwiftF0Engine())
    registry.register(VocalLevelEngine())
    registry.register(WhisperEngine(whisper_dir, downloads=downloads))
    return registry


def models_for(registry: Registry, features: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Return the models that measure the features, in the order of registration, each with its features."""
    found: dict[str, frozenset[str]] = {}
    remaining = set(features)
    for declaration in registry.declarations():
        if measured := remaining & set(declaration.outputs):
            found[declaration.name] = frozenset(measured)
            remaining -= measured
    return found


def available_features(registry: Registry) -> frozenset[str]:
    """Return the features that can be measured without a download."""
    return frozenset(
        feature
        for declaration in registry.declarations()
        if registry.engine(declaration.name).is_installed()
        and registry.engine(declaration.name).is_present(declaration.name)
        for feature in declaration.outputs
    )


def remedies(registry: Registry) -> Mapping[str, str]:
    """Return what to do if the weights of a feature are missing."""
    return {
        feature: registry.engine(declaration.name).remedy
        for declaration in registry.declarations()
        for feature in declaration.outputs
    }
