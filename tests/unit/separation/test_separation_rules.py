"""Which models separation declares, and how requests name them."""

import dataclasses

import pytest

from soundwright.kit.errors import AppError, Code
from soundwright.kit.pipeline import PIPELINE_STAGES, PIPELINE_TRACKS
from soundwright.library.v1 import library_service_pb2, track_pb2
from soundwright.separation.v1.jobs_pb2 import SeparationParameters
from soundwright.services.separation.batches import usable_tracks
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.engines.dsp import DspEngine
from soundwright.services.separation.engines.hpss import HpssEngine
from soundwright.services.separation.pipeline import queued_stages
from soundwright.services.separation.plans import parse_request
from soundwright.services.separation.registry import Registry, build_registry
from soundwright.services.separation.service import LALALAI, STEMS, result_stems
from soundwright.services.separation.settings import SeparationSettings

OWN = dataclasses.replace(DemucsEngine.models[0], name="own", outputs=("vocals", "accompaniment", "noise"))
REGISTRY = Registry()


def parsed(model: str, engine: str, registry: Registry, **fields: object) -> SeparationParameters:
    return parse_request(SeparationParameters(model=model, engine=engine, **fields), registry).parameters


for engine in (DemucsEngine(), DspEngine(), HpssEngine()):
    REGISTRY.register(engine)


def test_the_documented_models_come_first_and_the_steps_of_the_pipeline_are_not_listed() -> None:
    registry = build_registry(SeparationSettings())
    assert [(model.name, model.needs_weights) for model in registry.models()[:7]] == [
        ("htdemucs", True), ("htdemucs_ft", True), ("htdemucs_6s", True), ("mdx_extra", True),
        ("spleeter", True), ("spleeter-with-small", True), ("small", True),
    ]  # fmt: skip
    assert registry.default_model == "htdemucs"
    assert registry.declaration("hpss").outputs == ("harmonic", "percussive")
    assert "hpss" not in registry.model_names


@pytest.mark.parametrize(
    ("model", "engine", "expected"),
    [
        ("", "", "htdemucs"), ("", "local", "htdemucs"), ("", "dsp", "dsp"), ("dsp", "", "dsp"),
        ("mdx_extra", "demucs", "mdx_extra"), ("htdemucs_6s", "local", "htdemucs_6s"),
    ],
)  # fmt: skip
def test_a_request_may_name_a_model_an_engine_or_neither(model: str, engine: str, expected: str) -> None:
    assert parsed(model, engine, REGISTRY) == SeparationParameters(model=expected, format="flac")
    if expected == "htdemucs_6s":  # stems have the order of the model
        assert parsed(model, engine, REGISTRY, stems=["piano", "drums"]).stems == ["drums", "piano"]


@pytest.mark.parametrize(
    ("model", "engine", "problems"),
    [
        ("hpss", "", {"model": ["is not known; use one of: htdemucs, htdemucs_ft, htdemucs_6s, mdx_extra, dsp"]}),
        ("", "magic", {"engine": ["is not available; use one of: local, demucs, dsp, lalalai"]}),
        ("htdemucs", "dsp", {"engine": ["does not run htdemucs, which demucs runs"]}),
        ("", "hpss", {"engine": ["is not available; use one of: local, demucs, dsp, lalalai"]}),
    ],
)
def test_what_no_engine_runs_is_refused(model: str, engine: str, problems: dict[str, list[str]]) -> None:
    with pytest.raises(AppError) as caught:
        parsed(model, engine, REGISTRY)
    assert (caught.value.reason, caught.value.meta) == ("VALIDATION_ERROR", {"details": problems})


@pytest.mark.parametrize(
    ("model", "engine", "stems", "problem"),
    [
        ("htdemucs", "", ["vocals", "guitar"], "are not all stems of htdemucs; use some of: drums, bass, other, vocals"),
        ("htdemucs", "", [""], "are not all stems of htdemucs; use some of: drums, bass, other, vocals"),
        ("dsp", "", ["accompaniment"], "are not all stems of dsp; use some of: drums, bass, other, vocals"),
        ("htdemucs", "", ["vocals", "vocals"], "must differ"),
        (
            "own", "", ["accompaniment"],
            "name 'accompaniment', which the job adds itself; use other stems, or all stems of the model",
        ),
        ("", "lalalai", ["vocals"], "cannot be chosen for lalal.ai"),
    ],
)  # fmt: skip
def test_stems_that_the_model_does_not_have_are_refused(
    model: str, engine: str, stems: list[str], problem: str
) -> None:
    registry = Registry()
    for each in (DemucsEngine(models=[*DemucsEngine.models, OWN]), DspEngine()):
        registry.register(each)
    with pytest.raises(AppError) as caught:
        parsed(model, engine, registry, stems=stems)
    assert (caught.value.reason, caught.value.meta) == ("VALIDATION_ERROR", {"details": {"stems": [problem]}})
    assert parsed("own", "", registry, stems=OWN.outputs).stems == list(OWN.outputs)


