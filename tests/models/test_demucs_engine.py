"""The Demucs engine against Demucs itself, on small random networks that go through the real loading code."""

import argparse
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.states import get_state
from numpy.typing import NDArray
from safetensors.torch import save_file

from soundwright.kit.engines import EngineRegistry
from soundwright.kit.errors import AppError, Code
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.upright import Upright, separated
from tests.clocks import HandClock
from tests.models.hub import Trap
from tests.models.recordings import ArrayMix, error_db, joined, song
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("one_thread")

Samples = NDArray[np.float32]
STEMS = ("drums", "bass", "other", "vocals")
RATE_HZ = 44_100


@dataclass
class Zoo:
    """A folder of small random models, and the same models in memory."""

    folder: Path
    models: dict[str, Any]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    folder = tmp_path_factory.mktemp("models")
    hybrid, other, spectral, temporal = map(network, (HTDemucs, HTDemucs, HDemucs, Demucs), (1, 2, 3, 4))
    torch.save(package(hybrid, training_args={"lr": 1e-4}), folder / "plain.th")
    checksum = hashlib.sha256((folder / "plain.th").read_bytes()).hexdigest()[:8]
    (folder / "plain.th").rename(folder / f"plain-{checksum}.th")
    save_safetensors(other, folder / "other.safetensors")
    torch.save(package(spectral), folder / "spectral.th")
    torch.save(package(temporal), folder / "temporal.th")
    weights = [[1.0, 0.0, 0.5, 2.0], [0.0, 1.0, 0.5, 1.0]]
    (folder / "htdemucs.yaml").write_text("models: ['plain']\n")
    (folder / "weighted.yaml").write_text(f"models: ['plain', 'other']\nweights: {weights}\n")
    (folder / "mixed.yaml").write_text("models: ['spectral', 'temporal']\nsegment: 0.3\n")
    weighted = BagOfModels([hybrid, other], weights)
    mixed = BagOfModels([network(HDemucs, 3), temporal], segment=0.3)
    models = {"htdemucs": hybrid, "plain": hybrid, "other": other, "spectral": spectral}
    return Zoo(folder, {**models, "weighted": weighted, "mixed": mixed})


def network(kind: type[Any], seed: int, stems: tuple[str, ...] = STEMS) -> Any:
    torch.manual_seed(seed)
    if kind is HTDemucs:
        made = HTDemucs(
            list(stems), channels=8, bottom_channels=16, t_layers=1, t_heads=2, t_hidden_scale=1.0,
            segment=Fraction(2, 5), dconv_depth=1,
        )  # fmt: skip
    elif kind is HDemucs:
        made = HDemucs(list(stems), channels=8, segment=Fraction(2, 5))
    else:
        made = Demucs(list(stems), channels=8, depth=3, lstm_layers=0, segment=Fraction(2, 5))
    return made.eval()


def package(model: Any, **more: Any) -> dict[str, Any]:
    args, kwargs = model._init_args_kwargs
    return {"klass": type(model), "args": args, "kwargs": kwargs, "state": get_state(model, None), **more}


def save_safetensors(model: Any, path: Path) -> None:
    """The form in which Demucs' own hub repositories keep a model."""

    def encoded(value: Any) -> Any:
        if isinstance(value, Fraction):
            return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
        return value

    args, kwargs = model._init_args_kwargs
    metadata = {
        "klass": f"{type(model).__module__}.{type(model).__qualname__}",
        "args": json.dumps(list(args)),
        "kwargs": json.dumps({key: encoded(value) for key, value in kwargs.items()}),
    }
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path, metadata=metadata)


@pytest.fixture(scope="module")
def engine(zoo: Zoo) -> DemucsEngine:
    return DemucsEngine(model_dir=zoo.folder, thread_count=1, device="cpu")


def reference(model: Any, samples: Samples) -> dict[str, Samples]:
    """What Demucs' own interface computes for a stereo recording, without random shifts."""
    wav = torch.from_numpy(samples)
    mean, std = wav.mean(0).mean(), wav.mean(0).std() + 1e-8
    out = apply_model(model, ((wav - mean) / std)[None], shifts=0, split=True, overlap=0.25)[0] * std + mean
    return dict(zip(model.sources, out.numpy(), strict=True))


