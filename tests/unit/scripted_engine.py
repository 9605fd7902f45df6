"""An engine of generation that does what the prompt says, and writes down what it was asked for."""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit.errors import AppError, Code
from services.generation.engines.procedural.engine import ProceduralEngine
from services.generation.service import Clip, Take
from services.generation.takes import EngineRoom

RATE_HZ = 8000


class ScriptedEngine:
    """Words in prompts: "wait" until the file "go" is there, "silent", "silent at first", "die"."""

    name = "scripted"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, model: str) -> None:
        self._write(load=model)
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


def build(folder: Path, fallback: bool = False, loaded_limit: int = 1, idle_seconds: float = 600.0) -> EngineRoom:
    return EngineRoom(
        networks=ScriptedEngine(folder),
        built_in=ProceduralEngine(),
        checkpoints={model: f"test/{model}" for model in ("music", "audio", "magnet-music", "magnet-audio")},
        fallback=fallback,
        loaded_limit=loaded_limit,
        idle_seconds=idle_seconds,
        is_at_hand=lambda model: (folder / f"{model}-weights").exists(),
    )


def builder(folder: Path, **options: Any) -> Callable[[], EngineRoom]:
    """What engine processes are given to build their engines with."""
    return functools.partial(build, folder, **options)


def asked(folder: Path, what: str) -> list[dict[str, Any]]:
    """What the engines were asked for, of one kind (load, unload, generate) or, without a name, of any."""
    log = folder / "log"
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [entry for entry in entries if not what or what in entry]
