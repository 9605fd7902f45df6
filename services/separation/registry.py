"""The separation engines, one registration each."""

from typing import Any

from soundwright.kit.engines import EngineRegistry, FallbackPolicy
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.engines.dsp import DspEngine
from soundwright.services.separation.engines.hpss import HpssEngine
from soundwright.services.separation.engines.roformer import RoformerEngine
from soundwright.services.separation.engines.small import SmallEngine
from soundwright.services.separation.engines.spleeter import SpleeterEngine
from soundwright.services.separation.service import Engine
from soundwright.services.separation.settings import SeparationSettings

Registry = EngineRegistry[Engine]


def build_registry(settings: SeparationSettings) -> Registry:
    """Return all separation engines. Nothing is loaded yet, and no ML library is imported."""
    registry = Registry(
        fallback=FallbackPolicy.WHEN_UNAVAILABLE if settings.fallback else FallbackPolicy.NEVER,
        unlicensed=settings.unlicensed_models,
        loaded_limit=settings.separation_loaded_model_limit,
    )
    hardware: dict[str, Any] = {
        "thread_count": settings.separation_thread_count or None,
        "device": settings.separation_device or None,
        "batch_size": settings.separation_batch_size or None,
        "gpu_mode": settings.separation_gpu_mode,
    }
    registry.register(
        DemucsEngine(
            model_dir=settings.separation_model_dir,
            trusted_sha256=settings.separation_trusted_sha256,
            **hardware,
            cpu_mode=settings.separation_cpu_mode,
            compiled_dir=settings.separation_compiled_dir or settings.data_dir / "compiled",
        )
    )
    registry.register(SpleeterEngine(cpu_mode=settings.separation_cpu_mode, **hardware))
    registry.register(SmallEngine(cpu_mode=settings.separation_cpu_mode, **hardware))
    registry.register(DspEngine())
    registry.register(
        RoformerEngine(model_dir=settings.separation_model_dir, cpu_mode=settings.separation_cpu_mode, **hardware)
    )
    registry.register(HpssEngine())
    return registry