def test_a_job_returns_the_requested_stems_and_the_rest_of_the_recording() -> None:
    assert result_stems((), STEMS) == result_stems(STEMS, STEMS[::-1]) == STEMS
    assert result_stems(["vocals"], STEMS) == ("vocals", "accompaniment")
    assert result_stems(["drums", "vocals"], STEMS) == ("drums", "vocals", "accompaniment")
    # Models for vocals and the rest have a stem that equals it.
    assert result_stems(["vocals"], ("vocals", "other")) == ("vocals", "accompaniment")
    assert result_stems(["vocals", "other"], ("vocals", "other"), STEMS) == ("vocals", "other", "accompaniment")


def test_the_default_model_means_the_newest_one_of_lalalai() -> None:
    for model in ("", "htdemucs"):
        newest = SeparationParameters(model="newest", format="wav16", engine=LALALAI)
        assert parsed(model, "lalalai", REGISTRY, format="wav16") == newest
    assert parsed("orion", "lalalai", REGISTRY) == SeparationParameters(model="orion", format="flac", engine=LALALAI)
    for model in ("mdx_extra", "Orion", "dsp"):
        with pytest.raises(AppError) as caught:
            parsed(model, "lalalai", REGISTRY, format="mp4")
        assert set(caught.value.meta["details"]) == {"model", "format"}


def test_the_pipeline_has_the_stages_and_tracks_of_its_contract() -> None:
    assert [(stage.name, stage.processor_type) for stage in PIPELINE_STAGES] == [
        ("audio_separation", "separator"),
        ("harmonic_percussive_separation", "decomposition"),
        ("composite_track_creation", "composition"),
        ("normalization", "audio_processing"),
    ]
    assert PIPELINE_TRACKS == (
        "vocals", "drums", "bass", "other", "harmonic", "percussive", "main", "main_harmonic", "main_percussive",
    )  # fmt: skip
    assert [(stage.name, stage.processor_type) for stage in queued_stages()] == [
        (stage.name, stage.processor_type) for stage in PIPELINE_STAGES
    ]


@pytest.mark.parametrize(
    ("has_gpu", "slot_count", "process_count", "expected"),
    [(False, 0, 0, (1, 1)), (False, 3, 0, (3, 3)), (True, 0, 0, (4, 1)), (True, 8, 2, (8, 2)), (True, 1, 0, (1, 1))],
)
def test_jobs_on_a_gpu_share_one_process(
    has_gpu: bool, slot_count: int, process_count: int, expected: tuple[int, int]
) -> None:
    settings = SeparationSettings(
        separation_slot_count=slot_count, separation_process_count=process_count
    ).on(has_gpu)  # fmt: skip
    assert (settings.separation_slot_count, settings.separation_process_count) == expected


class Tracks:
    """The tracks of the library, and what it answers for each."""

    def __init__(self, **refusals: AppError) -> None:
        self.refusals = refusals
        self.asked: list[str] = []

    async def GetTrack(self, request: library_service_pb2.GetTrackRequest) -> library_service_pb2.GetTrackResponse:
        assert request.needs_audio
        self.asked.append(request.track_id)
        if refusal := self.refusals.get(request.track_id):
            raise refusal
        return library_service_pb2.GetTrackResponse(track=track_pb2.Track(id=request.track_id))


MISSING = AppError(Code.NOT_FOUND, "TRACK_NOT_FOUND", "It is refused.")
FOREIGN = AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", "It is refused.")
SILENT = AppError(Code.CONFLICT, "AUDIO_NOT_READY", "It is refused.")
AWAY = AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "It is refused.")


@pytest.mark.parametrize("wrong", [[], ["a", "a"], ["a", ""], [str(number) for number in range(101)]])
async def test_a_request_that_is_no_batch_is_refused(wrong: list[str]) -> None:
    with pytest.raises(AppError, match=r"batch") as refusal:
        await usable_tracks(Tracks(), wrong)  # type: ignore[arg-type]
    assert (refusal.value.reason, refusal.value.http_status) == ("BATCH_INVALID", 400)


@pytest.mark.parametrize(
    ("refusals", "reason", "status", "named", "words"),
    [
        ({"b": SILENT, "c": MISSING, "d": FOREIGN}, "TRACK_NOT_FOUND", 404, ["c", "d"], "c, d"),
        ({"b": SILENT}, "AUDIO_NOT_READY", 409, ["b"], "b"),
        ({f"t{n}": MISSING for n in range(12)}, "TRACK_NOT_FOUND", 404, [f"t{n}" for n in range(12)], "t9 and 2 more."),
        ({"b": AWAY}, "SERVICE_UNAVAILABLE", 503, None, "refused"),
    ],
)
async def test_all_tracks_are_checked_and_those_without_audio_are_named(
    refusals: dict[str, AppError], reason: str, status: int, named: list[str] | None, words: str
) -> None:
    tracks = Tracks(**refusals)
    with pytest.raises(AppError, match=words) as refusal:
        await usable_tracks(tracks, ["a", *refusals])  # type: ignore[arg-type]
    assert named is None or sorted(tracks.asked) == sorted(["a", *refusals])
    assert (refusal.value.reason, refusal.value.http_status) == (reason, status)
    assert refusal.value.meta.get("details") == ({"track_ids": named} if named else None)


async def test_usable_tracks_are_returned_in_their_order() -> None:
    found = await usable_tracks(Tracks(), ["b", "a"])  # type: ignore[arg-type]
    assert [track.id for track in found] == ["b", "a"]
