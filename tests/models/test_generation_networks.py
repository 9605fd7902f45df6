"""What an engine process does with real networks, small and random ones: settings reach the engine, files are made."""

from pathlib import Path

import numpy as np
import soundfile
import torch

from soundwright.kit.engines import ModelSelection
from soundwright.services.generation.finishing import FinishOrder, finish
from soundwright.services.generation.registry import Registry, build_registry
from soundwright.services.generation.seams import JOIN_SECONDS
from soundwright.services.generation.service import Take
from soundwright.services.generation.settings import GenerationSettings
from soundwright.services.generation.takes import TakeOrder, make_takes
from tests.models.tiny_audiocraft import SAMPLE_RATE_HZ


def registry_of(tiny_models: Path) -> Registry:
    # The threads of the process stay as they are, for the tests of others.
    return build_registry(
        GenerationSettings(
            generation_model_dir=tiny_models, generation_device="cpu", generation_thread_count=torch.get_num_threads()
        )
    )


def ignore(share: float) -> None:
    pass


def test_networks_make_takes_of_the_asked_length_that_go_on_from_a_clip(tiny_models: Path, tmp_path: Path) -> None:
    registry = registry_of(tiny_models)
    assert registry.present_models() == {"music", "audio", "magnet-music", "magnet-audio"}
    first = TakeOrder(Take("calm piano", 2.0, 1), tmp_path / "first.npy")
    other = TakeOrder(Take("loud piano", 2.0, 2), tmp_path / "other.npy")
    batch = make_takes(registry, ignore, model="music", orders=[first, other])
    assert batch.selection == ModelSelection("audiocraft", "music", "music", "facebook/musicgen-small")
    assert [made.sample_rate_hz for made in batch.takes] == [SAMPLE_RATE_HZ] * 2
    samples = np.load(first.file)
    assert samples.shape[1] == 2 * SAMPLE_RATE_HZ
    assert not np.array_equal(samples, np.load(other.file))

    before = tmp_path / "before.wav"
    soundfile.write(before, samples[0], SAMPLE_RATE_HZ, subtype="PCM_16")
    more = TakeOrder(Take("calm piano", 1.0 + JOIN_SECONDS, 3), tmp_path / "more.npy", before, JOIN_SECONDS)
    make_takes(registry, ignore, model="music", orders=[more])
    order = FinishOrder(
        take=more.file, sample_rate_hz=SAMPLE_RATE_HZ, duration_seconds=1.0, before=before, loop_fade_seconds=0.0,
        audio=tmp_path / "audio.wav", picture=tmp_path / "spectrogram.png",
    )  # fmt: skip
    clip = finish(None, ignore, order=order)
    assert clip.frame_count == 3 * SAMPLE_RATE_HZ
    assert soundfile.info(order.audio).frames == 3 * SAMPLE_RATE_HZ
    assert order.picture.exists()
