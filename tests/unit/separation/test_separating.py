"""The models of a separation run one after the other, on scripted engines whose results can be predicted."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soundwright.kit.audio import AudioFile, AudioWriter, Waveform
from soundwright.kit.engines import FallbackPolicy, ModelDeclaration
from soundwright.kit.errors import AppError, Code
from soundwright.kit.file_names import encoding_extension
from soundwright.kit.worker.derived_files import waveform_file
from soundwright.separation.v1.jobs_pb2 import ChainStep, SeparationParameters, SeparationSpec
from soundwright.services.separation import service
from soundwright.services.separation.registry import Registry
from soundwright.services.separation.scratch import ScratchSignal
from soundwright.services.separation.separating import Separated, separate
from soundwright.services.separation.service import Engine, Mix, Samples
from soundwright.services.separation.stems import StemWriter, write_mix, write_stems

RATE_HZ = 22_050
FRAMES = 70_001
# A model computes each stem as the recording times a number of its own.
GAINS: dict[str, dict[str, float]] = {
    "default": {"drums": 0.25, "vocals": 0.5},
    "second": {"drums": 0.75, "vocals": 0.25, "piano": 2.0},
    "voices": {"lead": 0.5, "backing": 0.125},
    "built-in": {"vocals": 0.5, "drums": 0.5},
    "karaoke": {"vocals": 0.25, "accompaniment": 0.75},
}
COSTS = {"default": 1.0, "second": 3.0, "voices": 4.0, "karaoke": 1.0}


def spec_of(model: str = "plan", **fields: Any) -> SeparationSpec:
    return SeparationSpec(
        parameters=SeparationParameters(**{"model": model, "format": "wav32f", **fields}), model=model
    )


def declared(name: str) -> ModelDeclaration:
    has_weights = name != "built-in"
    return ModelDeclaration(
        name=name, description="Parts", architecture="Parts", outputs=tuple(GAINS[name]), code_licence="MIT",
        weights_licence="MIT" if has_weights else "", needs_weights=has_weights, relative_cost=COSTS.get(name),
        fallback="built-in" if name in ("default", "karaoke") else "",
    )  # fmt: skip


class Parts(Engine):
    """Models that multiply the recording. It notes what is called, in order."""

    def __init__(self, name: str, models: Collection[str]) -> None:
        self.name = name
        self.models = tuple(map(declared, models))
        self.calls: list[str] = []
        self.missing: set[str] = set()

    def load(self, model: str) -> None:
        if model in self.missing:
            raise AppError(Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "There are no weights.")
        self.calls.append(f"load {model}")

    def unload(self, model: str) -> None:
        self.calls.append(f"unload {model}")

    def separate(self, mix: Mix, model: str, stems: Collection[str] | None = None) -> Iterator[Mapping[str, Samples]]:
        wanted = [stem for stem in GAINS[model] if stems is None or stem in stems]
        self.calls.append(f"{model} for {' '.join(wanted)}")
        try:
            yield {stem: np.zeros((mix.channel_count, 0), np.float32) for stem in wanted}
            for block in mix.blocks(10_000):
                yield {stem: np.float32(GAINS[model][stem]) * block for stem in wanted}
        finally:
            self.calls.append(f"end {model}")


class World:
    def __init__(self, folder: Path) -> None:
        self.engine = Parts("parts", COSTS)
        self.registry = Registry(fallback=FallbackPolicy.WHEN_UNAVAILABLE)
        self.registry.register(self.engine)
        self.registry.register(Parts("built-in", ["built-in"]))
        self.samples = np.random.default_rng(0).uniform(-0.4, 0.4, (2, FRAMES)).astype(np.float32)
        with AudioWriter(folder / "song.wav", RATE_HZ, 2, "wav32f") as writer:
            writer.write(self.samples)
        self.mix = AudioFile(folder / "song.wav")
        self.folder = folder / "job"
        self.folder.mkdir()
        self.shares: list[float] = []

    def separate(self, **fields: Any) -> Separated:
        spec = spec_of(**fields)
        return separate(self.registry, self.shares.append, spec=spec, mix=self.mix, folder=self.folder)

    def gains(self, done: Separated) -> dict[str, float]:
        """Return the stems of a result as multiples of the recording."""
        found = {}
        for output, file in done.outputs:
            samples, _ = soundfile.read(file, dtype="float32", always_2d=True)
            gain = float(np.vdot(samples.T, self.samples) / np.vdot(self.samples, self.samples))
            np.testing.assert_allclose(samples.T, gain * self.samples, atol=2e-6)
            assert output.frame_count == FRAMES
            found[output.name] = round(gain, 4)
        return found

    def scratch(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.suffix == ".f32")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("stems", "computed", "gains"),
    [
        ((), "drums vocals", {"drums": 0.25, "vocals": 0.5}),
        (("vocals",), "vocals", {"vocals": 0.5, "accompaniment": 0.5}),
        (("drums",), "drums", {"drums": 0.25, "accompaniment": 0.75}),
        (("drums", "vocals"), "drums vocals", {"drums": 0.25, "vocals": 0.5}),
    ],
)
def test_one_model_separates_what_is_requested(
    world: World, stems: tuple[str, ...], computed: str, gains: dict[str, float]
) -> None:
    done = world.separate(model="default", stems=stems)
    assert world.gains(done) == gains
    assert list(gains) == [output.name for output, _ in done.outputs]
    assert world.engine.calls == ["load default", f"default for {computed}", "end default"]
    assert [(run.engine, run.model, run.stem) for run in done.runs] == [("parts", "default", "")]
    assert (done.selection.model, done.selection.degraded) == ("default", False)


def test_a_fallback_runs_for_one_model_and_not_for_a_plan(world: World) -> None:
    world.engine.missing = {"default"}
    done = world.separate(model="default", stems=("vocals",))
    assert (done.selection.model, done.selection.degraded) == ("built-in", True)
    assert world.gains(done) == {"vocals": 0.5, "accompaniment": 0.5}
    assert [run.model for run in done.runs] == ["built-in"]
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        world.separate(models=("default", "built-in"), combine="average")


def test_a_fallback_has_the_accompaniment_of_the_model(world: World) -> None:
    world.engine.missing = {"karaoke"}
    done = world.separate(model="karaoke")
    assert (done.selection.model, world.gains(done)) == ("built-in", {"vocals": 0.5, "accompaniment": 0.5})


@pytest.mark.parametrize(
    ("combine", "weights", "gains"),
    [
        ("average", (), {"drums": 0.5, "vocals": 0.375, "accompaniment": 0.125}),
        ("average", (1.0, 3.0), {"drums": 0.375, "vocals": 0.4375, "accompaniment": 0.1875}),
        ("max_magnitude", (), {"drums": 0.75, "vocals": 0.5, "accompaniment": -0.25}),
    ],
)
def test_models_run_in_turn_and_are_combined(
    world: World, combine: str, weights: tuple[float, ...], gains: dict[str, float]
) -> None:
    plan = {"models": ("second", "default"), "stems": ("drums", "vocals"), "combine": combine, "weights": weights}
    done = world.separate(**plan)
    assert world.gains(done) == gains
    assert world.engine.calls == [
        "load second", "second for drums vocals", "end second", "unload second",
        "load default", "default for drums vocals", "end default", "unload default",
    ]  # fmt: skip
    assert [run.model for run in done.runs] == ["second", "default"]
    assert (done.selection.engine, done.selection.model) == ("parts", "plan")
    assert world.scratch() == []
    # Three quarters of the cost are those of the first model.
    assert world.shares == sorted(world.shares)
    assert world.shares[-1] == 1.0
    assert 0.75 in world.shares


def test_a_chain_separates_a_stem_once_more(world: World) -> None:
    chain = (ChainStep(stem="vocals", model="voices"), ChainStep(stem="vocals_lead", model="voices"))
    done = world.separate(models=("default",), chain=chain)
    gains = world.gains(done)
    assert gains == {"drums": 0.25, "vocals_lead_lead": 0.125, "vocals_lead_backing": 0.0312, "vocals_backing": 0.0625}
    assert list(gains) == ["drums", "vocals_lead_lead", "vocals_lead_backing", "vocals_backing"]
    assert world.engine.calls == [
        "load default", "default for drums vocals", "end default",
        "unload default", "load voices", "voices for lead backing", "end voices", "unload voices",
        "load voices", "voices for lead backing", "end voices", "unload voices",
    ]  # fmt: skip
    assert [(run.model, run.stem) for run in done.runs] == [
        ("default", ""), ("voices", "vocals"), ("voices", "vocals_lead"),
    ]  # fmt: skip
    assert world.scratch() == []
    assert world.shares == sorted(world.shares)


def test_the_rest_of_the_recording_can_be_separated_too(world: World) -> None:
    done = world.separate(
        models=("default",), stems=("vocals",), chain=(ChainStep(stem="accompaniment", model="voices"),)
    )
    assert world.gains(done) == {"vocals": 0.5, "accompaniment_lead": 0.25, "accompaniment_backing": 0.0625}


def test_models_that_were_loaded_before_stay_loaded_and_the_same_plan_gives_the_same_files(world: World) -> None:
    world.registry.load("second")
    world.registry.load("default")
    made = []
    for _ in range(2):
        done = world.separate(models=("second", "default"), stems=("drums", "vocals"), combine="max_magnitude")
        made.append({output.name: file.read_bytes() for output, file in done.outputs})
    assert made[0] == made[1]
    assert [call for call in world.engine.calls if call.startswith("unload")] == []


@pytest.mark.parametrize(("stop_after", "begun"), [(-1.0, 0), (0.0, 1), (0.3, 1), (0.45, 2), (0.9, 3)])
def test_a_stopped_plan_closes_the_running_model_and_frees_its_models(
    world: World, stop_after: float, begun: int
) -> None:
    def stop(share: float) -> None:
        if share > stop_after:
            raise InterruptedError

    spec = spec_of(
        models=("second", "default"), stems=("drums", "vocals"), combine="max_magnitude",
        chain=(ChainStep(stem="vocals", model="voices"),),
    )  # fmt: skip
    with pytest.raises(InterruptedError):
        separate(world.registry, stop, spec=spec, mix=world.mix, folder=world.folder)
    assert len([call for call in world.engine.calls if " for " in call]) == begun
    assert len([call for call in world.engine.calls if call.startswith("end")]) == begun
    assert len([call for call in world.engine.calls if call.startswith("unload")]) == max(1, begun)
    assert world.registry.loaded_models() == ()


# What a separation writes: stems and the mix, each with its waveform.


def halves(mix: AudioFile) -> Iterator[dict[str, Samples]]:
    for block in mix.blocks(10_000):
        yield {"vocals": 0.5 * block, "other": block - 0.5 * block}


@pytest.fixture
def mix(tmp_path: Path) -> AudioFile:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, FRAMES)).astype(np.float32)
    with AudioWriter(tmp_path / "song.wav", RATE_HZ, 2, "wav32f") as writer:
        writer.write(noise)
    return AudioFile(tmp_path / "song.wav")


def waveform(samples: Samples) -> bytes:
    drawn = Waveform(RATE_HZ)
    drawn.add(samples)
    return drawn.data()


def samples_of(mix: AudioFile) -> Samples:
    return np.concatenate(list(mix.blocks(FRAMES)), axis=1)


def test_each_stem_has_the_waveform_of_what_was_computed(mix: AudioFile, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.flac" for name in ("vocals", "other")}
    made = write_stems(halves(mix), mix, files, "flac", lambda share: None)
    assert [(output.name, output.frame_count, file) for output, file in made] == [
        (name, FRAMES, file) for name, file in files.items()
    ]
    for file in files.values():
        assert file.with_name(f"{file.name}.dat").read_bytes() == waveform(0.5 * samples_of(mix))


def test_stems_for_further_models_are_kept_exactly_and_are_no_files_of_the_result(
    mix: AudioFile, tmp_path: Path
) -> None:
    scratch = {"other": ScratchSignal(tmp_path / "other.f32", mix)}
    files = {"vocals": tmp_path / "vocals.wav"}
    made = write_stems(halves(mix), mix, files, "wav16", lambda share: None, scratch)
    assert [output.name for output, _ in made] == ["vocals"]
    kept = np.concatenate(list(scratch["other"].blocks(3_000)), axis=1)
    np.testing.assert_array_equal(kept, samples_of(mix) - np.float32(0.5) * samples_of(mix))


@pytest.mark.parametrize("encoding", ["flac", "wav16", "wav24", "wav32f"])
def test_loud_stems_do_not_clip_in_any_format(tmp_path: Path, encoding: service.Format) -> None:
    """The recording is within full scale. One of its stems exceeds it by 9 dB, and another one takes that away."""
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (2, FRAMES)).astype(np.float32)
    with AudioWriter(tmp_path / "song.wav", RATE_HZ, 2, "wav24") as writer:
        writer.write(samples)
    mix = AudioFile(tmp_path / "song.wav")
    gain = np.float32(10 ** (9 / 20) / 0.9)
    quiet = {"drums": np.float32(0.25)}
    shares = {**quiet, "vocals": gain, "other": 1 - gain - quiet["drums"]}
    blocks = ({stem: share * block for stem, share in shares.items()} for block in mix.blocks(10_000))
    extension = encoding_extension(encoding)
    files = {stem: tmp_path / f"{stem}.{extension}" for stem in shares}
    made = write_stems(blocks, mix, files, encoding, lambda share: None)

    assert [(output.name, output.path) for output, _ in made] == [
        ("drums", f"drums.{extension}"), ("vocals", "vocals.wav"), ("other", "other.wav"),
    ]  # fmt: skip
    assert [output.content_type for output, _ in made[1:]] == ["audio/wav", "audio/wav"]
    assert [output.peak > 2.5 for output, _ in made] == [False, True, False]
    assert [soundfile.info(file).subtype for _, file in made[1:]] == ["FLOAT", "FLOAT"]
    assert all(waveform_file(file).exists() for _, file in made)
    total = sum(soundfile.read(file, dtype="float64", always_2d=True)[0] for _, file in made)
    step = {"flac": 2**-23, "wav16": 2**-15, "wav24": 2**-23, "wav32f": 2**-23}[encoding]
    np.testing.assert_allclose(total.T, samples_of(mix), rtol=0, atol=2 * step)


def test_a_loud_mix_does_not_clip(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-2, 2, (2, FRAMES)).astype(np.float32)
    with AudioWriter(tmp_path / "song.wav", RATE_HZ, 2, "wav32f") as writer:
        writer.write(samples)
    output, file = write_mix(AudioFile(tmp_path / "song.wav"), tmp_path, lambda share: None)
    assert (output.path, output.content_type) == ("mix.wav", "audio/wav")
    np.testing.assert_array_equal(samples_of(AudioFile(file)), samples)


def test_the_mix_is_the_recording_with_sixteen_bits(mix: AudioFile, tmp_path: Path) -> None:
    reports: list[float] = []
    output, file = write_mix(mix, tmp_path, reports.append)
    assert (output.name, output.path, output.content_type) == ("mix", "mix.flac", "audio/flac")
    assert (output.sample_rate_hz, output.channel_count, output.frame_count) == (RATE_HZ, 2, FRAMES)
    steps, _ = soundfile.read(file, dtype="int16", always_2d=True)
    np.testing.assert_array_equal(steps.T, np.rint(samples_of(mix) * 2**15))
    assert (tmp_path / "mix.flac.dat").read_bytes() == waveform(samples_of(mix))
    assert reports == [1.0] * 2


def test_a_stopped_mix_leaves_nothing(mix: AudioFile, tmp_path: Path) -> None:
    def stop(_share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_mix(mix, tmp_path, stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav"]


def test_a_waveform_that_cannot_be_stored_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "stem.flac.dat").mkdir()
    with (
        pytest.raises(Exception, match="AUDIO_NOT_WRITTEN"),
        StemWriter(tmp_path / "stem.flac", RATE_HZ, 1, "flac") as writer,
    ):
        writer.write(np.zeros((1, 10), np.float32))
