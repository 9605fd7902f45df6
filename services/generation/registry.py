"""The generation engines, one registration each."""

from soundwright.kit.engines import EngineRegistry, FallbackPolicy
from soundwright.services.generation.engines.audiocraft.engine import AudiocraftEngine
from soundwright.services.generation.engines.procedural.engine import ProceduralEngine
from soundwright.services.generation.service import Engine
from soundwright.services.generation.settings import GenerationSettings

Registry = EngineRegistry[Engine]


def build_registry(settings: GenerationSettings) -> Registry:
    """Return all generation engines. Nothing is loaded yet, and no ML library is imported."""
    registry = Registry(
        fallback=_fallback_policy(settings),
        unlicensed=settings.unlicensed_models,
        loaded_limit=settings.generation_loaded_model_limit,
    )
    registry.register(
        AudiocraftEngine(
            checkpoints=settings.generation_checkpoints,
            model_dir=settings.generation_model_dir,
            device=settings.generation_device or None,
            thread_count=settings.generation_thread_count or None,
            batch_size=settings.generation_batch_size,
        )
    )
    registry.register(ProceduralEngine())
    return registry


def _fallback_policy(settings: GenerationSettings) -> FallbackPolicy:
    if settings.generation_engine == "procedural":
        return FallbackPolicy.ALWAYS
    return FallbackPolicy.WHEN_UNAVAILABLE if settings.fallback else FallbackPolicy.NEVER
