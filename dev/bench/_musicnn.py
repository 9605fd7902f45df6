"""Tags music with musicnn (J. Pons, X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", 2019).

The package ``musicnn`` contains the weights as checkpoints of TensorFlow. Only these files are read, as data: no code of the package
runs, and TensorFlow is not needed. The network is our own code. It is installed by hand:

    .venv/bin/uv pip install --python .venv/bin/python --no-deps musicnn==0.1.0
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from soundwright.kit.weights import read_verified

Samples = NDArray[np.float32]

RATE_HZ = 16_000
_WINDOW_FRAMES = 187  # 3 s, as in training
_SHA256 = {
    "MTT": "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
    "MSD": "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
}
# The tags of the two data sets that the networks were trained with: MagnaTagATune and the Million Song Dataset.
_TAGS = {
    "MTT": (
        "guitar, classical, slow, techno, strings, drums, electronic, rock, fast, piano, ambient, beat, violin, vocal, synth, female, indian,"
        " opera, male, singing, vocals, no vocals, harpsichord, loud, quiet, flute, woman, male vocal, no vocal, pop, soft, sitar, solo, man,"
        " classic, choir, voice, new age, dance, male voice, female vocal, beats, harp, cello, no voice, weird, country, metal, female voice,"
        " choral"
    ),
    "MSD": (
        "rock, pop, alternative, indie, electronic, female vocalists, dance, 00s, alternative rock, jazz, beautiful, metal, chillout,"
        " male vocalists, classic rock, soul, indie rock, mellow, electronica, 80s, folk, 90s, chill, instrumental, punk, oldies, blues,"
        " hard rock, ambient, acoustic, experimental, female vocalist, guitar, hip-hop, 70s, party, country, easy listening, sexy, catchy,"
        " funk, electro, heavy metal, progressive rock, 60s, rnb, indie pop, sad, house, happy"
    ),
}


class Tagger:
    """Both networks of the package."""

    def __init__(self) -> None:
        folder = Path(str(importlib.metadata.distribution("musicnn").locate_file("musicnn")))
        self._networks = {name: _checkpoint(folder / f"{name}_musicnn", _SHA256[name]) for name in _TAGS}

    def tags(self, mono: Samples) -> Mapping[str, float]:
        """Return the probability of each tag, as ``MTT: guitar``, for at least 3 s of audio at 16 kHz, float32 [frames]."""
        power = librosa.feature.melspectrogram(y=mono, sr=RATE_HZ, n_fft=512, hop_length=256, n_mels=96)
        frames = np.log10(10_000.0 * power.T + 1.0).astype(np.float32)
        starts = range(0, len(frames) - _WINDOW_FRAMES + 1, _WINDOW_FRAMES)
        windows = torch.from_numpy(np.stack([frames[start : start + _WINDOW_FRAMES] for start in starts]))
        with torch.inference_mode():
            return {
                f"{name}: {tag}": float(value)
                for name, network in self._networks.items()
                for tag, value in zip(
                    _TAGS[name].split(", "), _probabilities(network, windows).mean(dim=0).tolist(), strict=True
                )
            }


def _probabilities(weights: Mapping[str, Tensor], windows: Tensor) -> Tensor:
    """Return the probabilities of all tags for spectrograms [windows, frames, mels]."""

    def name(kind: str, number: int) -> str:
        return f"{kind}_{number}" if number else kind

    def normalised(inputs: Tensor, number: int) -> Tensor:
        prefix = name("batch_normalization", number)
        mean, variance, scale, shift = (
            weights[f"{prefix}/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return functional.batch_norm(inputs, mean, variance, scale, shift, eps=1e-3)

    def convolved(inputs: Tensor, number: int, before: int, after: int) -> Tensor:
        kernel, bias = weights[f"{name('conv2d', number)}/kernel"], weights[f"{name('conv2d', number)}/bias"]
        padded = functional.pad(inputs, (0, 0, before, after))
        return normalised(functional.relu(functional.conv2d(padded, kernel.permute(3, 2, 0, 1), bias)), number + 1)

    def dense(inputs: Tensor, number: int) -> Tensor:
        return inputs @ weights[f"{name('dense', number)}/kernel"] + weights[f"{name('dense', number)}/bias"]

    spectrum = normalised(windows[:, None], 0)
    padding = ((3, 3), (3, 3), (63, 64), (31, 32), (15, 16))
    fronts = [convolved(spectrum, number, *sides).amax(dim=3) for number, sides in enumerate(padding)]
    layers = [torch.cat(fronts, dim=1)]
    for number in (5, 6, 7):
        after = convolved(layers[-1].transpose(1, 2)[:, None], number, 3, 3)[..., 0]
        layers.append(after if number == 5 else after + layers[-1])
    features = torch.cat(layers, dim=1)
    pooled = torch.stack([features.amax(dim=2), features.mean(dim=2)], dim=2).flatten(1)
    return torch.sigmoid(dense(normalised(functional.relu(dense(normalised(pooled, 9), 0)), 10), 1))


def _checkpoint(folder: Path, sha256: str) -> Mapping[str, Tensor]:
    """Return the parameters in a checkpoint of TensorFlow, without those of the optimiser."""
    content = read_verified(folder / ".data-00000-of-00001", sha256, "musicnn")
    parameters = {}
    for name, shape, offset, size in _entries((folder / ".index").read_bytes()):
        if shape and "Adam" not in name:
            values = np.frombuffer(content[offset : offset + size], dtype="<f4").reshape(shape)
            parameters[name] = torch.from_numpy(values.copy())
    return parameters


def _entries(index: bytes) -> Iterator[tuple[str, tuple[int, ...], int, int]]:
    """Yield name, shape, offset and size of each array in an index: an SSTable, whose values are protocol buffers."""
    place, blocks = 0, index[-48:]
    _, place = _varint(blocks, 0)
    _, place = _varint(blocks, place)
    begin, place = _varint(blocks, place)
    length, _ = _varint(blocks, place)
    for _, handle in _block(index[begin : begin + length]):
        start, after = _varint(handle, 0)
        size, _ = _varint(handle, after)
        for key, value in _block(index[start : start + size]):
            if key:  # the empty key is the header
                fields = _message(value)
                dims = _message(bytes(fields.get(2, [b""])[0])).get(2, [])
                shape = tuple(int(_message(bytes(dim))[1][0]) for dim in dims)
                yield key.decode(), shape, int(fields.get(4, [0])[0]), int(fields.get(5, [0])[0])


def _block(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block. Each key repeats the beginning of the one before."""
    restarts = int.from_bytes(block[-4:], "little")
    key, place = b"", 0
    while place < len(block) - 4 * (restarts + 1):
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        size, place = _varint(block, place)
        key = key[:shared] + block[place : place + own]
        yield key, block[place + own : place + own + size]
        place += own + size


def _message(data: bytes) -> dict[int, list[int | bytes]]:
    """Return the fields of a protocol buffer by number. Fixed numbers of 32 bits, the checksums, are left out."""
    fields: dict[int, list[int | bytes]] = {}
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        if tag & 7 == 5:
            place += 4
            continue
        value: int | bytes
        value, place = _varint(data, place)
        if tag & 7 == 2:
            size = value
            value, place = data[place : place + size], place + size
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number, and the position after it."""
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place
