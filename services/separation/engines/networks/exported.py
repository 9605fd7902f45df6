"""Networks that OpenVINO computes on a CPU. The only module that knows OpenVINO.

A network is exported once, which takes half a minute and about three times its memory, and compiled at each start, which
takes seconds. An exported network is a folder with one model per stage. https://docs.openvino.ai
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kit.scratch import process_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["CompiledStages", "Precision", "export", "is_installed", "version"]

Precision = Literal["float32", "bfloat16"]
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


def is_installed() -> bool:
    """Return whether OpenVINO is installed. There are packages for the common processors only."""
    return importlib.util.find_spec("openvino") is not None


def version() -> str:
    """Return the version of OpenVINO. Other versions may not read what this version exports."""
    return str(_openvino().__version__)


def _openvino() -> Any:
    # Importing OpenVINO sends a message to its developers, unless their package for that cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def export(modules: Mapping[str, nn.Module], examples: Mapping[str, tuple[Tensor, ...]], folder: Path) -> None:
    """Write a folder with the exported stages of a network. The folder appears at once, complete.

    Args:
        modules: the stages by name, on the CPU and in evaluation mode.
        examples: inputs of each stage. Exported stages accept inputs of these shapes only.
        folder: does nothing if it exists.
    """
    openvino = _openvino()
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    # The fused attention layers of PyTorch cannot be exported.
    torch.backends.mha.set_fastpath_enabled(False)
    frontend = FrontEndManager().load_by_framework("pytorch")
    with process_folder(folder.parent) as draft:
        for name, module in modules.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch and OpenVINO warn of each other's ways
                program = torch.export.export(module.eval(), examples[name], strict=False)
                # A variable, because the frontend holds no reference.
                decoder = TorchFXPythonDecoder.from_exported_program(program, dynamic_shapes=False)
                model = frontend.convert(frontend.load(decoder))
            shapes = [openvino.PartialShape(list(example.shape)) for example in examples[name]]
            model.reshape(dict(zip(model.inputs, shapes, strict=True)))
            openvino.save_model(model, draft / f"{name}.xml", compress_to_fp16=False)
        if not folder.exists():
            draft.rename(folder)


class CompiledStages:
    """The stages of an exported network, ready to run. Not safe to use from several threads at once.

    Args:
        folder: an exported network.
        precisions: the stages in their order, and the precision of each. A processor without bfloat16 uses float32.
        thread_count: CPU threads; None: all cores.

    Raises:
        RuntimeError: a file of the folder is damaged.
    """

    def __init__(self, folder: Path, precisions: Mapping[str, Precision], thread_count: int | None) -> None:
        core = _openvino().Core()
        has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        options: dict[str, Any] = {"NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
        if thread_count is not None:
            options["INFERENCE_NUM_THREADS"] = thread_count
        self._models: dict[str, Any] = {}
        self._requests: dict[str, Any] = {}
        for name, precision in precisions.items():
            hint = _HINTS[precision if has_bfloat16 else "float32"]
            model = core.compile_model(folder / f"{name}.xml", "CPU", {**options, "INFERENCE_PRECISION_HINT": hint})
            self._models[name], self._requests[name] = model, model.create_infer_request()

    def run(self, name: str, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return the outputs of a stage. They are valid until the stage runs again."""
        outputs = self._requests[name].infer(list(inputs), share_inputs=True, share_outputs=True)
        return list(outputs.values())

    def release(self) -> None:
        """Free the memory of the last run, which the next one allocates again."""
        for model in self._models.values():
            model.release_memory()
