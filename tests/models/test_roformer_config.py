"""Configurations of RoFormer networks: what the published ones mean, and that a hostile one does no harm."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from librosa import filters

from soundwright.kit.engines import ModelDeclaration
from soundwright.services.separation.engines.roformer.bands import mel_bands
from soundwright.services.separation.engines.roformer.config import (
    CONFIG_BYTES,
    RoformerConfig,
    UnsupportedConfig,
    parse_config,
)
from soundwright.services.separation.engines.roformer.models import CONFIGS, MODELS
from soundwright.services.separation.engines.roformer.network import Roformer
from tests.models import tiny_roformer as tiny

INSTRUMENTS = ("Lead Vocals", "other")


def refusal(content: str | bytes) -> str:
    with pytest.raises(UnsupportedConfig) as error:
        parse_config(content.encode() if isinstance(content, str) else content)
    return str(error.value)


@pytest.mark.parametrize("declared", MODELS, ids=lambda declared: declared.name)
def test_published_networks_have_the_sizes_of_the_published_files(declared: ModelDeclaration) -> None:
    """The files hold the parameters as float32, and per parameter less than 2 kB of names and padding."""
    config = CONFIGS[declared.name]
    with torch.device("meta"):
        parameters = list(Roformer(config).parameters())
    assert declared.size_bytes is not None
    surplus = declared.size_bytes - 4 * sum(parameter.numel() for parameter in parameters)
    assert 0 < surplus < 2_000 * len(parameters)
    assert declared.outputs == config.outputs


def test_a_published_configuration_is_read() -> None:
    text = tiny.config_text("bs", INSTRUMENTS, "Lead Vocals", mlp_expansion=2)
    assert "!!python/tuple" in text
    config = parse_config(text.encode())
    assert config == RoformerConfig(
        dim=16, depth=2, time_depth=1, freq_depth=2, head_count=2, head_dim=8, freqs_per_bands=tiny.BANDS, mask_depth=2,
        mlp_expansion=2, n_fft=128, hop_length=32, win_length=128, stems=("lead-vocals",), remainder="other",
        sample_rate_hz=tiny.RATE_HZ, channel_count=2, segment_frames=tiny.SEGMENT_FRAMES, overlap=0.5,
    )  # fmt: skip
    assert not config.is_mel
    document = yaml.safe_load(text.replace("!!python/tuple", ""))
    assert parse_config(json.dumps(document).encode()) == config


def test_the_defaults_are_those_of_the_training_code() -> None:
    text = "model: {dim: 8, depth: 1, num_bands: 60}\naudio: {chunk_size: 99999}\n"
    config = parse_config(f"{text}training: {{instruments: [vocals, drums, bass], target_instrument: bass}}".encode())
    assert (config.time_depth, config.head_count, config.mask_depth, config.channel_count) == (2, 8, 1, 1)
    assert (config.hop_length, config.sample_rate_hz, config.overlap, config.zero_dc) == (512, 44_100, 0.5, False)
    assert config.outputs == ("bass", "remainder")


@pytest.mark.parametrize(
    ("rate_hz", "n_fft", "count"), [(44_100, 2048, 60), (44_100, 2048, 128), (48_000, 4096, 60), (8_000, 128, 12)]
)
def test_mel_bands_are_those_of_the_reference(rate_hz: int, n_fft: int, count: int) -> None:
    config = CONFIGS["mel-band-roformer-vocals"].model_copy(
        update={"sample_rate_hz": rate_hz, "n_fft": n_fft, "mel_band_count": count}
    )
    bank = filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=count) > 0
    bank[0, 0] = bank[-1, -1] = True
    bands = mel_bands(config)
    assert len(bands) == count
    for band, row in zip(bands, bank, strict=True):
        np.testing.assert_array_equal(band, np.flatnonzero(row))


def test_mel_bands_without_bins_are_refused() -> None:
    config = CONFIGS["mel-band-roformer-vocals"].model_copy(update={"n_fft": 128})
    with pytest.raises(ValueError, match="60 mel bands do not cover 65 frequency bins"):
        mel_bands(config)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.mkdir [{trap}]", "model: !!python/object/apply:os.mkdir [{trap}]",
        "model: !!python/object/new:os.system ['mkdir {trap}']", "model: {{dim: !!python/name:os.mkdir ''}}",
        "model: {{dim: !!python/tuple {{a: b}}}}", "a: &a [x, x]\nb: &b [*a, *a]\nmodel: [*b, *b]",
        "model: {{<<: {{dim: 8}}, dim: &x 8, depth: *x}}", "[" * 20_000, "model: {{dim: " + "9" * 10_000 + "}}",
        "model: [1, 2]", "model: {{1: 2}}", "just text", "\x00", "model: {{dim: 8}}\n---\nmodel: {{dim: 8}}",
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused(tmp_path: Path, text: str) -> None:
    trap = tmp_path / "trap"
    before = os.environ.copy()
    assert refusal(text.format(trap=trap))
    assert not trap.exists()
    assert dict(os.environ) == before


def test_references_are_refused() -> None:
    """A few of them can stand for millions of values."""
    text = tiny.config_text("bs", INSTRUMENTS, "other")
    assert "\n  depth: 2\n" in text
    text = text.replace("\n  depth: 2\n", "\n  depth: &two 2\n")
    assert parse_config(text.encode()).depth == 2
    assert "plain values" in refusal(text.replace("mask_estimator_depth: 2", "mask_estimator_depth: *two"))


def test_a_file_that_is_too_large_or_no_text_is_refused() -> None:
    assert "larger than" in refusal(b"#" * (CONFIG_BYTES + 1))
    assert "plain values" in refusal(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dim": 10**9}, "dim: Input should be less than or equal to"),
        ({"dim": 2048, "depth": 48, "time_transformer_depth": 8, "freq_transformer_depth": 8}, "too large"),
        ({"depth": -1}, "depth"), ({"depth": 1.5}, "depth"), ({"depth": "2"}, "depth"), ({"depth": math.inf}, "depth"),
        ({"heads": 10**6}, "head_count"), ({"dim_head": 7}, "head_dim"), ({"mask_estimator_depth": 1000}, "mask_depth"),
        ({"mlp_expansion_factor": 99}, "mlp_expansion"), ({"stft_n_fft": 2**30}, "n_fft"),
        ({"stft_hop_length": 0}, "hop_length"), ({"stft_win_length": 4096}, "win_length <= n_fft"),
        ({"freqs_per_bands": (1,) * 10}, "must cover 65 bins"), ({"freqs_per_bands": (1,) * 10_000}, "freqs_per_bands"),
        ({"freqs_per_bands": (0, 65)}, "freqs_per_bands"), ({"num_bands": 12}, "either freqs_per_bands or num_bands"),
        ({"skip_connection": True}, "asks for skip_connection"),
        ({"linear_transformer_depth": 1}, "asks for linear_transformer_depth"),
        ({"use_pope": True}, "asks for use_pope"), ({"code": "import os"}, "code: Extra inputs are not permitted"),
        ({"num_stems": 10**6}, "target instrument"),
    ],
)  # fmt: skip
def test_a_configuration_out_of_bounds_is_refused_before_a_network_exists(
    changes: dict[str, object], words: str
) -> None:
    assert words in refusal(tiny.config_text("bs", INSTRUMENTS, "other", **changes))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"chunk_size: {tiny.SEGMENT_FRAMES}", "chunk_size: 999999999"),
        (f"chunk_size: {tiny.SEGMENT_FRAMES}", "chunk_size: 100"),
        (f"chunk_size: {tiny.SEGMENT_FRAMES}", "chunk_size: null"), (f"sample_rate: {tiny.RATE_HZ}", "sample_rate: 1"),
        ("num_overlap: 2", "num_overlap: 1000000"), ("num_overlap: 2", "num_overlap: 0"), ("- other", "- ../../other"),
        ("- other", "- Lead Vocals"), ("- other", "- 7"),
        ("target_instrument: Lead Vocals", "target_instrument: drums"),
        ("target_instrument: Lead Vocals", "target_instrument: [a]"),
        ("target_instrument: Lead Vocals", "target_instrument: null"),
    ],
)  # fmt: skip
def test_what_the_engine_cannot_read_is_refused(before: str, after: str) -> None:
    text = tiny.config_text("bs", INSTRUMENTS, "Lead Vocals")
    assert before in text
    assert refusal(text.replace(before, after))
