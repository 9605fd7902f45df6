"""The audiocraft engine on small random models, made with audiocraft's own classes and loaded by its own code."""

import contextlib
import itertools
import math
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from soundwright.kit.errors import AppError
from soundwright.services.generation.engines.audiocraft.engine import MODELS as DECLARED
from soundwright.services.generation.engines.audiocraft.engine import AudiocraftEngine
from soundwright.services.generation.service import Clip, Take
from tests.models.tiny_audiocraft import FRAME_RATE_HZ, SAMPLE_RATE_HZ, WINDOW_SECONDS

pytestmark = pytest.mark.usefixtures("one_thread")

Samples = NDArray[np.float32]
MODELS = tuple(declared.name for declared in DECLARED)
TOKEN_FRAMES = SAMPLE_RATE_HZ // FRAME_RATE_HZ


@pytest.fixture(scope="module")
def engine(tiny_models: Path) -> AudiocraftEngine:
    return AudiocraftEngine(model_dir=tiny_models, device="cpu", thread_count=1)


def ignore(share: float) -> None:
    pass


def make(engine: AudiocraftEngine, model: str, *takes: Take) -> list[Samples]:
    return [clip.samples for clip in engine.generate(model, takes, ignore)]


def take(prompt: str = "calm piano", seconds: float = 2.0, seed: int = 1, lead_in: Clip | None = None) -> Take:
    return Take(prompt, seconds, seed, lead_in)


def language_model(engine: AudiocraftEngine, model: str) -> Any:
    engine.load(model)
    return engine._loaded[model]._network.lm


def sweep(seconds: float, sample_rate_hz: int, channel_count: int, start_hz: float) -> Clip:
    """A tone that rises by an octave a second, so that no two moments are alike."""
    times = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    tone = 0.5 * np.sin(2 * np.pi * start_hz / math.log(2) * 2 ** np.minimum(times, 3))
    return Clip(np.tile(tone.astype(np.float32), (channel_count, 1)), sample_rate_hz)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_makes_audio(engine: AudiocraftEngine, model: str) -> None:
    first, second = engine.generate(model, [take(seed=1), take("loud rain", seed=2)], ignore)
    for clip in (first, second):
        assert clip.sample_rate_hz == SAMPLE_RATE_HZ
        assert clip.samples.dtype == np.float32
        assert clip.samples.shape == (1, 2 * SAMPLE_RATE_HZ)
        assert np.isfinite(clip.samples).all()
        assert 1e-4 < np.abs(clip.samples).max() <= 1
    assert not np.allclose(first.samples, second.samples, atol=1e-3)


@pytest.mark.parametrize("model", ["music", "magnet-audio"])
def test_the_seed_decides_and_the_rest_of_the_batch_does_not(engine: AudiocraftEngine, model: str) -> None:
    # Texts of different length in one batch: the shorter ones are filled up.
    asked = (("rain", 0), ("loud rain on a tin roof far far far away", 8), ("rain", 2**31 - 1), ("rain", 0))
    takes = [take(prompt, seed=seed) for prompt, seed in asked]
    together = make(engine, model, *takes)
    apart = [make(engine, model, each)[0] for each in takes]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    np.testing.assert_array_equal(apart[0], apart[3])
    assert not np.allclose(apart[0], apart[2], atol=1e-3)
    assert not np.allclose(apart[0], make(engine, model, take("piano", seed=0))[0], atol=1e-3)


