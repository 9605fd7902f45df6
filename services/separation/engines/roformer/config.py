"""The configuration of a network, as published beside its checkpoint. It is data from elsewhere: nothing in it is trusted.

Public configurations are YAML files of the training code, with the sections ``audio``, ``model``, ``training`` and
``inference``. Each number is bounded before a network is built, so that a configuration cannot exhaust the memory.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CONFIG_BYTES = 64_000
"""Limit of the size of a configuration file. Public ones have 1 to 5 kB."""

_SUFFIXES = (".yaml", ".yml", ".json")
_PARAMETER_LIMIT = 2_000_000_000
_TOKEN_LIMIT = 400_000  # bands times frames of a segment
_STEM_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_TRAINING_KEYS = {
    "attn_dropout",
    "dim_freqs_in",
    "ff_dropout",
    "flash_attn",
    "match_input_audio_length",
    "multi_stft_hop_size",
    "multi_stft_normalized",
    "multi_stft_resolution_loss_weight",
    "multi_stft_resolutions_window_sizes",
    "sage_attention",
    "use_torch_checkpoint",
}
_NAMES = {
    "freq_transformer_depth": "freq_depth",
    "time_transformer_depth": "time_depth",
    "heads": "head_count",
    "dim_head": "head_dim",
    "num_bands": "mel_band_count",
    "mask_estimator_depth": "mask_depth",
    "mlp_expansion_factor": "mlp_expansion",
    "stft_n_fft": "n_fft",
    "stft_hop_length": "hop_length",
    "stft_win_length": "win_length",
    "stft_normalized": "is_stft_normalized",
}
DEFAULT_BANDS = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)


class UnsupportedConfig(ValueError):
    """A configuration that is damaged, out of bounds, or of another architecture. The message is a sentence."""


class RoformerConfig(BaseModel):
    """Sizes of a network, and how it reads recordings.

    Attributes:
        dim: size of the features of a band.
        depth: pairs of transformers, one along time and one along bands, with ``time_depth`` and ``freq_depth`` layers.
        freqs_per_bands: frequency bins of each band of BS-RoFormer.
        mel_band_count: bands of Mel-Band RoFormer; 0 for BS-RoFormer.
        mask_depth: depth of the mask estimators, which means one hidden layer more in Mel-Band RoFormer.
        mlp_expansion: size of hidden layers of mask estimators relative to ``dim``.
        n_fft, hop_length, win_length, is_stft_normalized: the spectrogram.
        zero_dc: whether the lowest frequency bin of the stems is silent.
        remainder: name of the rest of the recording; empty if there is none.
        sample_rate_hz, channel_count: what the network reads.
        segment_frames: what the network reads at once.
        overlap: part of a window that the next one shares.
        is_level_normalised: whether recordings are scaled to mean 0 and standard deviation 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dim: int = Field(ge=8, le=2048)
    depth: int = Field(ge=1, le=48)
    time_depth: int = Field(2, ge=1, le=8)
    freq_depth: int = Field(2, ge=1, le=8)
    head_count: int = Field(8, ge=1, le=64)
    head_dim: int = Field(64, ge=2, le=256, multiple_of=2)
    freqs_per_bands: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = Field((), max_length=256)
    mel_band_count: int = Field(0, ge=0, le=256)
    mask_depth: int = Field(2, ge=1, le=4)
    mlp_expansion: int = Field(4, ge=1, le=8)
    n_fft: int = Field(2048, ge=64, le=16_384, multiple_of=2)
    hop_length: int = Field(512, ge=16)
    win_length: int = Field(2048, ge=64)
    is_stft_normalized: bool = False
    zero_dc: bool = False
    stems: tuple[str, ...] = Field(min_length=1, max_length=16)
    remainder: str = ""
    sample_rate_hz: int = Field(44_100, ge=8_000, le=192_000)
    channel_count: int = Field(2, ge=1, le=2)
    segment_frames: int
    overlap: float = Field(0.5, ge=0, le=0.95)
    is_level_normalised: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [*self.stems, *filter(None, [self.remainder])]
        if len(set(names)) < len(names) or not all(map(_STEM_NAME.fullmatch, names)):
            raise ValueError("the names of the stems must differ and consist of letters, digits and hyphens")
        if bool(self.freqs_per_bands) == bool(self.mel_band_count):
            raise ValueError("either freqs_per_bands or num_bands must be given")
        if self.freqs_per_bands and sum(self.freqs_per_bands) != self.bin_count:
            raise ValueError(f"freqs_per_bands must cover {self.bin_count} bins, not {sum(self.freqs_per_bands)}")
        if not self.hop_length <= self.win_length <= self.n_fft:
            raise ValueError("hop_length <= win_length <= n_fft does not hold")
        if not 4 * self.n_fft < self.segment_frames:
            raise ValueError("a segment must be longer than four times n_fft")
        if self.segment_frames // self.hop_length * self.band_count > _TOKEN_LIMIT:
            raise ValueError("segments are too long for the number of bands")
        if self._parameter_count() > _PARAMETER_LIMIT:
            raise ValueError("the network is too large")
        return self

    @property
    def is_mel(self) -> bool:
        """Whether this is a Mel-Band RoFormer."""
        return self.mel_band_count > 0

    @property
    def architecture(self) -> str:
        return "Mel-Band RoFormer" if self.is_mel else "BS-RoFormer"

    @property
    def band_count(self) -> int:
        return self.mel_band_count or len(self.freqs_per_bands)

    @property
    def bin_count(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def mask_hidden_layer_count(self) -> int:
        return self.mask_depth if self.is_mel else self.mask_depth - 1

    @property
    def window_frames(self) -> int:
        """Length of the windows that are faded into each other: a segment without what the spectrogram mirrors at its ends."""
        return self.segment_frames - 2 * self.n_fft

    @property
    def outputs(self) -> tuple[str, ...]:
        return (*self.stems, *filter(None, [self.remainder]))

    def _parameter_count(self) -> int:
        """Return an upper limit of the number of parameters. The bands of a mel scale cover each bin at most twice."""
        layer = 4 * self.dim * self.head_count * self.head_dim + 8 * self.dim * self.dim
        hidden = self.dim * self.mlp_expansion
        mask = self.band_count * (self.dim + self.mask_hidden_layer_count * hidden) * hidden
        mask += hidden * 16 * self.bin_count
        return self.depth * (self.time_depth + self.freq_depth) * layer + len(self.stems) * mask


def config_path(checkpoint: Path) -> Path | None:
    """Return the configuration beside a checkpoint: the file with the same name that is YAML or JSON. None without one."""
    paths = (checkpoint.with_suffix(suffix) for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def read_config(path: Path) -> bytes:
    """Return the content of a configuration file; one byte more than the limit of its size if it is larger."""
    with path.open("rb") as file:
        return file.read(CONFIG_BYTES + 1)


def parse_config(content: bytes) -> RoformerConfig:
    """Return the configuration in a YAML or JSON file.

    Raises ``UnsupportedConfig``: it is damaged, out of bounds, or of another architecture.
    """
    sections = _sections(content)
    model = {key: value for key, value in sections["model"].items() if key not in _TRAINING_KEYS}
    for key, neutral in {"linear_transformer_depth": 0, "skip_connection": False, "use_pope": False}.items():
        if model.pop(key, neutral) != neutral:
            raise UnsupportedConfig(f"The configuration asks for {key}, which is not supported.")
    is_stereo = model.pop("stereo", False)
    stem_count = model.pop("num_stems", 1)
    model = {_NAMES.get(key, key): value for key, value in model.items()}
    if "mel_band_count" in model:
        # The same defaults as in the training code, which differ between the two networks.
        model.setdefault("mask_depth", 1)
        model.setdefault("sample_rate_hz", model.pop("sample_rate", 44_100))
    else:
        bands = model.setdefault("freqs_per_bands", DEFAULT_BANDS)
        model["freqs_per_bands"] = tuple(bands) if isinstance(bands, list) else bands
        model.setdefault("sample_rate_hz", sections["audio"].get("sample_rate", 44_100))
    stems, remainder = _stem_names(sections["training"], stem_count)
    inference = sections["inference"]
    model |= {
        "stems": stems,
        "remainder": remainder,
        "channel_count": 2 if is_stereo else 1,
        "segment_frames": inference.get("chunk_size", sections["audio"].get("chunk_size")),
        "overlap": _overlap(inference.get("num_overlap", 2)),
        "is_level_normalised": inference.get("normalize", False),
    }
    try:
        return RoformerConfig(**model)
    except (ValidationError, TypeError) as error:
        raise UnsupportedConfig(f"The configuration is not supported: {_problem(error)}.") from error


class _Loader(yaml.SafeLoader):
    """Plain values and tuples. References to earlier values are refused, because they can multiply."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("references are not allowed")
        return super().compose_node(parent, index)


def _tuple(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.YAMLError("a tuple must be a sequence")
    return tuple(loader.construct_sequence(node))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)


def _sections(content: bytes) -> dict[str, dict[str, Any]]:
    if len(content) > CONFIG_BYTES:
        raise UnsupportedConfig(f"The configuration is larger than {CONFIG_BYTES} bytes.")
    try:
        document = yaml.load(content.decode(), _Loader)  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnsupportedConfig("The configuration is not a YAML file with plain values.") from error
    if not isinstance(document, dict) or "model" not in document:
        raise UnsupportedConfig("The configuration has no section 'model'.")
    sections = {name: document.get(name) or {} for name in ("audio", "model", "training", "inference")}
    for name, section in sections.items():
        if not isinstance(section, dict) or not all(isinstance(key, str) for key in section):
            raise UnsupportedConfig(f"The section {name!r} of the configuration is not a mapping.")
    return sections


def _stem_names(training: dict[str, Any], stem_count: object) -> tuple[tuple[str, ...], str]:
    """Return the names of the stems that the network estimates, and of the remainder."""
    instruments = training.get("instruments")
    if not isinstance(instruments, list | tuple) or not all(isinstance(name, str) for name in instruments):
        raise UnsupportedConfig("The configuration does not name its instruments.")
    names = [re.sub(r"[ _]+", "-", name.lower()) for name in instruments]
    if len(set(names)) < len(names):
        raise UnsupportedConfig("The configuration names an instrument twice.")
    target = training.get("target_instrument")
    if target is None:
        if stem_count != len(names):
            raise UnsupportedConfig("The configuration names other stems than the network has.")
        return tuple(names), "" if len(names) > 1 else "other"
    if stem_count != 1 or target not in instruments:
        raise UnsupportedConfig("The configuration has a target instrument that the network does not have.")
    stem = names[list(instruments).index(target)]
    others = [name for name in names if name != stem]
    return (stem,), others[0] if len(others) == 1 else "remainder"


def _overlap(count: object) -> float:
    """Return the overlap of windows from the number of windows that cover each frame."""
    if not isinstance(count, int) or not 1 <= count <= 20:
        raise UnsupportedConfig("num_overlap must be 1 to 20.")
    return 1 - 1 / count


def _problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "a key is not a name"
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(map(str, first["loc"]))[:80]
    return f"{key}: {first['msg']}" if key else first["msg"].removeprefix("Value error, ")
