"""Which engine measures a feature, and which signal it reads: the handler over stems on disk and scripted engines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile

from soundwright.analysis.v1 import jobs_pb2
from soundwright.kit import errors
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.audio import AudioLimits
from soundwright.kit.compute import ComputeSlots
from soundwright.kit.engines import ModelDeclaration
from soundwright.kit.errors import AppError
from soundwright.kit.worker.context import JobContext
from soundwright.library.v1 import job_pb2, library_service_pb2, track_pb2
from soundwright.services.analysis.registry import Registry, available_features, build_registry, remedies
from soundwright.services.analysis.service import Engine, Recording, Signal, parse_features
from soundwright.services.analysis.worker import AnalysisWorker

LEVELS = {"bass": 0.1, "drums": 0.2, "other": 0.03, "piano": 0.05, "vocals": 0.4}
MIX_LEVEL = 0.9  # unlike the sum of the stems, so that a test knows what an engine has read


class Level(Engine):
    """Measures the level of the signal as a feature. Its weights may be missing."""

    def __init__(self, feature: str, signal: Signal, *, is_there: bool = True) -> None:
        self.name = feature
        self.signal = signal
        self._is_there = is_there
        self.models = (
            ModelDeclaration(
                name=feature, description="", architecture="", outputs=(feature,), code_licence="MIT",
                weights_licence="MIT", needs_weights=True,
            ),
        )  # fmt: skip

    def is_present(self, model: str) -> bool:
        return self._is_there

    def load(self, model: str) -> None:
        if not self._is_there:
            raise errors.MODEL_UNAVAILABLE("The weights are missing.", model=model)

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        (feature,) = features
        block = np.concatenate(list(recording.blocks(1000)), axis=1)
        return {feature: {"level": round(float(block.mean()), 3), "frames": block.shape[1]}}


class Tracks:
    """A track, and the stems that it has."""

    def __init__(self, folder: Path, stems: tuple[str, ...]) -> None:
        self._stems = stems
        for name, level in {**LEVELS, "mix": MIX_LEVEL}.items():
            soundfile.write(folder / f"{name}.flac", np.full((3500, 2), level), 8000, subtype="PCM_24")

    async def GetTrack(self, request: library_service_pb2.GetTrackRequest) -> Any:
        return library_service_pb2.GetTrackResponse(
            track=track_pb2.Track(id="t", blob_key="mix.flac", frame_count=3500)
        )

    async def ListStems(self, request: library_service_pb2.ListStemsRequest) -> Any:
        stems = [
            job_pb2.AudioOutput(name=name, blob_key=f"{name}.flac", frame_count=3500) for name in reversed(self._stems)
        ]
        return library_service_pb2.ListStemsResponse(stems=stems)


async def measured(folder: Path, engines: list[Engine], stems: tuple[str, ...] = ()) -> dict[str, Any]:
    registry = Registry()
    for engine in engines:
        registry.register(engine)
    tracks = cast(Any, Tracks(folder, stems))
    slots = ComputeSlots("test", 1)
    worker = AnalysisWorker(registry, FileBlobs(folder), tracks, slots, AudioLimits(60))
    spec = jobs_pb2.AnalysisSpec(features=[engine.name for engine in engines])
    try:
        result = await worker.handle(JobContext(job_pb2.Job(track_id="t")), spec)
    finally:
        slots.close()
    return cast(dict[str, Any], json.loads(result.analysis_json))


@pytest.mark.parametrize(
    ("stems", "chords", "melody", "piano"),
    [
        (tuple(LEVELS), (0.58, "stems bass, other, piano, vocals"), (0.4, "stem vocals"), (0.05, "stem piano")),
        (("vocals", "drums"), (0.9, "mix"), (0.4, "stem vocals"), (0.9, "mix")),
        ((), (0.9, "mix"), (0.9, "mix"), (0.9, "mix")),
    ],
)
async def test_each_engine_reads_the_stems_that_it_wants_or_the_mix(
    tmp_path: Path,
    stems: tuple[str, ...],
    chords: tuple[float, str],
    melody: tuple[float, str],
    piano: tuple[float, str],
) -> None:
    engines: list[Engine] = [
        Level("sections", Signal.MIX), Level("chords", Signal.WITHOUT_DRUMS), Level("melody", Signal.VOCALS),
        Level("piano_notes", Signal.PIANO),
    ]  # fmt: skip
    values = await measured(tmp_path, engines, stems)
    assert {name: (value["level"], value["source"]) for name, value in values.items()} == {
        "sections": (0.9, "mix"),
        "chords": chords,
        "melody": melody,
        "piano_notes": piano,
    }
    assert {value["frames"] for value in values.values()} == {3500}


async def test_a_feature_without_weights_fails_alone(tmp_path: Path) -> None:
    there, missing = Level("melody", Signal.MIX), Level("chords", Signal.MIX, is_there=False)
    values = await measured(tmp_path, [missing, there])
    assert values == {
        "melody": {"level": 0.9, "frames": 3500, "source": "mix", "model": "melody"},
        "unavailable": [{"feature": "chords", "code": "MODEL_UNAVAILABLE", "message": "The weights are missing."}],
    }
    with pytest.raises(AppError, match="The weights are missing"):
        await measured(tmp_path, [missing])


def test_all_means_what_is_available() -> None:
    registry = Registry()
    registry.register(Level("tempo", Signal.MIX))
    registry.register(Level("chords", Signal.MIX, is_there=False))
    available = available_features(registry)
    assert available == {"tempo"}
    assert [parse_features(names, available).features for names in ([], ["all"], ["chords", "tempo"])] == [
        ("tempo",), ("tempo",), ("tempo", "chords")
    ]  # fmt: skip
    with pytest.raises(AppError, match="This server cannot measure chords") as refused:
        parse_features(["chords"], available)
    assert refused.value.reason == "MODEL_UNAVAILABLE"


def test_slow_features_are_measured_only_by_their_name() -> None:
    registry = build_registry(Path("missing"))
    available = available_features(registry)
    assert "lyrics" not in available
    assert "piano_notes" in available
    assert "piano_notes" not in parse_features(["all"], available).features
    assert "lyrics" not in parse_features(["all"], {*available, "lyrics"}).features
    assert parse_features(["all", "lyrics"], {*available, "lyrics"}).features[-1] == "lyrics"
    with pytest.raises(AppError, match=r"This server cannot measure lyrics.*make lyrics") as refused:
        parse_features(["lyrics"], available, remedies(registry))
    assert refused.value.reason == "MODEL_UNAVAILABLE"
