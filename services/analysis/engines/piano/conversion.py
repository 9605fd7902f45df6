"""Reads the weights of the piano network from the file of the package ``transkun``.

The file was written by ``torch.save``. PyTorch reads it as tensors and plain values, and refuses everything else. This module
imports PyTorch when it reads.
"""

import io
import re
from collections.abc import Mapping

from soundwright.kit.packaged_weights import Arrays

# The names of the package, and ours.
_NAMES: Mapping[str, str] = {
    r"framewiseFeatureExtractor\.freq2mels": "spectrum.mel_filters",
    r"framewiseFeatureExtractor\.spectrogramExtractor\.win": "spectrum.window",
    r"framewiseFeatureExtractor\.spectrogramExtractor\.winGen\.(sigma|center)": r"spectrum.\1",
    r"backbone\.posEmbedBuilder\.(.+)": r"bin_places.\1",
    r"backbone\.posEmbedBuilderAttnTF\.(.+)": r"patch_places.\1",
    r"backbone\.posEmbedBuilderAttnTE\.(.+)": r"key_places.\1",
    r"backbone\.inputConv\.(.+)": r"first.\1",
    r"backbone\.downConv\.(.+)": r"patches.\1",
    r"backbone\.upConv1dSkip\.(.+)": r"frames.\1",
    r"backbone\.encoderLayers\.(\d+)\.mhaBlockF\.(?:module\.)?(.+)": r"layers.\1.bin_attention.\2",
    r"backbone\.encoderLayers\.(\d+)\.fnnBlockF\.(?:module\.)?(.+)": r"layers.\1.bin_perceptron.\2",
    r"backbone\.encoderLayers\.(\d+)\.mhaBlockT\.(?:module\.)?(.+)": r"layers.\1.time_attention.\2",
    r"backbone\.encoderLayers\.(\d+)\.fnnBlockT\.(?:module\.)?(.+)": r"layers.\1.time_perceptron.\2",
    r"scorer\.map\.0\.(.+)": r"scores.\1",
    r"velocityPredictor\.(.+)": r"velocity.\1",
    r"refinedOFPredictor\.(.+)": r"edges.\1",
}


def read_network(contents: tuple[bytes, ...]) -> Arrays:
    """Return the parameters of the network, with our names.

    Raises ``pickle.UnpicklingError``: the file contains something other than tensors and plain values.
    """
    import torch

    (content,) = contents
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)["state_dict"]
    return {_our_name(name): tensor.numpy() for name, tensor in state.items()}


def _our_name(name: str) -> str:
    for pattern, ours in _NAMES.items():
        if found := re.fullmatch(pattern, name):
            return found.expand(ours)
    raise ValueError(f"The network has no parameter {name}.")
