"""Exports networks of PyTorch for OpenVINO, which computes them on a CPU (``soundwright.kit.compiled_model``).

A network is exported once on a machine, which takes half a minute and about three times its memory, and compiled at each
start, which takes seconds. An exported network is a folder. https://docs.openvino.ai
"""

import contextlib
import fcntl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from soundwright.kit import compiled_model
from soundwright.kit.scratch import process_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

FILE = "network.xml"
_LOCK = ".lock"


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Wait until no other process of this machine exports networks to ``folder``, and keep others waiting inside the block.

    Raises ``OSError``: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def export(module: "nn.Module", examples: "tuple[Tensor, ...]", folder: Path) -> None:
    """Write a folder with an exported network. The folder appears at once, complete.

    Args:
        module: the network, on the CPU. Where its tensors have bfloat16, it computes in bfloat16.
        examples: its inputs. The exported network accepts inputs of these shapes only.
        folder: does nothing if it exists.
    """
    if folder.exists():
        return
    openvino = compiled_model.openvino()
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    # The fused attention layers of PyTorch cannot be exported.
    torch.backends.mha.set_fastpath_enabled(False)
    frontend = FrontEndManager().load_by_framework("pytorch")
    with process_folder(folder.parent) as draft:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch and OpenVINO warn of each other's ways
            program = torch.export.export(module.eval(), examples, strict=False)
            # A variable, because the frontend holds no reference.
            decoder = TorchFXPythonDecoder.from_exported_program(program, dynamic_shapes=False)
            model = frontend.convert(frontend.load(decoder))
        shapes = [openvino.PartialShape(list(example.shape)) for example in examples]
        model.reshape(dict(zip(model.inputs, shapes, strict=True)))
        openvino.save_model(model, draft / FILE, compress_to_fp16=False)
        if not folder.exists():
            draft.rename(folder)
