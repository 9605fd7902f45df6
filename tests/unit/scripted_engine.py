"""An engine of generation that does what the prompt says, and writes down what it was asked for."""

import dataclasses
import functools
import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soundwright.kit.engines import FallbackPolicy
from soundwright.kit.errors import AppError, Code
from soundwright.services.generation.engines.audiocraft.engine import MODELS
from soundwright.services.generation.engines.procedural.engine import ProceduralEngine
from soundwright.services.generation.registry import Registry
from soundwright.services.generation.service import Clip, Engine, Take

RATE_HZ = 8000


class ScriptedEngine(Engine):
    """Words in prompts: "wait" until the file "go" is there, "silent", "silent at first", "die"."""

    name = "scripted"
    models = tuple(dataclasses.replace(declared, source=f"test/{declared.name}") for declared in MODELS)

    def __init__(self, folder: Path, is_installed: bool = True) -> None:
        self._folder = folder
        self._is_installed = is_installed

    def is_installed(self) -> bool:
        return self._is_installed

    def is_present(self, model: str) -> bool:
        return (self._folder / f"{model}-weights").exists()

    def load(self, model: str) -> None:
        self._write(load=model)
        if (self._folder / "no-memory").exists():
            raise MemoryError
        if (self._folder / "no-weights").exists():
            raise AppError(Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "There are no weights here.", {"model": model})

    def unload(self, model: str) -> None:
        self._write(unload=model)

    def generate(self, model: str, takes: Sequence[Take], report: Callable[[float], None]) -> list[Clip]:
        self._write(
            generate=model,
            prompts=[take.prompt for take in takes],
            seeds=[take.seed for take in takes],
            lead_ins=[take.lead_in.samples.shape[1] if take.lead_in else 0 for take in takes],
        )
        if any("die" in take.prompt for take in takes):
            os.kill(os.getpid(), signal.SIGKILL)
        report(0.25)
        while any("wait" in take.prompt for take in takes) and not (self._folder / "go").exists():
            report(0.5)
        return [Clip(self._sound(take), RATE_HZ) for take in takes]

    def _sound(self, take: Take) -> np.ndarray:
        time = np.arange(round(take.duration_seconds * RATE_HZ)) / RATE_HZ
        if "silent" in take.prompt and ("at first" not in take.prompt or take.seed < 1000):
            return np.zeros((1, time.size), np.float32)
        return (0.2 * np.sin(2 * np.pi * (300 + take.seed % 100) * time))[None].astype(np.float32)

    def _write(self, **entry: Any) -> None:
        with (self._folder / "log").open("a") as file:
            file.write(json.dumps(entry) + "\n")


def build(
    folder: Path, fallback: FallbackPolicy = FallbackPolicy.NEVER, loaded_limit: int = 1, is_installed: bool = True
) -> Registry:
    registry = Registry(fallback=fallback, loaded_limit=loaded_limit)
    registry.register(ScriptedEngine(folder, is_installed))
    registry.register(ProceduralEngine())
    return registry


def builder(folder: Path, **options: Any) -> Callable[[], Registry]:
    return functools.partial(build, folder, **options)


def asked(folder: Path, what: str) -> list[dict[str, Any]]:
    """What the engines were asked for, of one kind (load, unload, generate) or, without a name, of any."""
    log = folder / "log"
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [entry for entry in entries if not what or what in entry]