@pytest.mark.parametrize("model", ["music", "magnet-audio"])
def test_lengths_are_exact(engine: AudiocraftEngine, model: str) -> None:
    window = WINDOW_SECONDS[model]
    # Some are where dividing tokens by their rate and multiplying again loses one.
    for seconds in (0.03, 1.2345, window, window + 3.2, window + 4.4, 2.5 * window + 0.05):
        (samples,) = make(engine, model, take(seconds=seconds))
        assert samples.shape == (1, round(seconds * SAMPLE_RATE_HZ)), seconds
        # Generated to the end, not filled up with silence.
        assert np.abs(samples[0, -TOKEN_FRAMES // 2 :]).max() > 1e-4, seconds


@pytest.mark.parametrize("model", ["music", "magnet-audio"])
def test_longer_audio_goes_on_from_the_first_window(engine: AudiocraftEngine, model: str) -> None:
    window = WINDOW_SECONDS[model]
    (short,) = make(engine, model, take(seconds=window - 0.5))
    (long,) = make(engine, model, take(seconds=1.9 * window))
    # The last tokens of the short one are decoded without a future.
    same = short.shape[1] - 8 * TOKEN_FRAMES
    np.testing.assert_allclose(long[:, :same], short[:, :same], atol=1e-4)
    rest = long[:, window * SAMPLE_RATE_HZ :]
    assert not np.allclose(rest, long[:, : rest.shape[1]], atol=1e-3)


@contextlib.contextmanager
def hooked(engine: AudiocraftEngine, model: str, hook: Callable[..., None]) -> Iterator[None]:
    """Call ``hook`` with the inputs of each step of the language model, before it."""
    handle = language_model(engine, model).register_forward_pre_hook(lambda _, inputs: hook(inputs))
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize(("model", "seconds"), [("music", 26.0), ("audio", 7.0), ("magnet-audio", 8.0)])
def test_progress_follows_the_steps_and_never_falls(engine: AudiocraftEngine, model: str, seconds: float) -> None:
    steps: list[Any] = []
    shares: list[float] = []
    with hooked(engine, model, steps.append):
        engine.generate(model, [take(seconds=seconds), take(seconds=seconds, seed=2)], shares.append)
    assert (shares[0], shares[-1]) == (0, 1)
    assert shares == sorted(shares)
    # One report for each step, one at the start, and one for each clip that is decoded.
    assert len(shares) == len(steps) + 3
    assert max(later - earlier for earlier, later in itertools.pairwise(shares)) < 0.1


@pytest.mark.parametrize("model", ["music", "magnet-music"])
def test_a_stop_takes_effect_before_the_next_step(engine: AudiocraftEngine, model: str) -> None:
    (before,) = make(engine, model, take(seconds=1.0))
    steps: list[Any] = []

    def report(share: float) -> None:
        if len(steps) == 5:
            raise InterruptedError

    with hooked(engine, model, steps.append), pytest.raises(InterruptedError):
        engine.generate(model, [take(seconds=1.0)], report)
    assert len(steps) == 5
    (after,) = make(engine, model, take(seconds=1.0))
    np.testing.assert_array_equal(after, before)


def test_too_little_memory_halves_the_batch(engine: AudiocraftEngine) -> None:
    sizes: list[int] = []

    def count(inputs: Any) -> None:
        takes = inputs[0].shape[0] // 2  # each with and without its text
        sizes.append(takes)
        if takes > 2 and len(sizes) % 4 == 0:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    takes = [take(seed=seed, seconds=1.0) for seed in range(5)]
    expected = make(engine, "audio", *takes)
    shares: list[float] = []
    with hooked(engine, "audio", count):
        clips = engine.generate("audio", takes, shares.append)
    assert [size for size, _ in itertools.groupby(sizes)] == [5, 2, 1]
    for clip, samples in zip(clips, expected, strict=True):
        np.testing.assert_allclose(clip.samples, samples, atol=1e-4)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_too_little_memory_for_one_take_is_an_error_that_may_pass(engine: AudiocraftEngine) -> None:
    def fail(inputs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with hooked(engine, "audio", fail), pytest.raises(AppError, match="OUT_OF_MEMORY") as error:
        make(engine, "audio", take(), take(seed=2))
    assert error.value.retryable
    assert make(engine, "audio", take())


@pytest.mark.parametrize("model", ["music", "magnet-audio"])
def test_a_take_goes_on_from_its_lead_in(engine: AudiocraftEngine, model: str) -> None:
    low, high = sweep(1.5, SAMPLE_RATE_HZ, 1, 100), sweep(1.5, SAMPLE_RATE_HZ, 1, 300)
    takes = [take(seconds=1.2, lead_in=lead_in) for lead_in in (low, None, high)]
    together = make(engine, model, *takes)
    assert [samples.shape for samples in together] == [(1, round(1.2 * SAMPLE_RATE_HZ))] * 3
    apart = [make(engine, model, each)[0] for each in takes]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    for one, other in itertools.combinations(apart, 2):
        assert not np.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("model", ["music", "magnet-audio"])
def test_only_the_end_of_a_lead_in_is_heard(engine: AudiocraftEngine, model: str) -> None:
    # As long as the window, which therefore cannot hold it and the take.
    whole = sweep(WINDOW_SECONDS[model] + 3.0, SAMPLE_RATE_HZ, 1, 100)
    heard = {"music": 8.0, "audio": 4.0, "magnet-music": 0.7, "magnet-audio": 0.7}[model]
    end = Clip(whole.samples[:, -round(heard * SAMPLE_RATE_HZ) :], SAMPLE_RATE_HZ)
    less = Clip(end.samples[:, TOKEN_FRAMES * 3 :], SAMPLE_RATE_HZ)
    after = [make(engine, model, take(seconds=4.0, lead_in=clip))[0] for clip in (whole, end, less)]
    np.testing.assert_allclose(after[0], after[1], atol=1e-4)
    assert not np.allclose(after[0], after[2], atol=1e-3)


def test_lead_ins_have_any_rate_and_channels(engine: AudiocraftEngine) -> None:
    heard: list[Samples] = []
    engine.load("audio")
    codec = engine._loaded["audio"]._network.compression_model
    handle = codec.encoder.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0][0].numpy()))
    try:
        for rate_hz, channel_count in ((SAMPLE_RATE_HZ, 1), (44100, 2), (16000, 6)):
            make(engine, "audio", take(seconds=0.5, lead_in=sweep(1.05, rate_hz, channel_count, 100)))
        make(engine, "audio", take(seconds=0.5, lead_in=sweep(0.05, SAMPLE_RATE_HZ, 1, 100)))  # half a token: nothing
    finally:
        handle.remove()
    assert [samples.shape for samples in heard] == [(1, SAMPLE_RATE_HZ)] * 3
    for samples in heard[1:]:
        middle = slice(400, -400)
        assert np.sqrt(np.mean((samples - heard[0])[0, middle] ** 2)) < 0.02