@pytest.mark.parametrize(
    ("model", "frame_count"),
    [
        ("htdemucs", 60_000),
        ("htdemucs", 17_640),  # one segment exactly
        ("htdemucs", 13_230 * 2 + 5),  # the last window has five frames
        ("htdemucs", 9_000),  # shorter than a segment
        ("htdemucs", 2),
        ("other", 30_000),
        ("weighted", 30_000),
        ("spectral", 30_000),
        ("mixed", 30_001),
    ],
)
def test_it_computes_what_demucs_computes(engine: DemucsEngine, zoo: Zoo, model: str, frame_count: int) -> None:
    samples = song(2, frame_count)
    samples -= samples.mean()  # the engine reads recordings without an offset
    expected = reference(zoo.models[model], samples)
    actual = joined(engine.separate(ArrayMix(samples), model))
    assert tuple(actual) == STEMS
    if frame_count > 100:
        assert max(np.abs(stem).max() for stem in expected.values()) > 0.1 * np.abs(samples).max()
    for stem, output in actual.items():
        assert output.dtype == np.float32
        assert output.shape == samples.shape
        np.testing.assert_allclose(output, expected[stem], atol=2e-5)


def test_the_same_input_gives_the_same_bits_and_batches_of_windows_change_nothing(
    engine: DemucsEngine, zoo: Zoo
) -> None:
    mix = ArrayMix(song(2, 50_000))
    first, second = (joined(engine.separate(mix, "weighted")) for _ in range(2))
    batched = joined(DemucsEngine(model_dir=zoo.folder, device="cpu", batch_size=3).separate(mix, "weighted"))
    for stem in STEMS:
        assert first[stem].tobytes() == second[stem].tobytes()
        np.testing.assert_allclose(batched[stem], first[stem], atol=1e-5)


@pytest.mark.parametrize(
    ("stems", "passes", "rate_hz"),
    [
        # The weights are [1, 0, 0.5, 2] and [0, 1, 0.5, 1] for drums, bass, other and vocals.
        (("drums",), [1, 0], RATE_HZ),
        (("bass",), [0, 1], 32_000),
        (("drums", "vocals"), [1, 1], RATE_HZ),
    ],
)
def test_only_the_networks_of_the_requested_stems_run(
    engine: DemucsEngine, stems: tuple[str, ...], passes: list[int], rate_hz: int
) -> None:
    mix = ArrayMix(song(3, 40_000), rate_hz)
    whole = joined(engine.separate(mix, "weighted"))
    networks = engine._loaded["weighted"].networks
    ran: list[Any] = []
    hooks = [network.register_forward_pre_hook(lambda each, *_: ran.append(each)) for network in networks]
    actual = joined(engine.separate(mix, "weighted", stems))
    for hook in hooks:
        hook.remove()
    assert set(actual) == set(stems)
    for stem in stems:
        assert actual[stem].tobytes() == whole[stem].tobytes()
    runs = [ran.count(network) for network in networks]
    assert max(runs) >= 3
    assert runs == [max(runs) * each for each in passes]


def test_a_batch_that_does_not_fit_is_halved(engine: DemucsEngine, zoo: Zoo) -> None:
    mix = ArrayMix(song(2, 60_000))
    crowded = DemucsEngine(model_dir=zoo.folder, device="cpu", batch_size=4)
    crowded.load("htdemucs")
    sizes: list[int] = []
    limit = 1

    def small_memory(_: Any, inputs: tuple[torch.Tensor]) -> None:
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > limit:
            raise torch.OutOfMemoryError("out of memory")

    crowded._loaded["htdemucs"].networks[0].register_forward_pre_hook(small_memory)
    output, expected = (joined(each.separate(mix, "htdemucs")) for each in (crowded, engine))
    assert sizes[:3] == [4, 2, 1]
    assert set(sizes[3:]) == {1}
    for stem in STEMS:
        np.testing.assert_allclose(output[stem], expected[stem], atol=1e-5)
    limit = 0
    with pytest.raises(AppError, match="OUT_OF_MEMORY") as error:
        joined(crowded.separate(mix, "htdemucs"))
    assert error.value.retryable


