"""The RoFormer engine against the reference implementation, on small random networks in the form of public checkpoints."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soundwright.kit.engines import EngineRegistry
from soundwright.services.separation.engines.networks import CpuMode, precision
from soundwright.services.separation.engines.roformer import RoformerEngine
from soundwright.services.separation.engines.windows import overlap_add
from soundwright.services.separation.service import Samples
from tests.models import tiny_roformer as tiny
from tests.models.recordings import ArrayMix, error_db, joined, song

pytestmark = pytest.mark.usefixtures("one_thread")

MIX_NAMES = ("vocals", "other")
FOUR = ("drums", "bass", "other", "vocals")
MODELS: dict[str, tuple[str, tuple[str, ...], str | None, int]] = {
    "bs-vocals": ("bs", MIX_NAMES, "vocals", 4),
    "bs-four": ("bs", FOUR, None, 2),
    "mel-vocals": ("mel", MIX_NAMES, "vocals", 4),
    "mel-four": ("mel", FOUR, None, 4),
}


@pytest.fixture(scope="module")
def references() -> dict[str, Any]:
    return {
        name: tiny.reference(kind, 1 if target else len(stems), expansion)
        for name, (kind, stems, target, expansion) in MODELS.items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, references: dict[str, Any]) -> Path:
    made = tmp_path_factory.mktemp("models")
    for name, (kind, stems, target, expansion) in MODELS.items():
        config = tiny.config_text(kind, stems, target, expansion)
        tiny.save(made, name, references[name].state_dict(), config, stems)
    return made


@pytest.fixture(scope="module")
def engine(folder: Path) -> RoformerEngine:
    return RoformerEngine(model_dir=folder, thread_count=1, device="cpu")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("mode", "highest_db"), [("mixed", -40), ("fast", -30)])
def test_layers_in_16_bits_hardly_change_the_stems(
    folder: Path, engine: RoformerEngine, name: str, mode: CpuMode, highest_db: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = recording(tiny.SEGMENT_FRAMES)
    exact = joined(engine.separate(mix, name))
    for has_bfloat16 in (True, False):
        monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda found=has_bfloat16: found)
        reduced = RoformerEngine(model_dir=folder, thread_count=1, device="cpu", cpu_mode=mode)
        stems = joined(reduced.separate(mix, name))
        errors = [error_db(stems[stem], exact[stem]) for stem in exact]
        # Small networks and quiet stems lose more than large networks.
        assert max(errors) < highest_db
        assert (max(errors) > -100) == has_bfloat16


def recording(frame_count: int, channel_count: int = 2, sample_rate_hz: int = tiny.RATE_HZ) -> ArrayMix:
    return ArrayMix(song(channel_count, frame_count, sample_rate_hz=sample_rate_hz), sample_rate_hz)


def estimates(network: Any, samples: Samples) -> Samples:
    """Return stems [stems, channels, frames] of the reference for exactly one segment."""
    with torch.inference_mode():
        output: Samples = network(torch.from_numpy(samples)[None])[0].numpy()
    return output if output.ndim == 3 else output[None]


def expected_stems(network: Any, mix: ArrayMix, stems: tuple[str, ...]) -> dict[str, Samples]:
    """Return what the reference computes, window by window, with the recording or silence around each window."""
    size = tiny.SEGMENT_FRAMES
    window_frames = size - 2 * tiny.N_FFT
    padded = np.pad(mix.samples, ((0, 0), (size, size)))
    starts = iter(range(0, mix.frame_count, window_frames // 2))

    def process(window: Samples) -> dict[str, Samples]:
        before = (size - window.shape[1]) // 2
        first = size + next(starts) - before
        output = estimates(network, padded[:, first : first + size].copy())
        return dict(zip(stems, output[..., before : before + window.shape[1]], strict=True))

    grid = {"frame_count": mix.frame_count, "window_frames": window_frames, "hop_frames": window_frames // 2}
    return joined(overlap_add([mix.samples], process, **grid))


@pytest.mark.parametrize(
    ("model", "frame_count"),
    [
        *((model, 20_000) for model in MODELS),
        ("bs-four", tiny.SEGMENT_FRAMES - 2 * tiny.N_FFT),  # one window exactly
        ("bs-four", tiny.SEGMENT_FRAMES - 2 * tiny.N_FFT + 5),  # the last window is shorter
        ("mel-four", 900),  # shorter than a segment
        ("mel-four", 1),
    ],
)
def test_it_computes_what_the_reference_computes(
    engine: RoformerEngine, references: dict[str, Any], model: str, frame_count: int
) -> None:
    mix = recording(frame_count)
    actual = joined(engine.separate(mix, model))
    _, stems, target, _ = MODELS[model]
    assert set(actual) == set(stems)
    for stem, expected in expected_stems(references[model], mix, (target,) if target else stems).items():
        assert np.abs(expected).max() > 0.0001
        assert actual[stem].dtype == np.float32
        assert actual[stem].shape == mix.samples.shape
        assert error_db(actual[stem], expected) < -100


def test_segments_of_any_length_agree(tmp_path: Path) -> None:
    """A network that filters each band in the same way at all times gives one result, however a song is cut."""
    network = tiny.reference("bs", 4, seed=3)
    for estimator in network.mask_estimators:  # type: ignore[union-attr]
        for band in estimator.to_freqs:
            band[0][-1].weight.data.zero_()
    for name, frames in (("short", 4_096), ("long", 40_064)):
        config = tiny.config_text("bs", FOUR, None).replace("chunk_size: 4096", f"chunk_size: {frames}")
        tiny.save(tmp_path, name, network.state_dict(), config, FOUR)
    engine = RoformerEngine(model_dir=tmp_path, thread_count=1, device="cpu")
    mix = recording(30_016)  # all windows begin on one grid of spectrogram frames
    many, one = joined(engine.separate(mix, "short")), joined(engine.separate(mix, "long"))
    for stem in FOUR:
        assert np.abs(one[stem]).max() > 0.05
        assert error_db(many[stem], one[stem]) < -100


def test_the_same_input_gives_the_same_bits_and_batches_change_nothing(engine: RoformerEngine, folder: Path) -> None:
    mix = recording(15_000, channel_count=4)
    first, second = (joined(engine.separate(mix, "bs-four")) for _ in range(2))
    batched = joined(RoformerEngine(model_dir=folder, device="cpu", batch_size=3).separate(mix, "bs-four"))
    for stem in FOUR:
        assert first[stem].tobytes() == second[stem].tobytes()
        assert error_db(batched[stem], first[stem]) < -100


@pytest.mark.parametrize(
    ("rate_hz", "channel_count", "frame_count"),
    [(tiny.RATE_HZ, 2, 14_001), (11_025, 1, 14_001), (6_000, 3, 14_001), (tiny.RATE_HZ, 2, 0)],
)
def test_the_remainder_completes_the_recording(
    engine: RoformerEngine, rate_hz: int, channel_count: int, frame_count: int
) -> None:
    """At the rate of the recording, so that also what the network cannot hear is in one of the stems."""
    mix = recording(frame_count, channel_count, rate_hz)
    actual = joined(engine.separate(mix, "bs-vocals"))
    assert tuple(actual) == MIX_NAMES
    assert not frame_count or np.abs(actual["vocals"]).max() > 0.05
    np.testing.assert_allclose(actual["vocals"] + actual["other"], mix.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "stems"), [("bs-vocals", ("vocals",)), ("bs-vocals", ("other",)), ("bs-four", ("bass", "vocals"))]
)
def test_requested_stems_are_those_of_the_whole_separation(
    engine: RoformerEngine, model: str, stems: tuple[str, ...]
) -> None:
    mix = recording(14_001, 3, 11_025)
    whole, actual = joined(engine.separate(mix, model)), joined(engine.separate(mix, model, stems))
    assert set(actual) == set(stems)
    for stem in stems:
        assert actual[stem].tobytes() == whole[stem].tobytes()


def test_it_offers_a_place_to_stop_after_every_pass(engine: RoformerEngine) -> None:
    passes: list[None] = []
    engine.load("bs-vocals")
    network = engine._loaded["bs-vocals"].networks[0]
    hook = network.register_forward_pre_hook(lambda *_: passes.append(None))
    block_count = sum(1 for _ in engine.separate(recording(20_000), "bs-vocals"))
    assert len(passes) == 11
    assert block_count > len(passes)
    passes.clear()
    blocks = engine.separate(recording(20_000), "bs-vocals")
    while not passes:
        next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    assert len(passes) <= 2, "more than the first window and the one after it was computed"
    hook.remove()


def test_memory_does_not_grow_with_the_recording(engine: RoformerEngine) -> None:
    """The recording is read as it is needed, twice at the same time, and blocks that were used are let go."""
    alive: list[weakref.ref[Samples]] = []

    class Endless(ArrayMix):
        def blocks(self, block_frames: int) -> Iterator[Samples]:
            for block in super().blocks(block_frames):
                fresh = block.copy()
                alive.append(weakref.ref(fresh))
                yield fresh
                del fresh

    mix, most = Endless(song(2, 20 * tiny.RATE_HZ), tiny.RATE_HZ), 0
    for _ in engine.separate(mix, "mel-vocals"):
        gc.collect(0)
        most = max(most, sum(block() is not None for block in alive))
    assert len(alive) == 2 * 4
    assert most <= 4


def test_weights_of_half_precision_are_read(folder: Path, tmp_path: Path, references: dict[str, Any]) -> None:
    network = references["bs-vocals"]
    state = {key: value.half() for key, value in network.state_dict().items()}
    tiny.save(tmp_path, "half", {"state_dict": state}, (folder / "bs-vocals.yaml").read_text(), MIX_NAMES)
    mix = recording(tiny.SEGMENT_FRAMES)
    actual = joined(RoformerEngine(model_dir=tmp_path, device="cpu").separate(mix, "half"))
    assert error_db(actual["vocals"], expected_stems(network, mix, ("vocals",))["vocals"]) < -40


def test_a_published_model_brings_its_configuration(folder: Path, engine: RoformerEngine) -> None:
    engine.load("bs-vocals")
    imported = next(model for model in engine.models if model.name == "bs-vocals")
    published = replace(imported, name="published", fallback="")
    config = engine._loaded["bs-vocals"].networks[0].config
    other = RoformerEngine(model_dir=folder, models=(published,), configs={"published": config}, device="cpu")
    registry: EngineRegistry[RoformerEngine] = EngineRegistry()
    registry.register(other)
    assert "published" in registry.present_models()
    mix = recording(5_000)
    with registry.use("published") as loaded:
        actual = joined(loaded.separate(mix, "published"))
    np.testing.assert_array_equal(actual["vocals"], joined(engine.separate(mix, "bs-vocals"))["vocals"])