def test_masked_attention_stays_within_its_context(engine: AudiocraftEngine) -> None:
    """MAGNeT's finer codebooks may look two tokens to each side, in each of its two layers."""
    network = language_model(engine, "magnet-music")
    conditions = torch.zeros(1, 1, 32), torch.ones(1, 1)
    sequence = torch.randint(0, 256, (1, 4, 30), generator=torch.Generator().manual_seed(1))
    changed = sequence.clone()
    changed[:, :, 15] = (changed[:, :, 15] + 1) % 256
    network.condition_provider(
        {"description": network.condition_provider.conditioners["description"].tokenize(["rain"])}
    )
    with torch.no_grad():
        near = [network(s, [], {"description": conditions}, stage=1)[0, 1] for s in (sequence, changed)]
        far = [network(s, [], {"description": conditions}, stage=0)[0, 0] for s in (sequence, changed)]
    assert torch.nonzero((near[0] - near[1]).abs().amax(dim=1) > 1e-6).flatten().tolist() == list(range(11, 20))
    assert ((far[0] - far[1]).abs().amax(dim=1) > 1e-6).all()


@pytest.fixture
def library() -> Any:
    from soundwright.services.generation.engines.audiocraft import library  # its libraries take seconds to load

    return library


@pytest.mark.usefixtures("library")
def test_attention_is_that_of_the_library_it_stands_for() -> None:
    generator = torch.Generator().manual_seed(1)
    query, key, value = torch.randn(3, 2, 7, 3, 4, generator=generator)  # [batch, time, heads, width]
    bias = torch.randn(2, 3, 7, 7, generator=generator)
    future = torch.full((7, 7), float("-inf")).triu(1)
    ops = sys.modules["xformers.ops"]
    for given, added in ((None, torch.zeros(7, 7)), (bias, bias), (ops.LowerTriangularMask(), future)):
        scores = torch.einsum("bqhw,bkhw->bhqk", query, key) / 2 + added
        expected = torch.einsum("bhqk,bkhw->bqhw", scores.softmax(-1), value)
        torch.testing.assert_close(ops.memory_efficient_attention(query, key, value, given), expected)


@pytest.mark.usefixtures("library")
def test_attention_does_not_plan_anew_at_each_token() -> None:
    from soundwright.services.generation.engines.audiocraft import library  # noqa: F401

    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_what_stands_in_during_the_import_is_gone_after_it() -> None:
    assert not {"torchaudio", "spacy", "flashy", "num2words", "audiocraft.solvers"} & set(sys.modules)
    with pytest.raises(AttributeError, match="torchaudio"):
        _ = sys.modules["audiocraft.modules.chroma"].torchaudio.transforms


def test_unloading_gives_the_memory_back(tiny_models: Path) -> None:
    engine = AudiocraftEngine(model_dir=tiny_models, device="cpu")
    (before,) = make(engine, "audio", take())
    network = language_model(engine, "audio")
    text_encoder = network.condition_provider.conditioners["description"].t5
    codec = engine._loaded["audio"]._network.compression_model
    memory = [weakref.ref(part) for part in (network, text_encoder, codec)]
    del network, text_encoder, codec
    engine.unload("audio")
    assert [part() for part in memory] == [None] * 3
    engine.unload("audio")
    (after,) = make(engine, "audio", take())
    np.testing.assert_array_equal(before, after)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("model", MODELS)
def test_a_gpu_computes_in_half_precision_and_is_given_back(tiny_models: Path, model: str) -> None:
    engine = AudiocraftEngine(model_dir=tiny_models, device="cuda:0")
    torch.ones(8, 8, device="cuda:0", dtype=torch.float16).mm(torch.ones(8, 8, device="cuda:0", dtype=torch.float16))
    occupied = torch.cuda.memory_allocated()  # with the 33 MiB that cuBLAS holds from the first product on
    network = language_model(engine, model)
    assert {parameter.dtype for parameter in network.transformer.parameters()} == {torch.float16}
    del network
    lead_in = sweep(1.5, 44100, 2, 100)
    takes = [
        take(seconds=1.5 * WINDOW_SECONDS[model], seed=seed, lead_in=lead) for seed, lead in ((1, None), (2, lead_in))
    ]
    together = make(engine, model, *takes)
    for samples, again in zip(together, make(engine, model, *takes), strict=True):
        assert samples.shape == (1, round(takes[0].duration_seconds * SAMPLE_RATE_HZ))
        assert np.isfinite(samples).all()
        assert np.abs(samples[0, -TOKEN_FRAMES:]).max() > 1e-4
        np.testing.assert_allclose(samples, again, atol=1e-3)
    assert not np.allclose(*together, atol=1e-2)
    engine.unload(model)
    assert torch.cuda.memory_allocated() <= occupied + 2**20