def test_concurrent_separations_share_batches_and_change_nothing(engine: DemucsEngine, zoo: Zoo) -> None:
    shared = DemucsEngine(model_dir=zoo.folder, device="cpu", batch_size=4)
    shared.load("htdemucs")
    bag = shared._loaded["htdemucs"]
    # Three windows each, so that a batch of four belongs to two recordings.
    frame_count = 3 * int((1 - bag.overlap) * bag.segment_frames)
    mixes = [ArrayMix(song(2, frame_count, seed)) for seed in range(3)]
    batches = bag.runs[0].__self__  # type: ignore[attr-defined]
    sizes: list[int] = []

    def wait_for_others(_: Any, inputs: tuple[torch.Tensor]) -> None:
        sizes.append(len(inputs[0]))
        eventually(lambda: len(sizes) > 1 or len(batches._waiting) >= 4)

    bag.networks[0].register_forward_pre_hook(wait_for_others)
    with ThreadPoolExecutor(3) as pool:
        actual = list(pool.map(lambda mix: joined(shared.separate(mix, "htdemucs")), mixes))
    assert max(sizes) == 4
    for mix, stems in zip(mixes, actual, strict=True):
        expected = joined(engine.separate(mix, "htdemucs"))
        for stem in STEMS:
            np.testing.assert_allclose(stems[stem], expected[stem], atol=1e-5)


def test_channels_go_in_pairs_and_a_single_one_is_the_mean_of_both_sides(engine: DemucsEngine) -> None:
    samples = song(5, 30_000) * np.array([[1], [0.5], [0.1], [0.2], [2]], np.float32)
    actual = joined(engine.separate(ArrayMix(samples), "htdemucs"))
    doubled = joined(engine.separate(ArrayMix(samples[[4, 4]]), "htdemucs"))
    for channels in ([0, 1], [2, 3], [4]):
        alone = joined(engine.separate(ArrayMix(samples[channels]), "htdemucs"))
        for stem in STEMS:
            assert actual[stem].shape == samples.shape
            np.testing.assert_allclose(actual[stem][channels], alone[stem], atol=1e-6)
    for stem in STEMS:
        np.testing.assert_allclose(actual[stem][4], doubled[stem].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(("rate_hz", "channel_count"), [(48_000, 2), (96_000, 1), (32_000, 2)])
def test_other_rates_keep_length_and_position(engine: DemucsEngine, rate_hz: int, channel_count: int) -> None:
    """Stems of a resampled song are the resampled stems of the song, at lag zero."""
    samples = soxr.resample(song(channel_count, 44_100).T, RATE_HZ, 32_000, quality="VHQ")
    given = soxr.resample(samples, 32_000, rate_hz, quality="VHQ").astype(np.float32)
    actual = joined(engine.separate(ArrayMix(given.T.copy(), rate_hz), "htdemucs"))
    at_model_rate = soxr.resample(samples, 32_000, RATE_HZ, quality="VHQ").astype(np.float32)
    direct = joined(engine.separate(ArrayMix(at_model_rate.T.copy()), "htdemucs"))
    for stem in STEMS:
        assert actual[stem].shape == given.T.shape
        expected = soxr.resample(direct[stem].T, RATE_HZ, rate_hz, quality="VHQ").T
        middle = slice(rate_hz // 10, -rate_hz // 10)
        one, other = actual[stem][0, middle].astype(np.float64), expected[0, middle].astype(np.float64)
        one, other = np.diff(one), np.diff(other)  # so that a shift shows as much as it can
        errors = {lag: float(np.std(one - np.roll(other, lag)) / np.std(other)) for lag in range(-20, 21)}
        assert min(errors, key=lambda lag: errors[lag]) == 0
        assert errors[0] < 0.02


@pytest.mark.parametrize("rate_hz", [8_000, RATE_HZ, 192_000])
@pytest.mark.parametrize("frame_count", [0, 1, 2, 17])
@pytest.mark.parametrize("model", ["htdemucs", "spectral"])
def test_tiny_recordings_keep_their_length(engine: DemucsEngine, model: str, rate_hz: int, frame_count: int) -> None:
    for channel_count in (1, 2, 3):
        samples = song(channel_count, max(1, frame_count))[:, :frame_count]
        output = joined(engine.separate(ArrayMix(samples, rate_hz), model))
        for stem in STEMS:
            assert output[stem].shape == (channel_count, frame_count)
            assert np.isfinite(output[stem]).all()


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_silence_stays_silent(engine: DemucsEngine, level: float) -> None:
    """Digital silence, and a constant: nothing to normalise by in either."""
    mix = Upright(ArrayMix(np.full((2, 30_000), level, np.float32)))
    output = joined(separated(engine, mix, "htdemucs", STEMS))
    for stem in STEMS:
        np.testing.assert_allclose(output[stem], level if stem == "other" else 0, atol=1e-5)


@pytest.mark.parametrize(("model", "rate_hz"), [("htdemucs", RATE_HZ), ("weighted", 16_000)])
def test_what_no_network_claims_is_in_the_rest(engine: DemucsEngine, model: str, rate_hz: int) -> None:
    mix = ArrayMix(song(3, 25_000), rate_hz)
    plain = joined(engine.separate(Upright(mix), model))
    whole = joined(separated(engine, Upright(mix), model, STEMS))
    assert error_db(sum(plain.values()), mix.samples) > -40
    assert error_db(sum(whole.values()), mix.samples) < -120
    for stems in (("other",), ("vocals",)):
        alone = joined(separated(engine, Upright(mix), model, STEMS, stems))
        assert set(alone) == set(stems)
        assert alone[stems[0]].tobytes() == whole[stems[0]].tobytes()


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 48_000])
def test_it_offers_a_place_to_stop_after_every_network(engine: DemucsEngine, rate_hz: int) -> None:
    passes: list[None] = []
    engine.load("weighted")
    networks = engine._loaded["weighted"].networks
    hooks = [one.register_forward_pre_hook(lambda *_: passes.append(None)) for one in networks]
    found = list(engine.separate(ArrayMix(song(2, 80_000), rate_hz), "weighted"))
    assert all(len({samples.shape for samples in block.values()}) == 1 for block in found)
    assert 10 <= len(passes) < len(found)
    passes.clear()
    blocks = engine.separate(ArrayMix(song(2, 80_000), rate_hz), "weighted")
    while not passes:
        next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    assert len(passes) <= 2 * len(hooks), "more than the first window and the one after it was computed"
    for hook in hooks:
        hook.remove()


def test_declarations_name_the_stems_and_the_repositories_that_demucs_names() -> None:
    from demucs import hf

    outputs = {declared.name: declared.outputs for declared in DemucsEngine.models}
    assert outputs == {
        "htdemucs": STEMS,
        "htdemucs_ft": STEMS,
        "htdemucs_6s": (*STEMS, "guitar", "piano"),
        "mdx_extra": STEMS,
    }
    for declared in DemucsEngine.models:
        assert declared.source == f"{hf.DEFAULT_NAMESPACE}/{hf.hf_repo_name(declared.name)}"


def refusal(function: Callable[[], object]) -> AppError:
    with pytest.raises(AppError) as error:
        function()
    return error.value


def test_missing_weights_are_refused_and_the_failure_is_remembered_for_a_while(zoo: Zoo, tmp_path: Path) -> None:
    clock = HandClock()
    engine = DemucsEngine(model_dir=tmp_path / "models")
    registry: EngineRegistry[DemucsEngine] = EngineRegistry(clock=clock.now)
    registry.register(engine)
    for _ in range(2):
        error = refusal(lambda: registry.load("htdemucs"))
        assert (error.code, error.reason) == (Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE")
        assert "make models" in error.message
        assert str(tmp_path) not in error.message
        if not (tmp_path / "models").exists():
            (tmp_path / "models").symlink_to(zoo.folder)
    clock.advance(31)
    with registry.use("htdemucs", keep=False):
        assert list(engine._loaded) == ["htdemucs"]
    assert not engine._loaded


def test_weights_are_present_when_all_their_files_are(zoo: Zoo, tmp_path: Path) -> None:
    assert DemucsEngine(model_dir=zoo.folder).is_present("htdemucs")
    engine = DemucsEngine(model_dir=tmp_path)
    assert not engine.is_present("htdemucs")
    (tmp_path / "htdemucs.yaml").write_text("models: ['one', 'two']\n")
    (tmp_path / "one-01234567.th").touch()
    assert not engine.is_present("htdemucs")
    (tmp_path / "two.safetensors").touch()
    assert engine.is_present("htdemucs")
    (tmp_path / "htdemucs.yaml").write_text("models: [")
    assert not engine.is_present("htdemucs")
    (tmp_path / "mdx_extra.th").touch()
    assert engine.is_present("mdx_extra")


def test_damaged_weights_are_unavailable(zoo: Zoo, tmp_path: Path) -> None:
    content = next(zoo.folder.glob("plain-*.th")).read_bytes()
    (tmp_path / "half.th").write_bytes(content[: len(content) // 2])
    (tmp_path / "wrong-00000000.th").write_bytes(content)
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "bag.yaml").write_text("models: ['absent']\n")
    engine = DemucsEngine(model_dir=tmp_path)
    for name in ("half", "wrong", "empty", "bag", "absent"):
        assert refusal(lambda name=name: engine.load(name)).reason == "MODEL_UNAVAILABLE"  # type: ignore[misc]


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_runs_code_is_refused_before_it_does(tmp_path: Path, zipped: bool) -> None:
    trap = tmp_path / "trap"
    content = package(network(HTDemucs, 1), training_args=Trap(trap))
    torch.save(content, tmp_path / "evil.th", _use_new_zipfile_serialization=zipped)
    # The name carries the right eight digits, which prove nothing.
    digest = hashlib.sha256((tmp_path / "evil.th").read_bytes()).hexdigest()
    (tmp_path / "evil.th").rename(tmp_path / f"evil-{digest[:8]}.th")
    for trusted in (frozenset[str](), frozenset({digest[:8], "0" * 64})):
        error = refusal(lambda trusted=trusted: DemucsEngine(model_dir=tmp_path, trusted_sha256=trusted).load("evil"))  # type: ignore[misc]
        assert (error.code, error.reason) == (Code.UNPROCESSABLE, "CHECKPOINT_UNTRUSTED")
        assert digest in error.message
        assert not trap.exists()


def test_a_legacy_checkpoint_is_read_when_its_digest_is_trusted(zoo: Zoo, tmp_path: Path) -> None:
    torch.save(package(network(HTDemucs, 1), training_args=argparse.Namespace(lr=1)), tmp_path / "old.th")
    digest = hashlib.sha256((tmp_path / "old.th").read_bytes()).hexdigest()
    assert refusal(lambda: DemucsEngine(model_dir=tmp_path).load("old")).reason == "CHECKPOINT_UNTRUSTED"
    engine = DemucsEngine(model_dir=tmp_path, trusted_sha256=frozenset({digest}), thread_count=1)
    samples = song(2, 5_000)
    samples -= samples.mean()
    expected = reference(zoo.models["plain"], samples)
    np.testing.assert_allclose(joined(engine.separate(ArrayMix(samples), "old"))["bass"], expected["bass"], atol=2e-5)


@pytest.mark.parametrize("klass", ["subprocess.Popen", "os.mkdir", "demucs.states.load_model"])
def test_safetensors_that_name_another_class_are_refused(tmp_path: Path, klass: str) -> None:
    trap = tmp_path / "trap"
    metadata = {"klass": klass, "args": json.dumps([str(trap)]), "kwargs": "{}"}
    save_file({"weight": torch.zeros(1)}, tmp_path / "evil.safetensors", metadata=metadata)
    assert refusal(lambda: DemucsEngine(model_dir=tmp_path).load("evil")).reason == "CHECKPOINT_UNTRUSTED"
    assert not trap.exists()


def test_networks_that_do_not_share_a_segment_are_not_supported(tmp_path: Path) -> None:
    torch.save(package(network(HTDemucs, 1)), tmp_path / "one.th")
    torch.save(package(HDemucs(list(STEMS), channels=8, segment=1)), tmp_path / "two.th")
    (tmp_path / "pair.yaml").write_text("models: ['one', 'two']\n")
    assert refusal(lambda: DemucsEngine(model_dir=tmp_path).load("pair")).reason == "MODEL_UNSUPPORTED"


@pytest.mark.parametrize("name", ["demucs_unittest", "someone/htdemucs", "hf://someone/htdemucs", "../htdemucs"])
def test_unknown_names_never_reach_the_hub(name: str) -> None:
    assert refusal(lambda: DemucsEngine().load(name)).reason == "MODEL_UNKNOWN"


def test_threads_that_ask_at_once_share_one_loading(zoo: Zoo) -> None:
    engine = DemucsEngine(model_dir=zoo.folder)

    def loaded(_: int) -> int:
        engine.load("htdemucs")
        return id(engine._loaded["htdemucs"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(loaded, range(8)))) == 1
